"""The rows of one table as they had been: kept by triggers, brought back by a few statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .counters import literal
from .spans import Span

PREFIX = 'aiida_temp_'
"""Begins the name of every table and trigger of the log itself."""

LEVEL = f'{PREFIX}level'
"""The column of the log's state that has the checkpoint under which images are kept."""

KEPT = f'{PREFIX}kept'
"""The column of the log's state that says whether there may be images of any table."""

MOST_NAMED = 100
"""How many of the rows of one table that a restore takes away are named, the latest ones."""


class TableChanges(NamedTuple):
    """What was undone in one table, by row id.

    :param lost: rows that were new and are gone for good; their ids may be given out again.
    :param rows: rows that were put back as they had been.
    :param deleted: rows that are gone but for those in ``rows``, and may be put back by a later restore.
    :param named: row id and uuid of the latest of those that were new, if the table has one.
    """

    lost: tuple[Span, ...] = ()
    rows: frozenset[int] = frozenset()
    deleted: tuple[Span, ...] = ()
    named: tuple[tuple[int, str], ...] = ()

    def after(self, earlier: TableChanges | None) -> TableChanges:
        """Return these changes together with those that were undone before them."""
        if earlier is None:
            return self
        named = (self.named + earlier.named)[:MOST_NAMED]
        return TableChanges(self.lost + earlier.lost, self.rows | earlier.rows, named=named)


Changes = dict[str, TableChanges]
"""Changes by name of the table."""


