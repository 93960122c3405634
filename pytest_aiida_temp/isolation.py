"""Which checkpoint belongs to which pytest scope, when it is taken and when it is returned to.

Before the first fixture of a scope runs, a checkpoint is taken for the node of that scope (module, class, test, ...).
When the node is torn down, after its own finalizers, the storage returns to the checkpoint. So what a fixture stored
is there for as long as the fixture lives, and everything narrower is undone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.fixtures import FixtureDef, SubRequest

    from .frames import Frames
    from .history import History
    from .leftovers import Leftovers
    from .options import MarkerArguments, Settings
    from .profile import Checkpoint, TempProfile
    from .profiles import Level, Profiles
    from .takeover import Takeover

_isolation: pytest.StashKey[Isolation] = pytest.StashKey()
marker_key: pytest.StashKey[MarkerArguments] = pytest.StashKey()

SHARED_BY_CLASS = {'aiida_profile_clean_class', 'clear_database_before_test_class'}
"""Fixtures of aiida-core that empty the storage for the tests of a class to share."""

ORDER = ('function', 'class', 'module', 'package', 'session')


class IsolationWarning(pytest.PytestWarning):
    """Something cannot be isolated, or was left behind by a test."""


class Resets:
    """How often storage was reset, and how many seconds that took in all, and the making of profiles besides."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.making = 0.0


