"""The storage backend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import sqlalchemy
from aiida.common import exceptions
from aiida.common.log import AIIDA_LOGGER
from aiida.storage.sqlite_zip import models, orm
from sqlalchemy.dialects import sqlite

from . import bulk
from .entities import EntityCollections
from .lifecycle import LifeCycle
from .query import TempQueryBuilder
from .resetting import Resetting

if TYPE_CHECKING:
    from aiida.orm.entities import EntityTypes
    from aiida.orm.implementation import BackendEntity

    from .repository import SandboxShaRepositoryBackend
    from .session import StorageSession
    from .statements import Statements

LOGGER = AIIDA_LOGGER.getChild('storage.aiida_temp')


class SqliteTempBackend(Resetting, EntityCollections, LifeCycle):
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
        now = datetime.now(timezone.utc)
        session = self.get_session()
        row = {'key': key, 'val': value, 'description': description or '', 'time': now}
        found = session.execute(_SET[overwrite, description is not None], row)
        session.commit()
        if not found.rowcount:  # type: ignore[attr-defined]
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
_INSERT = sqlite.insert(_SETTINGS)
_CHANGED = {'val': _INSERT.excluded.val, 'time': _INSERT.excluded.time}
_SET = {
    (True, True): _INSERT.on_conflict_do_update(
        index_elements=['key'], set_=_CHANGED | {'description': _INSERT.excluded.description}
    ),
    (True, False): _INSERT.on_conflict_do_update(index_elements=['key'], set_=_CHANGED),
    (False, True): _INSERT.on_conflict_do_nothing(index_elements=['key']),
    (False, False): _INSERT.on_conflict_do_nothing(index_elements=['key']),
}
"""How to set a global variable, by whether it may be there already, and whether there is a new description."""
