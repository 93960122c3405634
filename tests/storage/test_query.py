"""Statements that are kept, and rows that are not read again."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import aiida
import pytest
import sqlalchemy
from aiida import orm
from aiida.common.links import LinkType

from pytest_aiida_temp import temp_profile
from pytest_aiida_temp.storage import SqliteTempBackend, query
from pytest_aiida_temp.storage.query import QueryMismatchError, TempQueryBuilder
from pytest_aiida_temp.storage.shapes import UncertainError, shape_of
from pytest_aiida_temp.storage.statements import MOST_KEPT, Mark, Statements

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILDS_ANEW: tuple[str, ...] = ()
"""Versions of aiida-core whose query builder is not as expected, with which no statement is kept."""


def labelled(label: str) -> int:
    return orm.QueryBuilder().append(orm.Node, filters={'label': label}).count()


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The queries for which aiida-core has built a statement."""
    built: list[Any] = []
    build = TempQueryBuilder._build
    monkeypatch.setattr(TempQueryBuilder, '_build', lambda self, data: built.append(data) or build(self, data))
    return built


@pytest.fixture
def fresh(temp_storage: SqliteTempBackend, monkeypatch: pytest.MonkeyPatch) -> Statements:
    """The statements of a storage, of which there are none yet."""
    statements = Statements()
    monkeypatch.setattr(temp_storage._live.database, 'statements', statements)
    return statements


def test_the_installed_aiida_core_is_one_whose_statements_are_kept(fresh: Statements, builds: list[Any]) -> None:
    for number in range(4):
        labelled(str(number))

    assert (len(fresh) == 0) == (aiida.__version__ in BUILDS_ANEW), f'aiida-core {aiida.__version__}'
    assert len(builds) == (4 if aiida.__version__ in BUILDS_ANEW else 3), f'aiida-core {aiida.__version__}'


def test_the_same_statement_serves_other_values_and_what_was_stored_since(fresh: Statements) -> None:
    for number in range(5):
        assert labelled(f'label {number}') == 0
        orm.Int(number, label=f'label {number}').store()
        assert labelled(f'label {number}') == 1
        assert orm.load_node(label=f'label {number}').value == number


