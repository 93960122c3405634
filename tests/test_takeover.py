"""aiida-core's own fixtures under ``--aiida-temp``."""

from __future__ import annotations

import importlib
from importlib.metadata import version

import pytest

from pytest_aiida_temp import temp_profile
from pytest_aiida_temp.takeover import served

MODULES = ['aiida.tools.pytest_fixtures', 'aiida.manage.tests.pytest_fixtures']


def _is_fixture(value: object) -> bool:
    before_pytest_8_4 = hasattr(value, '_pytestfixturefunction')
    return before_pytest_8_4 or type(value).__name__ == 'FixtureFunctionDefinition'


@pytest.mark.parametrize('name', MODULES)
@pytest.mark.filterwarnings('ignore:The module .* is deprecated')
def test_each_fixture_of_the_installed_aiida_core_is_served_or_left_alone_on_purpose(name: str) -> None:
    with temp_profile():
        module = importlib.import_module(name)
    fixtures = {name for name, value in vars(module).items() if _is_fixture(value)}

    left = fixtures - set(served.SERVED) - set(served.SERVED_FOR_DEPRECATED) - set(served.LEFT_ALONE)

    assert len(fixtures) > 10
    assert not left, f'new in aiida-core {version("aiida-core")}'


CONFTESTS = {
    'tools': 'pytest_plugins = ["aiida.tools.pytest_fixtures"]',
    'deprecated': 'pytest_plugins = ["aiida.manage.tests.pytest_fixtures"]',
    'imported': 'from aiida.tools.pytest_fixtures import *',
    'psql': """
        import pytest
        pytest_plugins = ["aiida.tools.pytest_fixtures"]

        @pytest.fixture(scope='session')
        def aiida_profile(aiida_config, aiida_profile_factory, config_psql_dos):
            with aiida_profile_factory(
                aiida_config, storage_backend='core.psql_dos', storage_config=config_psql_dos(), name='mine'
            ) as profile:
                yield profile
    """,
    'deprecated psql': """
        import pytest
        pytest_plugins = ["aiida.manage.tests.pytest_fixtures"]

        @pytest.fixture(scope='session', autouse=True)
        def aiida_profile(aiida_profile_factory, config_psql_dos):
            yield aiida_profile_factory(config_psql_dos({}))
    """,
}


@pytest.mark.parametrize('conftest', CONFTESTS.values(), ids=CONFTESTS.keys())
def test_a_suite_runs_on_the_ephemeral_profile_however_it_loads_the_fixtures(
    pytester: pytest.Pytester, conftest: str
) -> None:
    pytester.makeconftest(conftest)
    pytester.makepyfile("""
        import pytest
        from aiida.manage import get_config, get_manager
        from nodes import store

        @pytest.fixture(scope='module')
        def data(aiida_profile):
            return store()

        def test_one(aiida_profile):
            assert aiida_profile is get_manager().get_profile()
            assert aiida_profile.storage_backend == 'aiida_temp.sqlite'
            assert aiida_profile.name in get_config().profile_names
            assert store() == 1

        def test_two():
            assert store() == 1

        def test_data(data):
            assert store() == 2

        def test_clean(data, aiida_profile_clean):
            assert store() == 1

        def test_after(data):
            assert store() == 2

        def test_local(aiida_localhost, data):
            assert aiida_localhost.label.startswith('localhost')

        class TestClass:
            def test_one(self, aiida_profile_clean_class):
                assert store() == 1

            def test_two(self, aiida_profile_clean_class):
                assert store() == 2

        def test_last():
            assert store() == 2
    """)

    pytester.runpytest_inprocess(
        '--aiida-temp', '-W', 'error::pytest_aiida_temp.isolation.IsolationWarning'
    ).assert_outcomes(passed=9)


def test_a_test_can_be_run_on_the_own_fixtures_of_the_suite(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import pytest
        from nodes import store
        pytest_plugins = ["aiida.tools.pytest_fixtures"]

        @pytest.fixture(scope='session')
        def data(aiida_profile):
            return store()
    """)
    pytester.makepyfile("""
        import pytest
        from aiida.manage import get_manager
        from nodes import count, store

        own = pytest.mark.aiida_temp(profile=False)

        def backend():
            return get_manager().get_profile().storage_backend

        def test_ephemeral(data):
            assert backend() == 'aiida_temp.sqlite'
            assert store() == 2

        @own
        def test_own(data):
            assert backend() == 'core.sqlite_dos'
            assert store() == 2

        @own
        def test_own_is_not_reset(data):
            assert store() == 3

        @own
        def test_own_is_emptied(data, aiida_profile_clean):
            assert store() == 1

        def test_ephemeral_again(data, aiida_profile):
            assert backend() == 'aiida_temp.sqlite'
            assert store() == 2

        def test_ephemeral_is_reset(data):
            assert store() == 2

        @own
        def test_own_is_made_anew(data):
            assert backend() == 'core.sqlite_dos'
            assert count() == 1
    """)

    pytester.runpytest_inprocess('--aiida-temp').assert_outcomes(passed=7)
    pytester.runpytest_inprocess('-k', 'test_own and not anew').assert_outcomes(passed=3, deselected=4)


@pytest.mark.parametrize('module', MODULES)
def test_what_cannot_run_here_says_so_at_once(pytester: pytest.Pytester, module: str) -> None:
    pytester.makeconftest(f'pytest_plugins = ["{module}"]')
    pytester.makepyfile("""
        import pytest
        from aiida.engine.daemon.client import DaemonException

        def test_daemon(started_daemon_client):
            pass

        def test_submit(submit_and_await):
            pass

        def test_postgres(postgres_cluster):
            assert postgres_cluster.create_database(database_name='mine')['database_name'] == 'mine'
            postgres_cluster.dsn

        def test_no_daemon(stopped_daemon_client, daemon_client, aiida_profile):
            assert not daemon_client.is_daemon_running
            assert daemon_client.profile is aiida_profile
            with pytest.raises(DaemonException, match='cannot see the ephemeral profile'):
                daemon_client.start_daemon()
    """)

    result = pytester.runpytest_inprocess('--aiida-temp', '-W', 'ignore')

    result.assert_outcomes(errors=2, failed=1, passed=1)
    text = result.stdout.str()
    assert text.count('A daemon is another process, which cannot see') == 2
    assert 'postgres_cluster.dsn: no PostgreSQL server is started with --aiida-temp.' in text
    assert text.count('@pytest.mark.aiida_temp(profile=False)') >= 3


def test_a_profile_of_the_user_that_the_environment_names_is_not_touched(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('AIIDA_TEST_PROFILE', 'of-the-user')
    pytester.makeconftest('pytest_plugins = ["aiida.manage.tests.pytest_fixtures"]')
    pytester.makepyfile("""
        def test_profile(aiida_profile):
            assert aiida_profile.storage_backend == 'aiida_temp.sqlite'
    """)

    pytester.runpytest_inprocess('--aiida-temp', '-W', 'ignore').assert_outcomes(passed=1)
