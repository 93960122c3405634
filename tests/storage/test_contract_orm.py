"""AiiDA's ORM, engine, archives and commands on top of a storage: one set of assertions, run on both storages."""

from __future__ import annotations

import io
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiida import orm
from aiida.cmdline.commands.cmd_verdi import verdi
from aiida.common import exceptions
from aiida.common.links import LinkType
from aiida.engine import WorkChain, calcfunction, run_get_node
from aiida.tools import delete_nodes
from aiida.tools.archive import create_archive, import_archive
from click.testing import CliRunner

from pytest_aiida_temp.logs import LoggingState

if TYPE_CHECKING:
    from aiida.orm.implementation import StorageBackend

pytestmark = pytest.mark.filterwarnings('ignore:Object of type <Db.*> not in session')


def test_users_round_trip(storage: StorageBackend) -> None:
    user = orm.User('a@b', first_name='A', institution='I').store()

    user.last_name = 'B'

    found = orm.User.collection.get(email='a@b')
    assert (found.pk, found.get_full_name(), found.institution) == (user.pk, 'A B (a@b)', 'I')
    with pytest.raises(exceptions.IntegrityError):
        orm.User('a@b').store()
    assert orm.User.collection.count() == 2
    assert orm.User.collection.get_default() == storage.default_user


def test_computers_and_authinfos_round_trip(storage: StorageBackend) -> None:
    computer = orm.Computer('label', 'host', 'about', 'core.local', 'core.direct', '/tmp').store()
    computer.configure(safe_interval=0.5)

    found = orm.load_computer('label')

    assert (found.pk, found.hostname, found.description, found.get_workdir()) == (computer.pk, 'host', 'about', '/tmp')
    assert found.get_configuration()['safe_interval'] == 0.5
    assert found.get_authinfo(storage.default_user).enabled
    assert [authinfo.computer.pk for authinfo in orm.AuthInfo.collection.all()] == [computer.pk]
    assert found.is_user_configured(storage.default_user)
    orm.Computer.collection.delete(computer.pk)
    assert (orm.Computer.collection.count(), orm.AuthInfo.collection.count()) == (0, 0)


def test_nodes_round_trip_with_attributes_extras_and_files(storage: StorageBackend) -> None:
    node = orm.FolderData(label='label', description='about')
    node.base.attributes.set_many({'nested': {'list': [1, 2.5, None, True, 'ü']}})
    node.base.repository.put_object_from_filelike(io.BytesIO(b'\x00content'), 'folder/file.bin')
    node.store()
    node.base.extras.set('extra', [1])
    node.label = 'changed'

    uuid, pk = node.uuid, node.pk
    storage.get_session().expunge_all()
    found = orm.load_node(uuid)

    assert (found.pk, found.label, found.description) == (pk, 'changed', 'about')
    assert found.base.attributes.all == {'nested': {'list': [1, 2.5, None, True, 'ü']}}
    assert found.base.extras.get('extra') == [1]
    assert found.base.repository.get_object_content('folder/file.bin', mode='rb') == b'\x00content'
    assert found.ctime.tzinfo is not None
    with pytest.raises(exceptions.ModificationNotAllowed):
        found.base.attributes.set('other', 1)


def test_groups_round_trip(storage: StorageBackend) -> None:
    nodes = [orm.Int(n).store() for n in range(3)]
    group = orm.Group('label', description='about').store()
    group.add_nodes(nodes)
    group.add_nodes(nodes[0])
    group.remove_nodes(nodes[1])
    group.base.extras.set('key', 'value')

    found, created = orm.Group.collection.get_or_create('label')

    assert not created
    assert (found.pk, found.description, found.base.extras.all) == (group.pk, 'about', {'key': 'value'})
    assert {node.pk for node in found.nodes} == {nodes[0].pk, nodes[2].pk}
    found.clear()
    assert found.count() == 0
    with pytest.raises(exceptions.IntegrityError):
        orm.Group('label').store()
    orm.Group.collection.delete(group.pk)
    assert orm.Group.collection.count() == 0


def test_comments_round_trip(storage: StorageBackend) -> None:
    node = orm.Int(1).store()
    comment = node.base.comments.add('first')

    node.base.comments.update(comment.pk, 'second')

    (found,) = node.base.comments.all()
    assert (found.content, found.user.email) == ('second', storage.default_user.email)
    node.base.comments.remove(found.pk)
    assert orm.Comment.collection.count() == 0


