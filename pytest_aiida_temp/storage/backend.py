"""The storage backend."""

from __future__ import annotations

import contextlib
import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from aiida.common import exceptions
from aiida.common.log import AIIDA_LOGGER
from aiida.manage import get_manager
from aiida.manage.configuration import Profile
from aiida.orm.entities import Collection
from aiida.orm.implementation import StorageBackend
from aiida.storage.sqlite_zip import models, orm
from aiida.storage.sqlite_zip.migrator import get_schema_version_head
from pydantic import BaseModel, Field

from . import bulk
from .contents import Contents, make_folder
from .entities import EntityCollections
from .query import TempQueryBuilder
from .resetting import Resetting

if TYPE_CHECKING:
    from aiida.orm.autogroup import AutogroupManager
    from aiida.orm.entities import EntityTypes
    from aiida.orm.implementation import BackendEntity

    from .repository import SandboxShaRepositoryBackend
    from .session import StorageSession
    from .statements import Statements

LOGGER = AIIDA_LOGGER.getChild('storage.aiida_temp')
ENTRY_POINT = 'aiida_temp.sqlite'


class SqliteTempBackend(Resetting, EntityCollections, StorageBackend):
    """A storage in memory, with a sandbox folder for files, that goes when the process ends.

    Not for data that anybody wants to keep. The members follow the contract of
    :class:`aiida.orm.implementation.storage_backend.StorageBackend`. All backends of one profile in a process share
    its contents, which live as long as one of them is open or, once :meth:`initialise` was called, the profile
    object lives; a backend that is then opened again is the same object, so nodes held meanwhile are usable again.

    :param profile: its ``storage_config`` may have ``filepath``, the folder to make the sandbox in, ``debug``, to log
        every SQL statement and to ask each query in two ways (see :mod:`.query`), and ``advice``, what to tell a user
        who opens it in another process than ``owner``.
    :raises ~aiida.common.exceptions.UnreachableStorage: if the folder cannot be used, SQLite is too old, or the
        storage lives in the memory of another process.
    :raises ~aiida.common.exceptions.IncompatibleStorageSchema: if the schema is not the latest.
    :raises ~aiida.common.exceptions.CorruptStorage: if tables or the sandbox have gone.
    """

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
        :param debug: log every SQL statement.
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

    # Schema and life cycle

    @classmethod
    def version_head(cls) -> str:
        """Return the schema version of a storage that is made now."""
        return str(get_schema_version_head())

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

    def __new__(cls, profile: Profile) -> SqliteTempBackend:
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

    # Sessions and transactions

    def get_session(self) -> StorageSession:
        """Return the SQLAlchemy session of the calling thread."""
        return self._live.database.session()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[StorageSession]:
        """Undo all that is done inside if it ends with an exception. Transactions can be nested."""
        session = self.get_session()
        with session.block():
            yield session

    @property
    def in_transaction(self) -> bool:
        """Return whether a transaction is active in the calling thread."""
        return self.get_session().in_nested_transaction()

    # Entities

    def query(self) -> TempQueryBuilder:
        """Return a query builder."""
        self._live  # noqa: B018 - raises on a closed storage
        return TempQueryBuilder(self)

    @property
    def statements(self) -> Statements:
        """The statements of queries that were asked before."""
        return self._live.database.statements

    @property
    def checks_queries(self) -> bool:
        """Whether each query is asked both by a kept statement and by one that aiida-core builds for it."""
        return bool((self.profile.storage_config or {}).get('debug'))

    def get_backend_entity(self, model: Any) -> BackendEntity[Any]:
        """Return the backend entity for a row of one of the SQLite models."""
        entity: BackendEntity[Any] = orm.get_backend_entity(model, self)
        return entity

    @staticmethod
    def _get_mapper_from_entity(entity_type: EntityTypes, with_pk: bool) -> tuple[Any, set[str]]:
        """Return the mapper of an entity type and the names of its fields.

        :param with_pk: include the primary key.
        """
        return bulk.mapper_of(entity_type, with_pk)

    def bulk_insert(
        self, entity_type: EntityTypes, rows: list[dict[str, Any]], allow_defaults: bool = False
    ) -> list[int]:
        """Insert many rows at once and return their primary keys in the same order.

        :param rows: the fields of each row, without ``id``.
        :param allow_defaults: fields may be missing, and take their default.
        :raises ~aiida.common.exceptions.IntegrityError: if the keys of a row are not the fields of the entity.
        """
        checked = bulk.check_insert(entity_type, rows, allow_defaults)
        if not checked:
            return []
        with self.transaction() as session:
            return bulk.insert(session, entity_type, checked)

    def bulk_update(self, entity_type: EntityTypes, rows: list[dict[str, Any]]) -> None:
        """Update many rows at once.

        :param rows: the ``id`` of each row and the fields to change.
        :raises ~aiida.common.exceptions.IntegrityError: if a row has no ``id`` or keys that are not fields.
        """
        checked = bulk.check_update(entity_type, rows)
        if checked:
            with self.transaction() as session:
                bulk.update(session, entity_type, checked)

    def delete_nodes_and_connections(self, pks_to_delete: Iterable[int]) -> None:
        """Delete nodes with their links, comments, logs and group memberships.

        :raises AssertionError: outside a transaction.
        """
        if not self.in_transaction:
            raise AssertionError('Cannot delete nodes and links outside a transaction')
        bulk.delete_nodes(self.get_session(), pks_to_delete)

    # Files, global variables, maintenance

    def get_repository(self) -> SandboxShaRepositoryBackend:
        """Return the repository."""
        return self._live.repository

    def get_global_variable(self, key: str) -> str | int | float | None:
        """Return a global variable.

        :raises KeyError: if there is none of that name.
        """
        row = self.get_session().execute(sqlalchemy.select(_SETTINGS.c.val).where(_SETTINGS.c.key == key)).one_or_none()
        if row is None:
            raise KeyError(f'No setting found with key {key}')
        value: str | int | float | None = row[0]
        return value

    def set_global_variable(
        self, key: str, value: str | int | float | None, description: str | None = None, overwrite: bool = True
    ) -> None:
        """Set a global variable.

        :raises ValueError: if it exists and ``overwrite`` is ``False``.
        """
        values = {'val': value, 'time': datetime.now(timezone.utc)}
        with self.transaction() as session:
            where = _SETTINGS.c.key == key
            if session.execute(sqlalchemy.select(_SETTINGS.c.id).where(where)).one_or_none() is None:
                values |= {'key': key, 'description': description or ''}
                session.execute(sqlalchemy.insert(_SETTINGS).values(values))
            elif overwrite:
                values |= {} if description is None else {'description': description}
                session.execute(sqlalchemy.update(_SETTINGS).where(where).values(values))
            else:
                raise ValueError(f'The setting {key} already exists')

    def get_info(self, detailed: bool = False) -> dict[str, Any]:
        """Return an overview of the entities and of the repository."""
        info: dict[str, Any] = super().get_info(detailed=detailed)
        info['repository'] = self.get_repository().get_info(detailed)
        return info

    def maintain(self, full: bool = False, dry_run: bool = False, **kwargs: Any) -> None:
        """Remove the objects of the repository that no node refers to.

        :param full: also what is safe only while nobody else uses the profile, which is locked meanwhile.
        :param dry_run: only log what would be done.
        :raises ~aiida.common.exceptions.CorruptStorage: if a node refers to an object that is not there.
        """
        from aiida.manage.profile_access import ProfileAccessManager

        kwargs.pop('live', None)
        with ProfileAccessManager(self.profile).lock() if full else contextlib.nullcontext():
            unreferenced = self._unreferenced_keys()
            LOGGER.report(f'{"Would delete" if dry_run else "Deleting"} {len(unreferenced)} unreferenced objects.')
            if not dry_run:
                self.get_repository().delete_objects(unreferenced)
            self.get_repository().maintain(dry_run=dry_run, live=not full, **kwargs)

    def _unreferenced_keys(self) -> list[str]:
        from aiida.orm import Node

        there = set(self.get_repository().list_objects())
        referenced = set(Node.get_collection(self).iter_repo_keys())
        if not referenced <= there:
            raise exceptions.CorruptStorage(
                f'{len(referenced - there)} objects that nodes refer to are not in the repository; nothing was deleted.'
            )
        return sorted(there - referenced)


_SETTINGS = models.SqliteBase.metadata.tables['db_dbsetting']


def _check_reachable(profile: Profile) -> None:
    """Refuse the profile of another process and a path that is not a folder."""
    import os

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
