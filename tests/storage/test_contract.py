"""What every storage of AiiDA does: one set of assertions, run on ours and on aiida-core's ``core.sqlite_dos``."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from aiida import orm
from aiida.common import exceptions
from aiida.common.links import LinkType
from aiida.manage.configuration import Profile
from aiida.orm.entities import EntityTypes

if TYPE_CHECKING:
    from aiida.orm.implementation import StorageBackend

pytestmark = pytest.mark.filterwarnings('ignore:Object of type <Db.*> not in session')

# Schema and life cycle


def test_a_storage_is_made_once_and_is_then_at_the_latest_version(new_profile: Callable[[str], Profile]) -> None:
    profile = new_profile('new')
    storage_cls = profile.storage_cls

    assert storage_cls.initialise(profile) is True

    storage_cls.migrate(profile)
    assert storage_cls.version_profile(profile) == storage_cls.version_head()
    storage = storage_cls(profile)
    assert storage.version() == storage_cls.version_head()
    assert not storage.is_closed
    storage.close()


def test_a_closed_storage_cannot_be_used_and_can_be_closed_again(storage: StorageBackend) -> None:
    second = type(storage)(storage.profile)
    node = second.nodes.create(node_type='data.core.int.Int.', user=second.default_user.backend_entity).store()
    second.close()
    second.close()

    assert second.is_closed
    assert not storage.is_closed
    for use in (
        second.get_session,
        second.transaction().__enter__,
        lambda: second.in_transaction,
        lambda: second.users.create('a@b').store(),
        lambda: orm.QueryBuilder(second).append(orm.Node).all(),
        lambda: second.bulk_insert(EntityTypes.USER, [{'email': 'a@b'}], allow_defaults=True),
        lambda: second.set_global_variable('a', 1),
        lambda: second.get_global_variable('a'),
        second.get_info,
        second.maintain,
        lambda: node.attributes,
    ):
        with pytest.raises(exceptions.ClosedStorage):
            use()


def test_clear_removes_everything_and_lets_the_default_user_be_made_again(storage: StorageBackend) -> None:
    orm.SinglefileData(io.BytesIO(b'content')).store()
    orm.Group('group').store()
    orm.User('other@localhost').store()

    storage._clear()
    orm.User(email=storage.profile.default_user_email).store()

    counts = {name: block['count'] for name, block in storage.get_info()['entities'].items()}
    assert counts == {'Users': 1, 'Computers': 0, 'Nodes': 0, 'Groups': 0, 'Comments': 0, 'Logs': 0, 'Links': 0}
    assert list(storage.get_repository().list_objects()) == []
    assert storage.default_user.email == storage.profile.default_user_email


def test_the_default_user_is_the_one_the_profile_names(storage: StorageBackend) -> None:
    assert storage.default_user.email == storage.profile.default_user_email
    assert storage.default_user.is_stored
    assert orm.Int(1).user.email == storage.profile.default_user_email


# Transactions


def test_a_transaction_is_active_inside_its_block_only(storage: StorageBackend) -> None:
    assert not storage.in_transaction
    with storage.transaction():
        assert storage.in_transaction
    assert not storage.in_transaction


def test_a_transaction_that_ends_well_is_kept(storage: StorageBackend) -> None:
    with storage.transaction():
        node = orm.Int(1).store()
        orm.Group('group').store().add_nodes(node)

    assert orm.load_group('group').count() == 1


def test_an_exception_undoes_the_transaction_and_leaves_a_usable_session(storage: StorageBackend) -> None:
    before = orm.Int(1).store()

    def fail_inside() -> None:
        with storage.transaction():
            before.base.extras.set('key', 'value')
            orm.Int(2).store()
            storage.set_global_variable('variable', 1)
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fail_inside()

    assert not storage.in_transaction
    assert before.base.extras.all.get('key') is None
    assert orm.QueryBuilder().append(orm.Int).all(flat=True) == [before]
    with pytest.raises(KeyError):
        storage.get_global_variable('variable')
    assert orm.Int(3).store().is_stored


def test_an_exception_that_leaves_two_blocks_undoes_both(storage: StorageBackend) -> None:
    with suppress(ArithmeticError), storage.transaction():
        orm.Int(1).store()
        with storage.transaction():
            orm.Int(2).store()
            raise ArithmeticError

    assert orm.QueryBuilder().append(orm.Int).count() == 0


# Bulk operations


def test_bulk_insert_returns_the_ids_in_the_order_of_the_rows(bulk_storage: StorageBackend) -> None:
    rows = [{'email': f'{n}@b', 'first_name': '', 'last_name': '', 'institution': ''} for n in (3, 1, 2)]

    pks = bulk_storage.bulk_insert(EntityTypes.USER, rows)

    assert [orm.User.collection.get(id=pk).email for pk in pks] == ['3@b', '1@b', '2@b']


def test_bulk_insert_fills_in_defaults_only_where_allowed(bulk_storage: StorageBackend) -> None:
    (pk,) = bulk_storage.bulk_insert(EntityTypes.USER, [{'email': 'a@b'}], allow_defaults=True)

    assert orm.User.collection.get(id=pk).institution == ''
    with pytest.raises(exceptions.IntegrityError, match='Incorrect fields'):
        bulk_storage.bulk_insert(EntityTypes.USER, [{'email': 'c@d'}])


def test_bulk_insert_takes_metadata_by_its_name(bulk_storage: StorageBackend) -> None:
    row = {'label': 'a', 'hostname': 'a', 'metadata': {'key': 'value'}}

    (pk,) = bulk_storage.bulk_insert(EntityTypes.COMPUTER, [row], allow_defaults=True)

    assert orm.load_computer(pk).metadata == {'key': 'value'}


def test_bulk_operations_without_rows_do_nothing(storage: StorageBackend) -> None:
    assert storage.bulk_insert(EntityTypes.USER, []) == []
    assert storage.bulk_update(EntityTypes.USER, []) is None


@pytest.mark.parametrize('allow_defaults', [True, False])
def test_bulk_insert_refuses_unknown_keys(storage: StorageBackend, allow_defaults: bool) -> None:
    known = {'first_name': '', 'last_name': '', 'institution': ''}
    rows = [{'email': 'a@b', **known}, {'email': 'c@d', **known, 'unknown': 1}]

    with pytest.raises(exceptions.IntegrityError, match='Incorrect fields'):
        storage.bulk_insert(EntityTypes.USER, rows, allow_defaults)

    assert orm.User.collection.count() == 1


def test_bulk_update_changes_the_fields_given(storage: StorageBackend) -> None:
    first, second = orm.Int(1, label='first').store(), orm.Int(2, label='second').store()

    storage.bulk_update(EntityTypes.NODE, [{'id': first.pk, 'label': 'a'}, {'id': second.pk, 'label': 'b'}])

    assert (first.label, second.label) == ('a', 'b')
    assert orm.QueryBuilder().append(orm.Int, project='label').all(flat=True) == ['a', 'b']


@pytest.mark.parametrize('row', [{'label': 'a'}, {'id': 1, 'unknown': 1}], ids=['no id', 'unknown key'])
def test_bulk_update_refuses_wrong_keys(storage: StorageBackend, row: dict[str, object]) -> None:
    with pytest.raises(exceptions.IntegrityError):
        storage.bulk_update(EntityTypes.NODE, [row])


def test_bulk_operations_are_undone_with_the_transaction_they_are_in(bulk_storage: StorageBackend) -> None:
    node = orm.Int(1, label='before').store()

    with suppress(ArithmeticError), bulk_storage.transaction():
        bulk_storage.bulk_insert(EntityTypes.USER, [{'email': 'a@b'}], allow_defaults=True)
        bulk_storage.bulk_update(EntityTypes.NODE, [{'id': node.pk, 'label': 'after'}])
        raise ArithmeticError

    assert orm.User.collection.count() == 1
    assert node.label == 'before'


# Deleting nodes


def test_nodes_are_deleted_with_what_belongs_to_them(storage: StorageBackend) -> None:
    source, kept = orm.Int(1).store(), orm.Int(2).store()
    process = orm.CalculationNode()
    process.base.links.add_incoming(source, LinkType.INPUT_CALC, 'x')
    process.store()
    orm.Comment(process, source.user, 'comment').store()
    process.logger.error('message')
    group = orm.Group('group').store()
    group.add_nodes([process, kept])
    uuid = process.uuid

    with storage.transaction():
        storage.delete_nodes_and_connections([process.pk])

    counts = {name: block['count'] for name, block in storage.get_info()['entities'].items()}
    assert counts == {'Users': 1, 'Computers': 0, 'Nodes': 2, 'Groups': 1, 'Comments': 0, 'Logs': 0, 'Links': 0}
    assert [node.pk for node in group.nodes] == [kept.pk]
    assert source.base.links.get_outgoing().all() == []
    with pytest.raises(exceptions.NotExistent):
        orm.load_node(uuid)


def test_nodes_are_not_deleted_outside_a_transaction(storage: StorageBackend) -> None:
    node = orm.Int(1).store()

    with pytest.raises(AssertionError, match='transaction'):
        storage.delete_nodes_and_connections([node.pk])

    assert orm.load_node(node.pk) == node


def test_deleting_nodes_is_undone_with_the_transaction(storage: StorageBackend) -> None:
    node = orm.Int(1).store()
    orm.Group('group').store().add_nodes(node)

    with suppress(ArithmeticError), storage.transaction():
        storage.delete_nodes_and_connections([node.pk])
        raise ArithmeticError

    assert orm.load_group('group').nodes[0].uuid == node.uuid


# Global variables


def test_global_variables_are_given_back_with_their_type(storage: StorageBackend) -> None:
    values = {'none': None, 'text': 'text', 'integer': 1, 'float': 1.5}
    for key, value in values.items():
        storage.set_global_variable(key, value, 'a description')

    found = {key: storage.get_global_variable(key) for key in values}

    assert found == values
    assert isinstance(found['integer'], int)


def test_a_global_variable_is_overwritten_unless_forbidden(storage: StorageBackend) -> None:
    storage.set_global_variable('contract', 1)
    storage.set_global_variable('contract', 2)

    with pytest.raises(ValueError, match='contract'):
        storage.set_global_variable('contract', 3, overwrite=False)

    assert storage.get_global_variable('contract') == 2


def test_a_global_variable_that_nobody_set_is_a_key_error(storage: StorageBackend) -> None:
    with pytest.raises(KeyError, match='unknown'):
        storage.get_global_variable('unknown')


# Information and maintenance


def test_info_counts_entities_and_describes_the_repository(storage: StorageBackend) -> None:
    orm.SinglefileData(io.BytesIO(b'content')).store()

    info, detailed = storage.get_info(), storage.get_info(detailed=True)

    assert {'Users', 'Computers', 'Nodes', 'Groups', 'Comments', 'Logs', 'Links'} <= info['entities'].keys()
    assert info['entities']['Nodes'] == {'count': 1}
    assert detailed['entities']['Nodes']['node_types'] == ['data.core.singlefile.SinglefileData.']
    assert info['repository']['SHA-hash algorithm'] == 'sha256'
    assert 'Size (MB)' not in info['repository']
    assert 'Size (MB)' in detailed['repository']


@pytest.mark.parametrize('full', [False, True])
def test_maintain_removes_objects_that_no_node_refers_to(storage: StorageBackend, full: bool) -> None:
    repository = storage.get_repository()
    node = orm.SinglefileData(io.BytesIO(b'content')).store()
    (referenced,) = repository.list_objects()
    left_over = repository.put_object_from_filelike(io.BytesIO(b'left over'))

    storage.maintain(full=full, dry_run=True)
    assert sorted(repository.list_objects()) == sorted([referenced, left_over])

    storage.maintain(full=full)
    assert list(repository.list_objects()) == [referenced]
    assert node.get_content(mode='rb') == b'content'


def test_maintain_deletes_nothing_if_an_object_that_a_node_refers_to_has_gone(storage: StorageBackend) -> None:
    repository = storage.get_repository()
    orm.SinglefileData(io.BytesIO(b'content')).store()
    repository.delete_objects(list(repository.list_objects()))
    left_over = repository.put_object_from_filelike(io.BytesIO(b'left over'))

    with pytest.raises((exceptions.CorruptStorage, RuntimeError), match='repository'):
        storage.maintain()

    assert list(repository.list_objects()) == [left_over]
