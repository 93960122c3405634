"""The rows of one table as they had been: kept by triggers, brought back by a few statements."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

PREFIX = 'aiida_temp_'
"""Begins the name of every table and trigger of the log itself."""


@dataclass(frozen=True)
class TableChanges:
    """What one restore undid in one table.

    :param above: rows with an id greater than this were new and are gone.
    :param highest: the greatest row id that there was.
    :param rows: ids of older rows that were put back as they had been.
    :param gone: ids up to ``above`` that were new all the same, in the place of rows deleted earlier.
    :param may_return: some of the rows that are gone are put back with a later restore.
    """

    above: int
    highest: int
    rows: frozenset[int]
    gone: frozenset[int] = frozenset()
    may_return: bool = False

    def after(self, earlier: TableChanges | None) -> TableChanges:
        """Return these changes together with those that were undone before them."""
        if earlier is None:
            return self
        rows = self.rows | (earlier.rows - self.gone)
        gone = self.gone | (earlier.gone - self.rows)
        return replace(self, highest=max(self.highest, earlier.highest), rows=rows, gone=gone)


Changes = dict[str, TableChanges]
"""Changes by name of the table."""


def quoted(name: str) -> str:
    """Return the name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class UndoTable:
    """The statements that keep and bring back the rows of one table."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        info = connection.execute(f'PRAGMA table_info({quoted(name)})').fetchall()
        keys = [(column, kind) for _, column, kind, _, _, key in info if key]
        alias = keys[0][0] if len(keys) == 1 and keys[0][1].upper() == 'INTEGER' else None
        self.name = name
        self.source = quoted(name)
        self.images = quoted(f'{PREFIX}undo_{name}')
        self.columns = [column for _, column, *_ in info if column != alias]
        self.row = quoted(alias) if alias else 'rowid'

        self.names = ', '.join(map(quoted, self.columns))
        # Numbered, so that no column of the table can have the name of one that is added here.
        self.kept = ', '.join(f'value_{number}' for number in range(len(self.columns)))

    def create(self, connection: sqlite3.Connection) -> None:
        """Make the table of images and the triggers that fill it."""
        connection.execute(
            f'CREATE TABLE {self.images} (level INTEGER, row INTEGER, existed INTEGER, {self.kept}, '
            'PRIMARY KEY (level, row)) WITHOUT ROWID'
        )
        old = ', '.join(f'old.{quoted(column)}' for column in self.columns)
        kept = f'old.{self.row}, 1, {old}'
        born = f'new.{self.row}, 0' + ', NULL' * len(self.columns)
        moved = f'new.{self.row} <> old.{self.row} AND '
        self._trigger(connection, 'BEFORE UPDATE', 'old', kept)
        self._trigger(connection, 'BEFORE DELETE', 'old', kept)
        self._trigger(connection, 'AFTER INSERT', 'new', born)
        self._trigger(connection, f'AFTER UPDATE OF {self.row}', 'new', born, moved)

    def _trigger(self, connection: sqlite3.Connection, event: str, row: str, image: str, condition: str = '') -> None:
        if 'UPDATE OF rowid' in event:
            return  # an implicit row id cannot be named in SET
        name = quoted(f'{PREFIX}{event.replace(" ", "_").replace(chr(34), "").lower()}_{self.name}')
        state = quoted(f'{PREFIX}state')
        # Not `INSERT OR IGNORE`: in a trigger the conflict clause of the outer statement wins over the inner one.
        connection.execute(
            f'CREATE TRIGGER {name} {event} ON {self.source} '
            f'WHEN {condition}{row}.{self.row} <= (SELECT {self.source} FROM {state}) BEGIN '
            f'INSERT INTO {self.images} SELECT {PREFIX}level, {image} FROM {state} WHERE NOT EXISTS '
            f'(SELECT 1 FROM {self.images} i WHERE i.level = {PREFIX}level AND i.row = {row}.{self.row}); END'
        )

    def restore(self, connection: sqlite3.Connection, level: int, above: int, highest: int) -> TableChanges:
        """Return the table to its state at the checkpoint ``level`` and drop what was kept for it."""
        if highest > above:
            connection.execute(f'DELETE FROM {self.source} WHERE {self.row} > ?', (above,))
        found = connection.execute(f'SELECT row, existed FROM {self.images} WHERE level = ?', (level,)).fetchall()
        if found:
            of_level = f'FROM {self.images} WHERE level = ?'
            connection.execute(f'DELETE FROM {self.source} WHERE {self.row} IN (SELECT row {of_level})', (level,))
            connection.execute(
                f'INSERT INTO {self.source} ({self.row}, {self.names}) SELECT row, {self.kept} {of_level} AND existed',
                (level,),
            )
            connection.execute(f'DELETE {of_level}', (level,))
        rows = frozenset(row for row, existed in found if existed and row <= above)
        return TableChanges(above, highest, rows, frozenset(row for row, existed in found if not existed))

    def disown(self, connection: sqlite3.Connection, level: int, above: int, highest: int) -> None:
        """Note the rows after ``above`` as new at a checkpoint whose mark is about to be raised to ``highest``."""
        connection.execute(
            f'INSERT INTO {self.images} SELECT ?, {self.row}, 0{", NULL" * len(self.columns)} FROM {self.source} s '
            f'WHERE {self.row} > ? AND {self.row} <= ? AND NOT EXISTS '
            f'(SELECT 1 FROM {self.images} i WHERE i.level = ? AND i.row = s.{self.row})',
            (level, above, highest, level),
        )

    def move(self, connection: sqlite3.Connection, level: int, into: int, mark: int) -> bool:
        """Give what is kept at one checkpoint to an earlier one with that mark, and return whether there was any."""
        found = connection.execute(
            f'SELECT 1 FROM {self.images} WHERE level = ? AND existed LIMIT 1', (level,)
        ).fetchone()
        connection.execute(
            f'UPDATE OR IGNORE {self.images} SET level = ? WHERE level = ? AND row <= ?',
            (into, level, mark),
        )
        connection.execute(f'DELETE FROM {self.images} WHERE level = ?', (level,))
        return found is not None

    def excise(
        self, connection: sqlite3.Connection, level: int, later: list[int], above: int, upto: int
    ) -> TableChanges | None:
        """Undo what happened between a checkpoint and the next one, and keep all that happened after that.

        The triggers must not be active.

        :param later: the levels of the checkpoints after it, in order.
        :param above: the mark of the checkpoint.
        :param upto: the mark of the next one.
        """
        kept = connection.execute(f'SELECT row FROM {self.images} WHERE level = ?', (level,)).fetchall()
        if upto <= above and not kept:
            return None
        connection.execute(f'DELETE FROM {self.source} WHERE {self.row} > ? AND {self.row} <= ?', (above, upto))
        connection.execute(f'DELETE FROM {self.images} WHERE level <> ? AND row > ? AND row <= ?', (level, above, upto))
        born = f'SELECT row FROM {self.images} WHERE level = ? AND NOT existed'
        for other in later:
            connection.execute(f'DELETE FROM {self.images} WHERE level = ? AND row IN ({born})', (other, level))
            # Where the row was changed again later, returning to that checkpoint has to give the older image.
            shared = f'SELECT row FROM {self.images} WHERE level = ?'
            again = connection.execute(f'{shared} INTERSECT {shared}', (level, other)).fetchall()
            both = [(other, row) for (row,) in again]
            connection.executemany(f'DELETE FROM {self.images} WHERE level = ? AND row = ?', both)
            moved = [(other, level, row) for (row,) in again]
            connection.executemany(f'UPDATE {self.images} SET level = ? WHERE level = ? AND row = ?', moved)
        return self.restore(connection, level, upto, upto)

    def refill(self, connection: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
        """Replace all rows."""
        connection.execute(f'DELETE FROM {self.source}')
        values = ', '.join('?' * (len(self.columns) + 1))
        connection.executemany(f'INSERT INTO {self.source} ({self.row}, {self.names}) VALUES ({values})', rows)
