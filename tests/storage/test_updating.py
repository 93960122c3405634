"""The change of one row is written without SQLAlchemy's unit of work, to the same effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy
from aiida import orm
from aiida.common.exceptions import IntegrityError
from aiida.storage.sqlite_zip import models
from sqlalchemy import Column, FetchedValue, Integer, String
from sqlalchemy.orm import DeclarativeBase, Session, column_property

from pytest_aiida_temp.storage import SqliteTempBackend, session, updating

PLUGINS = {'transport_type': 'core.local', 'scheduler_type': 'core.direct'}


@pytest.fixture
def flushes(temp_storage: SqliteTempBackend, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Has an entry for each flush that SQLAlchemy does, with something to write in it."""
    seen: list[bool] = []
    flush = Session.flush
    monkeypatch.setattr(
        Session, 'flush', lambda self, objects=None: (seen.append(True) if self.dirty else None, flush(self, objects))
    )
    return seen


def change_node() -> orm.Node:
    node = orm.CalculationNode(label='one').store()
    node.label, node.description = "it's", 'é'
    node.base.extras.set_many({'a': [1, None, {'b': 0.5}], 'c': 'é'})
    node.base.extras.delete('a')
    node.set_process_state('running')
    return node


def change_group() -> orm.Group:
    group = orm.Group('one').store()
    group.label, group.description = 'two', ''
    group.base.extras.set('a', True)
    return group


def change_computer() -> orm.Computer:
    computer = orm.Computer('one', 'localhost', **PLUGINS).store()
    computer.label, computer.description = 'two', 'a'
    computer.metadata = {'a': 1}
    return computer.store()


def change_authinfo() -> orm.AuthInfo:
    authinfo = orm.AuthInfo(orm.Computer('one', 'localhost', **PLUGINS).store(), orm.User.collection.get_default())
    authinfo.store()
    authinfo.enabled = False
    authinfo.set_auth_params({'a': 1})
    return authinfo


def change_user() -> orm.User:
    user = orm.User(email='one@localhost').store()
    user.first_name, user.institution = 'one', 'é'
    return user.store()


def change_comment() -> orm.Comment:
    comment = orm.Comment(orm.Int(1).store(), orm.User.collection.get_default(), 'a').store()
    comment.set_content('b')
    return comment


CHANGES = [change_node, change_group, change_computer, change_authinfo, change_user, change_comment]


@pytest.mark.parametrize('change', CHANGES)
def test_a_row_is_as_sqlalchemy_would_have_written_it(
    temp_storage: SqliteTempBackend, profile: Any, change: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed() -> dict[str, Any]:
        model = change().backend_entity.bare_model
        table = type(model).__table__
        raw = temp_storage.get_session().raw
        names = [column.name for column in table.columns]
        [row] = raw.execute(f'SELECT {", ".join(names)} FROM {table.name} WHERE id = ?', (model.id,))
        assert not temp_storage.get_session().dirty
        shown = {name: value for name, value in vars(model).items() if name in names}
        temp_storage.get_session().refresh(model)
        assert {name: value for name, value in vars(model).items() if name in shown} == shown
        found = dict(zip(names, row, strict=True))
        if 'mtime' in found:
            assert found['mtime'] > found['ctime']
        return {name: value for name, value in found.items() if name not in ('id', 'uuid', 'time', 'ctime', 'mtime')}

    before = profile.checkpoint()
    found = changed()
    profile.restore(before)
    monkeypatch.setattr(session, 'update_only_row', lambda _: False)
    expected = changed()

    ids = {name for name in found if name.endswith('_id')}
    assert {name: value for name, value in found.items() if name not in ids} == {
        name: value for name, value in expected.items() if name not in ids
    }


def test_sqlalchemy_writes_no_change_of_one_row(flushes: list[bool]) -> None:
    node, group = change_node(), change_group()
    flushes.clear()

    node.base.extras.set('b', 1)
    group.label = 'three'

    assert flushes == []


def test_what_is_more_than_one_row_is_left_to_sqlalchemy(
    temp_storage: SqliteTempBackend, flushes: list[bool], profile: Any
) -> None:
    first, second = change_node(), orm.Int(1).store()
    flushes.clear()

    with temp_storage.transaction() as of_thread:
        for node in (first, second):
            node.backend_entity.bare_model.label = 'three'
        of_thread.flush()
    assert flushes

    flushes.clear()
    first.backend_entity.bare_model.label = sqlalchemy.text("'a' || 'b'")
    temp_storage.get_session().commit()
    assert flushes
    assert orm.QueryBuilder().append(orm.Node, project='label').all(flat=True) == ['ab', 'three']


def test_listeners_of_sqlalchemy_are_told(temp_storage: SqliteTempBackend) -> None:
    node, told = orm.Int(1).store(), []
    listened = (temp_storage.get_session(), 'after_flush', lambda *_: told.append('session'))
    of_mapper = (models.DbNode, 'before_update', lambda *_: told.append('mapper'))
    sqlalchemy.event.listen(*listened)
    node.label = 'two'
    sqlalchemy.event.remove(*listened)
    sqlalchemy.event.listen(*of_mapper)
    node.label = 'three'
    sqlalchemy.event.remove(*of_mapper)
    node.label = 'four'

    assert told == ['session', 'mapper']


def test_a_change_is_undone_with_the_innermost_block(temp_storage: SqliteTempBackend) -> None:
    node = orm.Int(1, label='one').store()

    def fail() -> None:
        with temp_storage.transaction():
            node.label = 'three'
            raise RuntimeError

    with temp_storage.transaction():
        node.label = 'two'
        with pytest.raises(RuntimeError):
            fail()
        assert node.label == 'two'
    assert node.label == 'two'
    with pytest.raises(RuntimeError):
        fail()

    assert node.label == 'two'
    assert orm.QueryBuilder().append(orm.Int, project='label').one() == ['two']


def test_an_error_of_the_database_is_the_one_that_sqlalchemy_raises(temp_storage: SqliteTempBackend) -> None:
    orm.Computer('one', 'localhost', **PLUGINS).store()
    other = orm.Computer('two', 'localhost', **PLUGINS).store()

    with pytest.raises(IntegrityError, match=r'UNIQUE constraint failed: db_dbcomputer.label\n\[SQL: UPDATE '):
        other.label = 'one'
    assert orm.Computer.collection.get(label='two').pk == other.pk
    orm.Int(1).store()

    gone = orm.Int(1).store()
    temp_storage.get_session().raw.execute('DELETE FROM db_dbnode WHERE id = ?', (gone.pk,))
    with pytest.raises(sqlalchemy.orm.exc.StaleDataError):
        gone.base.extras.set('a', 1)
    temp_storage.get_session().rollback()


class Base(DeclarativeBase):
    """Tables that aiida-core does not have."""


class OtherKey(Base):
    __tablename__ = 'other_key'
    key = Column(String, primary_key=True)


class OfDatabase(Base):
    __tablename__ = 'of_database'
    id = Column(Integer, primary_key=True)
    time = Column(String, server_onupdate=FetchedValue())


class Computed(Base):
    __tablename__ = 'computed'
    id = Column(Integer, primary_key=True)
    name = Column(String)
    upper = column_property(sqlalchemy.func.upper(name))


@pytest.mark.parametrize('model', [OtherKey, OfDatabase, Computed])
def test_a_table_that_takes_more_than_one_statement_is_left_to_sqlalchemy(model: type[Base]) -> None:
    assert updating._columns(sqlalchemy.inspect(model)) is None
    assert updating._columns(sqlalchemy.inspect(models.DbNode))
