"""What a session holds, and what was left in it, when the storage returns to a checkpoint or is emptied."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import sqlalchemy
from aiida import orm
from aiida.common.exceptions import InvalidOperation
from aiida.storage.sqlite_zip.models import DbUser
from sqlalchemy.orm import Session

from pytest_aiida_temp.storage import exclusive

if TYPE_CHECKING:
    from pytest_aiida_temp.storage import SqliteTempBackend
    from pytest_aiida_temp.storage.session import StorageSession


def count() -> int:
    return orm.QueryBuilder().append(orm.Node).count()


def test_what_was_to_be_deleted_is_not(temp_storage: SqliteTempBackend) -> None:
    node = orm.Int(1).store()
    session, checkpoint = temp_storage.get_session(), temp_storage.checkpoint()
    session.delete(node.backend_entity.bare_model)

    temp_storage.restore(checkpoint)

    assert list(session.deleted) == []
    assert orm.Int(2).store().pk == 2
    assert count() == 2


def test_a_transaction_of_the_session_can_begin_whatever_was_read_before(temp_storage: SqliteTempBackend) -> None:
    checkpoint = temp_storage.checkpoint()
    assert count() == 0

    temp_storage.restore(checkpoint)

    with temp_storage.get_session().begin():
        temp_storage.get_session().execute(sqlalchemy.insert(DbUser).values(email='other@localhost'))
    assert orm.User.collection.count() == 2


# Collections of objects that stay


@pytest.mark.parametrize('end', [Session.refresh, lambda session, _: session.commit()], ids=['reading', 'committed'])
def test_a_collection_does_not_hold_what_has_gone(
    temp_storage: SqliteTempBackend, end: Callable[[StorageSession, object], None]
) -> None:
    computer = orm.Computer('label', 'localhost', '', 'core.local', 'core.direct').store()
    session, model = temp_storage.get_session(), computer.backend_entity.bare_model
    checkpoint = temp_storage.checkpoint()
    computer.configure()
    end(session, model)
    assert [authinfo.id for authinfo in model.authinfos] == [1]

    temp_storage.restore(checkpoint)
    assert list(model.authinfos) == []
    computer.configure()
    computer.label = 'changed'

    assert [authinfo.id for authinfo in model.authinfos] == [1]
    assert computer.label == 'changed'


def test_a_collection_holds_what_is_back(temp_storage: SqliteTempBackend) -> None:
    computer = orm.Computer('label', 'localhost', '', 'core.local', 'core.direct').store()
    authinfo = computer.configure()
    model, checkpoint = computer.backend_entity.bare_model, temp_storage.checkpoint()
    orm.AuthInfo.collection.delete(authinfo.pk)
    temp_storage.get_session().refresh(model)
    assert list(model.authinfos) == []

    temp_storage.restore(checkpoint)

    assert [each.id for each in model.authinfos] == [authinfo.pk]


def test_a_node_is_no_longer_in_a_group_that_it_was_added_to(temp_storage: SqliteTempBackend) -> None:
    node, group = orm.Int(1).store(), orm.Group('group').store()
    model, checkpoint = node.backend_entity.bare_model, temp_storage.checkpoint()
    group.add_nodes(node)
    temp_storage.get_session().refresh(model)
    assert [each.id for each in model.dbgroups] == [group.pk]

    temp_storage.restore(checkpoint)

    assert list(model.dbgroups) == []


def test_an_object_that_clearing_puts_back_is_read_again(temp_storage: SqliteTempBackend) -> None:
    session, user = temp_storage.get_session(), orm.User.collection.get_default()
    orm.User('wider@localhost').store()
    checkpoint = temp_storage.checkpoint()
    session.execute(sqlalchemy.update(DbUser).values(first_name='changed'))
    session.commit()
    model = session.get(DbUser, user.pk)
    session.refresh(model)

    temp_storage._clear()

    assert model.first_name == ''
    temp_storage.restore(checkpoint, keep=False)


# Who else writes


def test_what_another_connection_of_the_engine_wrote_is_undone(temp_storage: SqliteTempBackend) -> None:
    session = temp_storage.get_session()
    checkpoint = temp_storage.checkpoint()
    for _ in range(2):
        with session.get_bind().engine.begin() as connection:
            connection.execute(sqlalchemy.insert(DbUser).values(email='other@localhost'))
        assert orm.User.collection.count() == 2

        temp_storage.restore(checkpoint)

        assert orm.User.collection.count() == 1


@pytest.mark.parametrize('through_driver', [False, True])
def test_a_transaction_that_somebody_else_began_on_the_connection_is_undone(
    temp_storage: SqliteTempBackend, through_driver: bool
) -> None:
    session, checkpoint = temp_storage.get_session(), temp_storage.checkpoint()
    if through_driver:
        session.raw.execute('BEGIN')
        session.raw.execute("UPDATE db_dbuser SET first_name = 'changed'")
    else:
        session.get_bind().begin()
        session.get_bind().execute(sqlalchemy.update(DbUser).values(first_name='changed'))
        session.commit()

    temp_storage.restore(checkpoint)

    assert orm.User.collection.get_default().first_name == ''


def test_no_checkpoint_is_taken_inside_a_transaction_that_has_begun(
    temp_storage: SqliteTempBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusive, 'BUSY_TIMEOUT', 0.01)
    temp_storage.restore(temp_storage.checkpoint(), keep=False)

    with temp_storage.transaction() as session:
        session.execute(sqlalchemy.update(DbUser).where(DbUser.id == -1).values(first_name='of nobody'))
        with pytest.raises(exclusive.WriterBusyError):
            temp_storage.checkpoint()
        with pytest.raises(InvalidOperation):
            temp_storage._clear()