def test_logs_round_trip(storage: StorageBackend) -> None:
    node = orm.CalculationNode().store()
    node.logger.error('message %d', 1)

    (found,) = orm.Log.collection.get_logs_for(node)

    assert (found.message, found.levelname, found.dbnode_id) == ('message 1', 'ERROR', node.pk)
    assert found.metadata['args'] == '(1,)'
    orm.Log.collection.delete(found.pk)
    assert orm.Log.collection.get_logs_for(node) == []


FILTERS = {
    'equal': ({'attributes.number': 2}, 'b'),
    'not equal': ({'attributes.number': {'!==': 2}}, 'ac'),
    'less': ({'attributes.number': {'<': 3}}, 'ab'),
    'in': ({'attributes.number': {'in': [1, 3]}}, 'ac'),
    'boolean': ({'attributes.flag': True}, 'ac'),
    'float': ({'attributes.float': {'>=': 1.5}}, 'c'),
    'like': ({'attributes.text': {'like': 'te_t%'}}, 'a'),
    'ilike': ({'attributes.text': {'ilike': '%TEXT B'}}, 'b'),
    'of_type': ({'attributes.number': {'of_type': 'number'}}, 'abc'),
    'of_length': ({'attributes.list': {'of_length': 2}}, 'c'),
    'longer': ({'attributes.list': {'longer': 0}}, 'bc'),
    'nested': ({'attributes.dict.key': 'value'}, 'a'),
    'and': ({'and': [{'attributes.number': {'>': 1}}, {'attributes.flag': True}]}, 'c'),
    'or': ({'or': [{'attributes.number': 1}, {'attributes.number': 2}]}, 'ab'),
    'column': ({'label': {'in': ['a', 'c']}, 'ctime': {'>': datetime(2000, 1, 1, tzinfo=timezone.utc)}}, 'ac'),
}
"""What finds which of the nodes labelled ``a``, ``b`` and ``c`` of :func:`labelled`."""


@pytest.fixture
def labelled(storage: StorageBackend) -> list[orm.Dict]:
    contents = {
        'a': {'number': 1, 'flag': True, 'float': 0.5, 'text': 'text a', 'list': [], 'dict': {'key': 'value'}},
        'b': {'number': 2, 'flag': False, 'float': 1.0, 'text': 'Text B', 'list': ['x'], 'dict': {}},
        'c': {'number': 3, 'flag': True, 'float': 1.5, 'text': 'else', 'list': ['x', 'y'], 'only_c': None},
    }
    return [orm.Dict(content, label=label).store() for label, content in contents.items()]


def test_queries_find_nodes_by_every_operator(labelled: list[orm.Dict]) -> None:
    found = {
        name: ''.join(sorted(orm.QueryBuilder().append(orm.Dict, filters=filters, project='label').all(flat=True)))
        for name, (filters, _) in FILTERS.items()
    }

    assert found == {name: labels for name, (_, labels) in FILTERS.items()}


@pytest.mark.parametrize(
    ('filters', 'labels'),
    [({'attributes.list': {'contains': ['x']}}, ['b', 'c']), ({'attributes': {'has_key': 'only_c'}}, ['c'])],
    ids=['contains', 'has_key'],
)
def test_queries_find_nodes_by_operators_that_aiida_did_not_always_have(
    labelled: list[orm.Dict], filters: dict[str, object], labels: list[str]
) -> None:
    query = orm.QueryBuilder().append(orm.Dict, filters=filters, project='label')

    try:
        found = query.all(flat=True)
    except NotImplementedError:  # what aiida-core 2.6 raises, from its own query builder
        pytest.skip('this aiida-core has no such operator for SQLite')

    assert sorted(found) == labels


def test_queries_sort_limit_count_and_iterate(labelled: list[orm.Dict]) -> None:
    query = orm.QueryBuilder().append(orm.Dict, project=['label', 'attributes.number'], tag='node')

    assert query.count() == 3
    assert query.order_by({'node': {'label': 'desc'}}).all() == [['c', 3], ['b', 2], ['a', 1]]
    assert query.dict()[0] == {'node': {'label': 'c', 'attributes.number': 3}}
    assert query.offset(1).limit(1).all() == [['b', 2]]
    assert [label for label, _ in query.offset(0).limit(3).iterall(batch_size=1)] == ['c', 'b', 'a']
    assert query.first() == ['c', 3]


