"""The greatest row id that was given out so far in each table."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .images import UndoTable


class Counters:
    """Reads them, and sets them back.

    Where a table counts up, SQLite itself notes it. That is one small table for all of them, so it is read rather than
    the greatest id of each.
    """

    def __init__(self, tables: Sequence[UndoTable]) -> None:
        self._names = [table.name for table in tables]
        self._counting = {table.name for table in tables if table.counts_up}
        others = [table for table in tables if not table.counts_up]
        parts = ['SELECT name, seq FROM sqlite_sequence'] if self._counting else []
        parts += [f'SELECT {literal(table.name)}, max({table.row}) FROM {table.source}' for table in others]
        self.select = ' UNION ALL '.join(parts)
        """Gives name and number of each table that has one; more rows may be added to it."""

    def marks(self, numbers: dict[str, int | None]) -> tuple[int, ...]:
        """Return the number of each table, in their order, given by name."""
        return tuple([numbers.get(name) or 0 for name in self._names])

    def read(self, connection: sqlite3.Connection) -> tuple[int, ...]:
        """Return what a connection sees, by position of the table."""
        return self.marks(dict(connection.execute(self.select).fetchall()))

    def set_back(self, connection: sqlite3.Connection, numbers: Sequence[tuple[str, int]]) -> None:
        """Have the next row of each table named get the id after the number, above which there must be none."""
        counting = [(number, name) for name, number in numbers if name in self._counting]
        if counting:
            connection.executemany('UPDATE sqlite_sequence SET seq = ? WHERE name = ?', counting)


def literal(text: str) -> str:
    """Return the text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"
