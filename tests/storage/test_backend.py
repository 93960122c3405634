"""What our storage promises beyond what aiida-core's storages do: transactions, clearing and maintenance."""

from __future__ import annotations

import gc
import io
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy
from aiida import orm
from aiida.common import exceptions
from aiida.storage.sqlite_zip.models import DbNode

from pytest_aiida_temp.storage import exclusive, forgetting
from pytest_aiida_temp.storage.spans import has

if TYPE_CHECKING:
    from pytest_aiida_temp.storage import SqliteTempBackend


def labels() -> list[str]:
    """Return the labels of all nodes, as the database has them."""
    return orm.QueryBuilder().append(orm.Node, project='label').order_by({orm.Node: 'id'}).all(flat=True)


# Nested transactions


def test_a_nested_transaction_ends_and_the_outer_one_goes_on(temp_storage: SqliteTempBackend) -> None:
    with temp_storage.transaction():
        with temp_storage.transaction():
            orm.Int(1, label='inner').store()
        assert temp_storage.in_transaction
        orm.Int(2, label='outer').store()

    assert not temp_storage.in_transaction
    assert labels() == ['inner', 'outer']


def test_an_inner_transaction_is_undone_alone(temp_storage: SqliteTempBackend) -> None:
    with temp_storage.transaction():
        node = orm.Int(1, label='before').store()
        with suppress(ArithmeticError), temp_storage.transaction():
            node.label = 'changed'
            orm.Int(2, label='inner').store()
            raise ArithmeticError
        orm.Int(3, label='after').store()

    assert labels() == ['before', 'after']
    assert node.label == 'before'


def test_an_outer_transaction_undoes_inner_ones_that_ended_well(temp_storage: SqliteTempBackend) -> None:
    with suppress(ArithmeticError), temp_storage.transaction():
        with temp_storage.transaction():
            orm.Int(1, label='inner').store()
            orm.Group('group').store().add_nodes(orm.Int(2).store())
        temp_storage.set_global_variable('variable', 1)
        raise ArithmeticError

    assert labels() == []
    assert orm.Group.collection.count() == 0
    with pytest.raises(KeyError):
        temp_storage.get_global_variable('variable')


def test_transactions_nest_to_any_depth(temp_storage: SqliteTempBackend) -> None:
    with temp_storage.transaction():
        orm.Int(0, label='1').store()
        with suppress(ArithmeticError), temp_storage.transaction():
            orm.Int(0, label='2').store()
            with temp_storage.transaction():
                orm.Int(0, label='3').store()
            raise ArithmeticError
        with temp_storage.transaction(), temp_storage.transaction():
            orm.Int(0, label='4').store()

    assert labels() == ['1', '4']


def test_an_integrity_error_caught_inside_a_transaction_costs_only_what_failed(temp_storage: SqliteTempBackend) -> None:
    with temp_storage.transaction():
        orm.User(email='a@b').store()
        with temp_storage.transaction():
            orm.Int(1, label='before').store()
        with pytest.raises(exceptions.IntegrityError), temp_storage.transaction():
            orm.User(email='a@b').store()
        orm.Int(2, label='after').store()

    assert labels() == ['before', 'after']
    assert orm.User.collection.count() == 2


def test_code_that_commits_and_rolls_back_the_session_does_not_end_the_transaction(
    temp_storage: SqliteTempBackend,
) -> None:
    with suppress(ArithmeticError), temp_storage.transaction() as session:
        orm.Int(1).store()
        session.commit()
        assert temp_storage.in_transaction
        raise ArithmeticError
    assert labels() == []

    with temp_storage.transaction() as session:
        orm.Int(1, label='undone').store()
        session.rollback()
        assert temp_storage.in_transaction
        orm.Int(2, label='kept').store()
    assert labels() == ['kept']


