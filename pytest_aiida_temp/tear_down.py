"""The end of a test: its failures are told of, what it leaves behind is found, and then what it stored is undone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.fixtures import FixtureDef

    from .leftovers import Leftovers
    from .profiles import Profiles
    from .putting_off import PutOff


class TearDown:
    """Sees to the end of each test of a run.

    :param profiles: those that tests run on.
    :param is_strict: a test fails that leaves anything behind.
    :param leave: undoes what a test stored.
    :param put_off: has that wait for a debugger.
    :param warn: warns of what was left behind.
    """

    def __init__(
        self,
        profiles: Profiles,
        is_strict: bool,
        leave: Callable[[pytest.Item], None],
        put_off: PutOff,
        warn: Callable[[str], None],
    ) -> None:
        self.before_failing: Callable[[pytest.Item, BaseException], None] | None = None
        """Called where what ends with a test fails in its tear-down, while the storage is as it was."""
        self._profiles = profiles
        self._is_strict = is_strict
        self._leave = leave
        self._put_off = put_off
        self._warn = warn
        self._leftovers: Leftovers | None = None

    def watch(self) -> None:
        """See to it that leftovers are looked for when all that the current test itself set up is torn down."""
        if self._leftovers is None:
            from .leftovers import Leftovers

            self._leftovers = Leftovers(self._profiles.innermost)

    def end(self) -> None:
        """Finish with a test."""
        self._leftovers = None

    def inspect_after(self, item: pytest.Item) -> None:
        """Inspect when all of a test is torn down, also what pytest puts off with ``--pdb``: `TestCase.tearDown`."""
        if isinstance(getattr(item.teardown, '__self__', None), pytest.Item):  # not on each attempt of a test
            tear_down = item.teardown

            def tear_down_and_inspect() -> None:
                __tracebackhide__ = True
                try:
                    tear_down()
                except BaseException as exception:
                    self._tell_of_failure(item, exception)
                    raise
                finally:
                    self._inspect(item)

            item.teardown = tear_down_and_inspect  # type: ignore[method-assign]

    def _inspect(self, item: pytest.Item) -> None:
        if self._leftovers is None or not self._profiles:
            return
        found = self._leftovers.find()
        failure = pytest.fail.Exception('\n'.join([f'{item.nodeid} left behind:', *found]), pytrace=False)
        if found and self._is_strict:
            self._tell_of_failure(item, failure)
        self._put_off.do(lambda: self._leave(item))
        if found and self._is_strict:
            raise failure
        for what in self._leftovers.serious:
            self._warn(f'{item.nodeid} left behind {what}')

    def notice_failing_finalizers_of(
        self, fixturedef: FixtureDef[Any], current: Callable[[], pytest.Item | None]
    ) -> None:
        """Notice them before the one that undoes what the fixture has stored, which is the last of a wide fixture.

        :param current: returns the test that is run.
        """
        if fixturedef.scope == 'function':  # those run as finalizers of the test, and it is left after them
            return

        def noticed(finalizer: Callable[[], object]) -> None:
            __tracebackhide__ = True
            try:
                finalizer()
            except BaseException as exception:
                item = current()
                if item is not None:
                    self._tell_of_failure(item, exception)
                raise

        fixturedef._finalizers[:] = [partial(noticed, finalizer) for finalizer in fixturedef._finalizers]

    def _tell_of_failure(self, item: pytest.Item, error: BaseException) -> None:
        if self.before_failing is not None:
            self.before_failing(item, error)
