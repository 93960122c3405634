"""What a failing test takes to tell of its storage, and a passing one pays for that."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiida import orm
from aiida.common.links import LinkType

from pytest_aiida_temp.artifacts import evidence
from pytest_aiida_temp.artifacts.teardown import FinalizerWatch
from pytest_aiida_temp.isolation import Subject
from pytest_aiida_temp.storage.since import Beginning

from .measurement import Measurement, block
from .profiles import Profiles
from .rows import Bound, Outcome, Row
from .sizes import Sizes

NODES = 100
FINALIZERS = 5


def measurements(profiles: Profiles, sizes: Sizes, folder: Path) -> list[Measurement]:
    """Return what fills the rows on failures.

    :param folder: is made, and holds what is written.
    """
    return [
        Measurement(
            [
                Row(f'section on {NODES} nodes in the report of a failure', Bound('absolute', 50e-3)),
                Row(f'artefacts of a failure with {NODES} nodes, the section included', Bound('absolute', 1.0)),
            ],
            lambda: _failure(profiles, sizes, folder),
        ),
        Measurement(
            [Row(f'watching {FINALIZERS} finalizers of a test that passes', Bound('absolute', 50e-6))],
            lambda: [(_watching(sizes.calls), None)],
        ),
    ]


def _failure(profiles: Profiles, sizes: Sizes, folder: Path) -> list[Outcome]:
    def take(target: Path | None) -> None:
        assert evidence.take(subject, 'always', 40, target) is not None

    def empty() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    calls = max(3, sizes.calls // 4)
    with profiles.ours.active() as profile:
        profile.reset()
        _store()
        subject = Subject(profile, Beginning(), True)
        section = block(lambda: take(None), calls)
        artefacts = block(lambda: take(folder), calls, prepare=empty)
        profile.reset()
    return [(section, None), (artefacts, None)]


def _store() -> None:
    """Store calculations, half of which failed, each with an input and an output."""
    for number in range(NODES // 3):
        calculation = orm.CalcFunctionNode()
        calculation.base.links.add_incoming(orm.Int(number).store(), LinkType.INPUT_CALC, 'number')
        calculation.set_process_state('finished')
        calculation.set_process_label('add')
        calculation.set_exit_status(number % 2)
        calculation.store()
        orm.Log(datetime.now(timezone.utc), 'aiida', 'ERROR', calculation.pk, 'a message')
        result = orm.Int(number)
        result.base.links.add_incoming(calculation, LinkType.CREATE, 'result')
        result.store()
        calculation.seal()
    orm.Int(0).store()


def _watching(calls: int) -> float:
    node = SimpleNamespace(listchain=list)
    stack: dict[Any, Any] = {}
    session = SimpleNamespace(_setupstate=SimpleNamespace(stack=stack))
    item: Any = SimpleNamespace(session=session)
    watch = FinalizerWatch(lambda *_: None)

    def tear_down() -> None:
        with watch.watching(item, None):
            for finalizer in reversed(stack[id(node)][0]):
                finalizer()

    def set_up() -> None:
        stack[id(node)] = ([int] * FINALIZERS, None)

    return block(tear_down, 50 * calls, prepare=set_up)