def test_the_session_is_usable_after_an_error_in_the_database(temp_storage: SqliteTempBackend) -> None:
    with pytest.raises(sqlalchemy.exc.OperationalError), temp_storage.transaction() as session:
        session.execute(sqlalchemy.text('SELECT * FROM no_such_table'))

    assert orm.Int(1, label='after').store().is_stored
    assert labels() == ['after']


def test_the_session_is_usable_after_a_reset_whatever_was_left_in_it(temp_storage: SqliteTempBackend) -> None:
    session = temp_storage.get_session()
    model = orm.Int(1).store().backend_entity.bare_model
    model.attributes = {'value': object()}
    with pytest.raises(sqlalchemy.exc.StatementError, match='not JSON serializable'):
        session.flush()
    temp_storage._clear()
    assert orm.Int(2).store().pk == 1

    session.begin_nested()
    temp_storage._clear()
    assert not temp_storage.in_transaction
    assert orm.Int(3).store().pk == 1

    session.add(DbNode())
    temp_storage._clear()
    assert orm.Int(4).store().pk == 1


def test_a_loop_over_a_query_stores_what_its_body_stores(temp_storage: SqliteTempBackend) -> None:
    for number in range(3):
        orm.Int(number, label=str(number)).store()

    for (node,) in orm.QueryBuilder().append(orm.Int).iterall(batch_size=1):
        node.base.extras.set('seen', True)
        orm.Int(10, label='stored').store()

    assert labels() == ['0', '1', '2', 'stored', 'stored', 'stored']
    assert orm.QueryBuilder().append(orm.Int, filters={'extras.seen': True}).count() == 3


def test_a_loop_over_a_query_that_is_left_early_undoes_its_body_as_in_aiida_core(
    temp_storage: SqliteTempBackend,
) -> None:
    for number in range(3):
        orm.Int(number, label=str(number)).store()

    for (node,) in orm.QueryBuilder().append(orm.Int).iterall(batch_size=1):
        node.base.extras.set('seen', True)
        orm.Int(10, label='stored').store()
        break

    assert labels() == ['0', '1', '2']
    assert orm.QueryBuilder().append(orm.Int, filters={'extras.seen': True}).count() == 0


# Clearing


def test_clearing_leaves_the_state_of_a_new_storage(temp_storage: SqliteTempBackend) -> None:
    orm.SinglefileData(io.BytesIO(b'content')).store()
    temp_storage.default_user.first_name = 'Changed'
    temp_storage.set_global_variable('variable', 1)

    temp_storage._clear()

    counts = {name: block['count'] for name, block in temp_storage.get_info()['entities'].items()}
    assert counts == {'Users': 1, 'Computers': 0, 'Nodes': 0, 'Groups': 0, 'Comments': 0, 'Logs': 0, 'Links': 0}
    assert temp_storage.get_info()['repository']['objects']['count'] == 0
    assert temp_storage.default_user.first_name == ''
    assert temp_storage.default_user.pk == 1
    assert orm.Int(1).store().pk == 1
    with pytest.raises(KeyError):
        temp_storage.get_global_variable('variable')


def test_a_node_of_before_a_clear_raises_when_used(temp_storage: SqliteTempBackend) -> None:
    node = orm.Int(1).store()
    temp_storage._clear()
    orm.Int(2).store()

    with pytest.raises((exceptions.NotExistent, sqlalchemy.exc.InvalidRequestError)):
        _ = node.label


def test_clearing_does_not_mind_results_that_were_not_read_to_their_end(temp_storage: SqliteTempBackend) -> None:
    for number in range(5):
        orm.Int(number).store()
    cursor = temp_storage.get_session().raw.execute('SELECT id FROM db_dbnode')
    result = temp_storage.get_session().execute(sqlalchemy.select(DbNode.id))
    iterator = orm.QueryBuilder().append(orm.Int, project='id').iterall()
    assert cursor.fetchone() == result.fetchone() == tuple(next(iterator)) == (1,)

    temp_storage._clear()

    assert labels() == []
    assert orm.Int(1).store().pk == 1
    assert cursor is not None


