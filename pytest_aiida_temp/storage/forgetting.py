"""What a session has to do with its objects when rows were undone behind its back."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.orm import Session, make_transient, make_transient_to_detached
from sqlalchemy.orm.attributes import instance_dict, instance_state, set_committed_value

from .images import Changes
from .spans import Span, has

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapper


class Forgetting(Session):
    """A session whose objects can be dropped and expired by the ids of their rows."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._gone: weakref.WeakValueDictionary[tuple[Mapper[Any], int], Any] = weakref.WeakValueDictionary()
        """Objects whose row was deleted, by mapper and row id: the row may come back."""
        event.listen(self, 'persistent_to_deleted', Forgetting._remember)

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
        has_gone = bool(self._gone)
        for mapper, undone in known:
            dropped += self._loaded_in(mapper, undone.lost)
            if has_gone:
                for key in [key for key in self._gone if key[0] is mapper and has(undone.lost, key[1])]:
                    self._gone.pop(key, None)  # whoever held it may let go of it in this very moment
            for instance in self._loaded_in(mapper, undone.deleted) if undone.deleted else ():
                if instance_state(instance).key[1][0] not in undone.rows:  # type: ignore[index]
                    self._remember(instance)
                    dropped.append(instance)
        if dropped:
            # All at once, without looking for what cascades take along: the rows of that have gone as well.
            self._expunge_states({instance_state(instance): None for instance in dropped})
        self._expire_collections()
        for mapper, undone in known:
            for row in undone.rows:
                instance = self._loaded(mapper, row)
                if instance is not None:
                    self.expire(instance)
                else:
                    self._bring_back(mapper, row)

    def _loaded_in(self, mapper: Mapper[Any], spans: Iterable[Span]) -> list[Any]:
        """Return the objects that there are of rows with these ids."""
        loaded = []
        known, (kind, token) = self.identity_map, _identity(mapper)
        for above, upto in spans:
            if upto - above <= len(known):
                loaded += [known.get((kind, (row,), token)) for row in range(above + 1, upto + 1)]
            else:
                states = [state for state in known.all_states() if state.mapper is mapper]
                loaded += [state.obj() for state in states if state.key and above < state.key[1][0] <= upto]
        return [instance for instance in loaded if instance is not None]

    def _loaded(self, mapper: Mapper[Any], row: int) -> Any:
        kind, token = _identity(mapper)
        return self.identity_map.get((kind, (row,), token))

    def _expire_collections(self) -> None:
        """Have all collections read again, as objects in them may be gone, and others be back."""
        for state in self.identity_map.all_states():
            names = _collections(state.mapper)
            instance = state.obj() if state.modified or not names.isdisjoint(state.dict) else None
            if instance is not None:
                self.expire(instance, names)


@functools.cache
def _identity(mapper: Mapper[Any]) -> tuple[type, Any]:
    """Return what the identity keys of a mapper's objects have besides the row id."""
    kind, _, token = mapper.identity_key_from_primary_key((0,))
    return kind, token


@functools.cache
def _collections(mapper: Mapper[Any]) -> frozenset[str]:
    """Return the attributes that hold any number of other objects."""
    return frozenset(name for name, relationship in mapper.relationships.items() if relationship.uselist)
