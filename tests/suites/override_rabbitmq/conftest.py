"""The profile is overridden by one with RabbitMQ, to which the processes of tests need not be submitted."""

import pytest

pytest_plugins = 'aiida.tools.pytest_fixtures'


@pytest.fixture(scope='session', autouse=True)
def aiida_profile(aiida_config, aiida_profile_factory):
    with aiida_profile_factory(aiida_config, broker_backend='core.rabbitmq') as profile:
        yield profile


@pytest.fixture(autouse=True)
def clear_database_auto(aiida_profile_clean):
    """Clean for each test."""
