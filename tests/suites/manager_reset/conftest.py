"""The manager is reset after tests; fixtures of the suite hand out backend and runner."""

import pytest
from aiida.manage import get_manager

pytest_plugins = ['aiida.tools.pytest_fixtures']


@pytest.fixture
def manager(aiida_profile_clean):
    manager = get_manager()
    yield manager
    manager.reset_profile()


@pytest.fixture
def backend(manager):
    return manager.get_profile_storage()


@pytest.fixture
def event_loop(manager):
    return manager.get_runner().loop


@pytest.fixture
def runner(manager):
    return manager.get_runner()
