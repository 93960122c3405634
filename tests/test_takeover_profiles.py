"""Profiles that a suite makes and loads with aiida-core's fixtures under ``--aiida-temp``."""

from __future__ import annotations

import pytest

TOOLS = 'pytest_plugins = ["aiida.tools.pytest_fixtures"]'


def test_further_profiles_are_apart_and_give_back_what_was_loaded(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(TOOLS)
    pytester.makepyfile("""
        import pytest
        from aiida import load_profile
        from aiida.manage import get_config, get_manager
        from aiida.manage.configuration import profile_context
        from nodes import count, store

        @pytest.fixture(scope='module', autouse=True)
        def data(aiida_profile):
            store()

        def test_tmp(aiida_profile, aiida_profile_tmp, aiida_config_tmp):
            assert get_manager().get_profile() is aiida_profile_tmp is not aiida_profile
            assert get_config() is aiida_config_tmp
            assert store() == 1

        def test_factory(aiida_profile, aiida_config, aiida_profile_factory):
            with aiida_profile_factory(aiida_config, name='first', email='a@b.c') as first:
                assert first.name == 'first' and 'first' in get_config().profile_names
                assert first.default_user_email == 'a@b.c'
                assert store() == 1
                with pytest.raises(ValueError, match="'first' exists already"), aiida_profile_factory(
                    aiida_config, name='first'
                ):
                    pass
                with aiida_profile_factory(aiida_config) as second:
                    assert count() == 0
                assert get_manager().get_profile() is first and count() == 1
                with profile_context(aiida_profile, allow_switch=True):
                    assert count() == 1
                    store()
                assert count() == 1
                first.reset_storage()
                assert count() == 0
            assert get_manager().get_profile() is aiida_profile
            assert get_config() is aiida_config and 'first' not in get_config().profile_names
            assert store() == 3

        def test_left_open(aiida_config, aiida_profile_factory):
            test_left_open.context = aiida_profile_factory(aiida_config)
            test_left_open.context.__enter__()
            assert store() == 1

        def test_after(aiida_profile):
            assert get_manager().get_profile() is aiida_profile
            get_manager().reset_profile()
            assert store() == 2
            load_profile()
            assert count() == 2

        def test_last():
            assert store() == 2
    """)

    pytester.runpytest_inprocess('--aiida-temp').assert_outcomes(passed=5)


def test_tests_are_isolated_on_a_profile_that_a_wide_fixture_makes(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(f"""
        import pytest
        from nodes import store
        {TOOLS}

        @pytest.fixture(scope='session', autouse=True)
        def aiida_profile(aiida_config, aiida_profile_factory):
            with aiida_profile_factory(aiida_config, name='of-the-suite') as profile:
                store()
                yield profile
    """)
    pytester.makepyfile(
        test_a="""
        import pytest
        from aiida.manage import get_manager
        from nodes import store

        @pytest.fixture(scope='module', autouse=True)
        def of_module(aiida_config, aiida_profile_factory):
            with aiida_profile_factory(aiida_config, name='of-the-module') as profile:
                store()
                store()
                yield profile

        @pytest.mark.parametrize('number', range(2))
        def test_module(number, aiida_temp_profile):
            assert get_manager().get_profile().name == aiida_temp_profile.name == 'of-the-module'
            assert store() == 3
        """,
        test_b="""
        import pytest
        from aiida.manage import get_manager
        from nodes import store

        @pytest.fixture(scope='session')
        def late():
            store()

        def test_session(aiida_profile, aiida_temp_profile):
            assert aiida_profile is aiida_temp_profile is get_manager().get_profile()
            assert store() == 2

        def test_session_late(request):
            assert store() == 2
            request.getfixturevalue('late')
            assert store() == 4

        def test_session_after_late():
            assert store() == 3
        """,
    )

    pytester.runpytest_inprocess('--aiida-temp').assert_outcomes(passed=5)


def test_a_profile_made_late_is_what_later_tests_run_on(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(TOOLS)
    pytester.makepyfile("""
        import pytest
        from aiida.manage import get_manager
        from nodes import store

        @pytest.fixture(scope='session')
        def late(aiida_config, aiida_profile_factory):
            with aiida_profile_factory(aiida_config, name='late') as profile:
                store()
                yield profile

        def test_before():
            assert store() == 1

        def test_asks_while_it_runs(request):
            store()
            profile = request.getfixturevalue('late')
            assert get_manager().get_profile() is profile
            assert store() == 2

        def test_after():
            assert get_manager().get_profile().name == 'late'
            assert store() == 2
    """)

    pytester.runpytest_inprocess('--aiida-temp').assert_outcomes(passed=3)


def test_a_storage_that_keeps_no_nodes_of_tests_is_the_real_one(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(TOOLS)
    pytester.makepyfile("""
        import pytest
        from aiida import orm
        from aiida.manage import get_manager
        from aiida.tools.archive import create_archive
        from nodes import count, store

        @pytest.fixture(scope='module')
        def archive(aiida_profile, tmp_path_factory):
            path = tmp_path_factory.mktemp('archive') / 'one.aiida'
            create_archive([orm.Int(5).store()], filename=path)
            return path

        def test_archive(aiida_config, aiida_profile_factory, archive, aiida_profile):
            from aiida.storage.sqlite_zip.backend import SqliteZipBackend
            with aiida_profile_factory(
                aiida_config, storage_backend='core.sqlite_zip', storage_config={'filepath': str(archive)}
            ):
                assert isinstance(get_manager().get_profile_storage(), SqliteZipBackend)
            assert get_manager().get_profile() is aiida_profile

        def test_after(archive):
            assert store() == 2
    """)

    pytester.runpytest_inprocess('--aiida-temp').assert_outcomes(passed=2)


def test_a_profile_on_disk_that_the_suite_itself_loads_is_used_and_warned_of(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(f"""
        import pytest
        {TOOLS}

        @pytest.fixture(scope='session', autouse=True)
        def on_disk(aiida_config, tmp_path_factory):
            from aiida.manage import get_manager
            from aiida.manage.configuration import create_profile
            folder = tmp_path_factory.mktemp('storage')
            profile = create_profile(
                aiida_config, name='disk', email='a@b.c', storage_backend='core.sqlite_dos',
                storage_config={{'filepath': str(folder)}}
            )
            get_manager().load_profile(profile, allow_switch=True)
            yield profile
            get_manager().unload_profile()
    """)
    pytester.makepyfile("""
        from aiida.manage import get_manager
        from nodes import count, store

        def test_one():
            assert get_manager().get_profile().name == 'disk'
            assert store() == 1

        def test_two():
            assert get_manager().get_profile().name == 'disk'
            assert store() == 2

        def test_three(aiida_temp_profile):
            assert get_manager().get_profile() is aiida_temp_profile
            assert store() == 1

        def test_four():
            assert get_manager().get_profile().name == 'disk'
            assert count() == 2
    """)

    result = pytester.runpytest_inprocess('--aiida-temp')

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        ["*IsolationWarning: The session-scoped fixture 'on_disk' has loaded the profile 'disk'*"]
    )


def test_a_configuration_of_the_suite_stays_in_use(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(f"""
        import pytest
        {TOOLS}

        @pytest.fixture(scope='session', autouse=True)
        def aiida_config(aiida_config_factory, tmp_path_factory):
            with aiida_config_factory(tmp_path_factory.mktemp('config')) as config:
                config.set_option('logging.aiida_loglevel', 'DEBUG')
                yield config
    """)
    pytester.makepyfile("""
        import copy
        import pytest
        from aiida import load_profile
        from aiida.manage import configuration, get_config, get_manager
        from nodes import count, store

        @pytest.fixture(autouse=True, scope='module')
        def other_config(aiida_config, aiida_config_factory, tmp_path_factory):
            with aiida_config_factory(tmp_path_factory.mktemp('module')) as config:
                yield config

        def test_of_module(other_config, aiida_config):
            assert get_config() is other_config is not aiida_config
            assert store() == 1

        def test_again(other_config, aiida_config, aiida_profile):
            assert get_config() is other_config
            assert aiida_profile.name in aiida_config.profile_names
            assert aiida_profile.get_option('logging.aiida_loglevel') != 'DEBUG'
            assert store() == 1

        def test_profile_of_a_test(aiida_config_tmp, aiida_profile_factory):
            with aiida_profile_factory(aiida_config_tmp) as profile:
                assert get_config() is aiida_config_tmp
                assert load_profile(profile.name) is profile
            assert get_config() is aiida_config_tmp

        def test_last(other_config):
            assert get_config() is other_config
            assert store() == 1
    """)

    pytester.runpytest_inprocess('--aiida-temp').assert_outcomes(passed=4)


def test_a_failing_test_is_torn_down_on_the_profile_it_ran_on(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(f"""
        import pytest
        {TOOLS}

        @pytest.fixture(scope='session', autouse=True)
        def aiida_profile(aiida_config, aiida_profile_factory):
            with aiida_profile_factory(aiida_config, name='of-the-suite') as profile:
                yield profile
    """)
    pytester.makepyfile("""
        import pytest
        from aiida.manage import get_manager
        from nodes import count, store

        @pytest.fixture
        def data(aiida_profile):
            store()
            yield
            assert get_manager().get_profile() is aiida_profile
            assert count() == 1

        def test_fails(data):
            raise KeyError

        def test_skips(data):
            pytest.skip('in mid-test')
    """)

    pytester.runpytest_inprocess('--aiida-temp').assert_outcomes(failed=1, skipped=1)


def test_a_profile_of_the_suite_is_the_default_one(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(TOOLS)
    pytester.makepyfile("""
        from aiida import load_profile
        from aiida.manage import get_config, get_manager

        def test_default(aiida_profile, aiida_config, aiida_profile_factory):
            with aiida_profile_factory(aiida_config, name='one') as one:
                assert get_config().default_profile_name == 'one'
                with aiida_profile_factory(aiida_config, name='two'):
                    assert get_config().default_profile_name == 'one'
                get_manager().unload_profile()
                assert load_profile() is one
            assert get_config().default_profile_name == aiida_profile.name
    """)

    pytester.runpytest_inprocess('--aiida-temp').assert_outcomes(passed=1)
