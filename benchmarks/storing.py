"""Storing, linking, grouping and querying, in all storages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from aiida.engine import calcfunction
from aiida.orm import Float, FolderData, Group, Int, QueryBuilder

from .measurement import Measurement, block
from .nodes import insert_nodes
from .profiles import OpenProfile, Profiles, compare
from .rows import Bound, Outcome, Row
from .sizes import Sizes

Action = Callable[[], Any]


@dataclass(frozen=True)
class _Case:
    """What is done in every storage.

    :param make: prepares an open profile and returns what is timed.
    :param calls: in one turn.
    """

    what: str
    make: Callable[[OpenProfile], Action]
    calls: int


def measurements(profiles: Profiles, sizes: Sizes) -> list[Measurement]:
    """Return what fills the rows on storing and querying, each in turn on all storages."""
    few = max(1, sizes.calls // 10)
    queried = f'QueryBuilder over {sizes.queried:,} nodes, '
    cases = [
        _Case('Int(1).store()', lambda _: _store_node, sizes.calls),
        _Case('FolderData of 10 files', lambda _: _store_folder, sizes.calls // 2),
        _Case('calcfunction', lambda _: _calculate, few),
        _Case(f'group of {sizes.grouped:,} nodes', partial(_grouping, count=sizes.grouped), 1),
        _Case(f'{queried}projection', partial(_querying, count=sizes.queried, query=_project), few),
        _Case(f'{queried}whole nodes', partial(_querying, count=sizes.queried, query=_whole), 1),
    ]
    return [
        Measurement(
            [Row(f'{case.what}, against {theirs.name}', Bound('ratio', 1.0)) for theirs in _others(profiles)],
            partial(_compare, profiles, case, sizes.rounds),
        )
        for case in cases
    ]


def _others(profiles: Profiles) -> list[OpenProfile]:
    return [profiles.sqlite_temp, profiles.sqlite_dos]


def _compare(profiles: Profiles, case: _Case, rounds: int) -> list[Outcome]:
    def turn(opened: OpenProfile) -> Callable[[], float]:
        if opened.problem:
            return lambda: math.nan
        with opened.active():
            action = case.make(opened)
        return partial(_turn, opened, action, case.calls)

    return compare(turn(profiles.ours), [(theirs, turn(theirs)) for theirs in _others(profiles)], rounds)


def _turn(opened: OpenProfile, action: Action, calls: int) -> float:
    with opened.active():
        return block(action, calls)


def _store_node() -> None:
    Int(1).store()


def _store_folder() -> None:
    folder = FolderData()
    for number in range(10):
        folder.base.repository.put_object_from_bytes(uuid4().bytes, f'{number}.txt')
    folder.store()


def add(x: Int, y: Int) -> Int:
    """Return the sum of two nodes as a node."""
    return Int(x.value + y.value)


_add: Any = calcfunction(add)


def _calculate() -> None:
    _add(Int(1), Int(2))


def _grouping(opened: OpenProfile, count: int) -> Action:
    insert_nodes(opened.storage, count)
    nodes = QueryBuilder().append(Float).limit(count).all(flat=True)

    def group() -> None:
        Group(label=uuid4().hex).store().add_nodes(nodes)

    return group


def _querying(opened: OpenProfile, count: int, query: Callable[[], Any]) -> Action:
    missing = count - QueryBuilder().append(Float).count()
    if missing > 0:
        insert_nodes(opened.storage, missing)

    def checked() -> None:
        assert len(query()) == count

    return checked


def _project() -> Any:
    return QueryBuilder().append(Float, project=['id', 'uuid', 'attributes.value']).all()


def _whole() -> Any:
    return QueryBuilder().append(Float).all(flat=True)
