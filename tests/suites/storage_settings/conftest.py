"""A copy of the profile with other settings of the storage is loaded for some tests."""

import pytest
from aiida.manage import get_manager

pytest_plugins = ['aiida.tools.pytest_fixtures']


@pytest.fixture
def restricted(aiida_profile):
    manager = get_manager()
    current = manager.get_profile()
    copy = current.copy()
    copy.set_storage(copy.storage_backend, {**copy.storage_config, 'engine_kwargs': {'pool_timeout': 1}})
    manager.unload_profile()
    manager.load_profile(copy)
    yield copy
    manager.unload_profile()
    manager.load_profile(current)
