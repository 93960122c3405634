"""The SQLAlchemy session of one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.orm.attributes import instance_dict

from .undo import Changes

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy.engine import Connection
    from sqlalchemy.orm import Mapper


class StorageSession(Session):
    """Session in which ``StorageBackend.transaction()`` blocks nest as savepoints.

    aiida-core's entities call ``commit()`` and ``rollback()`` of the session wherever they are, which ends every
    enclosing transaction. Here, inside a block, a commit flushes and a rollback undoes the innermost block.

    :param connection: the connection that is this session's alone for as long as it lives.
    """

    def __init__(self, connection: Connection) -> None:
        # Nothing but this process writes, and aiida-core reads an attribute anew before it hands it out.
        super().__init__(bind=connection, expire_on_commit=False)
        self._connection = connection
        self._blocks: list[SessionTransaction] = []
        self._reading = False
        self.missed: list[Changes] = []
        """What other threads undid since this session was last used."""

    @property
    def raw(self) -> sqlite3.Connection:
        """The driver's connection."""
        raw: sqlite3.Connection = self._connection.connection.driver_connection  # type: ignore[assignment]
        return raw

    @property
    def in_block(self) -> bool:
        """Whether a ``transaction()`` block is open."""
        return bool(self._blocks)

    def commit(self) -> None:
        """Commit, or flush where an enclosing block has yet to decide."""
        if self._blocks:
            self.flush()
        else:
            super().commit()

    def rollback(self) -> None:
        """Undo what is not committed, of the innermost block where one is open."""
        if self._blocks:
            self._blocks[-1].rollback()
            self._blocks[-1] = self.begin_nested()
        else:
            super().rollback()

    @contextmanager
    def block(self) -> Iterator[None]:
        """Undo all that is done inside if it ends with an exception; the outermost block commits."""
        if self._reading:
            yield
            return
        had_transaction = self.in_transaction()
        self._blocks.append(self.begin_nested())
        depth = len(self._blocks)
        try:
            yield
            if len(self._blocks) >= depth:
                self._blocks[depth - 1].commit()
        except BaseException:
            if len(self._blocks) >= depth:
                self._blocks[depth - 1].rollback()
                del self._blocks[depth - 1 :]
                if not self._blocks and not had_transaction:
                    super().rollback()
            raise
        else:
            del self._blocks[depth - 1 :]
        if not self._blocks:
            super().commit()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Make blocks inside do nothing: for code that only reads and would lock other threads out with one."""
        before, self._reading = self._reading, True
        try:
            yield
        finally:
            self._reading = before

    def abandon(self) -> bool:
        """Undo what is not committed, and return whether a block was still open."""
        was_open = self.in_block
        self._blocks.clear()
        self._reading = False
        if self.in_transaction():
            super().rollback()
        for instance in [*self.new, *self.dirty, *self.deleted]:
            self.expunge(instance) if instance in self.new else self.expire(instance)
        return was_open

    def forget(self, changes: Changes, mappers: dict[str, Mapper[Any]]) -> None:
        """Drop or expire the objects of rows that were undone, so that none shows what is no longer there.

        :param mappers: by name of the table.
        """
        for name, undone in changes.items():
            mapper = mappers.get(name)
            if mapper is None:
                continue
            for instance in self._loaded_between(mapper, undone.above + 1, undone.highest):
                self._forget_collections(mapper, instance)
                self.expunge(instance)
            for row in undone.rows:
                instance = self._loaded(mapper, row)
                if instance is not None:
                    self.expire(instance)

    def release(self) -> None:
        """Give the connection back."""
        self.abandon()
        self.close()
        self._connection.close()

    def _loaded_between(self, mapper: Mapper[Any], first: int, last: int) -> list[Any]:
        if last - first < len(self.identity_map):
            found = (self._loaded(mapper, row) for row in range(first, last + 1))
            return [instance for instance in found if instance is not None]
        keys = [key for key in self.identity_map.keys() if key[0] is mapper.class_ and first <= key[1][0] <= last]
        return [self.identity_map[key] for key in keys]

    def _loaded(self, mapper: Mapper[Any], row: int) -> Any:
        return self.identity_map.get(mapper.identity_key_from_primary_key((row,)))

    def _forget_collections(self, mapper: Mapper[Any], instance: Any) -> None:
        """Expire the collections that may hold the instance: those of the user, computer or node it refers to."""
        loaded = instance_dict(instance)
        for relationship in mapper.relationships:
            owner = None if relationship.uselist else loaded.get(relationship.key)
            if owner is not None and owner in self:
                self.expire(owner, [key for key, other in relationship.mapper.relationships.items() if other.uselist])
