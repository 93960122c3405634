"""What became of a table since some moment: which rows are new, how many there were."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .spans import Span, has

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


def rows_since(
    connection: sqlite3.Connection, table: UndoTable, absent: Sequence[Span], levels: Sequence[int]
) -> Since:
    """Return what became of a table.

    :param absent: the row ids that were not there.
    :param levels: those under which the undo log keeps images since, the earliest first.
    """
    existed: dict[int, bool] = {}
    for level in levels:
        for row, was_there in connection.execute(f'SELECT row, existed FROM {table.images} WHERE level = ?', (level,)):
            existed.setdefault(row, bool(was_there) and not has(absent, row))
    in_span = f'SELECT {table.row} FROM {table.source} WHERE {table.row} > ? AND {table.row} <= ?'
    stored = [row for span in absent for (row,) in connection.execute(in_span, span)]
    there = {row for row in existed for _ in connection.execute(in_span, (row - 1, row))}
    stored.extend(row for row in there if not existed[row] and not has(absent, row))
    deleted = sum(was_there and row not in there for row, was_there in existed.items())
    count = int(connection.execute(f'SELECT count(*) FROM {table.source}').fetchone()[0])
    return Since(sorted(stored), count - len(stored) + deleted, deleted)
