"""None of aiida-core's fixtures: a profile that the suite itself makes and loads, and then fills."""

import pytest
from aiida import orm
from aiida.manage import get_manager
from aiida.storage.sqlite_temp import SqliteTempBackend


@pytest.fixture(scope='session', autouse=True)
def profile():
    manager = get_manager()
    before = manager.get_profile()
    manager.load_profile(SqliteTempBackend.create_profile('of-the-suite', debug=False), allow_switch=True)
    orm.Group(label='of-the-suite').store()
    yield manager.get_profile()
    manager.unload_profile()
    if before is not None:
        manager.load_profile(before)
