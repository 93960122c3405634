"""Shows how to test queries and groups. Each test starts from empty storage, so it can count all nodes there are and
use any label.
"""

from __future__ import annotations

from aiida import orm

from pytest_aiida_temp import TempProfile


def heaviest(group: orm.Group) -> orm.Node:
    """Return the node of a group with the greatest mass, the function of the plugin that is tested here."""
    builder = orm.QueryBuilder()
    builder.append(orm.Group, filters={'uuid': group.uuid}, tag='group')
    builder.append(orm.Dict, with_group='group', tag='dict')
    builder.order_by({'dict': {'attributes.mass': {'order': 'desc', 'cast': 'f'}}})
    return builder.first(flat=True)


def test_finds_the_heaviest_of_a_group(aiida_temp_profile: TempProfile) -> None:
    planets = orm.Group('planets').store()
    planets.add_nodes(
        [orm.Dict({'name': 'Earth', 'mass': 1.0}).store(), orm.Dict({'name': 'Saturn', 'mass': 95.2}).store()]
    )
    orm.Dict({'name': 'Sun', 'mass': 332_946.0}).store()

    assert heaviest(planets)['name'] == 'Saturn'


def test_the_label_is_free_again(aiida_temp_profile: TempProfile) -> None:
    planets = orm.Group('planets').store()

    assert planets.is_empty
    assert orm.QueryBuilder().append(orm.Node).count() == 0
