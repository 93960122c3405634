"""Storages that tests run on, in a configuration of their own."""

# ruff: noqa: E402 - AiiDA is imported only once it cannot choose its configuration folder by that

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_aiida_temp.environment import configuration_folder, import_module

import_module('aiida.orm')  # the tests can import AiiDA at their top then and leave no `~/.aiida`

from aiida import orm
from aiida.manage import get_manager
from aiida.manage.configuration import Profile, create_profile, get_config
from aiida.orm.entities import EntityTypes

from pytest_aiida_temp import temp_profile
from pytest_aiida_temp.logs import LoggingState
from pytest_aiida_temp.storage import SandboxShaRepositoryBackend, SqliteTempBackend

if TYPE_CHECKING:
    from aiida.orm.implementation import StorageBackend

    from pytest_aiida_temp import TempProfile

EMAIL = 'test@localhost'


@pytest.fixture(scope='module', params=['aiida_temp.sqlite', 'core.sqlite_dos'])
def either_profile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Profile]:
    """A loaded profile of ours, then one of aiida-core, both made as ``verdi profile setup`` makes one."""
    folder = tmp_path_factory.mktemp('either')
    logging_before = LoggingState()
    with configuration_folder(folder):
        profile = create_profile(
            get_config(),
            name='either',
            email=EMAIL,
            storage_backend=request.param,
            storage_config={'filepath': str(folder / 'storage')},
            is_test_profile=True,
        )
        get_config().set_default_profile(profile.name)
        get_manager().load_profile(profile)
        try:
            yield profile
        finally:
            storage = get_manager().get_profile_storage()
            get_manager().unload_profile()
            storage.delete()
            logging_before.restore()
    del storage
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', ResourceWarning)  # aiida-core leaves connections to files open
        gc.collect()


@pytest.fixture
def storage(either_profile: Profile) -> StorageBackend:
    """The open storage of a loaded profile with nothing in it but the default user, of ours and of aiida-core's."""
    storage = get_manager().get_profile_storage()
    storage._clear()
    orm.User(email=EMAIL).store()
    return storage


@pytest.fixture
def bulk_storage(storage: StorageBackend) -> StorageBackend:
    """The same, except where the SQLAlchemy installed cannot do what aiida-core's ``bulk_insert`` asks of it."""
    row = {'label': 'probe', 'hostname': 'probe', 'metadata': {}}
    try:
        (pk,) = storage.bulk_insert(EntityTypes.COMPUTER, [row], allow_defaults=True)
    except NotImplementedError:  # SQLAlchemy 2.0.0, over the RETURNING that aiida-core asks for
        if storage.profile.storage_backend == 'core.sqlite_dos':
            pytest.skip('aiida-core cannot insert in bulk with this version of SQLAlchemy')
        raise
    orm.Computer.collection.delete(pk)
    return storage


@pytest.fixture
def new_profile(either_profile: Profile, tmp_path: Path) -> Callable[[str], Profile]:
    """Return a function that makes a profile, not loaded, whose storage is not initialised, but its folder is there."""

    def make(name: str) -> Profile:
        (tmp_path / name).mkdir()
        details = {
            'storage': {'backend': either_profile.storage_backend, 'config': {'filepath': str(tmp_path / name)}},
            'process_control': {'backend': None, 'config': {}},
        }
        return Profile(name, details)

    return make


@pytest.fixture(scope='module')
def module_profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TempProfile]:
    """An ephemeral profile, loaded for the tests of a module."""
    with temp_profile(folder=tmp_path_factory.mktemp('temp')) as profile:
        yield profile


@pytest.fixture
def profile(module_profile: TempProfile) -> TempProfile:
    """An ephemeral profile, loaded, with nothing in it but the default user."""
    module_profile.storage.restore(module_profile.storage._live.first)  # without the checkpoints of earlier tests
    module_profile.reset()
    return module_profile


@pytest.fixture
def temp_storage(profile: TempProfile) -> SqliteTempBackend:
    """Our storage, that of the loaded profile, with nothing in it but the default user."""
    return profile.storage


@pytest.fixture
def own_profile(tmp_path: Path, profile: TempProfile) -> Profile:
    """A profile that is not loaded, with a storage of its own to break, in a folder that is not there yet."""
    return SqliteTempBackend.create_profile('own', filepath=tmp_path / 'storage')


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[SandboxShaRepositoryBackend]:
    """A repository in a folder of its own."""
    repository = SandboxShaRepositoryBackend(tmp_path / 'folder')
    repository.initialise()
    yield repository
    repository.erase()
