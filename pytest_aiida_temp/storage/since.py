"""What became of a table since some moment: which rows are new, how many there were."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .contents import StorageCheckpoint
    from .images import UndoTable


@dataclass(frozen=True)
class Beginning:
    """A moment that something is counted from.

    :param checkpoint: the one that was taken then, ``None`` for when the storage was made.
    :param marks: the highest row id of each table, where no checkpoint was taken.
    """

    checkpoint: StorageCheckpoint | None = None
    marks: dict[str, int] | None = None


@dataclass(frozen=True)
class Since:
    """What became of a table.

    :param stored: ids of the rows that are new.
    :param found: how many rows there were.
    :param deleted: how many of these are gone.
    """

    stored: list[int]
    found: int
    deleted: int


def rows_since(connection: sqlite3.Connection, table: UndoTable, mark: int, levels: Sequence[int]) -> Since:
    """Return what became of a table that has a column ``uuid``.

    :param mark: the highest row id that there was.
    :param levels: those under which the undo log keeps images since, the earliest first.
    """
    first = _first_images(connection, table, mark, levels)
    # A row that is deleted and another one in its place look like a change, but for the uuid.
    now = {row: uuid for row in first for uuid in _uuid(connection, table, row)}
    new = [row for row, uuid in first.items() if row in now and now[row] != uuid]
    deleted = sum(uuid is not None and now.get(row) != uuid for row, uuid in first.items())
    above = connection.execute(f'SELECT {table.row} FROM {table.source} WHERE {table.row} > ?', (mark,))
    below = f'SELECT count(*) FROM {table.source} WHERE {table.row} <= ?'
    there = int(connection.execute(below, (mark,)).fetchone()[0])
    return Since(sorted([*new, *(row for (row,) in above)]), there - len(new) + deleted, deleted)


def _first_images(
    connection: sqlite3.Connection, table: UndoTable, mark: int, levels: Sequence[int]
) -> dict[int, str | None]:
    """Return the uuid that each row had which was touched, ``None`` if there was no such row."""
    column = f'value_{table.columns.index("uuid")}'
    statement = f'SELECT row, existed, {column} FROM {table.images} WHERE level = ? AND row <= ?'
    first: dict[int, str | None] = {}
    for level in levels:
        for row, existed, uuid in connection.execute(statement, (level, mark)):
            first.setdefault(row, uuid if existed else None)
    return first


def _uuid(connection: sqlite3.Connection, table: UndoTable, row: int) -> list[str]:
    found = connection.execute(f'SELECT uuid FROM {table.source} WHERE {table.row} = ?', (row,))
    return [uuid for (uuid,) in found]
