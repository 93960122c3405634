"""The profile is overridden by one on PostgreSQL; tests make databases of their own."""

import pytest

pytest_plugins = ['aiida.tools.pytest_fixtures']


@pytest.fixture(scope='session', autouse=True)
def aiida_profile(aiida_config, aiida_profile_factory, config_psql_dos):
    with aiida_profile_factory(
        aiida_config, storage_backend='core.psql_dos', storage_config=config_psql_dos()
    ) as profile:
        yield profile


@pytest.fixture(scope='class')
def database(postgres_cluster):
    return postgres_cluster.create_database(database_username='someone')
