"""What happens around the set-up of each fixture, so that what it stores stays for as long as the fixture lives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest
    from _pytest.fixtures import FixtureDef, SubRequest

    from .archives.starting import StartingStates
    from .frames import Frames
    from .options import Settings
    from .profiles import Profiles
    from .putting_off import PutOff
    from .storage.marks import HandOver
    from .takeover.serving import Takeover
    from .tear_down import TearDown


class FixtureIsolation:
    """The part of :class:`~.isolation.Isolation` for fixtures."""

    settings: Settings
    profiles: Profiles
    put_off: PutOff
    starting: StartingStates
    takeover: Takeover | None
    tear_down: TearDown
    _ensure: Callable[[Any], None]
    _frame_node: Callable[[Any, str], Any]
    _has_joined: bool
    _is_aside: bool
    _item: pytest.Item | None
    _remember_other_profile: Callable[[], None]
    _setting_up: list[FixtureDef[Any]]
    _wanted: bool
    _watch: Callable[[], None]
    warn: Callable[[str], None]

    @contextmanager
    def fixture(self, fixturedef: FixtureDef[Any], request: SubRequest) -> Iterator[list[Any]]:
        """Take the checkpoint that a fixture of the current test needs before it runs, and see to late ones.

        A fixture is late if narrower scopes have begun already: what it stores is then handed to its own scope.

        :returns: a list, to which the exception is to be added if the fixture fails.
        """
        failed: list[Any] = []
        self._setting_up.append(fixturedef)
        before = self.profiles.innermost
        try:
            with ExitStack() as stack:
                if self._item is not None and self.profiles.frames is not None:
                    node = self._frame_node(request.node, fixturedef.scope)
                    stack.enter_context(self._isolated(self.profiles.frames, fixturedef, node, failed))
                if self.takeover is not None:
                    stack.enter_context(self.takeover.serving(fixturedef, request))
                yield failed
                self.tear_down.notice_failing_finalizers_of(fixturedef, lambda: self._item)
                if self.profiles and not self._is_aside and fixturedef.scope != 'function':
                    self._look_for_other_profile(before, fixturedef)
        finally:
            self._setting_up.pop()

    @contextmanager
    def _isolated(self, frames: Frames, fixturedef: FixtureDef[Any], node: Any, failed: list[Any]) -> Iterator[None]:
        assert self._item is not None
        self._watch()
        if self._wanted:
            self.starting.begin(frames, self._item, node)
        if frames.is_late(node):
            with frames.late(fixturedef, node, failed) as outcome:
                yield
            for handed_over in outcome:
                self._warn_of_late(fixturedef, handed_over)
        elif fixturedef.scope != 'function' and node is not self._item:
            with frames.instance(fixturedef, node, failed):
                yield
        else:
            self._ensure(node)
            if self._wanted:
                self.starting.set_options(self._item, self.profiles.innermost)
            yield
        if self._has_joined:
            self._ensure(self._item)  # what the test stores from here on

    def _warn_of_late(self, fixturedef: FixtureDef[Any], handed_over: HandOver) -> None:
        if handed_over.is_given and not handed_over.changed:
            return
        if handed_over.is_given:
            why = 'changes or deletes what was there before: that cannot be kept apart from what the test does'
        else:
            why = 'builds on what the test stored, changed or deleted: what it stored is undone with the test'
        self.warn(
            f'The {fixturedef.scope}-scoped fixture {fixturedef.argname!r} was first asked for in a narrower '
            f'scope, and {why}. Ask for it earlier, for instance in a fixture of its own scope.'
        )

    def _look_for_other_profile(self, before: Any, fixturedef: FixtureDef[Any]) -> None:
        """Have tests run on what a wide fixture has made or loaded, as it left it, but without the flag on our own."""
        if not self.settings.enabled and self._wanted:
            self._remember_other_profile()
            self.profiles.load()
        level = self.profiles.enter_loaded() if self.settings.enabled else None
        if level is not None:
            fixturedef.addfinalizer(lambda: self.put_off.do(lambda: self.profiles.forget(level)))
        if level is not None and level.frames is None:
            self.warn(
                f'The {fixturedef.scope}-scoped fixture {fixturedef.argname!r} has loaded the profile '
                f'{level.profile.name!r}, whose storage is {level.profile.storage_backend}: tests run on it, and '
                'it is not reset. Use `aiida_profile_factory` or `aiida_temp_session` for one that is.'
            )
        frames = self.profiles.frames
        if frames is not None and not frames and self.profiles.innermost is not before:
            frames.take_base()
