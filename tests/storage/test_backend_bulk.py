"""Many rows at once: what our storage promises beyond what aiida-core's storages do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy
from aiida import orm
from aiida.orm.entities import EntityTypes
from aiida.tools import delete_nodes

if TYPE_CHECKING:
    from pytest_aiida_temp.storage import SqliteTempBackend


def many_nodes(storage: SqliteTempBackend, count: int) -> list[int]:
    """Insert nodes that nothing refers to."""
    user = storage.default_user.pk
    rows = [{'node_type': 'data.core.int.Int.', 'user_id': user, 'attributes': {}} for _ in range(count)]
    return storage.bulk_insert(EntityTypes.NODE, rows, allow_defaults=True)


def test_bulk_insert_takes_a_hundred_thousand_rows(temp_storage: SqliteTempBackend) -> None:
    first = temp_storage.default_user.pk + 1
    rows = [{'email': str(number), 'first_name': '', 'last_name': '', 'institution': ''} for number in range(100_000)]

    pks = temp_storage.bulk_insert(EntityTypes.USER, rows)

    assert pks == list(range(first, first + 100_000))
    assert orm.User.collection.get(id=pks[-1]).email == '99999'


def test_bulk_insert_fails_as_a_whole(temp_storage: SqliteTempBackend) -> None:
    rows = [{'email': 'new'}, {'email': temp_storage.default_user.email}]

    with pytest.raises(sqlalchemy.exc.IntegrityError):
        temp_storage.bulk_insert(EntityTypes.USER, rows, allow_defaults=True)

    assert orm.User.collection.count() == 1


def test_bulk_insert_leaves_the_rows_given_alone(temp_storage: SqliteTempBackend) -> None:
    row = {'label': 'a', 'hostname': 'a', 'metadata': {'key': 1}}

    temp_storage.bulk_insert(EntityTypes.COMPUTER, [row], allow_defaults=True)

    assert row == {'label': 'a', 'hostname': 'a', 'metadata': {'key': 1}}


def test_more_than_a_thousand_nodes_are_deleted_by_the_tool(temp_storage: SqliteTempBackend) -> None:
    pks = many_nodes(temp_storage, 1_200)
    orm.Group('group').store().add_nodes(orm.load_node(pks[0]))

    _, was_deleted = delete_nodes(pks, dry_run=False)

    assert was_deleted
    assert orm.QueryBuilder().append(orm.Node, project='label').all(flat=True) == []
    assert orm.load_group('group').count() == 0


def test_any_number_of_nodes_is_deleted_in_one_call(temp_storage: SqliteTempBackend) -> None:
    kept = orm.Int(1, label='kept').store()
    first, *_ = many_nodes(temp_storage, 100)

    with temp_storage.transaction():
        temp_storage.delete_nodes_and_connections(range(first, first + 40_000))

    assert orm.QueryBuilder().append(orm.Node, project='label').all(flat=True) == ['kept']
    assert kept.label == 'kept'
