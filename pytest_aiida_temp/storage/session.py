"""The SQLAlchemy session of one thread."""

from __future__ import annotations

import functools
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction, make_transient, make_transient_to_detached
from sqlalchemy.orm.attributes import instance_dict, instance_state, set_committed_value

from .images import Changes
from .reading import Reading
from .spans import Span, has
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


class StorageSession(Session):
    """Session in which ``StorageBackend.transaction()`` blocks nest as savepoints.

    aiida-core's entities call ``commit()`` and ``rollback()`` of the session wherever they are, which ends every
    enclosing transaction. Here, inside a block, a commit flushes and a rollback undoes the innermost block.

    :param connection: the connection that is this session's alone for as long as it lives.
    """

    def __init__(self, connection: Connection) -> None:
        # Nothing but this process writes, and aiida-core reads an attribute anew before it hands it out.
        super().__init__(bind=connection, expire_on_commit=False)
        event.listen(self, 'after_soft_rollback', _unlock_after_savepoint)
        event.listen(self, 'persistent_to_deleted', StorageSession._remember)
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
        self._gone: weakref.WeakValueDictionary[tuple[Mapper[Any], int], Any] = weakref.WeakValueDictionary()
        """Objects whose row was deleted, by mapper and row id: the row may come back."""
        self._missed: list[Changes] = []
        self._missed_too_much = False

        self.raw: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
        """The driver's connection."""
        self._reading_again = Reading(self.raw)

    @property
    def in_block(self) -> bool:
        """Whether a ``transaction()`` block is open that the caller has to end."""
        return any(not block.of_query for block in self._blocks)

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
        for instance in [*self.new, *self.dirty, *self.deleted]:
            self.expunge(instance) if instance in self.new else self.expire(instance)

    def _remember(self, instance: Any) -> None:
        state = instance_state(instance)
        if state.key:
            self._gone[state.mapper, state.key[1][0]] = instance

    def has_deleted(self, mapper: Mapper[Any], row: int) -> bool:
        """Return whether this session deleted a row whose object is still held by somebody."""
        return (mapper, row) in self._gone

    def _bring_back(self, mapper: Mapper[Any], row: int) -> None:
        """Attach the object of a row again that was deleted and has been put back."""
        instance = self._gone.pop((mapper, row), None)
        if instance is not None:
            make_transient(instance)
            for relationship in mapper.relationships:  # which would be added with it, deleted or not
                instance_dict(instance).pop(relationship.key, None)
            set_committed_value(instance, 'id', row)
            make_transient_to_detached(instance)
            self.add(instance)
            self.expire(instance)

    def forget(self, changes: Changes, mappers: dict[str, Mapper[Any]]) -> None:
        """Drop or expire the objects of rows that were undone, so that none shows what is no longer there.

        :param mappers: by name of the table.
        """
        known = [(mappers[name], undone) for name, undone in changes.items() if name in mappers]
        dropped = []
        for mapper, undone in known:
            dropped += [(mapper, instance) for instance in self._loaded_in(mapper, undone.lost)]
            if self._gone:
                for key in [key for key in self._gone if key[0] is mapper and has(undone.lost, key[1])]:
                    self._gone.pop(key, None)  # whoever held it may let go of it in this very moment
            for instance in self._loaded_in(mapper, undone.deleted):
                if instance_state(instance).key[1][0] not in undone.rows:  # type: ignore[index]
                    self._remember(instance)
                    dropped.append((mapper, instance))
        for mapper, instance in dropped:
            self._drop(mapper, instance)
        for mapper, undone in known:
            for row in undone.rows:
                instance = self._loaded(mapper, row)
                if instance is not None:
                    self.expire(instance)
                else:
                    self._bring_back(mapper, row)

    def _drop(self, mapper: Mapper[Any], instance: Any) -> None:
        self._forget_collections(mapper, instance)
        if instance in self:  # else it went with another one
            self.expunge(instance)

    def release(self) -> None:
        """Give the connection back."""
        self.abandon()
        self.close()
        self._connection.close()

    def _loaded_in(self, mapper: Mapper[Any], spans: Iterable[Span]) -> list[Any]:
        """Return the objects that there are of rows with these ids."""
        loaded = []
        for above, upto in spans:
            if upto - above <= len(self.identity_map):
                loaded += [self._loaded(mapper, row) for row in range(above + 1, upto + 1)]
            else:
                states = [state for state in self.identity_map.all_states() if state.mapper is mapper]
                loaded += [state.obj() for state in states if state.key and above < state.key[1][0] <= upto]
        return [instance for instance in loaded if instance is not None]

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

    def _loaded(self, mapper: Mapper[Any], row: int) -> Any:
        return self.identity_map.get(mapper.identity_key_from_primary_key((row,)))

    def _forget_collections(self, mapper: Mapper[Any], instance: Any) -> None:
        """Expire the collections that may hold the instance: those of the user, computer or node it refers to."""
        loaded = instance_dict(instance)
        for name, collections in _owners(mapper):
            owner = loaded.get(name)
            if owner is not None and owner in self:
                self.expire(owner, collections)


@functools.cache
def _owners(mapper: Mapper[Any]) -> list[tuple[str, list[str]]]:
    """Return the attributes that refer to one other object, with the names of the collections which that may have."""
    return [
        (relationship.key, [key for key, other in relationship.mapper.relationships.items() if other.uselist])
        for relationship in mapper.relationships
        if not relationship.uselist
    ]
