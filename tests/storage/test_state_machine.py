"""Checkpoints against a model in plain Python, over whatever order of operations Hypothesis comes up with."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from model import SCHEMA, Entry, State, UnsoundError, excise, hand_over
from operations import OPERATIONS, Held, Operations

from pytest_aiida_temp import temp_profile
from pytest_aiida_temp.storage.contents import CheckpointGoneError

pytestmark = pytest.mark.filterwarnings('ignore:Object of type <Db.*> not in session')

PICK = st.integers(min_value=0, max_value=10**6)
ACTIONS = st.lists(st.tuples(st.sampled_from(OPERATIONS), PICK), min_size=1, max_size=4)

settings.register_profile('suite', max_examples=200, stateful_step_count=8)
settings.register_profile('long', max_examples=3000, stateful_step_count=20)


@dataclass
class Late:
    """A late fixture whose body runs.

    :param entry: the checkpoint taken when it began.
    :param into: the one of its scope.
    :param is_apart: it may end before its scope does.
    """

    entry: Entry
    into: Entry
    is_apart: bool


# Conditions of rules, with names, as Hypothesis used to look for the source of a lambda again and again, for seconds


def has_room(machine: Storage) -> bool:
    return len(machine.stack) < 7


def can_begin_late(machine: Storage) -> bool:
    return len(machine.stack) > 1 and len(machine.lates) < 2


def has_late(machine: Storage) -> bool:
    return bool(machine.lates)


def can_excise(machine: Storage) -> bool:
    return not machine.lates and any(entry.is_instance for entry in machine.stack)


class Storage(RuleBasedStateMachine):
    """A storage with some data, and a stack of checkpoints with what there was at each."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = SHARED[0].begin()
        self.profile, self.storage, self.executor = self.shared.profile, self.shared.storage, self.shared.executor
        self.stack = [replace(self.shared.base)]
        self.lates: list[Late] = []
        self.has_moved = False
        """Whether a fixture was late or taken out, so that ids may be left out where nothing is."""
        self.operations = Operations(self.storage)
        self.held: list[Held] = list(self.shared.held)

    def teardown(self) -> None:
        for position in reversed(range(len(self.stack))):
            if not self.stack[position].is_instance:
                self.restore_to(position, keep=position == 0)
        self.shared.end()

    # What happens between checkpoints

    @rule(actions=ACTIONS, in_thread=st.booleans())
    def act(self, actions: list[tuple[str, int]], in_thread: bool) -> None:
        self.run(lambda: self.perform(actions, in_thread), in_thread)

    def perform(self, actions: list[tuple[str, int]], in_thread: bool) -> None:
        for name, pick in actions:
            held = [held for held in self.held if held.in_thread == in_thread and held.is_in_database(self.storage)]
            result = getattr(self.operations, name)(pick, held[pick % len(held)].entity if held else None)
            self.stack[-1].puts |= self.operations.puts
            self.operations.puts = set()
            if result is not None and pick % 2 and len(self.held) < len(self.shared.held) + 6:
                self.held.append(Held.of(result, in_thread))

    def run(self, action: Callable[[], Any], in_thread: bool) -> Any:
        """Do it here or in the other thread."""
        return self.executor.submit(action).result() if in_thread else action()

    @rule(in_thread=st.booleans())
    def clear(self, in_thread: bool) -> None:
        self.run(self.profile.reset, in_thread)

        state = State.of(self.storage)
        left = {name: list(rows) for name, rows in state.tables.items() if rows}
        assert left == {'db_dbuser': [1], 'alembic_version': [1]}
        assert state.files == {}
        assert self.has_moved or state.counts == self.stack[-1].state.counts
        self.check_held(state)

    # Checkpoints, as anybody takes them

    @rule(in_thread=st.booleans())
    @precondition(has_room)
    def checkpoint(self, in_thread: bool) -> None:
        self.stack.append(self.run(self.take, in_thread))

    def take(self) -> Entry:
        state = State.of(self.storage)
        return Entry(self.storage.checkpoint(), state)

    @rule(pick=PICK, keep=st.booleans(), in_thread=st.booleans())
    def restore(self, pick: int, keep: bool, in_thread: bool) -> None:
        position = pick % len(self.stack)
        position += self.stack[position].is_instance  # which is left together with the checkpoint that follows it
        gone = self.stack[position + 1 :]
        follows = position > 0 and self.stack[position - 1].is_instance
        self.restore_to(position, keep=keep or position == 0 or follows, in_thread=in_thread)
        for later in gone:
            with pytest.raises(CheckpointGoneError):
                self.storage.restore(later.checkpoint)

    def restore_to(self, position: int, *, keep: bool, in_thread: bool = False) -> None:
        entry = self.stack[position]
        self.run(lambda: self.storage.restore(entry.checkpoint, keep=keep), in_thread)
        self.compare(entry.state)
        del self.stack[position + keep :]
        entry.puts = set()
        self.lates = [late for late in self.lates if late.entry in self.stack and late.into in self.stack]
        self.check_held(entry.state)

    def compare(self, expected: State) -> None:
        state = State.of(self.storage)
        if self.has_moved:
            counted = {name: rows for name, rows in expected.tables.items() if name != 'alembic_version'}
            assert all(max(rows, default=0) <= state.counts[name] for name, rows in counted.items())
            state = replace(state, counts=expected.counts)
        differences = state.differences(expected)
        assert differences == [], differences

    # Wide fixtures, as `Frames` sees to them

    @rule(actions=ACTIONS, is_apart=st.booleans(), in_thread=st.booleans())
    @precondition(has_room)
    def instance(self, actions: list[tuple[str, int]], is_apart: bool, in_thread: bool) -> None:
        self.stack.append(self.take())
        self.act(actions, in_thread)
        if is_apart:
            self.stack[-1].is_instance = True
            self.stack.append(self.take())
        else:
            entry = self.stack.pop()
            assert self.storage.hand_over(entry.checkpoint, self.stack[-1].checkpoint).is_given
            self.stack[-1].puts |= entry.puts

    @rule(pick=PICK, insert=st.booleans(), is_apart=st.booleans())
    @precondition(can_begin_late)
    def begin_late(self, pick: int, insert: bool, is_apart: bool) -> None:
        upto = self.stack.index(self.lates[-1].into) if self.lates else len(self.stack) - 1
        candidates = [entry for entry in self.stack[: max(upto, 1)] if not entry.is_instance]
        into = candidates[pick % len(candidates)]
        if insert:
            position = self.stack.index(into) + 1
            before = self.stack[position]
            into = Entry(self.storage.insert_checkpoint(before.checkpoint), before.state)
            self.stack.insert(position, into)
        entry = self.take()
        self.stack.append(entry)
        self.lates.append(Late(entry, into, is_apart))

    @rule()
    @precondition(has_late)
    def end_late(self) -> None:
        late, now = self.lates.pop(), State.of(self.storage)
        first, last = self.stack.index(late.into) + 1, self.stack.index(late.entry)
        late.entry.puts.update(*(later.puts for later in self.stack[last:]))
        between = self.stack[first:last]
        before, outcome = between[0].state, None
        try:
            changed, needed = hand_over(late.entry, between, now)
        except UnsoundError:
            outcome = self.storage.hand_over(late.entry.checkpoint, late.into.checkpoint, apart=late.is_apart)
            assert not outcome.is_given
            del self.stack[last:]
            between[-1].puts |= late.entry.puts
            return
        outcome = self.storage.hand_over(late.entry.checkpoint, late.into.checkpoint, apart=late.is_apart)
        assert outcome.is_given
        assert outcome.changed >= changed  # a row may have been changed, and changed back
        self.has_moved = True
        if late.is_apart:
            own = Entry(late.entry.checkpoint, replace(before, counts=late.entry.state.counts), needed, True)
            after = Entry(self.storage.insert_checkpoint(between[0].checkpoint), between[0].state)
            self.stack[first:] = [own, after, *between]
        else:
            late.into.puts |= needed
            self.stack[first:] = between
        self.compare(now)

    @rule(pick=PICK)
    @precondition(can_excise)
    def excise(self, pick: int) -> None:
        instances = [position for position, entry in enumerate(self.stack) if entry.is_instance]
        position = instances[pick % len(instances)]
        entry, following, *rest = self.stack[position:]
        try:
            states = excise(entry.state, following.state, [*(other.state for other in rest), State.of(self.storage)])
        except UnsoundError:
            return  # a fixture that relies on another one is torn down before it
        self.has_moved = True
        self.storage.excise(entry.checkpoint)
        self.stack[position - 1].puts |= entry.puts
        del self.stack[position]
        for other, state in zip(self.stack[position:], states, strict=False):
            other.state = state
        self.compare(states[-1])
        self.check_held(states[-1])

    # Objects held all the time

    @rule()
    def objects_show_what_is_stored(self) -> None:
        self.check_held(State.of(self.storage))

    def check_held(self, now: State) -> None:
        """Objects of rows that are there show these, and all others raise an error."""
        states = [now, *(entry.state for entry in self.stack)]
        for held in self.held:
            held.is_lost |= not any(held.pk in state.tables[held.table] for state in states)
        for in_thread in (False, True):
            self.run(lambda in_thread=in_thread: self.check_held_in(in_thread, now), in_thread)  # type: ignore[misc]

    def check_held_in(self, in_thread: bool, now: State) -> None:
        for held in self.held:
            if held.in_thread == in_thread:
                held.check(now)


