"""A storage as the calling thread sees it, for others to read without leaving a trace.

What a test has written but not committed can be seen through its own connection only, and its session may be in a
state in which it refuses to work. So a second session is put on the same connection: it begins and ends no transaction
of its own, and SQLite refuses what would write.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy
from aiida.common.exceptions import UnreachableStorage
from aiida.manage import get_manager
from aiida.orm.entities import Collection
from aiida.orm.implementation import StorageBackend
from sqlalchemy.pool import StaticPool

from .backend import SqliteTempBackend
from .contents import Contents
from .exclusive import BUSY_TIMEOUT
from .session import StorageSession

if TYPE_CHECKING:
    from aiida.manage.configuration.profile import Profile

    from .since import Beginning, Since

PATIENCE = 1.0
"""Seconds to wait for another thread's transaction."""


class _SharedConnection:
    """The driver's connection as SQLAlchemy is to see it that does not own it: transactions are not its business."""

    in_transaction = False

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def _nothing(self, *_: Any, **__: Any) -> None:
        pass

    commit = rollback = close = create_function = _nothing


class StorageView(SqliteTempBackend):
    """The storage of a profile, to be read by the thread that has made it. For others it is the storage itself.

    :param profile: one that has contents; it need not be loaded, and its storage may be closed.
    :raises ~aiida.common.exceptions.UnreachableStorage: if there is no storage.
    """

    _compiled: ClassVar[dict[Any, Any]] = {}
    """Statements that were compiled for a view before."""

    def __new__(cls, profile: Profile) -> StorageView:  # noqa: ARG004
        """Return a new one: it is not among the backends that share the contents."""
        return object.__new__(cls)

    def __init__(self, profile: Profile) -> None:
        contents = Contents.of(profile)
        if contents is None:
            raise UnreachableStorage(f'the storage of profile {profile.name!r} is gone.')
        self._contents = contents
        self._fresh_autogroup = None
        StorageBackend.__init__(self, profile)
        self.raw = contents.database.raw()
        self._thread = threading.get_ident()
        self._session: StorageSession | None = None

    def since(self, beginning: Beginning) -> dict[str, Since]:
        """Return what became of the tables that have a uuid, by their name."""
        contents = self._live
        checkpoint = beginning.checkpoint
        if checkpoint is None or not contents.has(checkpoint):
            checkpoint = contents.first
        return contents.database.since(checkpoint.database, beginning.marks)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Read one state of the storage in the body, with nobody writing meanwhile."""
        engine = sqlalchemy.create_engine(
            'sqlite://',
            creator=lambda: _SharedConnection(self.raw),
            poolclass=StaticPool,
            json_serializer=json.dumps,
            json_deserializer=json.loads,
        )
        with self._read_only(), engine.connect().execution_options(compiled_cache=self._compiled) as connection:
            self._session = StorageSession(connection)
            try:
                with self._session.no_autoflush, self._session.reading():
                    yield
            finally:
                self._session = None
                engine.dispose()

    @contextmanager
    def _read_only(self) -> Iterator[None]:
        begins = not self.raw.in_transaction
        self.raw.execute(f'PRAGMA busy_timeout = {PATIENCE * 1000:.0f}')
        self.raw.execute('PRAGMA query_only = ON')
        try:
            if begins:
                self.raw.execute('BEGIN')
            yield
        finally:
            if begins:
                with suppress(sqlite3.OperationalError):  # ended by what went wrong in the body
                    self.raw.execute('COMMIT')
            self.raw.execute('PRAGMA query_only = OFF')
            self.raw.execute(f'PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000:.0f}')

    def get_session(self) -> StorageSession:
        """Return the session that reads, or in another thread the one of that thread."""
        if self._session is not None and threading.get_ident() == self._thread:
            return self._session
        return super().get_session()


@contextmanager
def viewed(profile: Profile) -> Iterator[StorageView]:
    """Give all of AiiDA a view in the body, as if the profile were loaded; what is loaded stays as it is."""
    manager: Any = get_manager()
    before = manager._profile, manager._profile_storage
    view = StorageView(profile)
    with view.opened():
        manager._profile, manager._profile_storage = profile, view
        try:
            yield view
        finally:
            manager._profile, manager._profile_storage = before
            Collection.get_cached.cache_clear()  # it would keep the view alive
