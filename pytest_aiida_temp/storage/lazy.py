"""Transactions and savepoints that begin with the first statement that writes.

The driver is in autocommit mode, as its own idea of when to begin breaks savepoints. A ``BEGIN`` or ``SAVEPOINT`` ahead
of a mere ``SELECT`` would hold a lock that keeps all other threads from writing, or even from reading, until the end
of the transaction. aiida-core iterates over the rows of a query inside a transaction, so that would be often.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

_KEY = 'aiida_temp_savepoints'
_NOTHING: tuple[str, tuple[()]] = ('SELECT 1', ())
_READS = ('SELECT', 'PRAGMA', 'EXPLAI')


def begin_lazily(
    engine: Engine,
    begun: Callable[[Connection, sqlite3.Connection], None],
    changes: Callable[[Connection, str], None],
) -> None:
    """Begin transactions and savepoints of an engine in autocommit mode when the first statement writes.

    :param begun: called with SQLAlchemy's and the driver's connection when a transaction has begun.
    :param changes: called with SQLAlchemy's connection and a statement that may change rows that are there.
    """

    def before(connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, _: bool) -> Any:
        waiting: list[str] = connection.info.setdefault(_KEY, [])
        if statement.startswith('SAVEPOINT '):
            waiting.append(statement.rsplit(maxsplit=1)[-1])
            return _NOTHING
        if statement.startswith(('RELEASE SAVEPOINT ', 'ROLLBACK TO SAVEPOINT ')):
            is_gone = statement.startswith('ROLLBACK') and not cursor.connection.in_transaction  # broken off
            return _end(waiting, statement) or (_NOTHING if is_gone else (statement, parameters))
        if _writes(statement, context):
            if not cursor.connection.in_transaction:
                cursor.execute('BEGIN IMMEDIATE')
                begun(connection, cursor.connection)
            while waiting:
                cursor.execute(f'SAVEPOINT {waiting.pop(0)}')
            if not statement.startswith('INSERT INTO'):
                changes(connection, statement)
        return statement, parameters

    event.listen(engine, 'before_cursor_execute', before, retval=True)
    event.listen(engine, 'commit', _forget)
    event.listen(engine, 'rollback', _forget)


def _end(waiting: list[str], statement: str) -> tuple[str, tuple[()]] | None:
    """End a savepoint that still waits to begin and return what to execute instead, ``None`` if it has begun."""
    name = statement.rsplit(maxsplit=1)[-1]
    if name in waiting:
        del waiting[waiting.index(name) :]
        return _NOTHING
    waiting.clear()  # those inside it
    return None


def _forget(connection: Connection) -> None:
    connection.info.pop(_KEY, None)


def _writes(statement: str, context: Any) -> bool:
    keyword = statement.lstrip()[:6].upper()
    if keyword[:4] == 'WITH':
        return bool(context and (context.isinsert or context.isupdate or context.isdelete))
    return keyword not in _READS
