"""Profiles that a suite empties with aiida-core's fixtures under ``--aiida-temp``."""

from __future__ import annotations

import pytest

TOOLS = 'pytest_plugins = ["aiida.tools.pytest_fixtures"]'
DEPRECATED = 'pytest_plugins = ["aiida.manage.tests.pytest_fixtures"]'


def test_what_a_wide_fixture_empties_is_empty_until_its_scope_ends(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(f"""
        import pytest
        from nodes import store
        {TOOLS}

        @pytest.fixture(scope='session', autouse=True)
        def data(aiida_profile):
            store()
    """)
    module = """
        import pytest
        from nodes import count, store

        @pytest.fixture(scope='module', autouse=True)
        def emptied(aiida_profile):
            aiida_profile.reset_storage()
            store()

        def test_one():
            assert store() == 2

        def test_clean(aiida_profile_clean):
            assert count() == 0

        def test_two():
            assert store() == 2
    """
    pytester.makepyfile(
        test_a=module,
        test_b="""
        from nodes import count

        def test_data_is_back():
            assert count() == 1
        """,
        test_c=module,
    )

    pytester.runpytest_inprocess('--aiida-temp').assert_outcomes(passed=7)


def test_the_deprecated_fixtures_empty_the_storage_as_they_say(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(DEPRECATED)
    pytester.makepyfile("""
        import pytest
        from nodes import count, store

        @pytest.fixture(scope='module', autouse=True)
        def data(aiida_profile):
            store()

        def test_before(clear_database_before_test):
            assert count() == 0

        def test_after(clear_database_after_test):
            assert count() == 1

        def test_alias(clear_database):
            assert count() == 1

        def test_clear_profile(aiida_profile):
            aiida_profile.clear_profile()
            assert count() == 0

        class TestClass:
            def test_one(self, clear_database_before_test_class):
                assert store() == 1

            def test_two(self, clear_database_before_test_class):
                assert store() == 2

        def test_last(aiida_profile_clean, aiida_test_profile, aiida_instance):
            assert count() == 0
            assert aiida_test_profile is None
            assert aiida_instance.profile_names
    """)

    pytester.runpytest_inprocess('--aiida-temp', '-W', 'ignore').assert_outcomes(passed=7)


def test_the_configuration_can_be_copied_and_the_storage_emptied_in_the_copy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import copy
        from aiida.manage import configuration
        from nodes import count, store

        def test_copy(aiida_temp_profile, monkeypatch):
            copied = copy.deepcopy(configuration.CONFIG)
            monkeypatch.setattr(configuration, 'CONFIG', copied)
            profile = copied.get_profile(aiida_temp_profile.name)
            profile.set_option('warnings.development_version', True)
            assert profile is not aiida_temp_profile and profile.uuid == aiida_temp_profile.uuid
            assert aiida_temp_profile.get_option('warnings.development_version') is False
            store()
            aiida_temp_profile.reset_storage()
            assert configuration.CONFIG is copied
            assert count() == 0
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_another_profile_is_emptied_without_being_loaded(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(TOOLS)
    pytester.makepyfile("""
        from aiida.manage import get_manager
        from aiida.manage.configuration import profile_context
        from nodes import count, store

        def test_other(aiida_profile, aiida_config, aiida_profile_factory):
            store()
            with aiida_profile_factory(aiida_config) as inner:
                store()
                aiida_profile.reset_storage()
                assert get_manager().get_profile() is inner
                assert count() == 1
            assert count() == 0
    """)

    pytester.runpytest_inprocess('--aiida-temp').assert_outcomes(passed=1)
