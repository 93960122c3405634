"""Shows how to run a calculation job to its end on this machine, files and scheduler included. The job is
`core.arithmetic.add`, which lets `/bin/bash` add two numbers.
"""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import CalculationFactory

ArithmeticAddCalculation = CalculationFactory('core.arithmetic.add')


@pytest.fixture
def bash(localhost: orm.Computer) -> orm.InstalledCode:
    """The shell as a code."""
    return orm.InstalledCode(label='bash', computer=localhost, filepath_executable='/bin/bash').store()


def test_adds_two_numbers(bash: orm.InstalledCode) -> None:
    results, node = run_get_node(ArithmeticAddCalculation, code=bash, x=orm.Int(1), y=orm.Int(2))

    assert node.is_finished_ok, node.exit_message
    assert results['sum'].value == 3
    assert 'aiida.out' in node.outputs.retrieved.base.repository.list_object_names()


def test_a_negative_sum_is_an_error(bash: orm.InstalledCode) -> None:
    _, node = run_get_node(ArithmeticAddCalculation, code=bash, x=orm.Int(1), y=orm.Int(-2))

    assert node.exit_status == ArithmeticAddCalculation.exit_codes.ERROR_NEGATIVE_NUMBER.status