def test_somebody_can_let_go_of_a_deleted_node_while_its_deletion_is_undone(
    temp_storage: SqliteTempBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [orm.Int(1).store()]
    orm.Node.collection.delete(held[0].pk)

    def let_go(*args: Any) -> bool:
        held.clear()
        gc.collect()
        return has(*args)

    monkeypatch.setattr(forgetting, 'has', let_go)

    temp_storage._clear()

    assert held == []
    assert orm.Int.collection.count() == 0


def test_clearing_is_refused_inside_a_transaction(temp_storage: SqliteTempBackend) -> None:
    with temp_storage.transaction():
        orm.Int(1, label='kept').store()
        with pytest.raises(exceptions.InvalidOperation, match='open transaction'):
            temp_storage._clear()

    assert labels() == ['kept']


def test_another_thread_can_clear(temp_storage: SqliteTempBackend) -> None:
    orm.Int(1, label='before').store()
    assert labels() == ['before']

    thread = threading.Thread(target=temp_storage._clear)
    thread.start()
    thread.join()

    assert labels() == []
    assert orm.Int(1).store().pk == 1


def test_clearing_is_refused_while_another_thread_keeps_a_transaction_open(
    temp_storage: SqliteTempBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusive, 'BUSY_TIMEOUT', 0.01)
    is_open, may_end = threading.Event(), threading.Event()

    def keep_open() -> None:
        with temp_storage.transaction():
            orm.Int(1, label='of the thread').store()
            is_open.set()
            may_end.wait()

    thread = threading.Thread(target=keep_open)
    thread.start()
    is_open.wait()
    raw = temp_storage.get_session().raw
    (timeout,) = raw.execute('PRAGMA busy_timeout').fetchone()
    raw.execute('PRAGMA busy_timeout = 10')
    try:
        with pytest.raises(exceptions.InvalidOperation, match='another thread keeps a transaction open'):
            temp_storage._clear()
    finally:
        raw.execute(f'PRAGMA busy_timeout = {timeout}')
        may_end.set()
        thread.join()

    assert labels() == ['of the thread']


# Maintenance


def test_maintain_says_what_it_would_do_and_then_what_it_does(
    temp_storage: SqliteTempBackend, caplog: pytest.LogCaptureFixture
) -> None:
    repository = temp_storage.get_repository()
    repository.put_object_from_filelike(io.BytesIO(b'left over'))

    temp_storage.maintain(dry_run=True)
    assert [record.getMessage() for record in caplog.records] == ['Would delete 1 unreferenced objects.']
    assert len(list(repository.list_objects())) == 1

    caplog.clear()
    temp_storage.maintain()
    assert [record.getMessage() for record in caplog.records] == ['Deleting 1 unreferenced objects.']
    assert list(repository.list_objects()) == []


def test_maintain_takes_the_arguments_of_every_storage(temp_storage: SqliteTempBackend) -> None:
    node = orm.SinglefileData(io.BytesIO(b'content')).store()

    temp_storage.maintain(full=True, dry_run=False, live=False, compress=True)

    assert node.get_content(mode='rb') == b'content'


def test_info_counts_and_sizes_the_objects(temp_storage: SqliteTempBackend) -> None:
    orm.SinglefileData(io.BytesIO(b'x' * 1024**2)).store()

    assert temp_storage.get_info()['repository']['objects'] == {'count': 1}
    assert temp_storage.get_info(detailed=True)['repository']['Size (MB)'] == {'total_size': 1.0}


def test_a_description_is_kept_when_a_variable_is_overwritten(temp_storage: SqliteTempBackend) -> None:
    temp_storage.set_global_variable('variable', 1, 'about')
    temp_storage.set_global_variable('variable', 2)

    rows = temp_storage.get_session().execute(sqlalchemy.text('SELECT val, description FROM db_dbsetting')).all()

    assert rows == [(2, 'about')]
