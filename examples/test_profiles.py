"""Shows an archive that goes from one profile to another.

A further profile has a database, files and a name of its own, and is empty.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aiida import orm
from aiida.engine import WorkChain, calcfunction, run_get_node

from pytest_aiida_temp import TempProfile

if TYPE_CHECKING:
    from pytest_aiida_temp.factory import ProfileFactory


@calcfunction
def add(first: orm.Int, second: orm.Int) -> orm.Int:
    """Return the sum."""
    return orm.Int(first.value + second.value)


class Triple(WorkChain):
    """Adds a number to itself, and once again."""

    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.input('number', valid_type=orm.Int)
        spec.output('result', valid_type=orm.Int)
        spec.outline(cls.add_up)

    def add_up(self):
        twice = add(self.inputs.number, self.inputs.number)
        self.out('result', add(twice, self.inputs.number))


def test_a_workchain_comes_back_from_an_archive(
    aiida_temp_profile: TempProfile, aiida_temp_profile_factory: ProfileFactory, tmp_path: Path
) -> None:
    _, workchain = run_get_node(Triple, number=orm.Int(5))
    uuid, calculations = workchain.uuid, {node.uuid for node in workchain.called}
    count = orm.QueryBuilder().append(orm.Node).count()
    aiida_temp_profile.export(tmp_path / 'triple.aiida', [workchain])

    with aiida_temp_profile_factory() as other:
        assert orm.QueryBuilder().append(orm.Node).count() == 0
        other.load_archive(tmp_path / 'triple.aiida')

        imported = orm.load_node(uuid)
        assert imported.outputs.result.value == 15
        assert {node.uuid for node in imported.called} == calculations
        assert orm.QueryBuilder().append(orm.Node).count() == count

    assert aiida_temp_profile.is_loaded
    assert workchain.outputs.result.value == 15
