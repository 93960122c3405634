"""Changes among the checkpoints of an undo log that leave what happened after them as it is.

What a fixture of wide scope stores may come late, after checkpoints of narrower scopes: then it is handed over to its
own. And it may have to go before what was stored after it: then it is excised.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from .images import Changes, UndoTable
from .log_state import LogState
from .marks import Checkpoint, HandOver
from .spans import without


class Rearranging:
    """The part of :class:`~.undo.UndoLog` for that."""

    tables: list[UndoTable]
    resets: int
    is_at: Callable[[int, object], bool]
    _connection: sqlite3.Connection
    _dirty: set[int]
    _position: Callable[[int], int]
    _seen: object
    _set_stack: Callable[[list[Checkpoint]], None]
    _stack: list[Checkpoint]
    _state: LogState
    _transaction: Callable[[sqlite3.Connection], AbstractContextManager[None]]
    _undo: Callable[[sqlite3.Connection, Checkpoint, Changes], None]

    def hand_over(
        self,
        level: int,
        into: int,
        *,
        apart: bool = False,
        version: object = None,
        through: sqlite3.Connection | None = None,
    ) -> HandOver:
        """End the latest checkpoint, giving the changes since to an earlier one, past those in between.

        What was inserted stays when a checkpoint in between is restored, and goes with ``into``. So do changes of older
        rows, where those are not changed at the checkpoints in between too. Where restoring one of these would leave
        rows that contradict or refer to each other in vain, nothing is given: all of it stays with the last of them.

        :param apart: the checkpoint does not end, but comes next after ``into``, so that it can be excised.
        :param version: as for :meth:`restore`.
        """
        connection = through or self._connection
        first, last = self._position(into), self._position(level)
        if last != len(self._stack) - 1:
            raise ValueError(f'not the latest checkpoint: {level}')
        before, between, this = self._stack[: first + 1], self._stack[first + 1 : last], self._stack[last]
        with self._transaction(connection):
            if not (apart or through) and self.is_at(level, version):
                self._set_stack([*before, *between])
                return HandOver(is_given=True, changed=False)
            self._state.silence(connection)
            changed = any(table.has_changed(connection, level) for table in self.tables)
            connection.execute('SAVEPOINT handing_over')
            raised = self._give(connection, this, before[-1], between, apart=apart)
            is_given = not between or self._is_sound(connection, raised)
            if not is_given:
                connection.execute('ROLLBACK TO handing_over')
                for index, table in enumerate(self.tables):
                    table.move(connection, level, between[-1].level, between[-1].marks[index])
            connection.execute('RELEASE handing_over')
        self._seen = None
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
        highest = self._state.counters.read(connection)
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

    def excise(self, level: int, *, through: sqlite3.Connection | None = None) -> Changes:
        """Undo what happened between a checkpoint and the next one, and keep all that happened after that."""
        connection = through or self._connection
        position = self._position(level)
        this, following = self._stack[position : position + 2]
        later = self._stack[position + 1 :]
        changes: Changes = {}
        with self._transaction(connection):
            self._state.silence(connection)
            highest = self._state.counters.read(connection)
            for index, table in enumerate(self.tables):
                absent = this.absent(index, highest[index])
                born = without(absent, following.absent(index, highest[index]))
                undone = table.excise(connection, level, [other.level for other in later], absent, born)
                if undone:
                    changes[table.name] = undone
                if born and all(other.marks[index] == born[-1][1] for other in later) and born[-1][1] == highest[index]:
                    later = [other.with_mark(index, born[-1][0]) for other in later]
                    self._state.counters.set_back(connection, [(table.name, born[-1][0])])
            self.resets += bool(changes)
        self._seen = None
        self._dirty.update(checkpoint.level for checkpoint in self._stack[:position][-1:])  # the ids given out differ
        self._set_stack([*self._stack[:position], *later])
        return changes
