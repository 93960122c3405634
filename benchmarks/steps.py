"""What each step makes of the storage's speed: with it, against the same storage without it."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

from aiida.orm import CalculationNode, Group, Int, QueryBuilder

from pytest_aiida_temp.storage import query, session
from pytest_aiida_temp.storage.reading import Reading
from pytest_aiida_temp.storage.shapes import UncertainError
from pytest_aiida_temp.storage.statements import MOST_KEPT, Statements

from .measurement import Measurement, block, medians
from .profiles import OpenProfile, Profiles, compare
from .rows import Bound, Outcome, Row
from .sizes import Sizes
from .storing import Action, _calculate, _incoming, _store_node

Without = Callable[[Any], AbstractContextManager[Any]]
"""Takes a step away from a storage for a block of code."""


def _no(*_: Any) -> bool:
    return False


@contextmanager
def _built_anew(_: Any) -> Iterator[None]:
    with mock.patch.object(query, 'shape_of', side_effect=UncertainError):
        yield


@contextmanager
def _read_again(_: Any) -> Iterator[None]:
    with mock.patch.object(Reading, 'is_current', _no):
        yield


@contextmanager
def _read_by_sqlalchemy(_: Any) -> Iterator[None]:
    with _read_again(_), mock.patch.object(Reading, 'read', _no):
        yield


@contextmanager
def _expired_at_commit(storage: Any) -> Iterator[None]:
    with mock.patch.object(storage.get_session(), 'expire_on_commit', True):
        yield


@contextmanager
def _by_unit_of_work(_: Any) -> Iterator[None]:
    with mock.patch.object(session, 'update_only_row', _no):
        yield


@dataclass(frozen=True)
class _Step:
    """A step and what shows it.

    :param make: prepares an open profile and returns what is timed.
    :param limit: of the ratio of the time with the step to that without it.
    :param is_slow: it is called less often.
    """

    what: str
    make: Callable[[OpenProfile], Action]
    without: Without
    limit: float
    is_slow: bool = False


def measurements(profiles: Profiles, sizes: Sizes) -> list[Measurement]:
    """Return what fills the rows on the steps."""
    steps = [
        _Step('get_incoming().all(), by kept statements, against built anew', _incoming, _built_anew, 0.6),
        _Step('calcfunction, by kept statements, against built anew', lambda _: _calculate, _built_anew, 0.8, True),
        _Step("a node's label, not read again, against read again", _reading, _read_again, 1.0),
        _Step("a node's label, not read again, against loaded by SQLAlchemy", _reading, _read_by_sqlalchemy, 0.3),
        _Step('Int(1).store(), objects not expired at a commit, against expired', _storing, _expired_at_commit, 0.95),
        _Step('an extra set, by one UPDATE, against a unit of work', _changing, _by_unit_of_work, 0.7),
        _Step(
            'calcfunction, changes by one UPDATE, against a unit of work',
            lambda _: _calculate,
            _by_unit_of_work,
            1.0,
            True,
        ),
    ]
    return [
        *(
            Measurement([Row(step.what, Bound('ratio', step.limit))], partial(_compare, profiles.ours, step, sizes))
            for step in steps
        ),
        Measurement(
            [Row('a global variable set by one statement, against core.sqlite_dos', Bound('ratio', 0.5))],
            lambda: _setting(profiles, sizes),
        ),
        Measurement(
            [
                Row(
                    f"{MOST_KEPT} statements kept, a stand-in for those of aiida-core's tests/orm",
                    Bound('absolute', 5, 'MB'),
                )
            ],
            lambda: _memory(profiles.ours),
        ),
    ]


def _compare(ours: OpenProfile, step: _Step, sizes: Sizes) -> list[Outcome]:
    with ours.active():
        action = step.make(ours)

    calls = max(1, sizes.calls // 10) if step.is_slow else sizes.calls

    def without() -> float:
        with ours.active(), step.without(ours.storage):
            return block(action, calls)

    def with_it() -> float:
        with ours.active():
            return block(action, calls)

    return [tuple(medians([with_it, without], sizes.rounds))]  # type: ignore[list-item]


def _setting(profiles: Profiles, sizes: Sizes) -> list[Outcome]:
    def turn(opened: OpenProfile) -> float:
        with opened.active():
            return block(partial(opened.storage.set_global_variable, 'variable', 'value', 'why'), sizes.calls)

    return compare(
        lambda: turn(profiles.ours), [(profiles.sqlite_dos, lambda: turn(profiles.sqlite_dos))], sizes.rounds
    )


def _storing(_: OpenProfile) -> Action:
    return _store_node


def _reading(_: OpenProfile) -> Action:
    node = Int(1, label='one').store()
    return lambda: [node.label for _ in range(10)]


def _changing(_: OpenProfile) -> Action:
    extras = Int(1).store().base.extras
    return lambda: extras.set('key', 'value')


def _queries(key: str) -> list[QueryBuilder]:
    """Return queries of five shapes, each of which has a key in it: of one table, of joined ones, entities, columns."""
    of_linked = QueryBuilder().append(CalculationNode, filters={f'attributes.{key}': 1}, tag='calculation')
    return [
        QueryBuilder().append(Int, filters={f'attributes.{key}': 1}),
        QueryBuilder().append(Group, filters={'label': 'a', f'extras.{key}': 'a'}, project=['id', 'uuid', 'label']),
        QueryBuilder().append(Int, filters={'uuid': {'like': 'a%'}}, project=['*', f'extras.{key}']),
        of_linked.append(Int, with_incoming='calculation', edge_filters={'label': 'x'}, project=['*', 'id']),
        QueryBuilder().append(Group, tag='group').append(Int, with_group='group', project=['*', f'attributes.{key}']),
    ]


def _memory(ours: OpenProfile) -> list[Outcome]:
    """Measure what is freed with the statements, in a storage that keeps as many as it ever does."""
    with ours.active():
        database = ours.storage._live.database
        with mock.patch.object(database, 'statements', Statements()):
            tracemalloc.start()
            try:
                for number in range(MOST_KEPT):
                    for found in _queries(f'key{number}'):
                        for _ in range(3):
                            found.all()
                database.engine.clear_compiled_cache()
                return [(_freed(database.statements), None)]
            finally:
                tracemalloc.stop()


def _freed(statements: Statements) -> float:
    assert len(statements) == MOST_KEPT
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    statements._kept.clear()
    statements._noted.clear()
    gc.collect()
    return (before - tracemalloc.get_traced_memory()[0]) / 1e6