class Shared:
    """A storage with some data in it and objects held of that, for all examples until one fails."""

    def __init__(self) -> None:
        self._exits = ExitStack()
        self._is_in_use = True

    def begin(self) -> Shared:
        """Return to the state that all examples begin with."""
        if self._is_in_use:
            self.close()
            self._fill()
        self._is_in_use = True
        self.storage.restore(self.base.checkpoint)
        return self

    def end(self) -> None:
        """Note that all went well."""
        self._is_in_use = False

    def close(self) -> None:
        self._exits.close()

    def _fill(self) -> None:
        self.profile = self._exits.enter_context(temp_profile())
        self.storage = self.profile.storage
        self.executor = self._exits.enter_context(ThreadPoolExecutor(1))
        operations = Operations(self.storage)
        self.held = [Held.of(entity, False) for entity in operations.fill(0)]
        self.held += [Held.of(entity, True) for entity in self.executor.submit(operations.fill, 1).result()]
        state = State.of(self.storage)
        assert SCHEMA[0].is_sound(state)
        self.base = Entry(self.storage.checkpoint(), state)


SHARED: list[Shared] = []


def test_every_restore_gives_the_state_of_the_checkpoint() -> None:
    options = settings.get_profile(os.environ.get('HYPOTHESIS_PROFILE', 'suite'))
    with closing(Shared()) as shared:
        SHARED[:] = [shared]
        run_state_machine_as_test(
            Storage, settings=settings(options, deadline=None, suppress_health_check=list(HealthCheck))
        )
