"""All rows of one storage put into another one, as SQLite can: a hundred times faster than AiiDA's import.

The other database is attached, and each table is filled with one statement. Row ids are moved behind those that are
there, and so are the references to them; a user who is there already, by email, is not inserted again. Anything else
that is there already, such as a node of the same uuid, is for AiiDA's import to merge: that is an integrity error here.
"""

from __future__ import annotations

import sqlite3

from .images import UndoTable, quoted

_SCHEMA = 'aiida_temp_seed'
_USERS = 'db_dbuser'
_LEFT_OUT = {'alembic_version', 'db_dbsetting'}
"""Tables about the storage itself."""


def attach(connection: sqlite3.Connection, uri: str) -> None:
    """Attach the database whose rows are to be inserted, outside of a transaction."""
    connection.execute(f'ATTACH ? AS {_SCHEMA}', (uri,))


def detach(connection: sqlite3.Connection) -> None:
    """Let go of the database again."""
    connection.execute(f'DETACH {_SCHEMA}')


def insert_all(connection: sqlite3.Connection, tables: list[UndoTable], highest: dict[str, int]) -> None:
    """Insert all rows of the attached database, within a transaction.

    :param highest: the greatest row id given out in each table.
    :raises sqlite3.IntegrityError: if one of them is there already.
    """
    filled = sorted((table for table in tables if table.name not in _LEFT_OUT), key=lambda table: table.name != _USERS)
    for table in filled:
        row = f's.{table.row} + {highest[table.name]}'
        values = ', '.join([row, *_values(connection, table, highest)])
        condition = f' WHERE s.email NOT IN (SELECT email FROM main.{_USERS})' if table.name == _USERS else ''
        connection.execute(
            f'INSERT INTO main.{table.source} ({table.row}, {table.names}) '
            f'SELECT {values} FROM {_SCHEMA}.{table.source} s{condition}'
        )


def _values(connection: sqlite3.Connection, table: UndoTable, highest: dict[str, int]) -> list[str]:
    """Return an expression for each column of a table but its row id."""
    keys = connection.execute(f'PRAGMA main.foreign_key_list({table.source})').fetchall()
    targets = {column: target for _, _, target, column, *_ in keys}
    return [_value(quoted(column), targets.get(column), highest) for column in table.columns]


def _value(column: str, target: str | None, highest: dict[str, int]) -> str:
    if target is None:
        return f's.{column}'
    if target != _USERS:
        return f's.{column} + {highest[target]}'
    return (
        f'(SELECT ours.id FROM main.{_USERS} ours, {_SCHEMA}.{_USERS} theirs '
        f'WHERE theirs.id = s.{column} AND ours.email = theirs.email)'
    )
