"""One in-memory SQLite database for all threads of the process.

SQLAlchemy gives ``:memory:`` one database for each thread. SQLite's ``memdb`` file system (3.36 and later) has named
databases in memory that any number of connections share; one connection is kept open for as long as it is needed.
Connections are in autocommit mode; see :mod:`.lazy` for when a transaction begins.
"""

from __future__ import annotations

import gc
import re
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import sqlalchemy
from aiida.storage.sqlite_zip import models
from aiida.storage.sqlite_zip.utils import create_sqla_engine
from sqlalchemy.pool import QueuePool

from .exclusive import BUSY_TIMEOUT, WriterBusyError
from .images import Changes
from .lazy import begin_lazily
from .session import SESSION, StorageSession
from .statements import Statements
from .template import template
from .undo import UndoLog
from .watching import Watchers

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from .marks import HandOver
    from .since import Since
    from .spans import Span

MINIMUM_SQLITE_VERSION = (3, 36, 0)
Result = TypeVar('Result')


def _prepare(connection: sqlite3.Connection, _: Any) -> None:
    connection.execute('PRAGMA recursive_triggers = ON')  # else `INSERT OR REPLACE` deletes behind the undo log's back


class Database:
    """An in-memory database with the schema of aiida-core's SQLite models.

    :param echo: log every SQL statement.
    :raises sqlite3.NotSupportedError: if SQLite is too old for a shared in-memory database.
    """

    def __init__(self, version: str, echo: bool = False) -> None:
        if sqlite3.sqlite_version_info < MINIMUM_SQLITE_VERSION:
            raise sqlite3.NotSupportedError(
                f'SQLite {sqlite3.sqlite_version} is too old: databases in memory that threads share need at least '
                f'{".".join(map(str, MINIMUM_SQLITE_VERSION))}; use a Python that is built with a newer one.'
            )
        self.uri = uri = f'file:/aiida_temp_{uuid4().hex}?vfs=memdb'
        self._keeper = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=0, cached_statements=256
        )
        self.engine = self._create_engine(uri, echo)
        self._create_schema(version)
        self._undo = UndoLog(self._keeper, self._end_sessions_of_ended_threads, self._break_off_other_threads)
        begin_lazily(self.engine, self._begun, _changes_rows)
        self.watchers = Watchers(self.engine)
        self._local = threading.local()
        self._sessions: weakref.WeakSet[StorageSession] = weakref.WeakSet()
        self._sessions_made = 0
        self._has_strangers = False
        """Whether anything was ever written through a connection of the engine that is no session's."""
        self._mappers = {model.__tablename__: sqlalchemy.inspect(model) for model in _models()}
        self._lock = threading.Lock()
        self.statements = Statements()
        """Those built for queries before."""

    @staticmethod
    def _create_engine(uri: str, echo: bool) -> Engine:
        engine: Engine = create_sqla_engine(
            f'{uri}&uri=true',
            echo=echo,
            poolclass=QueuePool,
            max_overflow=-1,
            connect_args={
                'isolation_level': None,
                'check_same_thread': False,
                'timeout': BUSY_TIMEOUT,
                'cached_statements': 512,
            },
        )
        sqlalchemy.event.listen(engine, 'connect', _prepare)
        return engine

    def _create_schema(self, version: str) -> None:
        template(models.SqliteBase.metadata).backup(self._keeper)
        self._keeper.execute('INSERT INTO alembic_version VALUES (?)', (version,))

    def add_default_user(self, email: str | None) -> None:
        """Insert a user, unless the profile has none yet."""
        if email:
            # Not by the engine, which would compile it for this one time.
            columns = models.SqliteBase.metadata.tables[models.DbUser.__tablename__].c
            values = {
                column.name: column.default.arg for column in columns if getattr(column.default, 'is_scalar', False)
            }
            values['email'] = email
            names, marks = ', '.join(values), ', '.join('?' * len(values))
            self._keeper.execute(
                f'INSERT INTO {models.DbUser.__tablename__} ({names}) VALUES ({marks})', tuple(values.values())
            )

    def version(self) -> str:
        """Return the schema version.

        :raises sqlite3.DatabaseError: if there is none.
        """
        row = self._keeper.execute('SELECT version_num FROM alembic_version').fetchone()
        if row is None:
            raise sqlite3.DatabaseError('the table `alembic_version` is empty')
        return str(row[0])

    def missing_tables(self) -> list[str]:
        """Return the tables of aiida-core's models that are not there."""
        found = {name for (name,) in self._keeper.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return sorted(set(models.SqliteBase.metadata.tables) - found)

    def session(self) -> StorageSession:
        """Return the session of the calling thread."""
        try:
            session: StorageSession = self._local.session
        except AttributeError:
            session = self._local.session = StorageSession(self.engine.connect())
            session.resets = self._undo.resets
            session.watchers = self.watchers
            with self._lock:
                self._sessions.add(session)
                self._sessions_made += 1
        if session.is_behind:
            session.resets = self._undo.resets
            session.catch_up(self._mappers)
        return session

    def _is_alone(self) -> bool:
        """Return whether the calling thread has the only session."""
        return len(self._sessions) == 1 and hasattr(self._local, 'session')

    def _version(self, own: StorageSession) -> tuple[int, int] | None:
        """Return what is the same for as long as nobody has written, ``None`` while anybody may be writing."""
        if len(self._sessions) > 1 or self._has_strangers or own.raw.in_transaction:
            return None
        return self._sessions_made, own.raw.total_changes

    def raw(self) -> sqlite3.Connection:
        """Return the driver's connection of the calling thread, whatever state its session is in."""
        session: StorageSession | None = getattr(self._local, 'session', None)
        return (session or self.session()).raw

    def _begun(self, connection: Connection, raw: sqlite3.Connection) -> None:
        session = connection.info.get(SESSION, lambda: None)()
        if session is None:
            self._has_strangers = True
        elif session.resets != self._undo.resets:
            # What it is about to write was decided on before the reset: a row id may be that of another row now.
            raw.execute('ROLLBACK')
            raise sqlalchemy.exc.InvalidRequestError('another thread has reset the storage in the meantime')
        self._undo.activate(raw)

    def checkpoint(self) -> int:
        """Commit what the calling thread has pending, take a checkpoint and return its level."""
        own = self.session()
        own.commit()
        return self._undo.checkpoint(self._version(own))

    def used_keys(self, level: int) -> set[str]:
        """Return the keys of all files of nodes stored since a checkpoint."""
        self.session().commit()
        return self.keys(self._undo.absent(level)['db_dbnode'])

    def keys(self, nodes: Iterable[Span]) -> set[str]:
        """Return the keys of all files of nodes with these row ids."""
        statement, raw = 'SELECT repository_metadata FROM db_dbnode WHERE id > ? AND id <= ?', self.raw()
        rows = (row for span in nodes for row in raw.execute(statement, span).fetchall())
        return {key for (metadata,) in rows for key in _KEY.findall(metadata or '')}

    def highest(self) -> dict[str, int]:
        """Return the highest row id of each table that the calling thread sees."""
        return self._undo.highest(self.raw())

    def since(self, level: int, marks: dict[str, int] | None) -> dict[str, Since]:
        """Return what became of the tables that have a uuid, as the calling thread sees it.

        :param level: the checkpoint since when.
        :param marks: the highest row ids since when, in its place.
        """
        return self._undo.since(self.raw(), level, marks)

    def restore(self, level: int, *, keep: bool = True) -> Changes:
        """Return to a checkpoint and return what was undone.

        :param keep: the checkpoint itself remains.
        :raises KeyError: if the checkpoint is gone.
        :raises sqlite3.OperationalError: if another thread keeps a transaction or a half-read result open for longer
            than ``BUSY_TIMEOUT``.
        """
        own = self.session()
        own.abandon()
        return self._undo_through(own, self._undo.restore, level, keep=keep, version=self._version(own))

    def insert(self, before: int) -> int:
        """Take a checkpoint of the same state as a given one, ahead of it, and return its level."""
        return self._undo.insert(before)

    def hand_over(self, level: int, into: int, *, apart: bool = False) -> HandOver:
        """End the latest checkpoint, giving the changes since to an earlier one, past those in between."""
        own = self.session()
        own.commit()
        return self._try_to(own, self._undo.hand_over, level, into, apart=apart, version=self._version(own))

    def excise(self, level: int) -> Changes:
        """Undo what happened between a checkpoint and the next one, and keep all that happened after that.

        :raises sqlite3.OperationalError: as :meth:`restore` does.
        """
        own = self.session()
        own.commit()
        return self._undo_through(own, self._undo.excise, level)

    def clear(self) -> Changes:
        """Delete all but the rows of the first checkpoint, as a change that a restore undoes.

        :raises sqlite3.OperationalError: as :meth:`restore` does.
        """
        own = self.session()
        own.abandon()
        return self._undo_through(own, self._undo.clear, version=self._version(own))

    def insert_from(self, other: Database) -> bool:
        """Insert all rows of another database, or none if one of them is there already; return whether it did."""
        own = self.session()
        own.commit()
        try:
            self._try_to(own, self._undo.insert_from, other.uri)
        except sqlite3.IntegrityError:
            return False
        return True

    def _undo_through(self, own: StorageSession, undo: Callable[..., Changes], *args: Any, **kwargs: Any) -> Changes:
        changes = self._try_to(own, undo, *args, **kwargs)
        if not changes:
            return changes
        own.resets = self._undo.resets
        own.forget(changes, self._mappers)
        if len(self._sessions) > 1:
            with self._lock:
                others = [session for session in self._sessions if session is not own]
            for session in others:
                session.miss(changes)
        return changes

    @staticmethod
    def _try_to(own: StorageSession, do: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        """Do what writes, through the calling thread's connection if another one cannot.

        :param do: takes the connection to write ``through``, among others.
        """
        try:
            return do(*args, **kwargs)
        except WriterBusyError:
            raise
        except sqlite3.OperationalError as exception:
            if 'locked' not in str(exception):
                raise
        # A result that this thread did not read to its end locks every connection out but its own.
        own.raw.execute('PRAGMA foreign_keys = OFF')
        try:
            return do(*args, through=own.raw, **kwargs)
        finally:
            own.raw.execute('PRAGMA foreign_keys = ON')

    def _end_sessions_of_ended_threads(self) -> None:
        with self._lock:
            sessions = [session for session in self._sessions if not session.thread.is_alive()]
        for session in sessions:
            session.abandon()
        gc.collect()

    def _break_off_other_threads(self) -> None:
        with self._lock:
            sessions = [session for session in self._sessions if session.thread is not threading.current_thread()]
        for session in sessions:
            session.break_off()

    def has_deleted(self, table: str, row: int) -> bool:
        """Return whether the calling thread deleted a row whose object is still held by somebody."""
        return self.session().has_deleted(self._mappers[table], row)

    def threads(self) -> list[threading.Thread]:
        """Return the other threads that have a session and still run."""
        if self._is_alone():
            return []
        with self._lock:
            threads = [session.thread for session in self._sessions]
        current = threading.current_thread()
        return [thread for thread in threads if thread is not current and thread.is_alive()]

    def suspend(self) -> None:
        """End what is uncommitted in the calling thread, as closing a storage does that may be opened again."""
        session = getattr(self._local, 'session', None)
        if session is not None:
            session.abandon()

    def close(self) -> None:
        """Release every connection, and with the last one the memory."""
        with self._lock:
            sessions, self._sessions = list(self._sessions), weakref.WeakSet()
        for session in sessions:
            # What another thread may be using right now is not to be touched, and goes with that thread.
            if session.thread is threading.current_thread() or not session.thread.is_alive():
                session.release()
        self._local = threading.local()
        self.engine.dispose()
        self._keeper.close()


def _changes_rows(connection: Connection, statement: str) -> None:
    """Tell a session of a statement that may change rows that it has objects of."""
    session = connection.info.get(SESSION, lambda: None)()
    if session is not None:
        session.changes_rows(statement)


_KEY = re.compile('[0-9a-f]{64}')


def _models() -> list[Any]:
    return [mapper.class_ for mapper in models.SqliteBase.registry.mappers]
