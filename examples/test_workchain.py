"""Shows how to test a work chain through its outputs, its exit code and the processes it called. It runs in the
test's own process, so no daemon and no message broker is needed.
"""

from __future__ import annotations

from typing import Any

import pytest
from aiida import orm
from aiida.engine import ExitCode, WorkChain, calcfunction, run_get_node, while_

pytestmark = pytest.mark.aiida_temp


@calcfunction
def halve(number: orm.Int) -> orm.Int:
    """Return half of an even number."""
    return orm.Int(number.value // 2)


class HalvingWorkChain(WorkChain):
    """Halves a number until it is odd."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.input('number', valid_type=orm.Int)
        spec.output('odd', valid_type=orm.Int)
        spec.exit_code(401, 'ERROR_NOT_POSITIVE', message='The number {number} is not positive.')
        spec.outline(cls.check, while_(cls.is_even)(cls.divide), cls.finish)

    def check(self) -> ExitCode | None:
        self.ctx.number = self.inputs.number
        if self.inputs.number.value <= 0:
            return self.exit_codes.ERROR_NOT_POSITIVE.format(number=self.inputs.number.value)
        return None

    def is_even(self) -> bool:
        return self.ctx.number.value % 2 == 0

    def divide(self) -> None:
        self.ctx.number = halve(self.ctx.number)

    def finish(self) -> None:
        self.out('odd', self.ctx.number)


def test_halves_until_odd() -> None:
    results, node = run_get_node(HalvingWorkChain, number=orm.Int(12))

    assert node.is_finished_ok
    assert results['odd'].value == 3
    assert [called.process_label for called in node.called] == ['halve', 'halve']


def test_refuses_what_is_not_positive() -> None:
    results, node = run_get_node(HalvingWorkChain, number=orm.Int(0))

    assert node.exit_status == 401
    assert node.exit_message == 'The number 0 is not positive.'
    assert not results
