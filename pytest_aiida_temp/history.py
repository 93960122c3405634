"""Which earlier test a stale node comes from."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, NamedTuple

CAPACITY = 5000
"""How many entities are remembered, the latest ones."""

SECTION = 'AiiDA node of an earlier test'
_ERRORS = {'NotExistent', 'InvalidRequestError', 'ObjectDeletedError', 'DetachedInstanceError', 'PendingRollbackError'}
_NAMES = {'identifier', 'pk', 'id', 'uuid', 'filters', 'entity_id', 'self', 'node', 'instance', 'state'}
_KIND = re.compile('no (Group|Computer|User|Comment|Log)s? ')
_UUID = re.compile('[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}')


class Stored(NamedTuple):
    """An entity that a test stored and a reset undid.

    :param table: the table it was in.
    """

    table: str
    pk: int
    uuid: str
    test: str
    run: int
    reset: int


class History:
    """What tests had stored before the storage was reset."""

    def __init__(self) -> None:
        self._resets = self._runs = 0
        self._stored: deque[Stored] = deque(maxlen=CAPACITY)

    def begin(self) -> None:
        """Note that a test begins, perhaps one that is run again."""
        self._runs += 1

    def note(self, test: str, entities: Iterable[tuple[str, int, str]]) -> None:
        """Note what a reset has undone.

        :param test: the node id of the test that stored it.
        :param entities: table, primary key and uuid of each.
        """
        self._resets += 1
        for table, pk, uuid in entities:
            self._stored.append(Stored(table, pk, uuid, test, self._runs, self._resets))

    def explain(self, test: str, error: BaseException, has_deleted: Callable[[str, int], bool]) -> str | None:
        """Return where the node that an error is about comes from, or ``None`` if it is no such error.

        :param test: the node id of the test that failed.
        :param has_deleted: whether that test itself deleted an entity, given its table and primary key.
        """
        if type(error).__name__ not in _ERRORS:
            return None
        hints = set(_identifiers(error))
        table = _table(error)
        for stored in reversed(self._stored):
            is_of_kind = stored.pk in hints and stored.table == table
            is_meant = stored.uuid in hints or (is_of_kind and not has_deleted(table, stored.pk))
            if stored.run != self._runs and is_meant:
                attempt = ', in an earlier attempt' if stored.test == test else ''
                ago = self._resets - stored.reset
                return (
                    f'{type(error).__name__} may be about the entity with pk {stored.pk} and uuid {stored.uuid}.\n'
                    f'It was stored by {stored.test}{attempt}.\n'
                    f'The storage was reset when that test had ended ({ago + 1} reset{"s" if ago else ""} ago), which '
                    'undid it.\nStore it in this test, or in a fixture of wider scope that uses `aiida_temp_session`.'
                )
        return None


def _table(error: BaseException) -> str:
    """Return the table that an error about a primary key is about."""
    found = _KIND.search(str(error))
    return f'db_db{found.group(1).lower() if found else "node"}'


def _identifiers(error: BaseException) -> Iterator[Any]:
    """Yield the primary keys and uuids that the error and the frames it passed through are about."""
    yield from _UUID.findall(str(error))
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        for name, value in traceback.tb_frame.f_locals.items():
            if name in _NAMES:
                yield from _identifiers_of(value)
        traceback = traceback.tb_next


def _identifiers_of(value: Any) -> Iterator[Any]:
    if isinstance(value, (int, str)):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _identifiers_of(inner)
    else:
        row = _row(value)
        if row is not None:
            yield str(vars(row).get('uuid', ''))


def _row(value: Any) -> Any:
    """Return SQLAlchemy's object behind an entity of AiiDA, without touching what would be read from the database."""
    for name in ('_backend_entity', '_model', '_model', 'object'):
        attributes = getattr(value, '__dict__', {})
        value = attributes.get(name, value)
    return value if hasattr(value, '_sa_instance_state') else None
