"""How a storage is made, opened, closed and deleted."""

from __future__ import annotations

import functools
import os
import sqlite3
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida.common import exceptions
from aiida.manage import get_manager
from aiida.manage.configuration import Profile
from aiida.orm.entities import Collection
from aiida.orm.implementation import StorageBackend
from aiida.storage.sqlite_zip.migrator import get_schema_version_head
from pydantic import BaseModel, Field

from .contents import Contents, make_folder

if TYPE_CHECKING:
    from aiida.orm.autogroup import AutogroupManager
    from typing_extensions import Self

ENTRY_POINT = 'aiida_temp.sqlite'


class LifeCycle(StorageBackend):
    """The part of a storage backend that makes it, opens it and closes it."""

    class CliModel(BaseModel, defer_build=True):
        """What can be configured."""

        filepath: str = Field(
            title='Temporary directory',
            description='Directory in which the sandbox for files is made; the database is in memory.',
            default_factory=make_folder,
        )

    Model = Configuration = CliModel  # what earlier versions of aiida-core look for

    cli_exposed = False
    read_only = False
    _contents: Contents | None
    _fresh_autogroup: AutogroupManager | None

    @staticmethod
    def create_profile(
        name: str = 'temp',
        default_user_email: str = 'user@email.com',
        options: dict[str, Any] | None = None,
        debug: bool = False,
        filepath: str | Path | None = None,
    ) -> Profile:
        """Return a profile that can be loaded, without adding it to any configuration.

        :param default_user_email: the email of the user that the storage starts with.
        :param options: AiiDA's config options by name.
        :param debug: log every SQL statement, and ask each query in two ways.
        :param filepath: the folder to make the sandbox in; by default a new temporary folder.
        """
        return Profile(
            name,
            {
                Profile.KEY_DEFAULT_USER_EMAIL: default_user_email,
                Profile.KEY_STORAGE: {
                    'backend': ENTRY_POINT,
                    'config': {'filepath': str(filepath) if filepath else None, 'debug': debug},
                },
                Profile.KEY_PROCESS: {'backend': None, 'config': {}},
                Profile.KEY_OPTIONS: options or {},
                Profile.KEY_TEST_PROFILE: True,
            },
        )

    # Schema

    @classmethod
    def version_head(cls) -> str:
        """Return the schema version of a storage that is made now."""
        return _version_head()

    @classmethod
    def version_profile(cls, profile: Profile) -> str | None:
        """Return the schema version of the profile's storage, or ``None`` if it is not initialised.

        :raises ~aiida.common.exceptions.UnreachableStorage: if the storage cannot be accessed.
        :raises ~aiida.common.exceptions.CorruptStorage: if the database does not tell its version.
        """
        contents = Contents.of(profile)
        if contents is None:
            _check_reachable(profile)
            return None
        try:
            return contents.database.version()
        except sqlite3.DatabaseError as exception:
            raise exceptions.CorruptStorage(f'the database has no schema version: {exception}') from exception

    def version(self) -> str:
        """Return the schema version of the storage."""
        return self._live.database.version()

    @classmethod
    def initialise(cls, profile: Profile, reset: bool = False) -> bool:
        """Make the storage of a profile, to live as long as the profile object, and return whether it was made.

        :param reset: destroy one that is there already.
        :raises ~aiida.common.exceptions.UnreachableStorage: if the folder cannot be used.
        """
        contents = Contents.of(profile)
        if contents is not None and not reset:
            return False
        if contents is not None:
            contents.release()
        cls._make_contents(profile).hold(profile)
        return True

    @classmethod
    def migrate(cls, profile: Profile) -> None:
        """Do nothing for a storage that is at the latest version, as every one made here is.

        :raises ~aiida.common.exceptions.StorageMigrationError: if it is not initialised or not at the latest version.
        """
        version = cls.version_profile(profile)
        if version is None:
            raise exceptions.StorageMigrationError('storage is uninitialised, cannot migrate.')
        if version != cls.version_head():
            raise exceptions.StorageMigrationError(
                f'a storage in memory cannot be migrated from {version} to {cls.version_head()}: make a new one.'
            )

    @classmethod
    def _make_contents(cls, profile: Profile) -> Contents:
        _check_reachable(profile)
        try:
            return Contents(profile, cls.version_head())
        except (OSError, sqlite3.NotSupportedError) as exception:
            raise exceptions.UnreachableStorage(f'cannot make a storage in memory: {exception}') from exception

    def __new__(cls, profile: Profile) -> Self:
        """Return the backend that was closed last, if the profile still holds its contents."""
        contents = Contents.of(profile)
        backend = contents.closed() if contents and contents.closed else None
        return backend or super().__new__(cls)

    def __init__(self, profile: Profile) -> None:
        contents = Contents.of(profile) or self._make_contents(profile)
        self._validate(profile, contents)
        super().__init__(profile)
        self._contents = contents
        contents.backends.add(self)
        contents.closed = None

    @classmethod
    def _validate(cls, profile: Profile, contents: Contents) -> None:
        version = cls.version_profile(profile)
        if version != cls.version_head():
            raise exceptions.IncompatibleStorageSchema(
                f'the storage of profile {profile.name!r} has schema version {version}, not {cls.version_head()}.'
            )
        missing = contents.database.missing_tables()
        if missing:
            raise exceptions.CorruptStorage(f'the database lacks tables: {", ".join(missing)}.')
        sandbox = Path(contents.repository.sandbox.abspath)
        if not sandbox.is_dir():
            raise exceptions.CorruptStorage(f'the sandbox of the repository has gone: {sandbox}.')

    def __str__(self) -> str:
        if self._contents is None:
            return 'Storage in memory [closed]'
        return f'Storage in memory [open], {self._contents.repository}'

    @property
    def is_closed(self) -> bool:
        """Return whether the storage is closed."""
        return self._contents is None

    @property
    def _live(self) -> Contents:
        if self._contents is None:
            self._reopen_if_loaded()
        if self._contents is None:
            raise exceptions.ClosedStorage(str(self))
        return self._contents

    def _reopen_if_loaded(self) -> None:
        """Open again if the profile was loaded again meanwhile: AiiDA opens a storage on first use only."""
        contents = Contents.of(self.profile)
        loaded = get_manager().get_profile()
        if contents and contents.closed and contents.closed() is self and loaded and loaded.uuid == self.profile.uuid:
            get_manager().get_profile_storage()

    def close(self) -> None:
        """Close the storage; what it held goes, unless the profile or another backend holds it too."""
        contents, self._contents = self._contents, None
        if contents is None:
            return
        contents.backends.discard(self)
        contents.database.suspend()
        self.reset_default_user()
        Collection.get_cached.cache_clear()  # it would keep this storage alive
        if contents.is_held:
            contents.closed = weakref.ref(self)
        elif not contents.backends:
            contents.release()

    def delete(self) -> None:
        """Delete the storage with all its data, in memory and on disk."""
        self._delete(self._contents or Contents.of(self.profile))

    @classmethod
    def erase(cls, profile: Profile) -> None:
        """Delete the storage of a profile with all its data, without opening it."""
        cls._delete(Contents.of(profile))

    @staticmethod
    def _delete(contents: Contents | None) -> None:
        if contents is None:
            return
        for backend in list(contents.backends):
            backend.close()
        contents.release()


def _check_reachable(profile: Profile) -> None:
    """Refuse the profile of another process and a path that is not a folder."""
    config = profile.storage_config or {}
    owner = config.get('owner')
    if owner not in (None, os.getpid()):
        raise exceptions.UnreachableStorage(
            f'the storage of profile {profile.name!r} is in the memory of process {owner} and cannot be reached from '
            f'another one: {config.get("advice", "run what needs it in that process.")}'
        )
    filepath = config.get('filepath')
    if filepath and Path(filepath).exists() and not Path(filepath).is_dir():
        raise exceptions.UnreachableStorage(f'{filepath} is not a folder.')


@functools.cache
def _version_head() -> str:
    """Return what alembic reads from the files of aiida-core's migrations, each time anew."""
    return str(get_schema_version_head())
