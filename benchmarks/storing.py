"""Storing, linking, grouping and querying, in all storages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import uuid4

from aiida.common.links import LinkType
from aiida.engine import WorkChain, calcfunction, run, run_get_node
from aiida.orm import (
    CalculationNode,
    Computer,
    Float,
    FolderData,
    Group,
    InstalledCode,
    Int,
    QueryBuilder,
    load_node,
)

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
    :param limit: of the ratio to ``core.sqlite_temp``.
    """

    what: str
    make: Callable[[OpenProfile], Action]
    calls: int
    limit: float = 1.0


def measurements(profiles: Profiles, sizes: Sizes) -> list[Measurement]:
    """Return what fills the rows on storing and querying, each in turn on all storages."""
    few = max(1, sizes.calls // 10)
    queried = f'QueryBuilder over {sizes.queried:,} nodes, '
    cases = [
        _Case('Int(1).store()', lambda _: _store_node, sizes.calls, 0.65),
        _Case('FolderData of 10 files', lambda _: _store_folder, sizes.calls // 2),
        _Case('a file put into the repository', _putting, sizes.calls, 1.4),
        _Case('a node stored in a transaction()', _storing_in_transaction, sizes.calls),
        _Case('five inputs linked to a CalculationNode and stored', _linking, few, 0.35),
        _Case('get_incoming().all() of five inputs', _incoming, few, 0.4),
        _Case('calc.inputs.x', _input, few, 0.4),
        _Case('load_node(pk)', lambda _: partial(load_node, Int(1).store().pk), sizes.calls, 0.6),
        _Case('load_node(uuid)', lambda _: partial(load_node, Int(1).store().uuid), sizes.calls, 0.6),
        _Case('QueryBuilder().append(Int).count()', lambda _: _count, sizes.calls, 0.6),
        _Case('calcfunction of two inputs', lambda _: _calculate, few, 0.6),
        _Case('work chain of three steps', lambda _: _work, few, 0.6),
        _Case('core.arithmetic.add calculation job', _job, few, 0.8),
        _Case(f'group of {sizes.grouped:,} nodes', partial(_grouping, count=sizes.grouped), 1),
        _Case(f'{queried}projection', partial(_querying, count=sizes.queried, query=_project), few),
        _Case(f'{queried}whole nodes', partial(_querying, count=sizes.queried, query=_whole), 1),
    ]
    return [
        Measurement(
            [
                Row(f'{case.what}, against {theirs.name}', Bound('ratio', limit))
                for theirs, limit in zip(_others(profiles), (case.limit, 1.0), strict=True)
            ],
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


def _putting(opened: OpenProfile) -> Action:
    repository = opened.storage.get_repository()
    return lambda: repository.put_object_from_filelike(BytesIO(uuid4().bytes))


def _storing_in_transaction(opened: OpenProfile) -> Action:
    storage = opened.storage

    def store() -> None:
        with storage.transaction():
            Int(1).store()

    return store


def add(x: Int, y: Int) -> Int:
    """Return the sum of two nodes as a node."""
    return Int(x.value + y.value)


_add: Any = calcfunction(add)


def _calculate() -> None:
    _add(Int(1), Int(2))


class _ThreeSteps(WorkChain):
    """Adds in the second of three steps."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define the work chain."""
        super().define(spec)
        spec.input('x', valid_type=Int)
        spec.output('sum', valid_type=Int)
        spec.outline(cls.first, cls.second, cls.third)

    def first(self) -> None:
        """Take the input."""
        self.ctx.sum = self.inputs.x

    def second(self) -> None:
        """Add it to itself."""
        self.ctx.sum = _add(self.ctx.sum, self.inputs.x)

    def third(self) -> None:
        """Return the sum."""
        self.out('sum', self.ctx.sum)


def _work() -> None:
    run(_ThreeSteps, x=Int(1))


def _job(opened: OpenProfile) -> Action:
    folder = Path(mkdtemp(dir=opened.profile.storage_config['filepath']))
    computer = Computer(
        label=uuid4().hex,
        hostname='localhost',
        transport_type='core.local',
        scheduler_type='core.direct',
        workdir=str(folder),
    ).store()
    computer.set_minimum_job_poll_interval(0.0)
    computer.configure(safe_interval=0.0)
    code = InstalledCode(
        computer=computer, filepath_executable='/bin/bash', default_calc_job_plugin='core.arithmetic.add'
    ).store()

    def add() -> None:
        builder = code.get_builder()
        builder.x, builder.y = Int(1), Int(2)
        _, process = run_get_node(builder)
        assert process.is_finished_ok, process.exit_message

    return add


def _count() -> int:
    return int(QueryBuilder().append(Int).count())


def _linking(_: OpenProfile) -> Action:
    inputs = [Int(number).store() for number in range(5)]
    return partial(_link, inputs)


def _link(inputs: list[Int]) -> CalculationNode:
    calculation = CalculationNode()
    for number, node in enumerate(inputs):
        calculation.base.links.add_incoming(node, LinkType.INPUT_CALC, f'x{number}')
    return calculation.store()


def _incoming(opened: OpenProfile) -> Action:
    calculation = _linking(opened)()
    return lambda: calculation.base.links.get_incoming().all()


def _input(opened: OpenProfile) -> Action:
    calculation = _linking(opened)()
    return lambda: calculation.inputs.x0


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
