"""What differs between two nodes, or a node and a dictionary, where an ``assert`` compares them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiida.orm import Node

MOST_LINES = 20
MOST_CHARACTERS = 160
"""Of a value."""


class _Missing:
    def __repr__(self) -> str:
        return '(not there)'


_MISSING = _Missing()


def explain_comparison(operator: str, left: Any, right: Any) -> list[str] | None:
    """Return lines that say what differs, or ``None`` where pytest's own explanation serves.

    The contract is that of pytest's hook ``pytest_assertrepr_compare``.
    """
    if operator != '==':
        return None
    try:
        return _explain(left, right)
    except Exception as exception:  # whatever it is, it must not take the place of the failure
        return [f'{type(left).__name__} == {type(right).__name__}', f'what differs cannot be told: {exception!r}']


def _explain(left: Any, right: Any) -> list[str] | None:
    from aiida import orm

    if isinstance(left, orm.Node) and isinstance(right, orm.Node):
        return [f'{_name(left)} == {_name(right)}', *_cut(_differences(left, right))]
    sides = [_attributes(side) for side in (left, right)]
    if None in sides or all(isinstance(side, Mapping) for side in (left, right)):
        return None
    names = [_name(side) if isinstance(side, orm.Node) else type(side).__name__ for side in (left, right)]
    return [' == '.join(names), *_cut(_different_values(*sides))]


def _name(node: Node) -> str:
    return f'{type(node).__name__}<pk={node.pk}>'


def _attributes(value: Any) -> Any:
    """Return attributes as a mapping: of a dictionary, of a node that holds one, of ``node.base.attributes``."""
    from aiida.orm import Dict
    from aiida.orm.nodes.attributes import NodeAttributes

    if isinstance(value, Dict):
        return value.base.attributes.all
    if isinstance(value, NodeAttributes):
        return value.all
    return value if isinstance(value, Mapping) else None


def _differences(left: Node, right: Node) -> Iterator[str]:
    for name in ('node_type', 'pk', 'uuid', 'label'):
        values = getattr(left, name), getattr(right, name)
        if values[0] != values[1]:
            yield f'{"type" if name == "node_type" else name}: {values[0]} != {values[1]}'
    attributes = list(_different_values(left.base.attributes.all, right.base.attributes.all))
    yield from (f'attribute {line}' for line in attributes)
    files = list(_different_files(left, right))
    yield from (f'file {line}' for line in files)
    if not attributes and not files:
        yield 'attributes and files are equal: two nodes are equal only if they are the same one'


def _different_values(left: Any, right: Any, place: str = '') -> Iterator[str]:
    """Yield a line for each value that differs, wherever it is in dictionaries and in lists of the same length."""
    if left == right:
        return
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for name in sorted({*left, *right}, key=str):
            inside = f'{place}.{name}' if place else str(name)
            yield from _different_values(left.get(name, _MISSING), right.get(name, _MISSING), inside)
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for number, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from _different_values(one, other, f'{place}[{number}]')
    else:
        yield f'{place}: {_shown(left)} != {_shown(right)}'


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_CHARACTERS else f'{text[: MOST_CHARACTERS // 2]}...{text[-MOST_CHARACTERS // 2 :]}'


def _different_files(left: Node, right: Node) -> Iterator[str]:
    hashes = [_files(node) for node in (left, right)]
    for path in sorted({*hashes[0], *hashes[1]}):
        there = [path in side for side in hashes]
        if not all(there):
            yield f'{path}: only on the {"left" if there[0] else "right"}'
        elif hashes[0][path] != hashes[1][path]:
            yield f'{path}: contents differ'


def _files(node: Node) -> dict[str, bytes]:
    repository = node.base.repository
    return {
        str(folder / name): repository.get_object_content(str(folder / name), mode='rb')
        for folder, _, names in repository.walk()
        for name in names
    }


def _cut(lines: Iterator[str]) -> list[str]:
    shown = list(lines)
    if len(shown) <= MOST_LINES:
        return shown
    return [*shown[:MOST_LINES], f'... and {len(shown) - MOST_LINES} more']
