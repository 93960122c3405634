"""The profile is overridden, not autouse, by one that options of the suite and the markers given choose."""

import pytest

pytest_plugins = ['aiida.tools.pytest_fixtures']


def pytest_addoption(parser):
    parser.addoption('--db-backend', choices=['sqlite', 'psql'], default='sqlite')


def pytest_configure(config):
    config.addinivalue_line('markers', 'requires_psql: needs PostgreSQL')
    config.addinivalue_line('markers', 'requires_daemon: needs a daemon')


def pytest_collection_modifyitems(items, config):
    if config.option.db_backend == 'sqlite':
        config.option.markexpr = ' and '.join(filter(None, [config.option.markexpr, '(not requires_psql)']))
    for item in items:
        if 'daemon_client' in item.fixturenames:
            item.add_marker('requires_daemon')


@pytest.fixture(scope='session')
def aiida_profile(pytestconfig, aiida_config, aiida_profile_factory, config_psql_dos, config_sqlite_dos):
    backend = pytestconfig.getoption('--db-backend')
    assert 'requires_psql' in pytestconfig.getoption('-m') or backend == 'psql'
    storage_config = config_psql_dos() if backend == 'psql' else config_sqlite_dos()
    with aiida_profile_factory(
        aiida_config,
        storage_backend=f'core.{backend}_dos',
        storage_config=storage_config,
        broker_backend='core.rabbitmq',
    ) as profile:
        yield profile
