"""Which checkpoint belongs to which pytest scope, when it is taken and when it is returned to.

Before the first fixture of a scope runs, a checkpoint is taken for the node of that scope (module, class, test, ...).
When the node is torn down, after its own finalizers, the storage returns to it. So what a fixture stored is there for
as long as the fixture lives, and everything narrower is undone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from .archives.starting import StartingStates
from .fixture_isolation import FixtureIsolation
from .profiles import OtherProfile, Profiles
from .putting_off import PutOff
from .scopes import is_kept_off, is_narrower, is_wanted_by, reset_scope, scope_node
from .tear_down import TearDown

if TYPE_CHECKING:
    from _pytest.fixtures import FixtureDef

    from .durations import Durations
    from .frames import Frames
    from .history import History
    from .options import Settings
    from .profile import TempProfile
    from .query_checks import QueryChecks
    from .storage.since import Beginning
    from .takeover.serving import Takeover

_isolation: pytest.StashKey[Isolation] = pytest.StashKey()


class IsolationWarning(pytest.PytestWarning):
    """Something cannot be isolated, or was left behind by a test."""


class Subject(NamedTuple):
    """An ephemeral profile that a test runs on.

    :param beginning: since when what it holds was stored by the test.
    :param is_wanted: the test asked for it, rather than sharing a run with tests that do.
    """

    profile: TempProfile
    beginning: Beginning
    is_wanted: bool


class Resets:
    """How often storage was reset, and how many seconds that took in all."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0


