"""Undo log of a SQLite database: return to an earlier state at a cost that grows with the changes alone.

AiiDA commits after nearly every operation, so a savepoint that is left open cannot bring an earlier state back,
and it would lock every other connection out meanwhile. Copying the database back costs in proportion to all
that it holds. Hence triggers: at a checkpoint the highest row id of each table is noted, its *mark*. Rows above
the mark are new, and deleting them undoes them. Of a row at or below the mark the triggers keep the first image
since the checkpoint, before it is updated or deleted. Everything is read from the database's own schema, so a
table or column that a later aiida-core adds is covered without a change here.

The log writes through a connection of its own on which foreign keys are not enforced: on the way back to a
state that was consistent the order of the rows does not matter, and no ``ON DELETE`` rule may fire.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from .images import PREFIX, Changes, TableChanges, UndoTable, quoted
from .since import Since, rows_since

BUSY_TIMEOUT = 10.0
"""Seconds to wait for another thread's transaction."""

PATIENCE = 1.0
"""Seconds to wait for it before it is broken off."""


@dataclass(frozen=True)
class _Checkpoint:
    """A checkpoint: under which level images are kept, and the mark of each table."""

    level: int
    marks: tuple[int, ...]


class WriterBusyError(sqlite3.OperationalError):
    """Another connection kept a transaction open in which it had written."""