def test_an_aiida_core_that_builds_in_another_way_is_left_to_build(
    fresh: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    orm.Int(1, label='one').store()
    build = TempQueryBuilder._build

    def build_with_values_in_the_text(self: Any, data: Any) -> Any:
        text = str(data['filters']).translate({ord(mark): None for mark in '\'":'})
        built = build(self, data)
        built.query = built.query.filter(sqlalchemy.text(f"'{text}' = '{text}'"))
        return built

    monkeypatch.setattr(TempQueryBuilder, '_build', build_with_values_in_the_text)

    assert [labelled(label) for label in ('one', 'two', 'one', 'three', 'one')] == [1, 0, 1, 0, 1]
    assert len(fresh) == 0


def test_a_query_of_an_unknown_form_is_built_anew(temp_storage: SqliteTempBackend) -> None:
    with pytest.raises(UncertainError):
        shape_of({'path': [], 'filters': {}, 'something': 'else'})
    with pytest.raises(UncertainError):
        _ = shape_of(orm.QueryBuilder().append(orm.Node, filters={'label': object()}).as_dict(copy=False)).key


def test_types_of_values_are_part_of_the_shape(temp_storage: SqliteTempBackend) -> None:
    def key(value: Any) -> Any:
        return shape_of(orm.QueryBuilder().append(orm.Node, filters={'attributes.value': value}).as_dict()).key

    values = [1, 1.0, True, False, None, 'a', [1], {'a': 1}, {'in': [1]}, {'in': ['a']}, {'of_type': 'null'}]
    assert len({key(value) for value in values}) == len(values)
    assert key(1) == key(2) == key({'==': 3})
    assert key({'in': [1]}) == key({'in': [2, 3]})


def test_only_the_statements_used_last_are_kept(fresh: Statements, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, '_most_kept', 2)
    columns = ['label', 'description', 'uuid']

    for column in columns:
        for _ in range(3):
            orm.QueryBuilder().append(orm.Node, filters={column: 'one'}).count()

    assert len(fresh) == 2
    assert {key[1] for key in fresh._kept} == {
        shape_of(orm.QueryBuilder().append(orm.Node, filters={column: 'two'}).as_dict()).key for column in columns[1:]
    }


def test_only_the_shapes_seen_last_are_noted() -> None:
    statements = Statements(most_noted=2)
    for shape in 'ab':
        assert statements.look_up(shape) is Mark.NEW
    assert statements.look_up('a') is Mark.SEEN
    assert statements.look_up('c') is Mark.NEW

    assert statements.look_up('a') is Mark.SEEN
    assert statements.look_up('b') is Mark.NEW


@pytest.mark.long
def test_statements_take_little_memory(fresh: Statements, temp_storage: SqliteTempBackend) -> None:
    def ask(number: int) -> None:
        orm.QueryBuilder().append(orm.Int, filters={f'attributes.key{number}': 1}).all()

    for number in range(MOST_KEPT + 1):
        for _ in range(3):
            ask(number)
    assert len(fresh) == MOST_KEPT
    temp_storage.get_session().get_bind().engine.clear_compiled_cache()
    gc.collect()
    tracemalloc.start()
    try:
        fresh._kept.clear()
        for number in range(MOST_KEPT):
            for _ in range(3):
                ask(2 * MOST_KEPT + number)
        temp_storage.get_session().get_bind().engine.clear_compiled_cache()
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
        fresh._kept.clear()
        gc.collect()
        assert taken - tracemalloc.get_traced_memory()[0] < 5_000_000
    finally:
        tracemalloc.stop()


def test_statements_go_with_their_storage(profile: Any) -> None:
    with temp_profile(name='short') as short:
        for number in range(3):
            labelled(str(number))
        assert len(short.storage.statements) == 1
        statements = weakref.ref(short.storage.statements)
    del short
    gc.collect()

    assert statements() is None


def test_threads_ask_through_the_same_statements(temp_storage: SqliteTempBackend) -> None:
    for number in range(4):
        orm.Int(number, label=str(number)).store()

    def ask(number: int) -> list[Any]:
        builder = orm.QueryBuilder().append(orm.Int, filters={'label': str(number % 4)}, project='attributes.value')
        return builder.all(flat=True)

    with ThreadPoolExecutor(4) as executor:
        found = list(executor.map(ask, range(100)))

    assert found == [[number % 4] for number in range(100)]


def test_kept_statements_find_nothing_of_what_a_reset_undid(temp_storage: SqliteTempBackend, profile: Any) -> None:
    for _ in range(3):
        node = orm.Int(1, label='one').store()
        assert orm.load_node(node.pk).label == 'one'
        assert labelled('one') == 1
        profile.reset()
        assert labelled('one') == 0


@pytest.fixture
def debugged() -> Iterator[SqliteTempBackend]:
    """A storage that asks each query in two ways."""
    with temp_profile(name='debugged') as profile:
        profile.storage_config['debug'] = True
        yield profile.storage


def test_debug_asks_each_query_in_two_ways(debugged: SqliteTempBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    calculation = orm.CalculationNode()
    calculation.base.links.add_incoming(orm.Int(1).store(), LinkType.INPUT_CALC, 'x')
    calculation.store()
    for number in range(3):
        assert labelled(str(number)) == 0
        assert calculation.inputs.x.value == 1
        assert orm.QueryBuilder().append(orm.Int, project=['id', '*']).dict()

    monkeypatch.setattr(query.Statement, 'bind', lambda self, values: {})

    with pytest.raises(QueryMismatchError, match='kept: 0, built: 2'):
        labelled('')


@pytest.fixture
def statements_of_rows(temp_storage: SqliteTempBackend) -> Iterator[list[str]]:
    """The statements of this thread that read nodes."""
    seen: list[str] = []
    raw = temp_storage.get_session().raw
    raw.set_trace_callback(lambda text: 'FROM db_dbnode' in text and seen.append(text))
    yield seen
    raw.set_trace_callback(None)


def test_a_row_is_not_read_again_by_the_only_thread_that_writes(
    temp_storage: SqliteTempBackend, statements_of_rows: list[str]
) -> None:
    node = orm.Int(1, label='one').store()
    assert node.label == 'one'  # the first time, as the storage may have been written by others until then
    statements_of_rows.clear()

    node.label = 'two'
    node.base.extras.set('key', 1)

    assert (node.value, node.label, node.base.extras.all['key'], node.computer) == (1, 'two', 1, None)
    assert statements_of_rows == []


def test_a_row_is_read_again_after_a_statement_that_the_session_does_not_follow(
    temp_storage: SqliteTempBackend,
) -> None:
    node = orm.Int(1, label='one').store()
    assert node.label == 'one'
    session = temp_storage.get_session()

    session.execute(sqlalchemy.text("UPDATE db_dbnode SET label = 'two'"))
    session.commit()

    assert node.label == 'two'


def test_what_a_cascade_deletes_cannot_be_read(temp_storage: SqliteTempBackend) -> None:
    computer = orm.Computer('one', 'localhost', transport_type='core.local', scheduler_type='core.direct').store()
    authinfo = orm.AuthInfo(computer, orm.User.collection.get_default()).store()
    assert authinfo.enabled

    orm.Computer.collection.delete(computer.pk)

    with pytest.raises(sqlalchemy.exc.InvalidRequestError):
        _ = authinfo.enabled


def test_a_caller_cannot_change_what_is_stored_by_what_it_was_given(temp_storage: SqliteTempBackend) -> None:
    computer = orm.Computer('one', 'localhost', transport_type='core.local', scheduler_type='core.direct').store()
    computer.metadata['key'] = 'value'
    node = orm.Dict({'key': [1]}).store()
    node.base.attributes.all['key'].append(2)

    assert computer.metadata == {}
    assert node.base.attributes.all == {'key': [1]}