class Isolation(FixtureIsolation):
    """The ephemeral profiles of one pytest run and how its tests are kept apart."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.settings = settings
        self.resets = Resets()
        self.profiles = Profiles(self._own_profile, self._frames_of)
        self.takeover: Takeover | None = None
        self.history: History | None = None
        """What tests had stored, once the profile was used."""
        self.put_off = PutOff()
        self._config = config
        self._setting_up: list[FixtureDef[Any]] = []
        self._item: pytest.Item | None = None
        self._wanted = False
        self._is_aside = False
        self._outsider: pytest.Item | None = None
        self._has_joined = False
        self._test = ''
        self._other: OtherProfile | None = None
        self.starting = StartingStates(config, self.put_off)
        self.tear_down = TearDown(self.profiles, settings.strict, self._leave, self.put_off, self.warn)
        self.durations: Durations | None = None
        self.query_checks: QueryChecks | None = None

    # Profiles

    @property
    def profile(self) -> TempProfile | None:
        """The run's own ephemeral profile, once it was used."""
        return self.profiles.own

    def start(self) -> Any:
        """Load the profile that tests run on, which is made on first use."""
        self._is_aside = False
        return self.profiles.start()

    def _own_profile(self) -> AbstractContextManager[TempProfile]:
        # Imported here, as all of this costs a run nothing that does not use the plugin.
        from .history import History
        from .loading import temp_profile
        from .tmpdir import make_folder

        self.history = History()
        return temp_profile(folder=make_folder(self._config))

    def _frames_of(self, profile: TempProfile) -> Frames:
        from .frames import Frames

        if self.durations is not None:
            self.durations.watch(profile)
        if self.query_checks is not None:
            self.query_checks.watch(profile)
        return Frames(profile, self.resets, self._note, self.profiles.settle, self.put_off)

    def _note(self, undone: list[tuple[str, int, str]]) -> None:
        if self.history is not None:
            self.history.note(self._test, undone)

    @contextmanager
    def further_profile(self, context: AbstractContextManager[TempProfile]) -> Iterator[TempProfile]:
        """Make an ephemeral profile, for tests to run on until the block ends, or what runs now, if that is first.

        :param context: makes and loads it, and gives back what was there before.
        """
        profile = self.enter_profile(context)
        try:
            yield profile
        finally:
            self.put_off.do(lambda: self.profiles.leave(profile))

    def enter_profile(self, context: AbstractContextManager[TempProfile]) -> TempProfile:
        """Make an ephemeral profile, for tests to run on until the fixture or test ends that runs now.

        :param context: makes and loads it, and gives back what was there before.
        """
        self.start()
        profile = self.profiles.enter(context)
        owner = self._setting_up[-1] if self._setting_up else self._item
        if owner is not None:
            owner.addfinalizer(lambda: self.put_off.do(lambda: self.profiles.leave(profile)))
        return profile

    def stand_aside(self) -> None:
        """Undo everything and unload the profile, so that tests run on the suite's own."""
        from aiida.manage import get_manager

        if self.profiles.frames is not None:
            self.profiles.frames.return_to_base()
        get_manager().unload_profile()
        self._is_aside = True

    # One test

    def profile_for(self, item: pytest.Item) -> TempProfile:
        """Return the profile to a test, also to one that asks for it while it runs."""
        if not self._wanted or self._item is not item:
            self._begin(item)
        if self.profiles.frames is None:  # a fixture has loaded another one
            level = self.profiles.enter_own()
            item.addfinalizer(lambda: self.put_off.do(lambda: self.profiles.forget(level)))
        self.set_up(item)
        profile: TempProfile = self.profiles.innermost
        return profile

    def begin(self, item: pytest.Item) -> None:
        """Prepare for a test, before anything of it is set up.

        A test that does not ask for the profile while that is loaded is like one that says ``reset=False``: what it
        stores is undone before the next one that does ask.
        """
        self.put_off.finish()
        self.tear_down.inspect_after(item)
        if self.durations is not None:
            self.durations.begin(item.nodeid)
        if self.takeover is not None:
            self.takeover.begin(item)
        if is_wanted_by(item, self.settings):
            self._begin(item)
        else:
            self._outsider = item
            if self.profiles.is_loaded():
                self._join(item)
        if self._item is item:
            self._note_beginning()

    def _note_beginning(self) -> None:
        frames = self.profiles.frames
        if frames is not None:
            frames.begin(shares=self._wanted and self._scope(self._item) != 'function')  # type: ignore[arg-type]

    def subject(self, item: pytest.Item) -> Subject | None:
        """Return what a test runs on while it runs, if that is an ephemeral profile."""
        frames = self.profiles.frames
        if self._item is not item or frames is None or is_kept_off(item):
            return None
        beginning = frames.beginning(self._frame_node(item, 'function'))
        return Subject(self.profiles.innermost, beginning, self._wanted)

    @property
    def is_running(self) -> bool:
        """Whether a test runs on an ephemeral profile right now."""
        return self._item is not None and self.profiles.frames is not None

    def join(self) -> TempProfile:
        """Return the profile to a fixture of wider scope that is first asked for by a test which does not use it."""
        profile: TempProfile = self.start()
        if self._item is None and self._outsider is not None:
            self._join(self._outsider)
            self._note_beginning()
            self._has_joined = True
        return profile

    def _join(self, item: pytest.Item) -> None:
        self._item, self._wanted = item, False
        self._leave_ended(item)

    def _leave_ended(self, item: pytest.Item) -> None:
        contents = self.starting.contents(item) if self._wanted else []
        for frames in self.profiles.all_frames:
            frames.leave_ended(item, contents)
        self._test = item.nodeid
        if self.history is not None:
            self.history.begin()

    def _begin(self, item: pytest.Item) -> None:
        self._remember_other_profile()
        self._item, self._wanted = item, True
        self.start()
        self.profiles.load()
        self._leave_ended(item)
        frames = self.profiles.frames
        if frames is not None and self._scope(item) is not None:
            frames.leave_lingering()
            if not frames:
                frames.return_to_base()

    def set_up(self, item: pytest.Item) -> None:
        """Take the checkpoint of a test all of whose fixtures have run."""
        if self._item is item and self.profiles.frames is not None:
            self._watch()
            self._ensure(self._frame_node(item, 'function'))
            if self._wanted:
                self.starting.set_options(item, self.profiles.innermost)

    def end(self, item: pytest.Item) -> None:
        """Finish with a test, after everything of it was torn down."""
        if self.durations is not None:
            self.durations.end()
        self.put_off.do(lambda: self._end(item))

    def _end(self, item: pytest.Item) -> None:
        if self._item is not item:
            return
        self._item = self._outsider = None
        self.tear_down.end()
        self._has_joined = False
        if self._other is not None:
            other, self._other = self._other, None
            other.give_back()

    def _scope(self, item: pytest.Item) -> str | None:
        return reset_scope(item, self.settings) if self._wanted else None

    def _frame_node(self, node: Any, scope: str) -> Any:
        """Return the node whose checkpoint covers what a scope does, which the current test may want wider."""
        assert self._item is not None
        narrowest = self._scope(self._item)
        if narrowest is not None and is_narrower(scope, narrowest):
            return scope_node(self._item, narrowest)
        return node

    def _ensure(self, node: Any) -> None:
        frames = self.profiles.frames
        assert self._item is not None
        if frames is None:
            return
        if self._wanted:
            self.starting.begin(frames, self._item, node)
        if node is self._item and self._scope(self._item) is None:
            frames.ensure_lingering(node)
        else:
            frames.ensure(node, leave_by_itself=node is not self._item)  # a test is left by `TearDown`

    def _watch(self) -> None:
        if self._wanted:
            self.tear_down.watch()

    def _leave(self, item: pytest.Item) -> None:
        for frames in self.profiles.all_frames:
            frames.leave(item)
            self.starting.end(frames, item)

    def keep_for_debugger(self) -> None:
        """Put off all resets until the debugger was closed that opens over a tear-down which has failed."""
        if self._config.getoption('usepdb', False):
            self.put_off.begin()

    def _remember_other_profile(self) -> None:
        from .environment import loaded_profile_name

        if not self.settings.enabled and loaded_profile_name() is not None and not self.profiles.is_loaded():
            self._other = OtherProfile()

    def warn(self, message: str) -> None:
        """Warn of something, at the fixture that is being set up or else at the test."""
        codes = (getattr(fixturedef.func, '__code__', None) for fixturedef in reversed(self._setting_up))
        code = next(filter(None, codes), None)
        path, line, _ = self._item.location if self._item else ('', 0, '')
        if code is not None:
            path, line = code.co_filename, code.co_firstlineno - 1
        warnings.warn_explicit(message, IsolationWarning, path, (line or 0) + 1)


def isolation_of(config: pytest.Config) -> Isolation:
    """Return the isolation of a run."""
    return config.stash[_isolation]


def set_isolation(config: pytest.Config, isolation: Isolation) -> None:
    """Set the isolation of a run."""
    config.stash[_isolation] = isolation
