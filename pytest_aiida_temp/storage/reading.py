"""When an object of a session has to be read again, and how to read one attribute of it.

aiida-core expires an attribute each time before it reads it, in case that another process has changed the row. Here a
row is read again only after another connection has changed something, which SQLite tells with ``PRAGMA data_version``,
or this one has by a statement that its session does not follow.
"""

from __future__ import annotations

import functools
import json
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.orm import MANYTOONE
from sqlalchemy.orm.attributes import set_committed_value

from .images import quoted

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState, Mapper

    from .watching import Watchers

_DIALECT = SQLiteDialect_pysqlite(json_deserializer=json.loads)
_HANDED_OUT = {'_metadata', 'auth_params'}
"""Columns of which aiida-core gives the dictionary itself to callers, who may change it and not store that."""


@dataclass(frozen=True)
class _Reader:
    """How to read one column of a row that is known to be there.

    :param convert: from the driver's value to SQLAlchemy's.
    """

    statement: str
    convert: Callable[[Any], Any]


@functools.lru_cache(maxsize=256)
def _reader(mapper: Mapper[Any], name: str) -> _Reader | None:
    """Return how to read an attribute, ``None`` if it is not a column."""
    if name not in mapper.column_attrs:
        return None
    column: Any = mapper.column_attrs[name].columns[0]
    kind = column.type.dialect_impl(_DIALECT)
    convert = kind.result_processor(_DIALECT, None) or (lambda value: value)
    table = quoted(column.table.name)
    return _Reader(f'SELECT {quoted(column.name)} FROM {table} WHERE id = ?', convert)


@functools.lru_cache(maxsize=256)
def _can_stay(mapper: Mapper[Any], name: str) -> bool:
    """Return whether an attribute is as it was read for as long as its row is."""
    if name in mapper.column_attrs:
        return name not in _HANDED_OUT
    return name in mapper.relationships and mapper.relationships[name].direction is MANYTOONE


class Reading:
    """What is to be read again of the objects of one session.

    :param raw: the driver's connection of the session.
    """

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        self._version: int | None = None  # to ask would be to wait for a thread that writes
        self._read: weakref.WeakKeyDictionary[InstanceState[Any], set[str]] = weakref.WeakKeyDictionary()
        """By object that may be behind its row, the attributes that were read since."""

    def _data_version(self) -> int:
        version: int = self._raw.execute('PRAGMA data_version').fetchone()[0]
        return version

    def suspect(self, states: Iterable[InstanceState[Any]]) -> None:
        """Take objects to be behind their rows, until they are read again."""
        self._read.clear()
        for state in states:
            self._read[state] = set()

    def is_current(self, state: InstanceState[Any], name: str, all_states: Callable[[], Iterable[Any]]) -> bool:
        """Return whether an attribute need not be read again.

        :param all_states: what may be behind once another connection has changed something.
        """
        if name not in state.dict or not _can_stay(state.mapper, name):
            return False
        version = self._data_version()
        if version != self._version:
            self._version = version
            self.suspect(all_states())
        return state not in self._read or name in self._read[state]

    def read(self, state: InstanceState[Any], name: str, watchers: Watchers | None = None) -> bool:
        """Read one column of an object again, and return whether that could be done.

        SQLAlchemy's way to load it takes a hundred times as long as the statement itself.

        :param watchers: who is told of the statement.
        """
        reader = _reader(state.mapper, name)
        if reader is None:
            return False
        began = time.perf_counter()
        row = self._raw.execute(reader.statement, (state.key[1][0],)).fetchone()  # type: ignore[index]
        if watchers:
            watchers.tell(reader.statement, 1, time.perf_counter() - began)
        if row is None:
            return False
        set_committed_value(state.obj(), name, reader.convert(row[0]))
        if state in self._read:
            self._read[state].add(name)
        return True
