"""What a test does with a storage, through AiiDA's own interface: one operation for everything that can be stored."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from aiida import orm
from aiida.common.exceptions import InvalidOperation, NotExistent
from aiida.common.links import LinkType
from aiida.orm.entities import EntityTypes
from aiida.repository import Repository
from aiida.tools import delete_nodes
from model import SCHEMA, State
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from pytest_aiida_temp.storage import SqliteTempBackend

READERS: dict[type, tuple[str, dict[str, Callable[[Any], Any]]]] = {
    orm.Node: ('db_dbnode', {'label': lambda node: node.label, 'extras': lambda node: node.base.extras.all}),
    orm.Group: ('db_dbgroup', {'label': lambda group: group.label, 'extras': lambda group: group.base.extras.all}),
    orm.Computer: ('db_dbcomputer', {'label': lambda computer: computer.label}),
    orm.Comment: ('db_dbcomment', {'content': lambda comment: comment.content}),
    orm.User: ('db_dbuser', {'first_name': lambda user: user.first_name}),
    orm.AuthInfo: ('db_dbauthinfo', {'metadata': lambda authinfo: authinfo.get_metadata()}),
}
"""The table of each kind of entity, and how columns are read that can change."""


@dataclass
class Held:
    """An entity that somebody holds.

    :param is_lost: its row has been undone.
    """

    entity: Any
    table: str
    pk: int
    in_thread: bool
    readers: dict[str, Callable[[Any], Any]]
    is_lost: bool = False

    @classmethod
    def of(cls, entity: Any, in_thread: bool) -> Held:
        table, readers = next(value for kind, value in READERS.items() if isinstance(entity, kind))
        return cls(entity, table, entity.pk, in_thread, readers)

    def is_in_database(self, storage: SqliteTempBackend) -> bool:
        statement = f'SELECT 1 FROM {self.table} WHERE id = ?'
        return not self.is_lost and storage.get_session().raw.execute(statement, (self.pk,)).fetchone() is not None

    def check(self, now: State) -> None:
        """It shows what is stored; if that is not there any more, it raises an error."""
        row = None if self.is_lost else now.tables[self.table].get(self.pk)
        for column, read in self.readers.items():
            if row is None:
                with pytest.raises((SQLAlchemyError, NotExistent)):
                    read(self.entity)
            else:
                stored = row[SCHEMA[0].columns[self.table].index(column)]
                assert read(self.entity) == (json.loads(stored) if column in ('extras', 'metadata') else stored)


class Operations:
    """Each operation gets a number to pick with, and an entity that somebody holds.

    No value is written twice, so that whether a row was changed can be told from its values. An operation returns the
    entity that it stored or changed.
    """

    def __init__(self, storage: SqliteTempBackend) -> None:
        self.storage = storage
        self.puts: set[str] = set()
        self._count = 0

    @property
    def new(self) -> str:
        self._count += 1
        return f'value {self._count}'

    def fill(self, number: int) -> list[Any]:
        """Store one of each kind and return them."""
        computer = orm.Computer(f'c{number}', 'localhost', '', 'core.local', 'core.direct').store()
        user = orm.User(f'u{number}').store()
        authinfo = orm.AuthInfo(computer, user).store()
        code = orm.InstalledCode(computer, '/bin/true', label=f'code{number}').store()
        file = orm.SinglefileData(io.BytesIO(b'%d' % number)).store()
        group = orm.Group(f'g{number}').store()
        group.add_nodes([code, file])
        self.storage.set_global_variable(f'variable {number}', number)
        return [computer, user, authinfo, code, file, group, code.base.comments.add('comment')]

    def _one(self, kind: Any, pick: int) -> Any:
        found = orm.QueryBuilder().append(kind).order_by({kind: 'id'}).all(flat=True)
        return found[pick % len(found)] if found else None

    def _node(self, pick: int, held: Any = None) -> Any:
        return held if pick % 3 == 0 and isinstance(held, orm.Data) else self._one(orm.Data, pick) or orm.Int(0).store()

    # Nodes

    def store(self, pick: int, held: Any) -> Any:
        return orm.Int(pick).store()

    def change(self, pick: int, held: Any) -> Any:
        node = self._node(pick, held)
        if pick % 2:
            node.label = self.new
        else:
            node.base.extras.set('key', self.new)
        return node

    def delete(self, pick: int, held: Any) -> None:
        delete_nodes([self._node(pick, held).pk], dry_run=False)

    def delete_latest(self, pick: int, held: Any) -> None:
        latest = orm.QueryBuilder().append(orm.Node, project='id').order_by({orm.Node: {'id': 'desc'}}).first(flat=True)
        if latest:
            delete_nodes([latest], dry_run=False)

    def link(self, pick: int, held: Any) -> Any:
        process = orm.CalculationNode()
        process.base.links.add_incoming(self._node(pick, held), LinkType.INPUT_CALC, 'x')
        process.store()
        output = orm.Int(pick)
        output.base.links.add_incoming(process, LinkType.CREATE, 'y')
        process.logger.warning('a log')
        return output.store()

    def comment(self, pick: int, held: Any) -> Any:
        comment = self._one(orm.Comment, pick)
        if comment is None or pick % 3 == 0:
            return self._node(pick, held).base.comments.add(self.new)
        if pick % 3 == 1:
            orm.Comment.collection.delete(comment.pk)
            return None
        comment.set_content(self.new)
        return comment

    def delete_log(self, pick: int, held: Any) -> None:
        log = self._one(orm.Log, pick)
        if log:
            orm.Log.collection.delete(log.pk)

    # The others

    def group(self, pick: int, held: Any) -> Any:
        return orm.Group.collection.get_or_create(f'g{pick % 3}')[0]

    def change_group(self, pick: int, held: Any) -> Any:
        group = self._one(orm.Group, pick)
        if group and pick % 5 == 0:
            group.label = self.new
        elif group and pick % 5 == 1:
            group.base.extras.set('key', self.new)
        elif group and pick % 5 == 2:
            group.clear()
        elif group and pick % 5 == 3:
            orm.Group.collection.delete(group.pk)
            return None
        elif group:
            group.add_nodes([self._node(pick, held)])
        return group

    def computer(self, pick: int, held: Any) -> Any:
        computer = self._one(orm.Computer, pick)
        if computer is None or pick % 3 == 0:
            label = f'c{pick % 4}'
            return orm.Computer.collection.get_or_create(
                label, hostname='h', transport_type='core.local', scheduler_type='core.direct'
            )[1].store()
        if pick % 3 == 1:
            computer.label = self.new
            return computer.store()
        with suppress(InvalidOperation):  # nodes refer to it
            orm.Computer.collection.delete(computer.pk)
        return None

    def authinfo(self, pick: int, held: Any) -> Any:
        authinfo, computer = self._one(orm.AuthInfo, pick), self._one(orm.Computer, pick)
        if authinfo and pick % 3 == 0:
            orm.AuthInfo.collection.delete(authinfo.pk)
            return None
        if authinfo and pick % 3 == 1:
            authinfo.set_metadata({'key': self.new})
            return authinfo.store()
        if computer and not computer.is_configured:
            return computer.configure()
        return None

    def user(self, pick: int, held: Any) -> Any:
        user = orm.User.collection.get_or_create(email=f'u{pick % 4}')[1]
        if pick % 2:
            user = self._one(orm.User, pick)
            user.first_name = self.new
        return user.store()

    def variable(self, pick: int, held: Any) -> None:
        self.storage.set_global_variable(f'variable {pick % 3}', self.new)

    # Many rows at once, and without the ORM

    def bulk_insert(self, pick: int, held: Any) -> None:
        user = orm.User.collection.get_default().pk
        row = {'node_type': 'data.core.int.Int.', 'user_id': user, 'attributes': {'value': pick}}
        self.storage.bulk_insert(EntityTypes.NODE, [{'uuid': str(uuid4()), **row} for _ in range(2)], True)

    def bulk_update(self, pick: int, held: Any) -> None:
        rows = [{'id': self._node(number).pk} for number in {pick, pick // 7}]
        self.storage.bulk_update(EntityTypes.NODE, [{**row, 'label': self.new} for row in rows])

    def fail_in_transaction(self, pick: int, held: Any) -> None:
        def store_and_fail() -> None:
            with self.storage.transaction():
                self.change(pick, held)
                self.store(pick, held)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store_and_fail()

    # Files

    def store_file(self, pick: int, held: Any) -> Any:
        node = orm.SinglefileData(io.BytesIO(b'%d' % (pick % 4))).store()
        self.puts.update(Repository.flatten(node.base.repository.metadata).values())
        return node

    def put_file(self, pick: int, held: Any) -> None:
        self.puts.add(self.storage.get_repository().put_object_from_filelike(io.BytesIO(b'%d' % (pick % 4))))

    def delete_file(self, pick: int, held: Any) -> None:
        free = self.storage._unreferenced_keys()
        if free:
            self.storage.get_repository().delete_objects([free[pick % len(free)]])

    def maintain(self, pick: int, held: Any) -> None:
        self.storage.maintain()


OPERATIONS = sorted(name for name in vars(Operations) if not name.startswith('_') and name not in ('fill', 'new'))