def test_queries_join_what_belongs_together(storage: StorageBackend) -> None:
    computer = orm.Computer('computer', 'host', 'about', 'core.local', 'core.direct').store()
    source, process = orm.Int(1).store(), orm.CalculationNode(computer=computer)
    process.base.links.add_incoming(source, LinkType.INPUT_CALC, 'x')
    process.store()
    orm.Group('group').store().add_nodes(process)

    query = orm.QueryBuilder().append(orm.Group, filters={'label': 'group'}, tag='group')
    query.append(orm.CalculationNode, with_group='group', tag='process')
    query.append(orm.Computer, with_node='process', project='label')
    query.append(orm.User, with_node='process', project='email')
    query.append(orm.Int, with_outgoing='process', project='id', edge_project='label')
    ancestors = (
        orm.QueryBuilder().append(orm.CalculationNode, tag='process').append(orm.Int, with_descendants='process')
    )

    assert query.all() == [['computer', storage.default_user.email, source.pk, 'x']]
    assert ancestors.all(flat=True) == [source]


@calcfunction
def increment(x):  # type: ignore[no-untyped-def]
    return orm.Int(x.value + 1)


def test_nodes_are_deleted_with_their_descendants_by_the_tool(storage: StorageBackend) -> None:
    source = orm.Int(1).store()
    increment(source)
    other = orm.Int(5).store()

    found, was_deleted = delete_nodes([source.pk], dry_run=True)
    assert (len(found), was_deleted) == (3, False)
    assert orm.QueryBuilder().append(orm.Node).count() == 4
    _, was_deleted = delete_nodes([source.pk], dry_run=False)

    assert was_deleted
    assert orm.QueryBuilder().append(orm.Node).all(flat=True) == [other]


def test_a_calcfunction_runs_and_records_its_provenance(storage: StorageBackend) -> None:
    result, node = run_get_node(increment, x=orm.Int(1))

    assert (result.value, node.is_finished_ok) == (2, True)
    assert node.inputs.x.value == 1
    assert result.creator == node
    assert node.base.attributes.get('function_name') == 'increment'


class Twice(WorkChain):
    @classmethod
    def define(cls, spec):  # type: ignore[no-untyped-def]
        super().define(spec)
        spec.input('x', valid_type=orm.Int)
        spec.output('result')
        spec.outline(cls.first, cls.second)

    def first(self) -> None:
        self.ctx.between = increment(self.inputs.x)

    def second(self) -> None:
        self.out('result', increment(self.ctx.between))


def test_a_workchain_runs_to_its_end(storage: StorageBackend) -> None:
    outputs, node = run_get_node(Twice, x=orm.Int(1))

    assert (outputs['result'].value, node.is_finished_ok, node.is_sealed) == (3, True, True)
    assert len(node.called) == 2
    assert node.outputs.result.creator in node.called


def test_an_archive_goes_out_and_comes_back_the_same(bulk_storage: StorageBackend, tmp_path: Path) -> None:
    node = orm.SinglefileData(io.BytesIO(b'content'), label='label').store()
    group = orm.Group('group').store()
    group.add_nodes(node)
    node.base.comments.add('comment')
    uuid, keys = node.uuid, list(bulk_storage.get_repository().list_objects())

    create_archive([group], filename=tmp_path / 'archive.aiida')
    bulk_storage._clear()
    orm.User(email=bulk_storage.profile.default_user_email).store()
    import_archive(tmp_path / 'archive.aiida')

    found = orm.load_node(uuid)
    assert (found.label, found.get_content(mode='rb')) == ('label', b'content')
    assert [comment.content for comment in found.base.comments.all()] == ['comment']
    assert [member.uuid for member in orm.load_group('group').nodes] == [uuid]
    assert list(bulk_storage.get_repository().list_objects()) == keys


def test_verdi_shows_maintains_and_checks_the_storage_and_deletes_nodes(storage: StorageBackend) -> None:
    node = orm.Int(1).store()
    before = LoggingState()
    commands = {
        'storage info': 'Nodes:',
        'storage version': storage.version(),
        'storage maintain --force': '',
        'storage maintain --dry-run': '',
        f'node delete --force {node.pk}': '1',
    }

    results = {command: CliRunner().invoke(verdi, command.split()) for command in commands}
    before.restore()

    assert {command: result.exit_code for command, result in results.items()} == dict.fromkeys(commands, 0)
    assert [text for command, text in commands.items() if text not in results[command].output] == []
    assert orm.QueryBuilder().append(orm.Node).count() == 0