class Isolation:
    """The ephemeral profile of one pytest run and how its tests are kept apart."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.settings = settings
        self.resets = Resets()
        self.takeover: Takeover | None = None
        self._config = config
        self._profiles: Profiles | None = None
        self._history: History | None = None
        self._setting_up: list[FixtureDef[Any]] = []
        self._item: pytest.Item | None = None
        self._wanted = False
        self._is_aside = False
        self._outsider: pytest.Item | None = None
        self._has_joined = False
        self._leftovers: Leftovers | None = None
        self._test = ''
        self._other: Any = None

    # The profile

    @property
    def profile(self) -> TempProfile | None:
        """The run's own ephemeral profile, once it was used."""
        return self._profiles.own if self._profiles else None

    @property
    def history(self) -> History | None:
        """What tests had stored, once the profile was used."""
        return self._history

    @property
    def _level(self) -> Level | None:
        return self._profiles.innermost if self._profiles else None

    @property
    def _frames(self) -> Frames | None:
        """The checkpoints of the profile that tests run on, if it is an ephemeral one."""
        return self._level.frames if self._level else None

    def start(self) -> Any:
        """Load the profile that tests run on, which is made on first use."""
        if self._profiles is None:
            # Imported here, as all of this costs a run nothing that does not use the plugin.
            from .history import History
            from .loading import temp_profile
            from .profiles import Profiles
            from .tmpdir import make_folder

            self._history = History()
            self._profiles = Profiles(self._frames_of)
            self._enter(temp_profile(folder=make_folder(self._config)))
        assert self._level is not None
        self._is_aside = False
        self._profiles.settle()
        return self._level.profile

    def close(self) -> None:
        """Give back what was there before the profile was made."""
        profiles, self._profiles = self._profiles, None
        if profiles:
            profiles.close()

    @contextmanager
    def further_profile(self, context: AbstractContextManager[TempProfile]) -> Iterator[TempProfile]:
        """Make an ephemeral profile, for tests to run on until the block ends, or what runs now, if that is first.

        :param context: makes and loads it, and gives back what was there before.
        """
        profile = self.enter_profile(context)
        try:
            yield profile
        finally:
            self.leave_profile(profile)

    def enter_profile(self, context: AbstractContextManager[TempProfile]) -> TempProfile:
        """Make an ephemeral profile, for tests to run on until the fixture or test ends that runs now.

        :param context: makes and loads it, and gives back what was there before.
        """
        self.start()
        profile = self._enter(context)
        owner = self._setting_up[-1] if self._setting_up else self._item
        if owner is not None:
            owner.addfinalizer(lambda: self.leave_profile(profile))
        return profile

    def _enter(self, context: AbstractContextManager[TempProfile]) -> TempProfile:
        assert self._profiles is not None
        profile = self._profiles.enter(context)
        self.resets.making += profile.seconds_to_make
        return profile

    def leave_profile(self, profile: TempProfile) -> None:
        """Give back a profile, if that did not happen yet."""
        if self._profiles:
            self._profiles.leave(profile)

    def stand_aside(self) -> None:
        """Undo everything and unload the profile, so that tests run on the suite's own."""
        from aiida.manage import get_manager

        if self._frames is not None:
            self._frames.return_to_base()
        get_manager().unload_profile()
        self._is_aside = True

    def _frames_of(self, profile: TempProfile) -> Frames:
        from .frames import Frames

        return Frames(profile, self.resets, lambda checkpoint: self._note(profile, checkpoint), self._settle)

    def _settle(self) -> None:
        if self._profiles and self._level:
            self._profiles.settle()

    def _note(self, profile: TempProfile, checkpoint: Checkpoint) -> None:
        if self._history and profile.storage.has(checkpoint.storage):
            self._history.note(self._test, profile.storage.new_entities(checkpoint.storage))

    # One test

    def _is_wanted_by(self, item: pytest.Item) -> bool:
        """Return whether a test runs on the profile: by flag, marker or fixture."""
        if marker_key in item.stash:
            return item.stash[marker_key].profile
        if self.settings.enabled:
            return True
        names = getattr(item, 'fixturenames', ())
        return 'aiida_temp_profile' in names or 'aiida_temp_session' in names

    def profile_for(self, item: pytest.Item) -> TempProfile:
        """Return the profile to a test, also to one that asks for it while it runs."""
        if not self._wanted or self._item is not item:
            self._begin(item)
        if self._frames is None:
            self._use_ephemeral(item)
        self.set_up(item)
        assert self._level is not None
        profile: TempProfile = self._level.profile
        return profile

    def _use_ephemeral(self, item: pytest.Item) -> None:
        """Run a test on the run's own profile, in spite of another one that a fixture has loaded."""
        assert self._profiles is not None
        profiles, level = self._profiles, self._profiles.again()
        item.addfinalizer(lambda: profiles.forget(level))

    def begin(self, item: pytest.Item) -> None:
        """Prepare for a test, before anything of it is set up.

        A test that does not ask for the profile while that is loaded is like one that says ``reset=False``: what it
        stores is undone before the next one that does ask.
        """
        if self.takeover is not None:
            self.takeover.begin(item)
        if self._is_wanted_by(item):
            self._begin(item)
        else:
            self._outsider = item
            if self._level is not None and self._level.is_loaded:
                self._join(item)

    def join(self) -> TempProfile:
        """Return the profile to a fixture of wider scope that is first asked for by a test which does not use it."""
        profile: TempProfile = self.start()
        if self._item is None and self._outsider is not None:
            self._join(self._outsider)
            self._has_joined = True
        return profile

    def _join(self, item: pytest.Item) -> None:
        self._item, self._wanted, self._test = item, False, item.nodeid

    def _begin(self, item: pytest.Item) -> None:
        self._remember_other_profile()
        self._item, self._wanted, self._test = item, True, item.nodeid
        self.start()
        if self._frames is not None and self._scope(item) is not None:
            self._frames.leave_lingering()
            if not self._frames:
                self._frames.return_to_base()

    @contextmanager
    def fixture(self, fixturedef: FixtureDef[Any], request: SubRequest) -> Iterator[None]:
        """Take the checkpoint that a fixture of the current test needs before it runs, and see to late ones.

        A fixture is late if narrower scopes have begun already: what it stores is then handed to its own scope.
        """
        self._setting_up.append(fixturedef)
        level = self._level
        try:
            with ExitStack() as stack:
                if self._item is not None and self._frames is not None:
                    node = self._frame_node(request.node, fixturedef.scope)
                    stack.enter_context(self._isolated(self._frames, fixturedef, node))
                if self.takeover is not None:
                    stack.enter_context(self.takeover.serving(fixturedef, request))
                yield
            if self._profiles and not self._is_aside and fixturedef.scope != 'function':
                self._look_for_other_profile(level, fixturedef)
        finally:
            self._setting_up.pop()

    @contextmanager
    def _isolated(self, frames: Frames, fixturedef: FixtureDef[Any], node: Any) -> Iterator[None]:
        assert self._item is not None
        self._watch(self._item)
        if frames.is_late(node):
            with frames.late(node) as outcome:
                yield
            if any(outcome):
                self.warn(
                    f'The {fixturedef.scope}-scoped fixture {fixturedef.argname!r} was first asked for in a narrower '
                    'scope, and changes or deletes what was there before: that cannot be kept apart from what the test '
                    'does. Ask for it earlier, for instance in a fixture of its own scope.'
                )
        elif fixturedef.scope != 'function' and fixturedef.params is not None and node is not self._item:
            with frames.instance(fixturedef, node):
                yield
        else:
            self._ensure(node)
            yield
            if self._has_joined:
                self._ensure(self._item)  # what the test stores from here on

    def _look_for_other_profile(self, before: Level | None, fixturedef: FixtureDef[Any]) -> None:
        """Have tests run on what a wide fixture has made or loaded, as it left it."""
        assert self._profiles is not None
        profiles = self._profiles
        if self.settings.enabled:
            level = profiles.note_loaded()
            if level is not None:
                fixturedef.addfinalizer(lambda: profiles.forget(level))
                self.warn(
                    f'The {fixturedef.scope}-scoped fixture {fixturedef.argname!r} has loaded the profile '
                    f'{level.profile.name!r}, whose storage is {level.profile.storage_backend}: tests run on it, and '
                    'it is not reset. Use `aiida_profile_factory` or `aiida_temp_session` for one that is.'
                )
        if self._frames is not None and self._level is not before and not self._frames:
            self._frames.take_base()

    def set_up(self, item: pytest.Item) -> None:
        """Take the checkpoint of a test all of whose fixtures have run."""
        if self._item is item and self._frames is not None:
            self._watch(item)
            self._ensure(self._frame_node(item, 'function'))

    def end(self, item: pytest.Item) -> None:
        """Finish with a test, after everything of it was torn down."""
        if self._item is not item:
            return
        self._item = self._outsider = self._leftovers = None
        self._has_joined = False
        if self._other is not None:
            self._give_back_other_profile()

    def _scope(self, item: pytest.Item) -> str | None:
        if not self._wanted:
            return None
        if marker_key in item.stash:
            return item.stash[marker_key].scope(self._default_scope(item))
        return self._default_scope(item)

    def _default_scope(self, item: pytest.Item) -> str:
        """Return the scope where no marker says it; a fixture that empties storage for a class says it too."""
        names = getattr(item, 'fixturenames', ())
        if self.settings.enabled and self.settings.reset == 'function' and not SHARED_BY_CLASS.isdisjoint(names):
            return 'class'
        return self.settings.reset

    def _frame_node(self, node: Any, scope: str) -> Any:
        """Return the node whose checkpoint covers what a scope does, which the current test may want wider."""
        assert self._item is not None
        narrowest = self._scope(self._item)
        if narrowest is not None and ORDER.index(scope) < ORDER.index(narrowest):
            return scope_node(self._item, narrowest)
        return node

    def _ensure(self, node: Any) -> None:
        if self._frames is None:
            return
        assert self._item is not None
        if node is self._item and self._scope(self._item) is None:
            self._frames.ensure_lingering(node)
        else:
            self._frames.ensure(node, leave_by_itself=node is not self._item)  # a test is left by `_inspect`

    # What a test leaves behind

    def _watch(self, item: pytest.Item) -> None:
        """See to it that leftovers are looked for when all that the test itself set up is torn down."""
        if self._leftovers is None and self._wanted:
            from .leftovers import Leftovers

            assert self._level is not None
            self._leftovers = Leftovers(self._level.profile)
            item.addfinalizer(lambda: self._inspect(item))

    def _inspect(self, item: pytest.Item) -> None:
        if self._leftovers is None or self._profiles is None:
            return
        found = self._leftovers.find()
        for frames in self._profiles.frames():
            frames.leave(item)
        if found and self.settings.strict:
            pytest.fail('\n'.join([f'{item.nodeid} left behind:', *found]), pytrace=False)
        for what in self._leftovers.serious:
            self.warn(f'{item.nodeid} left behind {what}')

    def warn(self, message: str) -> None:
        """Warn of something, at the fixture that is being set up or else at the test."""
        codes = (getattr(fixturedef.func, '__code__', None) for fixturedef in reversed(self._setting_up))
        code = next(filter(None, codes), None)
        path, line, _ = self._item.location if self._item else ('', 0, '')
        if code is not None:
            path, line = code.co_filename, code.co_firstlineno - 1
        warnings.warn_explicit(message, IsolationWarning, path, (line or 0) + 1)

    # Another profile that was loaded already

    def _remember_other_profile(self) -> None:
        from .environment import loaded_profile_name

        if self.settings.enabled or loaded_profile_name() is None:
            return
        from aiida.manage import get_manager

        from .environment import ActiveConfiguration

        loaded = get_manager().get_profile()
        if self._level is None or loaded is not self._level.profile:
            self._other = (ActiveConfiguration.current(), loaded)

    def _give_back_other_profile(self) -> None:
        from aiida.manage import get_manager

        (configuration, profile), self._other = self._other, None
        manager = get_manager()
        manager.unload_profile()
        configuration.use()
        manager.load_profile(profile)


def scope_node(item: pytest.Item, scope: str) -> Any:
    """Return the node at whose teardown a scope of a test ends, the next wider one if there is none."""
    kinds: dict[str, Any] = {'class': pytest.Class, 'module': pytest.Module, 'package': pytest.Package}
    if scope == 'function':
        return item
    if scope == 'class':
        return item.getparent(pytest.Class) or item
    return (scope in kinds and item.getparent(kinds[scope])) or item.session


def isolation_of(config: pytest.Config) -> Isolation:
    """Return the isolation of a run."""
    return config.stash[_isolation]


def set_isolation(config: pytest.Config, isolation: Isolation) -> None:
    """Set the isolation of a run."""
    config.stash[_isolation] = isolation
