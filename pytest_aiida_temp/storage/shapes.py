"""What two queries have in common that differ only in the values they look for.

aiida-core hands a query to the storage as a dictionary. Its *shape* is that dictionary with a stand-in in the place of
each value that is bound to the statement, rather than written into it. Queries of one shape share one statement.

A value decides over the statement by its type, so each type has stand-ins of its own. What decides by more than that
is no value but a part of the shape: ``None``, booleans, the paths into JSON, what ``of_type`` asks for, how things are
cast, how many conditions an ``or`` has.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

LONGEST_LIST = 100_000
"""Items of an ``in`` from which on aiida-core may split it, and takes longer over it than over building."""

_COMBINED = {'and', 'or', '~and', '~or', '!and', '!or'}
_COMPARED = {'==', '>', '<', '>=', '<=', '=>', '=<', 'like', 'ilike', 'has_key', 'of_length', 'longer', 'shorter'}
_STAND_INS: dict[type, Callable[[int], Any]] = {
    str: 'aiida_temp_{}'.format,
    int: lambda number: 2_000_000_000 + number,
    float: lambda number: 2_000_000_000.5 + number,
    datetime: lambda number: datetime(2100, 1, 1, tzinfo=timezone.utc) + timedelta(days=number),
    list: lambda number: [f'aiida_temp_{number}'],
    dict: lambda number: {f'aiida_temp_{number}': number},
}
_IN_LISTS = {str, int, float}
_LISTS = {list, tuple, set, frozenset}


class UncertainError(Exception):
    """The query has something in it of which it is not known what statement it makes."""


@dataclass
class Shape:
    """A query taken apart.

    :param query: with the stand-ins in it.
    :param stand_ins: in the order in which they are in the query.
    :param values: in whose place they are.
    """

    query: dict[str, Any]
    stand_ins: list[Any]
    values: list[Any]

    @property
    def key(self) -> Hashable:
        """What all queries of the shape have in common, and no other.

        :raises UncertainError: if that cannot be told.
        """
        return _frozen(self.query)


def shape_of(query: Any) -> Shape:
    """Take a query apart.

    :param query: as ``QueryBuilder.as_dict()`` gives it.
    :raises UncertainError: if it is not as expected.
    """
    shape = Shape({}, [], [])
    try:
        shape.query = {
            'path': query['path'],
            'filters': {tag: _conditions(conditions, shape) for tag, conditions in query['filters'].items()},
            'project': query['project'],
            'order_by': query['order_by'],
            'limit': _number(query['limit'], shape),
            'offset': _number(query['offset'], shape),
            'distinct': query['distinct'],
        }
    except (AttributeError, KeyError, TypeError) as exception:
        raise UncertainError(f'{type(exception).__name__}: {exception}') from exception
    return shape


def _conditions(conditions: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """Take apart what is asked of the columns of one table."""
    found: dict[str, Any] = {}
    for name, asked in conditions.items():
        if name in _COMBINED:
            found[name] = [_conditions(each, shape) for each in asked]
        elif isinstance(asked, dict):
            found[name] = {operator: _operand(operator, value, shape) for operator, value in asked.items()}
        else:
            found[name] = {'==': _operand('==', asked, shape)}
    return found


def _operand(operator: str, value: Any, shape: Shape) -> Any:
    """Return what stands in the place of the right side of an operator."""
    bare = operator.lstrip('~') if operator.startswith('~') else operator.lstrip('!')
    if bare in ('and', 'or'):
        return [{name: _operand(name, other, shape) for name, other in each.items()} for each in value]
    kind = type(value)
    if bare == 'in':
        return _stand_in(value, _list_of(value), shape)
    if (bare in _COMPARED or bare == 'contains') and kind in _STAND_INS:
        return _stand_in(value, _STAND_INS[kind], shape)
    return value


def _list_of(value: Any) -> Callable[[int], Any]:
    kind = type(value)
    if kind not in _LISTS or not 0 < len(value) <= LONGEST_LIST:
        raise UncertainError(f'in {kind.__name__}')
    items = set(map(type, value))
    if len(items) > 1 or not items <= _IN_LISTS:
        raise UncertainError(f'in items {items}')
    item = _STAND_INS[items.pop()]
    return lambda number: kind((item(number),))


def _number(value: Any, shape: Shape) -> Any:
    return _stand_in(value, _STAND_INS[int], shape) if type(value) is int else value


def _stand_in(value: Any, make: Callable[[int], Any], shape: Shape) -> Any:
    stand_in = make(len(shape.values))
    shape.values.append(value)
    shape.stand_ins.append(stand_in)
    return stand_in


def _frozen(value: Any) -> Hashable:
    """Return plain data in a form that can be a key, with types told apart (``1``, ``1.0`` and ``True`` are equal)."""
    kind = type(value)
    if kind is str or value is None:
        return value  # type: ignore[no-any-return]
    if kind is dict:
        return (dict, *value, *map(_frozen, value.values()))
    if kind in _LISTS:
        return (kind, *map(_frozen, value))
    if kind in (bool, int, float, datetime):
        return kind, value
    raise UncertainError(f'a value of type {kind.__name__}')
