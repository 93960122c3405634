"""Statements that are built once for all queries of a shape."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sqlalchemy import func, select

if TYPE_CHECKING:
    from sqlalchemy.engine import Result
    from sqlalchemy.orm import Query, Session
    from sqlalchemy.sql import Executable

MOST_KEPT = 28
"""Statements that a storage keeps at a time, of 100 to 200 kB each; processes of all kinds take some twenty."""

MOST_NOTED = 512
"""Shapes without a statement that it remembers at a time."""

Kind: TypeAlias = Literal['all', 'first', 'count', 'dict']
"""What is asked of a query."""

Key: TypeAlias = tuple[str, str, int]
"""A tag and a name in a dictionary of a row, and where in the row it comes from."""


class NotBoundError(Exception):
    """A value does not appear among the parameters of a statement in any known form."""


@dataclass(frozen=True)
class _Parameter:
    """A parameter of a statement.

    :param name: as SQLAlchemy has compiled it.
    :param position: of the value among those of the query.
    :param convert: from the value to what is bound.
    """

    name: str
    position: int
    convert: Callable[[Any], Any] | None


@dataclass(frozen=True)
class Statement:
    """A statement built with stand-ins, to which the values of any query of its shape can be bound.

    :param keys: how to make a dictionary of a row, if that is what is asked.
    """

    executable: Executable
    sql: str
    defaults: dict[str, Any]
    parameters: tuple[_Parameter, ...]
    keys: tuple[Key, ...] = ()
    _compiled: dict[Any, Any] = field(default_factory=dict)

    def bind(self, values: list[Any]) -> dict[str, Any]:
        """Return the parameters for the values of a query."""
        return {
            each.name: each.convert(values[each.position]) if each.convert else values[each.position]
            for each in self.parameters
        }

    def execute(self, session: Session, parameters: dict[str, Any]) -> Result[Any]:
        """Execute the statement."""
        # The names are those of this very statement, so what is compiled from another one must not take its place.
        return session.execute(self.executable, parameters, execution_options={'compiled_cache': self._compiled})

    def is_as(self, other: tuple[str, dict[str, Any]], values: list[Any]) -> bool:
        """Return whether another statement is the same as this one with values bound."""
        return other == (self.sql, self.defaults | self.bind(values))


def statement_of(query: Query[Any], kind: Kind) -> Executable:
    """Return what SQLAlchemy would execute for a query."""
    if kind == 'count':
        return select(func.count()).select_from(query.enable_eagerloads(False).subquery(with_labels=True))
    return (query.limit(1) if kind == 'first' else query).statement


def compiled(executable: Any, session: Session) -> tuple[str, dict[str, Any]]:
    """Return the SQL of a statement and its parameters."""
    result = executable.compile(session.get_bind())
    return str(result), dict(result.params)


def make(executable: Any, stand_ins: list[Any], session: Session, keys: tuple[Key, ...] = ()) -> Statement:
    """Find the stand-ins among the parameters of a statement that was built with them.

    :raises NotBoundError: if one is not there, or in a form that is not known.
    """
    sql, parameters = compiled(executable, session)
    found = tuple(each for name, value in parameters.items() for each in _find(name, value, stand_ins))
    missing = set(range(len(stand_ins))) - {each.position for each in found}
    if missing:
        raise NotBoundError(f'no parameter for {[stand_ins[position] for position in missing]} in {sql}')
    return Statement(executable, sql, parameters, found, keys)


def _find(name: str, value: Any, stand_ins: list[Any]) -> list[_Parameter]:
    """Return the stand-in that a parameter is, if it is one."""
    for position, stand_in in enumerate(stand_ins):
        if type(value) is type(stand_in) and value == stand_in:
            return [_Parameter(name, position, None)]
        if type(value) is list and isinstance(stand_in, (tuple, set, frozenset)) and value == list(stand_in):
            return [_Parameter(name, position, list)]
        if isinstance(value, str):
            if isinstance(stand_in, (list, tuple, set, frozenset)) and value == _json_of_list(stand_in):
                return [_Parameter(name, position, _json_of_list)]
            if isinstance(stand_in, (str, dict, int, float)) and value == json.dumps(stand_in):
                return [_Parameter(name, position, json.dumps)]
    if any(str(each) in str(value) for each in stand_ins):
        raise NotBoundError(f'a parameter {value!r} for one of {stand_ins}')
    return []


def _json_of_list(value: Any) -> str:
    return json.dumps(list(value))


class Mark(Enum):
    """What is known of a shape without a statement."""

    NEW = 'not seen before'
    SEEN = 'seen once'
    NEVER = 'to be built anew each time'


class Statements:
    """The statements of a storage by their shape, of which those used last are kept. Any thread may use it.

    :param most_kept: statements at a time.
    :param most_noted: shapes without a statement at a time.
    """

    def __init__(self, most_kept: int = MOST_KEPT, most_noted: int = MOST_NOTED) -> None:
        self._most_kept = most_kept
        self._most_noted = most_noted
        self._kept: OrderedDict[Hashable, Statement] = OrderedDict()
        self._noted: OrderedDict[Hashable, Mark] = OrderedDict()
        self._lock = threading.Lock()
        self.note_check: Callable[[bool], None] = lambda _: None
        """Called for each query that was asked in two ways, with whether the outcomes were the same."""

    def __len__(self) -> int:
        """Return how many statements are kept."""
        return len(self._kept)

    def look_up(self, shape: Hashable) -> Statement | Mark:
        """Return what is kept for a shape, which counts as seen from now on."""
        with self._lock:
            if shape in self._kept:
                self._kept.move_to_end(shape)
                return self._kept[shape]
            found = self._noted.get(shape, Mark.NEW)
            _set(self._noted, shape, Mark.SEEN if found is Mark.NEW else found, self._most_noted)
            return found

    def keep(self, shape: Hashable, found: Statement | Mark) -> None:
        """Keep a statement for a shape, or note that there is none."""
        with self._lock:
            if isinstance(found, Statement):
                self._noted.pop(shape, None)
                _set(self._kept, shape, found, self._most_kept)
            else:
                _set(self._noted, shape, found, self._most_noted)


def _set(cache: OrderedDict[Hashable, Any], shape: Hashable, found: Any, most: int) -> None:
    cache[shape] = found
    cache.move_to_end(shape)
    while len(cache) > most:
        cache.popitem(last=False)
