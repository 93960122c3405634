"""Shows how a query in a loop is found by counting the SQL statements of a block. A limit keeps it from coming back."""

from __future__ import annotations

import pytest
from aiida import orm

from pytest_aiida_temp import TempProfile


@pytest.fixture
def group(aiida_temp_profile: TempProfile) -> orm.Group:
    """A group of ten numbers."""
    group = orm.Group('numbers').store()
    group.add_nodes([orm.Int(number, label=str(number)).store() for number in range(10)])
    return group


def labels_one_by_one(group: orm.Group) -> list[str]:
    """Return the labels of all nodes with a statement for each node."""
    query = orm.QueryBuilder().append(orm.Group, filters={'id': group.pk}, tag='group')
    pks = query.append(orm.Node, with_group='group', project='id').all(flat=True)
    return [orm.load_node(pk).label for pk in pks]


def labels_at_once(group: orm.Group) -> list[str]:
    """Return the labels of all nodes with one statement."""
    query = orm.QueryBuilder().append(orm.Group, filters={'id': group.pk}, tag='group')
    labels: list[str] = query.append(orm.Node, with_group='group', project='label').all(flat=True)
    return labels


def test_a_loop_shows_as_one_statement_many_times(aiida_temp_profile: TempProfile, group: orm.Group) -> None:
    with aiida_temp_profile.count_queries() as queries:
        labels_one_by_one(group)

    statement, found = next(iter(queries.grouped().items()))
    assert 'FROM db_dbnode' in statement
    assert len(found) == 10
    assert {query.location.partition(':')[0] for query in found} == {'test_queries.py'}


def test_one_statement_is_enough(aiida_temp_profile: TempProfile, group: orm.Group) -> None:
    with aiida_temp_profile.assert_max_queries(3):
        labels = labels_at_once(group)

    assert sorted(labels) == [str(number) for number in range(10)]
