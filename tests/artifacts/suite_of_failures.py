"""Tests that fail, one for each way in which tests of AiiDA plugins do; `test_failures.py` runs them.

What is in the storage at each failure is noted by the tests themselves, to be compared with what is left behind.
"""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.engine import ExitCode, ToContext, WorkChain, calcfunction, run, run_get_node
from aiida.plugins import CalculationFactory

ArithmeticAddCalculation = CalculationFactory('core.arithmetic.add')


def note(name: str) -> None:
    """Write down what is in the storage, apart from the checkpoints of processes, which no archive has."""
    nodes = {}
    for node in orm.QueryBuilder().append(orm.Node).all(flat=True):
        attributes = {key: value for key, value in node.base.attributes.all.items() if key != 'checkpoints'}
        nodes[node.uuid] = [node.node_type, attributes, node.base.repository.metadata]
    groups = orm.QueryBuilder().append(orm.Group, project='label').all(flat=True)
    Path('noted').mkdir(exist_ok=True)
    Path('noted', f'{name}.json').write_text(json.dumps([nodes, groups]))


@pytest.fixture(autouse=True)
def noted(request: pytest.FixtureRequest, aiida_temp_profile: Any) -> Any:
    """Note what is there when a test has ended, before anything is torn down but what comes after this."""
    yield
    note(request.node.name)


@pytest.fixture
def code(aiida_temp_profile: Any, tmp_path: Path) -> orm.InstalledCode:
    computer = orm.Computer('localhost', 'localhost', '', 'core.local', 'core.direct', str(tmp_path)).store()
    computer.set_minimum_job_poll_interval(0)
    computer.set_default_mpiprocs_per_machine(1)
    computer.configure(safe_interval=0, use_login_shell=False)
    return orm.InstalledCode(label='code', computer=computer, filepath_executable='/no/such/program').store()


def test_wrong_executable(code: orm.InstalledCode) -> None:
    _, node = run_get_node(ArithmeticAddCalculation, code=code, x=orm.Int(1), y=orm.Int(2))
    assert node.is_finished_ok


class RefusingWorkChain(WorkChain):
    """Exits with status 401."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.input('number', valid_type=orm.Int)
        spec.exit_code(401, 'ERROR_NOT_POSITIVE', message='The number {number} is not positive.')
        spec.outline(cls.check)

    def check(self) -> ExitCode:
        self.report('looking at the number')
        return self.exit_codes.ERROR_NOT_POSITIVE.format(number=self.inputs.number.value)


class CallingWorkChain(WorkChain):
    """Calls one that fails, and fails of that."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.exit_code(402, 'ERROR_SUB_PROCESS', message='A sub process failed.')
        spec.outline(cls.call, cls.look)

    def call(self) -> Any:
        return ToContext(called=self.submit(RefusingWorkChain, number=orm.Int(0)))

    def look(self) -> ExitCode:
        return self.exit_codes.ERROR_SUB_PROCESS


def test_exit_401(aiida_temp_profile: Any) -> None:
    orm.Group('numbers').store()
    _, node = run_get_node(RefusingWorkChain, number=orm.Int(0))
    assert node.is_finished_ok


def test_called(aiida_temp_profile: Any) -> None:
    _, node = run_get_node(CallingWorkChain)
    assert node.is_finished_ok


@calcfunction
def fail(number: orm.Int) -> None:
    raise ValueError(f'{number.value} is no good')


def test_exception(aiida_temp_profile: Any) -> None:
    fail(orm.Int(1))


@pytest.fixture
def failing(aiida_temp_profile: Any) -> None:
    orm.Int(1).store()
    raise RuntimeError('no set-up')


def test_failing_fixture(failing: None) -> None:
    pass


@pytest.fixture
def failing_finalizer(noted: None, aiida_temp_profile: Any) -> Any:
    yield
    orm.Int(2).store()
    raise RuntimeError('no tear-down')


def test_failing_finalizer(failing_finalizer: None) -> None:
    orm.SinglefileData(io.BytesIO(b'content'), filename='file.txt').store()


class WaitingWorkChain(WorkChain):
    """Takes longer than it may."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.outline(cls.wait)

    def wait(self) -> None:
        self.report('going to wait')
        time.sleep(20)


@pytest.mark.timeout(0.5)
def test_timeout(aiida_temp_profile: Any) -> None:
    run(WaitingWorkChain)


def test_passes(aiida_temp_profile: Any) -> None:
    orm.Int(1).store()
