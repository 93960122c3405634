"""Shows a class whose tests share one storage, so that what the first one computes is there for the others. The marker
stands in for a fixture, and storage is reset when the class ends.
"""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.engine import calcfunction


@calcfunction
def relax(length: orm.Float) -> orm.Float:
    """Return the length of a relaxed bond; imagine that this takes a minute."""
    return orm.Float(length.value * 0.98)


def relaxed_bond() -> orm.Float:
    """Return the result of the earlier calculation, or run it."""
    builder = orm.QueryBuilder().append(orm.CalcFunctionNode, tag='relax')
    builder.append(orm.Float, with_incoming='relax')
    return builder.first(flat=True) or relax(orm.Float(1.0))


@pytest.mark.aiida_temp(reset='class')
class TestRelaxedBond:
    seen: set[str] = set()

    @pytest.fixture(autouse=True)
    def bond(self) -> orm.Float:
        bond = relaxed_bond()
        self.seen.add(bond.uuid)
        return bond

    def test_is_shorter(self, bond: orm.Float) -> None:
        assert bond.value < 1.0

    def test_has_one_input(self, bond: orm.Float) -> None:
        assert bond.creator.inputs.length.value == 1.0

    def test_was_computed_once(self) -> None:
        assert len(self.seen) == 1


@pytest.mark.aiida_temp
def test_nothing_is_left_of_it() -> None:
    assert orm.QueryBuilder().append(orm.Float).count() == 0
