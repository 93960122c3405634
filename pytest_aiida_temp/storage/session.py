"""The SQLAlchemy session of one thread."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.orm.attributes import instance_state

from .forgetting import Forgetting
from .images import Changes
from .reading import Reading
from .updating import update_only_row

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.orm import InstanceState, Mapper

    from .watching import Watchers

SESSION = 'aiida_temp_session'
"""Where a connection's ``info`` has a reference to its session."""

MOST_MISSED = 50
"""Resets by other threads after which a session drops all it knows, instead of going through them one by one."""


@dataclass(eq=False)
class _Block:
    """An open ``transaction()`` block and its savepoint."""

    transaction: SessionTransaction
    of_query: bool


def _unlock_after_savepoint(session: StorageSession, ended: SessionTransaction) -> None:
    """Commit what there was before a savepoint that was rolled back, unless a block has yet to decide.

    aiida-core makes a savepoint for every link it adds, and raises an error if that fails. The transaction around it
    would go on, and keep other threads out, until this one happens to commit.
    """
    if ended.nested and not session._blocks and not session.in_nested_transaction() and session.raw.in_transaction:
        session.raw.execute('COMMIT')


class StorageSession(Forgetting):
    """Session in which ``StorageBackend.transaction()`` blocks nest as savepoints.

    aiida-core's entities call ``commit()`` and ``rollback()`` of the session wherever they are, which ends every
    enclosing transaction. Here, inside a block, a commit flushes and a rollback undoes the innermost block.

    :param connection: the connection that is this session's alone for as long as it lives.
    """

    def __init__(self, connection: Connection) -> None:
        # Nothing but this process writes, and aiida-core reads an attribute anew before it hands it out.
        super().__init__(bind=connection, expire_on_commit=False)
        event.listen(self, 'after_soft_rollback', _unlock_after_savepoint)
        self._connection = connection
        self.watchers: Watchers | None = None
        """Who is told of statements that go past SQLAlchemy."""
        self.resets = 0
        """How many resets there had been when this session was last brought up to date."""
        connection.info[SESSION] = weakref.ref(self)
        self._blocks: list[_Block] = []
        self._reading = False
        self._flushing_objects = False
        self.thread = threading.current_thread()
        """The thread whose session this is."""
        self._missed: list[Changes] = []
        self._missed_too_much = False

        self.raw: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
        """The driver's connection."""
        self._reading_again = Reading(self.raw)

    @property
    def in_block(self) -> bool:
        """Whether a ``transaction()`` block is open that the caller has to end."""
        return bool(self._blocks) and not all(block.of_query for block in self._blocks)

    def expire(self, instance: object, attribute_names: Iterable[str] | None = None) -> None:
        """Forget what was loaded of an instance, or see to it at once that the one attribute is up to date.

        aiida-core expires an attribute each time before it reads it.
        """
        names = list(attribute_names or ())
        if len(names) != 1 or not self._bring_up_to_date(instance_state(instance), names[0]):
            super().expire(instance, names or None)

    def _bring_up_to_date(self, state: InstanceState[Any], name: str) -> bool:
        if not state.persistent or state.session is not self:
            return False
        return self._reading_again.is_current(state, name, self.identity_map.all_states) or (
            not self._connection.engine.echo and self._reading_again.read(state, name, self.watchers)
        )

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Write what was changed in objects."""
        before, self._flushing_objects = self._flushing_objects, True
        try:
            if objects is not None or not update_only_row(self):
                super().flush(objects)
        finally:
            self._flushing_objects = before

    def changes_rows(self, statement: str) -> None:
        """Have objects read again after a statement that may change rows behind their back, in a cascade for one."""
        if not self._flushing_objects or statement.startswith('DELETE'):
            self._reading_again.suspect(self.identity_map.all_states())

    def commit(self) -> None:
        """Commit, or flush where an enclosing block has yet to decide."""
        if self._blocks:
            self.flush()
        else:
            self._commit_all()

    def _commit_all(self) -> None:
        try:
            super().commit()
        except BaseException:
            self._roll_back_all()
            raise

    def _roll_back_all(self) -> None:
        super().rollback()
        # A commit that fails, say for a foreign key, leaves SQLite's transaction open but not SQLAlchemy's.
        if self._connection.in_transaction():
            self._connection.rollback()
        if self.raw.in_transaction:
            self.raw.execute('ROLLBACK')

    def rollback(self) -> None:
        """Undo what is not committed, of the innermost block where one is open."""
        if self._blocks:
            self._blocks[-1].transaction.rollback()
            self._blocks[-1].transaction = self.begin_nested()
        else:
            self._roll_back_all()

    @contextmanager
    def block(self, *, of_query: bool = False) -> Iterator[None]:
        """Undo all that is done inside if it ends with an exception; the outermost block commits.

        :param of_query: it was opened for a loop over the rows of a query, which may never be ended.
        """
        if self._reading:
            yield
            return
        had_pending = self.raw.in_transaction or bool(self.new or self.dirty or self.deleted)
        block = _Block(self.begin_nested(), of_query)
        self._blocks.append(block)
        try:
            yield
            if self._blocks and block is self._blocks[-1]:
                block.transaction.commit()
        except BaseException:
            self._undo(block, had_pending)
            raise
        self._end(block)

    def _end(self, block: _Block) -> None:
        if block in self._blocks:  # else it was abandoned
            self._blocks.remove(block)
            if not self._blocks:
                self._commit_all()

    def _undo(self, block: _Block, had_pending: bool) -> None:
        if block not in self._blocks:
            return
        block.transaction.rollback()
        del self._blocks[self._blocks.index(block) :]
        if not self._blocks:
            # Either way the lock goes that keeps other threads out.
            self._commit_all() if had_pending else self._roll_back_all()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Make blocks inside do nothing: for code that only reads and would lock other threads out with one."""
        before, self._reading = self._reading, True
        try:
            yield
        finally:
            self._reading = before

    def abandon(self) -> None:
        """Undo what is not committed, blocks that are open included."""
        self._blocks.clear()
        self._reading = False
        self._roll_back_all()
        if not self._is_clean():
            for instance in [*self.new, *self.dirty, *self.deleted]:
                self.expunge(instance) if instance in self.new else self.expire(instance)

    def release(self) -> None:
        """Give the connection back."""
        self.abandon()
        self.close()
        self._connection.close()

    def miss(self, changes: Changes) -> None:
        """Note what another thread undid, to be seen to when this one uses its session next."""
        self._missed.append(changes)
        if len(self._missed) > MOST_MISSED:
            self._missed_too_much = True
            self._missed.clear()

    def break_off(self) -> None:
        """Roll back on behalf of another thread, which cannot wait any longer."""
        if self.raw.in_transaction:
            self.miss({})
            with suppress(sqlite3.OperationalError):  # committed in this very moment
                self.raw.execute('ROLLBACK')

    @property
    def is_behind(self) -> bool:
        """Whether another thread undid anything since this session was last used."""
        return bool(self._missed) or self._missed_too_much

    def catch_up(self, mappers: dict[str, Mapper[Any]]) -> None:
        """Come up to date with what other threads undid."""
        missed, self._missed = self._missed, []
        self.abandon()
        if self._missed_too_much:
            self._missed_too_much = False
            self.expunge_all()
        for changes in missed:
            self.forget(changes, mappers)
