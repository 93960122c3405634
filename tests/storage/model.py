"""A storage with checkpoints in plain Python: what there was at each, and what is to be there after a restore."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_aiida_temp.storage.images import PREFIX

if TYPE_CHECKING:
    from pytest_aiida_temp.storage import SqliteTempBackend
    from pytest_aiida_temp.storage.contents import StorageCheckpoint
    from pytest_aiida_temp.storage.session import StorageSession

Rows = dict[int, tuple[Any, ...]]


@dataclass(frozen=True)
class State:
    """The whole content of every table that AiiDA has, the greatest row ids given out, and the files by key."""

    tables: dict[str, Rows]
    counts: dict[str, int]
    files: dict[str, bytes]

    @classmethod
    def of(cls, storage: SqliteTempBackend) -> State:
        """Read the state of a storage, of which everything has been committed."""
        session, repository = storage.get_session(), storage.get_repository()
        session.commit()
        tables = {
            name: {row[0]: row for row in session.raw.execute(f'SELECT rowid, * FROM "{name}"').fetchall()}
            for name in _schema(session).columns
        }
        counts = dict.fromkeys(tables, 0) | dict(session.raw.execute('SELECT name, seq FROM sqlite_sequence'))
        return cls(tables, counts, {key: repository.get_object_content(key) for key in repository.list_objects()})

    def with_row(self, table: str, row: int, values: tuple[Any, ...] | None) -> State:
        """Return this state with one row put in or taken out."""
        rows = dict(self.tables[table])
        rows.pop(row, None)
        return replace(self, tables={**self.tables, table: rows if values is None else {**rows, row: values}})

    def differences(self, expected: State) -> list[str]:
        """Return in which rows, counts and files this state is not as expected."""
        pairs = [(name, rows, expected.tables[name]) for name, rows in self.tables.items()]
        pairs += [('counts', self.counts, expected.counts), ('files', self.files, expected.files)]
        return [
            f'{name} {key}: {found.get(key)} instead of {wanted.get(key)}'
            for name, found, wanted in pairs
            for key in {*found, *wanted}
            if found.get(key) != wanted.get(key)
        ]


@dataclass(frozen=True)
class Schema:
    """The constraints of a database.

    :param references: table, column, table referred to; the latter by its row id.
    :param unique: table and columns.
    """

    columns: dict[str, list[str]]
    references: list[tuple[str, int, str]]
    unique: list[tuple[str, tuple[int, ...]]]

    def is_sound(self, state: State) -> bool:
        """Return whether all constraints hold."""
        for table, column, other in self.references:
            if any(row[column] not in (None, *state.tables[other]) for row in state.tables[table].values()):
                return False
        for table, columns in self.unique:
            values = [tuple(row[column] for column in columns) for row in state.tables[table].values()]
            if len(values) != len(set(values)):
                return False
        return True


SCHEMA: list[Schema] = []


def _schema(session: StorageSession) -> Schema:
    if not SCHEMA:
        SCHEMA.append(_read_schema(lambda sql: session.raw.execute(sql).fetchall()))
    return SCHEMA[0]


def _read_schema(read: Callable[[str], list[Any]]) -> Schema:
    found = [name for (name,) in read("SELECT name FROM sqlite_master WHERE type = 'table'")]
    names = [name for name in found if not name.startswith((PREFIX, 'sqlite_'))]
    columns = {name: ['rowid', *(row[1] for row in read(f'PRAGMA table_info({name})'))] for name in names}
    references = [
        (name, columns[name].index(column), other)
        for name in names
        for _, _, other, column, *_ in read(f'PRAGMA foreign_key_list({name})')
    ]
    unique = [
        (name, tuple(columns[name].index(column) for _, _, column in read(f'PRAGMA index_info({index})')))
        for name in names
        for _, index, is_unique, *_ in read(f'PRAGMA index_list({name})')
        if is_unique
    ]
    return Schema(columns, references, unique)


@dataclass
class Entry:
    """A checkpoint and what there was.

    :param puts: keys of files put since, until the next checkpoint.
    :param is_instance: it is followed by another one, and can be excised.
    """

    checkpoint: StorageCheckpoint
    state: State
    puts: set[str] = field(default_factory=set)
    is_instance: bool = False


class UnsoundError(Exception):
    """What is asked for would break a constraint of the database."""


def hand_over(entry: Entry, between: list[Entry], now: State) -> tuple[bool, set[str]]:
    """Have what happened since the latest entry happen ahead of others.

    :returns: whether anything older was changed or deleted, and the keys of the files that are needed.
    :raises UnsoundError: if it cannot be told apart from what happened in between.
    """
    states = [other.state for other in between]
    before, changed = entry.state, False
    for name, rows in now.tables.items():
        for row in {*rows, *before.tables[name]}:
            old, new = before.tables[name].get(row), rows.get(row)
            if old == new:
                continue
            changed |= old is not None
            states = list(_changed(states, name, row, old, new))
    needed = _needed_files(entry, now)
    states = [_with_counts(state, before, now, needed) for state in states]
    if not all(SCHEMA[0].is_sound(state) for state in states):
        raise UnsoundError
    for other, state in zip(between, states, strict=True):
        other.state = state
    return changed, needed


def _changed(states: list[State], name: str, row: int, old: Any, new: Any) -> Iterator[State]:
    """Yield the states with a change of a row, those excepted after which the row was changed otherwise."""
    for position, state in enumerate(states):
        later = [other.tables[name].get(row) for other in states[position:]]
        yield state.with_row(name, row, new) if all(value == old for value in later) else state


def _with_counts(state: State, before: State, now: State, needed: Iterable[str]) -> State:
    counts = {
        name: now.counts[name] if now.counts[name] > before.counts[name] else count
        for name, count in state.counts.items()
    }
    return replace(state, counts=counts, files=state.files | {key: now.files[key] for key in needed})


def _needed_files(entry: Entry, now: State) -> set[str]:
    """Return the keys of what was put since the latest entry, and of what nodes stored since refer to."""
    stored = [row for pk, row in now.tables['db_dbnode'].items() if pk not in entry.state.tables['db_dbnode']]
    referred = {key for row in stored for key in _keys(row)}
    return (entry.puts | referred) & now.files.keys()


def _keys(node: tuple[Any, ...]) -> set[str]:
    """Return the keys of the files of a node."""
    column = SCHEMA[0].columns['db_dbnode'].index('repository_metadata')
    return set(re.findall('[0-9a-f]{64}', node[column] or ''))


def excise(before: State, after: State, later: list[State]) -> list[State]:
    """Return later states as if what happened between two states had not.

    A node that is as it was has its files ever since.

    :raises UnsoundError: if what happened later relies on it.
    """
    states, put_back = [after, *later], set()
    for name in before.tables:
        for row in {*before.tables[name], *after.tables[name]}:
            old, new = before.tables[name].get(row), after.tables[name].get(row)
            if old != new:
                if name == 'db_dbnode' and old and all(state.tables[name].get(row) == new for state in states):
                    put_back |= _keys(old)
                states = list(_undone(states, name, row, old, new))
        counts = {state.counts[name] for state in states}
        if counts == {after.counts[name]} and before.counts[name] < after.counts[name]:
            states = [replace(state, counts={**state.counts, name: before.counts[name]}) for state in states]
    if not all(SCHEMA[0].is_sound(state) for state in states):
        raise UnsoundError
    files = {key: before.files[key] for key in put_back & before.files.keys()}
    return [replace(state, files=state.files | files) for state in states]


def _undone(states: list[State], name: str, row: int, old: Any, new: Any) -> Iterator[State]:
    """Yield the states with a change of a row undone, up to where it was changed again; a new row goes from all."""
    is_same = True
    for state in states:
        is_same = is_same and state.tables[name].get(row) == new
        is_undone = is_same or old is None
        yield state.with_row(name, row, old) if is_undone else state
