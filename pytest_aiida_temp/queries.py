"""SQL statements, counted and grouped."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aiida.storage.sqlite_zip.models import SqliteBase

if TYPE_CHECKING:
    from types import FrameType

    from .storage import SqliteTempBackend

_TABLES = frozenset(SqliteBase.metadata.tables)
_LIBRARIES = {'aiida', 'contextlib', 'functools', 'kiwipy', 'plumpy', 'pytest_aiida_temp', 'sqlalchemy'}
_MOST_GROUPS = 20
_LONGEST = 160


@dataclass(frozen=True)
class Query:
    """One SQL statement that was executed.

    :param sql: the statement, with a question mark for each value.
    :param tables: what it reads or writes, in the order in which the statement names them.
    :param seconds: that it took.
    :param location: file and line of the code that led to it, outside of AiiDA.
    """

    sql: str
    tables: tuple[str, ...]
    seconds: float
    location: str

    @property
    def shape(self) -> str:
        """The statement, whatever the number of values in its lists, without the columns that it gives."""
        text = re.sub(r'\(\?(?:, \?)+\)', '(?, ...)', ' '.join(self.sql.split()))
        text = re.sub(r'^SELECT .*? FROM ', 'SELECT ... FROM ', text)
        return text if len(text) <= _LONGEST else f'{text[:_LONGEST]} ...'


class Queries(list[Query]):
    """The SQL statements of a block, in their order."""

    @property
    def seconds(self) -> float:
        """The seconds that all of them took."""
        return sum(query.seconds for query in self)

    def grouped(self) -> dict[str, list[Query]]:
        """Return the statements by their shape, the most frequent first."""
        groups: dict[str, list[Query]] = {}
        for query in self:
            groups.setdefault(query.shape, []).append(query)
        return dict(sorted(groups.items(), key=lambda item: -len(item[1])))

    def report(self) -> str:
        """Return the groups as text: how often, from where, and the time of each."""
        groups = self.grouped()
        lines = []
        for shape, queries in list(groups.items())[:_MOST_GROUPS]:
            places = Counter(query.location for query in queries).most_common(3)
            tables = ', '.join(queries[0].tables) or 'no table'
            seconds = sum(query.seconds for query in queries)
            lines.append(f'{len(queries):>4} x {shape}')
            lines.append(f'       {tables}; {seconds * 1e3:.2f} ms')
            lines.extend(f'       {count} from {place}' for place, count in places)
        if len(groups) > _MOST_GROUPS:
            lines.append(f'     and {len(groups) - _MOST_GROUPS} other statements')
        return '\n'.join(lines)


@contextmanager
def counting(storage: SqliteTempBackend) -> Iterator[Queries]:
    """Yield a list to which the statements of the body are added."""
    queries = Queries()

    def note(statement: str, rows: int, seconds: float) -> None:  # noqa: ARG001
        queries.append(Query(statement, _tables_of(statement), seconds, _location()))

    watchers = storage.watchers
    watchers.add(note)
    try:
        yield queries
    finally:
        watchers.remove(note)


@contextmanager
def at_most(storage: SqliteTempBackend, allowed: int) -> Iterator[Queries]:
    """Fail if the body executes more statements than allowed.

    :raises AssertionError: with the statements, grouped.
    """
    __tracebackhide__ = True
    with counting(storage) as queries:
        yield queries
    if len(queries) > allowed:
        raise AssertionError(f'{len(queries)} SQL statements, at most {allowed} allowed:\n{queries.report()}')


def check_number(allowed: int) -> None:
    """Refuse what is no number of statements.

    :raises ValueError: with the value.
    """
    if isinstance(allowed, bool) or not isinstance(allowed, int) or allowed < 0:
        raise ValueError(f'{allowed!r} is not a number of statements: give a whole number that is not negative.')


def _tables_of(statement: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in re.findall(r'\w+', statement) if name in _TABLES))


def _location() -> str:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get('__name__', '').partition('.')[0] not in _LIBRARIES:
            return f'{Path(frame.f_code.co_filename).name}:{frame.f_lineno}'
        frame = frame.f_back
    return '(unknown)'
