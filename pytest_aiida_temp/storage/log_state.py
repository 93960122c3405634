"""The one row by which the undo log and its triggers tell each other what they need to know.

The log tells under which level images are to be kept, and the mark of each table; the triggers, that they kept any.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from .counters import Counters, literal
from .images import KEPT, LEVEL, PREFIX, UndoTable, quoted

_NAME = f'{PREFIX}state'
_REVISION = f'{PREFIX}revision'


class Noted(NamedTuple):
    """What there is to undo.

    :param level: under which images are kept.
    :param any_kept: whether there may be any.
    :param highest: the greatest row id given out so far, by position of the table.
    """

    level: int
    any_kept: bool
    highest: tuple[int, ...]


class LogState:
    """The statements that write that row and read it."""

    def __init__(self, tables: Sequence[UndoTable]) -> None:
        self.counters = Counters(tables)
        source, is_kept = quoted(_NAME), [f'EXISTS (SELECT 1 FROM {table.images})' for table in tables]
        marks = [table.source for table in tables]
        columns = ', '.join(f'{column} INTEGER' for column in (_REVISION, LEVEL, KEPT, *marks))
        self._definition = f'CREATE TABLE {source} ({columns})'
        self._first_row = f'INSERT INTO {source} VALUES (0, 0, 0{", NULL" * len(tables)})'
        self._silence = (-1, 0, *(None for _ in tables))
        self._tell = f'UPDATE {source} SET ' + ', '.join(f'{column} = ?' for column in (_REVISION, LEVEL, *marks))
        self._select_revision = f'SELECT {_REVISION} FROM {source}'
        noted = [f'SELECT {literal(column)}, {column} FROM {source}' for column in (KEPT, LEVEL)]
        self._select_noted = ' UNION ALL '.join([*noted, self.counters.select])
        self._select_kept = f'SELECT {", ".join(is_kept)}'
        self._update_kept = f'UPDATE {source} SET {KEPT} = {" OR ".join(is_kept)}'

    @staticmethod
    def is_in(connection: sqlite3.Connection) -> bool:
        """Return whether a database has the row."""
        return bool(connection.execute('SELECT 1 FROM sqlite_master WHERE name = ?', (_NAME,)).fetchall())

    def create(self, connection: sqlite3.Connection) -> None:
        """Make the row, by which no images are kept."""
        connection.execute(self._definition)
        connection.execute(self._first_row)

    def revision(self, connection: sqlite3.Connection) -> int:
        """Return what :meth:`tell` told last."""
        found: int = connection.execute(self._select_revision).fetchone()[0]
        return found

    def tell(self, connection: sqlite3.Connection, revision: int, level: int, marks: Sequence[int]) -> None:
        """Have images kept under a level of the rows up to the mark of each table."""
        connection.execute(self._tell, (revision, level, *marks))

    def silence(self, connection: sqlite3.Connection) -> None:
        """Keep no images of what the log does itself, until the next transaction that writes."""
        connection.execute(self._tell, self._silence)

    def read(self, connection: sqlite3.Connection) -> Noted:
        """Return what there is to undo."""
        numbers = dict(connection.execute(self._select_noted).fetchall())
        return Noted(numbers[LEVEL], bool(numbers[KEPT]), self.counters.marks(numbers))

    def kept(self, connection: sqlite3.Connection) -> set[int]:
        """Return the positions of tables of which there are images."""
        return {index for index, is_kept in enumerate(connection.execute(self._select_kept).fetchone()) if is_kept}

    def note_kept(self, connection: sqlite3.Connection) -> None:
        """Note whether there are still any images."""
        connection.execute(self._update_kept)