def quoted(name: str) -> str:
    """Return the name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class UndoTable:
    """The statements that keep and bring back the rows of one table."""

    def __init__(self, connection: sqlite3.Connection, name: str, sql: str) -> None:
        info = connection.execute(f'PRAGMA table_info({quoted(name)})').fetchall()
        keys = [(column, kind) for _, column, kind, _, _, key in info if key]
        alias = keys[0][0] if len(keys) == 1 and keys[0][1].upper() == 'INTEGER' else None
        self.name = name
        self.source = quoted(name)
        self.images = quoted(f'{PREFIX}undo_{name}')
        self.columns = [column for _, column, *_ in info if column != alias]
        self.row = quoted(alias) if alias else 'rowid'
        self.counts_up = 'AUTOINCREMENT' in sql.upper()
        """Whether an id is never given out again, also if the row with the greatest one is deleted."""

        self.names = ', '.join(map(quoted, self.columns))
        # Numbered, so that no column of the table can have the name of one that is added here.
        self.kept = ', '.join(f'value_{number}' for number in range(len(self.columns)))
        of_span = f'{self.source} WHERE {self.row} > ? AND {self.row} <= ?'
        identifiers = f'{self.row}, uuid'
        self._delete_span = f'DELETE FROM {of_span}'
        self._delete_and_name = f'DELETE FROM {of_span} RETURNING {identifiers}'
        self._select_latest = f'SELECT {identifiers} FROM {of_span} ORDER BY {self.row} DESC LIMIT {MOST_NAMED}'

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
        if self.row != 'rowid':  # an implicit row id cannot be named in SET
            self._trigger(connection, f'AFTER UPDATE OF {self.row}', 'new', born, moved)
        if self.counts_up:
            self._count_moved(connection)

    def _count_moved(self, connection: sqlite3.Connection) -> None:
        """Have SQLite's count take in an id that a row is given later, as it does one that it is inserted with."""
        trigger, name = quoted(f'{PREFIX}count_{self.name}'), literal(self.name)
        connection.execute(
            f'CREATE TRIGGER {trigger} AFTER UPDATE OF {self.row} ON {self.source} '
            f'WHEN new.{self.row} > (SELECT seq FROM sqlite_sequence WHERE name = {name}) BEGIN '
            f'UPDATE sqlite_sequence SET seq = new.{self.row} WHERE name = {name}; END'
        )

    def _trigger(self, connection: sqlite3.Connection, event: str, row: str, image: str, condition: str = '') -> None:
        name = quoted(f'{PREFIX}{event.replace(" ", "_").replace(chr(34), "").lower()}_{self.name}')
        state = quoted(f'{PREFIX}state')
        # Not `INSERT OR IGNORE`: in a trigger the conflict clause of the outer statement wins over the inner one.
        connection.execute(
            f'CREATE TRIGGER {name} {event} ON {self.source} '
            f'WHEN {condition}{row}.{self.row} <= (SELECT {self.source} FROM {state}) BEGIN '
            f'INSERT INTO {self.images} SELECT {LEVEL}, {image} FROM {state} WHERE NOT EXISTS '
            f'(SELECT 1 FROM {self.images} i WHERE i.level = {LEVEL} AND i.row = {row}.{self.row}); '
            f'UPDATE {state} SET {KEPT} = 1 WHERE NOT {KEPT}; END'
        )

    def restore(
        self, connection: sqlite3.Connection, level: int, absent: Sequence[Span], *, has_images: bool = True
    ) -> TableChanges:
        """Return the table to its state at the checkpoint ``level`` and drop what was kept for it.

        :param absent: the row ids that were not there.
        :param has_images: whether anything may be kept at all.
        """
        named = self._delete(connection, absent)
        if not has_images:
            return TableChanges(tuple(absent), named=named)
        self.drop(connection, level, absent)
        found = connection.execute(f'SELECT row, existed FROM {self.images} WHERE level = ?', (level,)).fetchall()
        if found:
            of_level = f'FROM {self.images} WHERE level = ?'
            connection.execute(f'DELETE FROM {self.source} WHERE {self.row} IN (SELECT row {of_level})', (level,))
            connection.execute(
                f'INSERT INTO {self.source} ({self.row}, {self.names}) SELECT row, {self.kept} {of_level} AND existed',
                (level,),
            )
            connection.execute(f'DELETE {of_level}', (level,))
        born = tuple((row - 1, row) for row, existed in found if not existed)
        return TableChanges((*absent, *born), frozenset(row for row, existed in found if existed), named=named)

    def _delete(self, connection: sqlite3.Connection, spans: Sequence[Span]) -> tuple[tuple[int, str], ...]:
        """Delete the rows with these ids; return row id and uuid of the latest of them, if the table has a uuid."""
        if 'uuid' not in self.columns:
            for span in spans:
                connection.execute(self._delete_span, span)
            return ()
        named: list[tuple[int, str]] = []
        for span in reversed(spans):
            if span[1] - span[0] <= MOST_NAMED:
                named += sorted(connection.execute(self._delete_and_name, span).fetchall(), reverse=True)
            else:
                named += connection.execute(self._select_latest, span).fetchall()
                connection.execute(self._delete_span, span)
        return tuple(named[:MOST_NAMED])

    def has_changed(self, connection: sqlite3.Connection, level: int) -> bool:
        """Return whether anything is kept at a checkpoint of rows that were there."""
        statement = f'SELECT 1 FROM {self.images} WHERE level = ? AND existed LIMIT 1'
        return connection.execute(statement, (level,)).fetchone() is not None

    def move(self, connection: sqlite3.Connection, level: int, into: int, mark: int) -> None:
        """Give what is kept at a checkpoint to one before it, of rows up to ``mark`` that it keeps nothing of."""
        connection.execute(
            f'UPDATE OR IGNORE {self.images} SET level = ? WHERE level = ? AND row <= ?', (into, level, mark)
        )
        connection.execute(f'DELETE FROM {self.images} WHERE level = ?', (level,))

    def drop_shared(self, connection: sqlite3.Connection, level: int, others: Iterable[int]) -> None:
        """Drop what is kept at one checkpoint of rows that others keep something of."""
        for other in others:
            connection.execute(
                f'DELETE FROM {self.images} WHERE level = ? AND row IN (SELECT row FROM {self.images} WHERE level = ?)',
                (level, other),
            )

    def drop(self, connection: sqlite3.Connection, level: int, spans: Iterable[Span]) -> None:
        """Drop what is kept at a checkpoint of rows with these ids."""
        for span in spans:
            connection.execute(f'DELETE FROM {self.images} WHERE level = ? AND row > ? AND row <= ?', (level, *span))

    def excise(
        self,
        connection: sqlite3.Connection,
        level: int,
        later: list[int],
        absent: Iterable[Span],
        born: tuple[Span, ...],
    ) -> TableChanges | None:
        """Undo what happened between a checkpoint and the next one, and keep all that happened after that.

        :param later: the levels of the checkpoints after it, in order.
        :param absent: the row ids that were not there at the checkpoint.
        :param born: those of them that were there at the next one.
        """
        kept = connection.execute(f'SELECT row FROM {self.images} WHERE level = ?', (level,)).fetchall()
        if not born and not kept:
            return None
        self.drop(connection, level, absent)
        for above, upto in born:
            connection.execute(f'DELETE FROM {self.images} WHERE row > ? AND row <= ?', (above, upto))
        inserted = f'SELECT row FROM {self.images} WHERE level = ? AND NOT existed'
        for other in later:
            connection.execute(f'DELETE FROM {self.images} WHERE level = ? AND row IN ({inserted})', (other, level))
            # Where the row was changed again later, returning to that checkpoint has to give the older image.
            shared = f'SELECT row FROM {self.images} WHERE level = ?'
            again = connection.execute(f'{shared} INTERSECT {shared}', (level, other)).fetchall()
            both = [(other, row) for (row,) in again]
            connection.executemany(f'DELETE FROM {self.images} WHERE level = ? AND row = ?', both)
            moved = [(other, level, row) for (row,) in again]
            connection.executemany(f'UPDATE {self.images} SET level = ? WHERE level = ? AND row = ?', moved)
        return self.restore(connection, level, born)

    def refill(
        self, connection: sqlite3.Connection, rows: list[tuple[Any, ...]]
    ) -> tuple[frozenset[int], frozenset[int]]:
        """Have these rows and no others; return the ids of those that were put in, and of those left as they were."""
        found = set(connection.execute(f'SELECT {self.row}, {self.names} FROM {self.source}')) if rows else set()
        left = [row for row in rows if row in found]
        missing = [row for row in rows if row not in found]
        holders = ', '.join('?' * len(left))
        connection.execute(f'DELETE FROM {self.source} WHERE {self.row} NOT IN ({holders})', [row[0] for row in left])
        values = ', '.join('?' * (len(self.columns) + 1))
        connection.executemany(f'INSERT INTO {self.source} ({self.row}, {self.names}) VALUES ({values})', missing)
        return frozenset(row[0] for row in missing), frozenset(row[0] for row in left)
