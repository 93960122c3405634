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
from .images import PREFIX, Changes, TableChanges, UndoTable
from .log_state import LogState
from .marks import Checkpoint
from .rearranging import Rearranging
from .seeding import attach, detach, insert_all
from .since import Since, rows_since
from .spans import Span, without


class UndoLog(Rearranging):
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
        self._state = LogState(self.tables)
        if not self._state.is_in(connection):  # it is there in the copy of a database that has just been made
            self._create(connection)
        self.resets = 0
        """How often something was undone, as of the transaction that is open."""
        self._stack: list[Checkpoint] = []
        self._revision = 0
        self._next_level = 1
        self._seen: object = None
        """The version of the database of which the highest row ids are known: as given, or SQLite's own number."""
        self._known: tuple[int, ...] = ()
        self._dirty: set[int] = set()
        """Levels since whose checkpoint something changed, before the next one was taken."""
        self._seed: list[list[tuple[Any, ...]]] = []

    def _create(self, connection: sqlite3.Connection) -> None:
        self._state.create(connection)
        for table in self.tables:
            table.create(connection)

    def activate(self, connection: sqlite3.Connection) -> None:
        """Tell the triggers the latest checkpoint, as the first thing in a transaction that writes.

        Only then, so that taking and leaving a checkpoint writes nothing where nothing else does.
        """
        if self._stack and self._state.revision(connection) != self._revision:
            latest = self._stack[-1]
            self._state.tell(connection, self._revision, latest.level, latest.marks)

    def is_at(self, level: int, version: object = None) -> bool:
        """Return whether ``level`` is the latest checkpoint and nothing was committed since.

        :param version: as for :meth:`restore`.
        """
        if version is None:
            version = self._data_version()
        return version == self._seen and self._is_latest(self._position(level))

    def _is_latest(self, position: int) -> bool:
        """Return whether a checkpoint is the latest, and as far as the log knows nothing was changed since."""
        return position == len(self._stack) - 1 and self._stack[position].level not in self._dirty

    def absent(self, level: int) -> dict[str, tuple[Span, ...]]:
        """Return the row ids given out by now of rows that were not there at a checkpoint, by name of the table."""
        checkpoint, highest = self._stack[self._position(level)], self._state.counters.read(self._connection)
        return {table.name: checkpoint.absent(index, highest[index]) for index, table in enumerate(self.tables)}

    def highest(self, connection: sqlite3.Connection) -> dict[str, int]:
        """Return the highest row id of each table that a connection sees, by name of the table."""
        marks = self._state.counters.read(connection)
        return {table.name: mark for table, mark in zip(self.tables, marks, strict=True)}

    def since(self, connection: sqlite3.Connection, level: int, marks: dict[str, int] | None) -> dict[str, Since]:
        """Return what became of the tables that have a uuid, as a connection sees it.

        :param level: the checkpoint since when.
        :param marks: the highest row ids since when, in its place.
        """
        position, highest = self._position(level), self._state.counters.read(connection)
        levels = [] if marks else [checkpoint.level for checkpoint in self._stack[position:]]
        found = {}
        for index, table in enumerate(self.tables):
            if 'uuid' in table.columns:
                absent = self._stack[position].absent(index, highest[index])
                born = ((marks[table.name], highest[index]),) if marks else absent
                found[table.name] = rows_since(connection, table, born, levels)
        return found

    def checkpoint(self, version: object = None) -> int:
        """Take a checkpoint and return its level.

        :param version: as for :meth:`restore`.
        :raises sqlite3.OperationalError: if another connection is writing for too long.
        """
        level = self._next_level
        if version is None or version != self._seen:
            self._look(version)
        self._next_level = level + 1
        self._set_stack([*self._stack, Checkpoint(level, self._known)])
        if len(self._stack) == 1:
            self._seed = [
                self._connection.execute(f'SELECT {table.row}, {table.names} FROM {table.source}').fetchall()
                for table in self.tables
            ]
        return level

    def _look(self, version: object) -> None:
        """Come to know the highest row ids."""
        with self._transaction(self._connection):
            if version is None:
                version = self._data_version()
            if version != self._seen:
                self._known, self._seen = self._state.counters.read(self._connection), version
                self._dirty.update(checkpoint.level for checkpoint in self._stack[-1:])

    def restore(
        self, level: int, *, keep: bool = True, version: object = None, through: sqlite3.Connection | None = None
    ) -> Changes:
        """Return to a checkpoint; those taken after it are gone.

        :param keep: the checkpoint itself remains, to be returned to again.
        :param version: what is the same for as long as nobody has written, if it is known that nobody does right now.
        :param through: another connection to write through, for when it holds a lock that cannot be released
            (a result that was not read to its end); on it foreign keys must be off as well.
        :raises KeyError: if the checkpoint is gone.
        :raises sqlite3.OperationalError: if another connection has the database locked; nothing is changed then.
        """
        position = self._position(level)
        changes: Changes = {}
        if through or version is None or version != self._seen or not self._is_latest(position):
            changes = self._undo_to(position, version, through)
        self._known = self._stack[position].marks
        if self._dirty:
            self._dirty.difference_update(checkpoint.level for checkpoint in self._stack[position:])
        if not keep or position < len(self._stack) - 1:
            self._set_stack(self._stack[: position + 1 if keep else position])
        return changes

    def _undo_to(self, position: int, version: object, through: sqlite3.Connection | None) -> Changes:
        connection = through or self._connection
        changes: Changes = {}
        with self._transaction(connection):
            if version is None and not through:
                version = self._data_version()
            if through or version != self._seen or not self._is_latest(position):
                for checkpoint in reversed(self._stack[position:]):
                    self._undo(connection, checkpoint, changes)
            self.resets += bool(changes)
        # What this connection itself writes does not count; of another one's it is not known.
        self._seen = None if through else version
        return changes

    def insert(self, before: int) -> int:
        """Take a checkpoint of the same state as a given one, ahead of it, and return its level."""
        position = self._position(before)
        level = self._next_level
        self._next_level += 1
        inserted = replace(self._stack[position], level=level)
        self._set_stack([*self._stack[:position], inserted, *self._stack[position:]])
        return level

    def clear(self, *, version: object = None, through: sqlite3.Connection | None = None) -> Changes:
        """Bring the rows of the first checkpoint back and delete all others, as a change that can be undone.

        :param version: as for :meth:`restore`.
        """
        connection = through or self._connection
        changes: Changes = {}
        latest = self._stack[-1]
        if version is not None and not self._dirty and self.is_at(latest.level, version):
            return changes
        with self._transaction(connection):
            # What is open on another connection keeps the version from being read.
            is_at_latest = not through and self.is_at(latest.level, version)
            if is_at_latest and not self._dirty:
                return changes
            if not is_at_latest:
                self._undo(connection, latest, changes)
            touched = self._touched(connection)
            self.activate(connection)
            for index in touched:
                table, mark = self.tables[index], latest.marks[index]
                undone = changes.get(table.name, TableChanges())
                put_back, left = table.refill(connection, self._seed[index])
                deleted = without(((0, mark),), ((row - 1, row) for row in left))
                changes[table.name] = TableChanges(undone.lost, put_back | undone.rows & left, deleted)
            self.resets += bool(changes)
        self._seen = None
        return changes

    def _touched(self, connection: sqlite3.Connection) -> list[int]:
        """Return the positions of tables whose rows at the latest checkpoint may be others than at the first."""
        kept = self._state.kept(connection) if self._state.read(connection).any_kept else set()
        marks = enumerate(zip(self._stack[0].marks, self._stack[-1].marks, strict=True))
        return sorted(kept.union(index for index, (first, latest) in marks if first != latest))

    def insert_from(self, uri: str, *, through: sqlite3.Connection | None = None) -> None:
        """Insert all rows of another database that was made in the same way, as new ones.

        :raises sqlite3.IntegrityError: if one of them is there already; nothing is inserted then.
        """
        connection = through or self._connection
        attach(connection, uri)
        try:
            with self._transaction(connection):
                self.activate(connection)
                insert_all(connection, self.tables, self.highest(connection))
        finally:
            self._seen = None
            detach(connection)

    def _set_stack(self, stack: list[Checkpoint]) -> None:
        self._stack = stack
        self._revision += 1

    def _position(self, level: int) -> int:
        for position, checkpoint in enumerate(self._stack):
            if checkpoint.level == level:
                return position
        raise KeyError(level)

    def _undo(self, connection: sqlite3.Connection, checkpoint: Checkpoint, changes: Changes) -> None:
        level, any_kept, highest = self._state.read(connection)
        if any_kept or checkpoint.holes or level != checkpoint.level:
            self._state.silence(connection)  # else only rows go that no image is kept of
        marks = checkpoint.marks
        concerned = {index for index, (number, mark) in enumerate(zip(highest, marks, strict=True)) if number > mark}
        fallen = [(self.tables[index].name, marks[index]) for index in concerned]
        kept = self._state.kept(connection) if any_kept else set()
        for index in sorted(concerned | kept | checkpoint.holes.keys()):
            table, has_images = self.tables[index], index in kept
            absent = checkpoint.absent(index, highest[index])
            if absent or has_images:
                undone = table.restore(connection, checkpoint.level, absent, has_images=has_images)
                changes[table.name] = undone.after(changes.get(table.name))
        if any_kept:
            self._state.note_kept(connection)
        self._state.counters.set_back(connection, fallen)

    def _data_version(self) -> int:
        version: int = self._connection.execute('PRAGMA data_version').fetchone()[0]
        return version
