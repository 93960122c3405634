"""Checkpoints against a model in plain Python, over whatever order of operations Hypothesis comes up with."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.tools import delete_nodes
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pytest_aiida_temp import temp_profile
from pytest_aiida_temp.storage.contents import CheckpointGoneError
from pytest_aiida_temp.storage.images import PREFIX

if TYPE_CHECKING:
    from pytest_aiida_temp import TempProfile

pytestmark = pytest.mark.filterwarnings('ignore:Object of type <Db.*> not in session')

State = tuple[dict[str, list[Any]], dict[str, bytes]]
PICK = st.integers(min_value=0, max_value=10**6)

settings.register_profile('long', max_examples=5000, stateful_step_count=40)


def state_of(profile: TempProfile) -> State:
    """Return the whole content of every table that AiiDA has, and every object of the repository."""
    session, repository = profile.storage.get_session(), profile.storage.get_repository()
    session.commit()
    names = session.raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    tables = {
        name: session.raw.execute(f'SELECT rowid, * FROM "{name}" ORDER BY rowid').fetchall()
        for (name,) in names
        if not name.startswith((PREFIX, 'sqlite_'))
    }
    return tables, {key: repository.get_object_content(key) for key in repository.list_objects()}


class Storage(RuleBasedStateMachine):
    """A profile, and a stack of its checkpoints with what there was at each."""

    def __init__(self) -> None:
        super().__init__()
        self.exits = ExitStack()
        self.profile = PROFILE[0]
        self.profile.reset()
        self.stack: list[tuple[Any, State]] = []
        self.held: list[orm.Data] = []

    def teardown(self) -> None:
        for checkpoint, state in reversed(self.stack):
            self.profile.restore(checkpoint, keep=False)
            assert state_of(self.profile) == state
        self.profile.reset()

    def stored(self) -> list[int]:
        rows = self.profile.storage.get_session().raw.execute(
            "SELECT id FROM db_dbnode WHERE node_type LIKE 'data.%' ORDER BY id"
        )
        return [pk for (pk,) in rows.fetchall()]

    def one_of(self, pick: int) -> Any:
        stored = self.stored()
        return orm.Node.collection.get(id=stored[pick % len(stored)]) if stored else orm.Int(0).store()

    def do(self, action: Callable[[], Any], in_thread: bool) -> None:
        """Do it here or in another thread."""
        if not in_thread:
            action()
            return
        errors: list[BaseException] = []

        def run() -> None:
            try:
                action()
            except BaseException as exception:
                errors.append(exception)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert not errors, errors

    @initialize()
    def begin(self) -> None:
        self.checkpoint()

    @rule(value=st.integers(0, 3), in_thread=st.booleans())
    def store(self, value: int, in_thread: bool) -> None:
        self.do(lambda: orm.Int(value).store(), in_thread)

    @rule()
    def store_and_hold(self) -> None:
        self.held.append(orm.Str('held').store())

    @rule(content=st.binary(max_size=2))
    def store_file(self, content: bytes) -> None:
        orm.SinglefileData(io.BytesIO(content)).store()

    @rule(pick=PICK, value=st.integers(0, 5), in_thread=st.booleans())
    def change(self, pick: int, value: int, in_thread: bool) -> None:
        pk = self.one_of(pick).pk
        self.do(lambda: orm.load_node(pk).base.extras.set('value', value), in_thread)

    @rule(pick=PICK)
    def delete(self, pick: int) -> None:
        delete_nodes([self.one_of(pick).pk], dry_run=False)

    @rule(pick=PICK)
    def link(self, pick: int) -> None:
        process = orm.CalculationNode()
        process.base.links.add_incoming(self.one_of(pick), LinkType.INPUT_CALC, 'x')
        process.store()
        output = orm.Int(9)
        output.base.links.add_incoming(process, LinkType.CREATE, 'y')
        output.store()
        process.base.comments.add('a comment')
        process.logger.warning('a log')

    @rule(pick=PICK, label=st.sampled_from('abc'))
    def group(self, pick: int, label: str) -> None:
        group, _ = orm.Group.collection.get_or_create(label)
        node = self.one_of(pick)
        if pick % 2:
            group.add_nodes([node])
        else:
            group.remove_nodes([node])

    @rule(label=st.sampled_from('abc'))
    def delete_group(self, label: str) -> None:
        for group in orm.QueryBuilder().append(orm.Group, filters={'label': label}).all(flat=True):
            orm.Group.collection.delete(group.pk)

    @rule(label=st.sampled_from('ab'), pick=PICK)
    def computer(self, label: str, pick: int) -> None:
        found = orm.QueryBuilder().append(orm.Computer).all(flat=True)
        if found and pick % 3 == 0:
            orm.Computer.collection.delete(found[0].pk)
        elif not found:
            orm.Computer(label, 'localhost', '', 'core.local', 'core.direct').store().configure()
        else:
            found[0].label = label
            found[0].store()

    @rule(value=st.integers(0, 3))
    def variable(self, value: int) -> None:
        self.profile.storage.set_global_variable('a', value)

    @rule()
    def maintain(self) -> None:
        self.profile.storage.maintain()

    @rule()
    def fail_in_transaction(self) -> None:
        def store_and_fail() -> None:
            with self.profile.storage.transaction():
                orm.Int(1).store()
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store_and_fail()

    @rule()
    @precondition(lambda self: len(self.stack) < 6)
    def checkpoint(self) -> None:
        state = state_of(self.profile)
        self.stack.append((self.profile.checkpoint(), state))

    @rule(pick=PICK, keep=st.booleans())
    @precondition(lambda self: self.stack)
    def restore(self, pick: int, keep: bool) -> None:
        position = pick % len(self.stack)
        (checkpoint, state), gone = self.stack[position], self.stack[position + 1 :]
        self.profile.restore(checkpoint, keep=keep)
        del self.stack[position + keep :]
        assert state_of(self.profile) == state
        for later, _ in gone:
            with pytest.raises(CheckpointGoneError):
                self.profile.restore(later)

    @rule()
    @precondition(lambda self: self.stack)
    def clear(self) -> None:
        self.profile.reset()
        assert self.stored() == []
        assert self.profile.storage.get_repository().get_info()['objects']['count'] == 0

    @invariant()
    def held_nodes_show_what_is_stored(self) -> None:
        """What is in the identity map is what is in the database; nodes that are undone raise an error."""
        raw = self.profile.storage.get_session().raw
        for node in self.held:
            state = vars(node.backend_entity.bare_model)['_sa_instance_state']
            if state.persistent and not state.deleted:
                row = raw.execute('SELECT extras FROM db_dbnode WHERE uuid = ?', (node.uuid,)).fetchone()
                assert node.base.extras.all == json.loads(row[0])


PROFILE: list[TempProfile] = []


def test_every_restore_gives_the_state_of_the_checkpoint() -> None:
    is_long = os.environ.get('HYPOTHESIS_PROFILE') == 'long'
    options = settings.get_profile('long') if is_long else settings(max_examples=200, stateful_step_count=10)
    with temp_profile() as profile:
        PROFILE[:] = [profile]
        run_state_machine_as_test(
            Storage, settings=settings(options, deadline=None, suppress_health_check=list(HealthCheck))
        )
