"""Further profiles beside the main one: of a wide scope, with a third-party storage, in a configuration of its own."""

import pytest
from aiida.storage.sqlite_dos import SqliteDosStorage

pytest_plugins = ['aiida.tools.pytest_fixtures']


class OtherStorage(SqliteDosStorage):
    """A storage of the suite."""


@pytest.fixture
def other_profile(aiida_config, aiida_profile_factory, config_sqlite_dos, entry_points):
    """A profile on the suite's own storage."""
    entry_points.add(OtherStorage, 'aiida.storage:suite.other')
    with aiida_profile_factory(
        aiida_config, storage_backend='suite.other', storage_config=config_sqlite_dos(), name='other'
    ) as profile:
        yield profile


@pytest.fixture(scope='class')
def profile_of_class(aiida_config_factory, aiida_profile_factory, tmp_path_factory):
    """A profile in a configuration of its own."""
    with (
        aiida_config_factory(tmp_path_factory.mktemp('config')) as config,
        aiida_profile_factory(config, name='of-the-class', email='class@localhost') as profile,
    ):
        yield profile
