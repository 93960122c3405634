"""Undo log of a SQLite database: return to an earlier state at a cost that grows with the changes alone.

AiiDA commits after nearly every operation, so a savepoint that is left open cannot bring an earlier state back,
and it would lock every other connection out meanwhile. Copying the database back costs in proportion to all
that it holds. Hence triggers: at a checkpoint the highest row id of each table is noted, its *mark*. Rows above
the mark are new, and deleting them undoes them. Of a row at or below the mark the triggers keep the first image
since the checkpoint, before it is updated or deleted. Everything is read from the database's own schema, so a
table or column that a later aiida-core adds is covered without a change here.

A row id stands for one row only: the tables count up, so that after the last row was deleted its id is not given out
again, until a restore has taken away what could still bring that row back. So whatever order things happen in, two
rows are never taken for one another, neither here nor in the sessions, which know rows by their ids.

The log writes through a connection of its own on which foreign keys are not enforced: on the way back to a
state that was consistent the order of the rows does not matter, and no ``ON DELETE`` rule may fire.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .exclusive import Exclusive
from .images import KEPT, PREFIX, Changes, TableChanges, UndoTable, quoted
from .marks import Checkpoint, HandOver
from .seeding import attach, detach, insert_all
from .since import Since, rows_since
from .spans import Span, without


class UndoLog:
    """Checkpoints of one SQLite database, a stack of levels.

    :param connection: a connection in autocommit mode (``isolation_level=None``) on which foreign keys are not
        enforced and which nothing else uses: what is written through it does not count as a change.
    :param when_busy: called once when another connection is writing, before that is waited for.
    :param when_stuck: called once when it goes on for longer than ``exclusive.PATIENCE``.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        when_busy: Callable[[], None] = lambda: None,
        when_stuck: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._transaction = Exclusive(when_busy, when_stuck).transaction
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        own = ('sqlite_', PREFIX)
        self.tables = [UndoTable(connection, name, sql) for name, sql in found if not name.startswith(own)]
        self._state = quoted(f'{PREFIX}state')
        if f'{PREFIX}state' not in dict(found):  # it is there in the copy of a database that has just been made
            self._create(connection)
        highest = ', '.join(table.highest for table in self.tables)
        is_kept = [f'EXISTS (SELECT 1 FROM {table.images})' for table in self.tables]
        self._select_highest = f'SELECT {highest}'
        self._select_changes = f'SELECT {PREFIX}revision, {KEPT}, {highest} FROM {self._state}'
        self._select_kept = f'SELECT {", ".join(is_kept)}'
        self._update_kept = f'UPDATE {self._state} SET {KEPT} = {" OR ".join(is_kept)}'
        self._select_revision = f'SELECT {PREFIX}revision FROM {self._state}'
        self._update_state = f'UPDATE {self._state} SET {PREFIX}revision = ?, {PREFIX}level = ?, ' + ', '.join(
            f'{table.source} = ?' for table in self.tables
        )
        self.resets = 0
        """How often something was undone, as of the transaction that is open."""
        self._stack: list[Checkpoint] = []
        self._revision = 0
        self._next_level = 1
        self._seen = -1
        self._known: tuple[int, ...] = ()
        self._dirty: set[int] = set()
        """Levels since whose checkpoint something changed, before the next one was taken."""
        self._seed: list[list[tuple[Any, ...]]] = []

    def _create(self, connection: sqlite3.Connection) -> None:
        marks = ', '.join(f'{table.source} INTEGER' for table in self.tables)
        columns = f'{PREFIX}revision INTEGER, {PREFIX}level INTEGER, {KEPT} INTEGER'
        connection.execute(f'CREATE TABLE {self._state} ({columns}, {marks})')
        connection.execute(f'INSERT INTO {self._state} VALUES (0, 0, 0{", NULL" * len(self.tables)})')
        for table in self.tables:
            table.create(connection)

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

    def absent(self, level: int) -> dict[str, tuple[Span, ...]]:
        """Return the row ids given out by now of rows that were not there at a checkpoint, by name of the table."""
        checkpoint, highest = self._stack[self._position(level)], self._highest(self._connection)
        return {table.name: checkpoint.absent(index, highest[index]) for index, table in enumerate(self.tables)}

    def highest(self, connection: sqlite3.Connection) -> dict[str, int]:
        """Return the highest row id of each table that a connection sees, by name of the table."""
        return {table.name: mark for table, mark in zip(self.tables, self._highest(connection), strict=True)}

    def since(self, connection: sqlite3.Connection, level: int, marks: dict[str, int] | None) -> dict[str, Since]:
        """Return what became of the tables that have a uuid, as a connection sees it.

        :param level: the checkpoint since when.
        :param marks: the highest row ids since when, in its place.
        """
        position, highest = self._position(level), self._highest(connection)
        levels = [] if marks else [checkpoint.level for checkpoint in self._stack[position:]]
        found = {}
        for index, table in enumerate(self.tables):
            if 'uuid' in table.columns:
                absent = self._stack[position].absent(index, highest[index])
                born = ((marks[table.name], highest[index]),) if marks else absent
                found[table.name] = rows_since(connection, table, born, levels)
        return found

    def checkpoint(self) -> int:
        """Take a checkpoint and return its level.

        :raises sqlite3.OperationalError: if another connection is writing for too long.
        """
        level = self._next_level
        with self._transaction(self._connection):
            if not self._is_unchanged():
                self._known, self._seen = self._highest(self._connection), self._data_version()
                self._dirty.update(checkpoint.level for checkpoint in self._stack[-1:])
        self._next_level = level + 1
        self._set_stack([*self._stack, Checkpoint(level, self._known)])
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
        inserted = replace(self._stack[position], level=level)
        self._set_stack([*self._stack[:position], inserted, *self._stack[position:]])
        return level

    def hand_over(
        self, level: int, into: int, through: sqlite3.Connection | None = None, *, apart: bool = False
    ) -> HandOver:
        """End the latest checkpoint, giving the changes since to an earlier one, past those in between.

        What was inserted stays when a checkpoint in between is restored, and goes with ``into``. So do changes of older
        rows, where those are not changed at the checkpoints in between too. Where restoring one of these would leave
        rows that contradict or refer to each other in vain, nothing is given: all of it stays with the last of them.

        :param apart: the checkpoint does not end, but comes next after ``into``, so that it can be excised.
        """
        connection = through or self._connection
        first, last = self._position(into), self._position(level)
        if last != len(self._stack) - 1:
            raise ValueError(f'not the latest checkpoint: {level}')
        before, between, this = self._stack[: first + 1], self._stack[first + 1 : last], self._stack[last]
        with self._transaction(connection):
            self._deactivate(connection)
            changed = any(table.has_changed(connection, level) for table in self.tables)
            connection.execute('SAVEPOINT handing_over')
            raised = self._give(connection, this, before[-1], between, apart=apart)
            is_given = not between or self._is_sound(connection, raised)
            if not is_given:
                connection.execute('ROLLBACK TO handing_over')
                for index, table in enumerate(self.tables):
                    table.move(connection, level, between[-1].level, between[-1].marks[index])
            connection.execute('RELEASE handing_over')
        self._seen = -1
        self._dirty.update(checkpoint.level for checkpoint in self._stack[first : last + apart])
        if is_given:
            moved = replace(between[0], level=level) if between else this  # what was there then, not before the changes
            self._set_stack([*before, *[moved] * apart, *raised])
        else:
            self._set_stack([*before, *between])
        return HandOver(is_given, changed)

    def _give(
        self,
        connection: sqlite3.Connection,
        this: Checkpoint,
        into: Checkpoint,
        between: list[Checkpoint],
        *,
        apart: bool,
    ) -> list[Checkpoint]:
        """Move the images of one checkpoint past others, and return these as they are with its rows."""
        highest = self._highest(connection)
        for index, table in enumerate(self.tables):
            table.drop_shared(connection, this.level, [checkpoint.level for checkpoint in between])
            for checkpoint in between[:1]:
                table.drop(connection, this.level, checkpoint.absent(index, highest[index]))
            if not apart:
                table.move(connection, this.level, into.level, into.marks[index])
            born = this.absent(index, highest[index])
            if born:
                between = [checkpoint.with_rows(index, born, highest[index]) for checkpoint in between]
        return between

    def _is_sound(self, connection: sqlite3.Connection, checkpoints: list[Checkpoint]) -> bool:
        """Return whether checkpoints can be restored with all constraints holding, by doing so and undoing it."""
        connection.execute('SAVEPOINT trying')
        broken: set[tuple[object, ...]] = set()
        try:
            for checkpoint in reversed(checkpoints):
                self._undo(connection, checkpoint, {})
                broken.update(connection.execute('PRAGMA foreign_key_check').fetchall())
        except sqlite3.IntegrityError:
            return False
        finally:
            connection.execute('ROLLBACK TO trying')
            connection.execute('RELEASE trying')
        return not broken or broken.issubset(connection.execute('PRAGMA foreign_key_check').fetchall())

    def excise(self, level: int, through: sqlite3.Connection | None = None) -> Changes:
        """Undo what happened between a checkpoint and the next one, and keep all that happened after that."""
        connection = through or self._connection
        position = self._position(level)
        this, following = self._stack[position : position + 2]
        later = self._stack[position + 1 :]
        changes: Changes = {}
        with self._transaction(connection):
            self._deactivate(connection)
            highest = self._highest(connection)
            for index, table in enumerate(self.tables):
                absent = this.absent(index, highest[index])
                born = without(absent, following.absent(index, highest[index]))
                undone = table.excise(connection, level, [other.level for other in later], absent, born)
                if undone:
                    changes[table.name] = undone
                if born and all(other.marks[index] == born[-1][1] for other in later) and born[-1][1] == highest[index]:
                    later = [other.with_mark(index, born[-1][0]) for other in later]
                    table.count_from(connection, born[-1][0])
            self.resets += bool(changes)
        self._seen = -1
        self._dirty.update(checkpoint.level for checkpoint in self._stack[:position][-1:])  # the ids given out differ
        self._set_stack([*self._stack[:position], *later])
        return changes

    def clear(self, through: sqlite3.Connection | None = None) -> Changes:
        """Bring the rows of the first checkpoint back and delete all others, as a change that can be undone."""
        connection = through or self._connection
        changes: Changes = {}
        with self._transaction(connection):
            if not self._dirty and self.is_at(self._stack[-1].level):
                return changes
            self._undo(connection, self._stack[-1], changes)
            self.activate(connection)
            for table, mark, seed in zip(self.tables, self._stack[-1].marks, self._seed, strict=True):
                lost = changes[table.name].lost if table.name in changes else ()
                put_back, left = table.refill(connection, seed)
                deleted = without(((0, mark),), ((row - 1, row) for row in left))
                changes[table.name] = TableChanges(lost, put_back, deleted)
            self.resets += 1
        self._seen = -1
        return changes

    def insert_from(self, uri: str, through: sqlite3.Connection | None = None) -> None:
        """Insert all rows of another database that was made in the same way, as new ones.

        :raises sqlite3.IntegrityError: if one of them is there already; nothing is inserted then.
        """
        connection = through or self._connection
        attach(connection, uri)
        try:
            with self._transaction(connection):
                self.activate(connection)
                insert_all(connection, self.tables)
        finally:
            self._seen = -1
            detach(connection)

    def _set_stack(self, stack: list[Checkpoint]) -> None:
        self._stack = stack
        self._revision += 1

    def _position(self, level: int) -> int:
        for position, checkpoint in enumerate(self._stack):
            if checkpoint.level == level:
                return position
        raise KeyError(level)

    def _highest(self, connection: sqlite3.Connection) -> tuple[int, ...]:
        return tuple(connection.execute(self._select_highest).fetchone())

    def _undo(self, connection: sqlite3.Connection, checkpoint: Checkpoint, changes: Changes) -> None:
        revision, any_kept, *highest = connection.execute(self._select_changes).fetchone()
        if any_kept or checkpoint.holes or checkpoint is not self._stack[-1] or revision != self._revision:
            self._deactivate(connection)  # else only rows go that no image is kept of
        kept = connection.execute(self._select_kept).fetchone() if any_kept else [False] * len(highest)
        for index, (table, mark, is_kept) in enumerate(zip(self.tables, highest, kept, strict=True)):
            absent = checkpoint.absent(index, mark)
            if not absent and not is_kept:
                continue
            undone = table.restore(connection, checkpoint.level, absent, has_images=is_kept)
            if mark > checkpoint.marks[index]:
                table.count_from(connection, checkpoint.marks[index])
            changes[table.name] = undone.after(changes.get(table.name))
        if any_kept:
            connection.execute(self._update_kept)

    def _deactivate(self, connection: sqlite3.Connection) -> None:
        """Keep no images of what the log does itself, until the next transaction that writes."""
        connection.execute(self._update_state, (-1, 0, *(None for _ in self.tables)))

    def _is_unchanged(self) -> bool:
        return self._data_version() == self._seen

    def _data_version(self) -> int:
        version: int = self._connection.execute('PRAGMA data_version').fetchone()[0]
        return version