class UndoLog:
    """Checkpoints of one SQLite database, a stack of levels.

    :param connection: a connection in autocommit mode (``isolation_level=None``) on which foreign keys are not
        enforced and which nothing else uses: what is written through it does not count as a change.
    :param when_busy: called once when another connection is writing, before that is waited for.
    :param when_stuck: called once when it goes on for longer than ``PATIENCE``.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        when_busy: Callable[[], None] = lambda: None,
        when_stuck: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._when_busy = when_busy
        self._when_stuck = when_stuck
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        self.tables = [UndoTable(connection, name) for (name,) in names if not name.startswith('sqlite_')]
        self._state = quoted(f'{PREFIX}state')
        marks = ', '.join(f'{table.source} INTEGER' for table in self.tables)
        connection.execute(f'CREATE TABLE {self._state} ({PREFIX}revision INTEGER, {PREFIX}level INTEGER, {marks})')
        connection.execute(f'INSERT INTO {self._state} VALUES (0, 0{", -1" * len(self.tables)})')
        for table in self.tables:
            table.create(connection)
        highest = ', '.join(f'(SELECT max({table.row}) FROM {table.source})' for table in self.tables)
        changed = ', '.join(f'EXISTS (SELECT 1 FROM {table.images})' for table in self.tables)
        self._select_highest = f'SELECT {highest}'
        self._select_changes = f'SELECT {highest}, {changed}'
        self._select_revision = f'SELECT {PREFIX}revision FROM {self._state}'
        self._update_state = f'UPDATE {self._state} SET {PREFIX}revision = ?, {PREFIX}level = ?, ' + ', '.join(
            f'{table.source} = ?' for table in self.tables
        )
        self.resets = 0
        """How often something was undone, as of the transaction that is open."""
        self._stack: list[_Checkpoint] = []
        self._revision = 0
        self._next_level = 1
        self._seen = -1
        self._known: tuple[int, ...] = ()
        self._dirty: set[int] = set()
        """Levels since whose checkpoint something changed, before the next one was taken."""
        self._seed: list[list[tuple[object, ...]]] = []

    def activate(self, connection: sqlite3.Connection) -> None:
        """Tell the triggers the latest checkpoint, as the first thing in a transaction that writes.

        Only then, so that taking and leaving a checkpoint writes nothing where nothing else does.
        """
        if self._stack and connection.execute(self._select_revision).fetchone()[0] != self._revision:
            latest = self._stack[-1]
            connection.execute(self._update_state, (self._revision, latest.level, *latest.marks))

    def is_at(self, level: int) -> bool:
        """Return whether ``level`` is the latest checkpoint and nothing was committed since."""
        return self._stack[-1].level == level and level not in self._dirty and self._is_unchanged()

    def marks(self, level: int) -> dict[str, int]:
        """Return the highest row id of each table at a checkpoint, by name of the table."""
        marks = self._stack[self._position(level)].marks
        return {table.name: mark for table, mark in zip(self.tables, marks, strict=True)}

    def highest(self, connection: sqlite3.Connection) -> dict[str, int]:
        """Return the highest row id of each table that a connection sees, by name of the table."""
        return {table.name: mark for table, mark in zip(self.tables, self._highest_ids(connection), strict=True)}

    def since(self, connection: sqlite3.Connection, level: int | None, marks: dict[str, int]) -> dict[str, Since]:
        """Return what became of the tables that have a uuid, as a connection sees it.

        :param level: the checkpoint at which ``marks`` were the highest row ids, if one was taken then.
        """
        levels = [] if level is None else [checkpoint.level for checkpoint in self._stack[self._position(level) :]]
        tables = [table for table in self.tables if 'uuid' in table.columns]
        return {table.name: rows_since(connection, table, marks[table.name], levels) for table in tables}

    def checkpoint(self) -> int:
        """Take a checkpoint and return its level.

        :raises sqlite3.OperationalError: if another connection is writing for too long.
        """
        level = self._next_level
        with self._transaction(self._connection):
            if not self._is_unchanged():
                self._known, self._seen = self._highest_ids(self._connection), self._data_version()
                self._dirty.update(checkpoint.level for checkpoint in self._stack[-1:])
        self._next_level = level + 1
        self._set_stack([*self._stack, _Checkpoint(level, self._known)])
        if len(self._stack) == 1:
            self._seed = [
                self._connection.execute(f'SELECT {table.row}, {table.names} FROM {table.source}').fetchall()
                for table in self.tables
            ]
        return level

    def restore(self, level: int, *, keep: bool = True, through: sqlite3.Connection | None = None) -> Changes:
        """Return to a checkpoint; those taken after it are gone.

        :param keep: the checkpoint itself remains, to be returned to again.
        :param through: another connection to write through, for when it holds a lock that cannot be released
            (a result that was not read to its end); on it foreign keys must be off as well.
        :raises KeyError: if the checkpoint is gone.
        :raises sqlite3.OperationalError: if another connection has the database locked; nothing is changed then.
        """
        position = self._position(level)
        connection = through or self._connection
        changes: Changes = {}
        with self._transaction(connection):
            if through or not self.is_at(level):
                for checkpoint in reversed(self._stack[position:]):
                    self._undo(connection, checkpoint, changes)
            self.resets += bool(changes)
            # What this connection itself writes does not count; of another one's it is not known.
            seen = -1 if through else self._data_version()
        self._known, self._seen = self._stack[position].marks, seen
        self._dirty.difference_update(checkpoint.level for checkpoint in self._stack[position:])
        if not keep or position < len(self._stack) - 1:
            self._set_stack(self._stack[: position + 1 if keep else position])
        return changes

    def insert(self, before: int) -> int:
        """Take a checkpoint of the same state as a given one, ahead of it, and return its level."""
        position = self._position(before)
        level = self._next_level
        self._next_level += 1
        inserted = _Checkpoint(level, self._stack[position].marks)
        self._set_stack([*self._stack[:position], inserted, *self._stack[position:]])
        return level

    def hand_over(
        self, level: int, into: int, through: sqlite3.Connection | None = None, *, apart: bool = False
    ) -> bool:
        """End the latest checkpoint, giving the changes since to an earlier one, past those in between.

        What was inserted stays when a checkpoint in between is restored, and goes with ``into``.

        :param apart: the checkpoint does not end, but comes next after ``into``, so that it can be excised.
        :returns: whether rows that were older were changed or deleted, which cannot be kept apart from what happened
            to them at the checkpoints in between.
        """
        connection = through or self._connection
        first, last = self._position(into), self._position(level)
        changed = False
        with self._transaction(connection):
            highest = self._highest_ids(connection)
            for index, table in enumerate(self.tables):
                for lower, upper in zip(self._stack[first + 1 : last], self._stack[first + 2 : last + 1], strict=True):
                    if upper.marks[index] > lower.marks[index]:
                        table.disown(connection, lower.level, lower.marks[index], upper.marks[index])
                changed |= table.move(connection, level, into, self._stack[first].marks[index])
        self._seen = -1
        self._dirty.update(checkpoint.level for checkpoint in self._stack[first : last + apart])
        raised = [_Checkpoint(between.level, highest) for between in self._stack[first + 1 : last]]
        self._set_stack([*self._stack[: first + 1], *self._stack[last : last + apart], *raised])
        return changed

    def excise(self, level: int, through: sqlite3.Connection | None = None) -> Changes:
        """Undo what happened between a checkpoint and the next one, and keep all that happened after that."""
        connection = through or self._connection
        position = self._position(level)
        this, following, *_ = self._stack[position:]
        later = [checkpoint.level for checkpoint in self._stack[position + 1 :]]
        changes: Changes = {}
        with self._transaction(connection):
            connection.execute(self._update_state, (-1, 0, *(-1 for _ in self.tables)))
            for table, above, upto in zip(self.tables, this.marks, following.marks, strict=True):
                undone = table.excise(connection, level, later, above, upto)
                if undone:
                    changes[table.name] = replace(undone, above=above, highest=upto)
            self.resets += bool(changes)
        self._seen = -1
        self._set_stack([*self._stack[:position], *self._stack[position + 1 :]])
        return changes

    def clear(self, through: sqlite3.Connection | None = None) -> Changes:
        """Bring the rows of the first checkpoint back and delete all others, as a change that can be undone."""
        connection = through or self._connection
        changes: Changes = {}
        with self._transaction(connection):
            self.activate(connection)
            highest = self._highest_ids(connection)
            for table, above, found, seed in zip(self.tables, self._stack[0].marks, highest, self._seed, strict=True):
                table.refill(connection, seed)
                changes[table.name] = TableChanges(above, found, frozenset(range(1, above + 1)), may_return=True)
            self.resets += 1
        self._seen = -1
        return changes

    def _set_stack(self, stack: list[_Checkpoint]) -> None:
        self._stack = stack
        self._revision += 1

    def _position(self, level: int) -> int:
        for position, checkpoint in enumerate(self._stack):
            if checkpoint.level == level:
                return position
        raise KeyError(level)

    def _highest_ids(self, connection: sqlite3.Connection) -> tuple[int, ...]:
        return tuple(mark or 0 for mark in connection.execute(self._select_highest).fetchone())

    def _undo(self, connection: sqlite3.Connection, checkpoint: _Checkpoint, changes: Changes) -> None:
        row = connection.execute(self._select_changes).fetchone()
        count = len(self.tables)
        for table, above, found, kept in zip(self.tables, checkpoint.marks, row[:count], row[count:], strict=True):
            highest = found or 0
            if highest <= above and not kept:
                continue
            undone = table.restore(connection, checkpoint.level, above, highest)
            changes[table.name] = undone.after(changes.get(table.name))

    def _is_unchanged(self) -> bool:
        return self._data_version() == self._seen

    def _data_version(self) -> int:
        version: int = self._connection.execute('PRAGMA data_version').fetchone()[0]
        return version

    def _begin(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute('BEGIN IMMEDIATE')
            return
        except sqlite3.OperationalError as exception:
            if 'locked' not in str(exception):
                raise
        self._when_busy()
        began, stuck = time.monotonic(), False
        while True:
            try:
                connection.execute('BEGIN IMMEDIATE')
                return
            except sqlite3.OperationalError as exception:
                waited = time.monotonic() - began
                if waited > BUSY_TIMEOUT:
                    raise WriterBusyError(str(exception)) from exception
                if waited > PATIENCE and not stuck:
                    stuck = True
                    self._when_stuck()
                time.sleep(0.001)

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Keep all others from writing, waiting until they have committed what they are about."""
        self._begin(connection)
        before = connection.total_changes
        try:
            yield
            # A commit has to wait for whoever reads, even if there is nothing to commit.
            connection.execute('COMMIT' if connection.total_changes > before else 'ROLLBACK')
        except BaseException:
            connection.execute('ROLLBACK')
            raise
