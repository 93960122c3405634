"""Which checkpoint belongs to which pytest scope, when it is taken and when it is returned to.

Before the first fixture of a scope runs, a checkpoint is taken for the node of that scope (module, class, test, ...).
When the node is torn down, after its own finalizers, the storage returns to the checkpoint. So what a fixture stored
is there for as long as the fixture lives, and everything narrower is undone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.fixtures import FixtureDef

    from .frames import Frames
    from .history import History
    from .leftovers import Leftovers
    from .options import MarkerArguments, Settings
    from .profile import Checkpoint, TempProfile

_isolation: pytest.StashKey[Isolation] = pytest.StashKey()
marker_key: pytest.StashKey[MarkerArguments] = pytest.StashKey()

ORDER = ('function', 'class', 'module', 'package', 'session')


class IsolationWarning(pytest.PytestWarning):
    """Something cannot be isolated, or was left behind by a test."""


class Resets:
    """How often storage was reset, and how many seconds that took in all."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0


class Isolation:
    """The ephemeral profile of one pytest run and how its tests are kept apart."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.settings = settings
        self.resets = Resets()
        self._config = config
        self._profile: TempProfile | None = None
        self._frames: Frames | None = None
        self._history: History | None = None
        self._item: pytest.Item | None = None
        self._wanted = False
        self._outsider: pytest.Item | None = None
        self._has_joined = False
        self._leftovers: Leftovers | None = None
        self._stack = ExitStack()
        self._test = ''
        self._other: Any = None

    # The profile

    @property
    def profile(self) -> TempProfile | None:
        """The ephemeral profile, once it was used."""
        return self._profile

    @property
    def history(self) -> History | None:
        """What tests had stored, once the profile was used."""
        return self._history

    def start(self) -> TempProfile:
        """Make the profile on first use, and load it."""
        if self._profile is None:
            # Imported here, as all of this costs a run nothing that does not use the plugin.
            from .frames import Frames
            from .history import History
            from .loading import temp_profile
            from .tmpdir import make_folder

            self._profile = self._stack.enter_context(temp_profile(folder=make_folder(self._config)))
            self._history = History()
            self._frames = Frames(self._profile, self.resets, self._note)
        return self._profile.load()

    def close(self) -> None:
        """Give back what was there before the profile was made."""
        self._frames = self._profile = None
        self._stack.close()

    def _note(self, checkpoint: Checkpoint) -> None:
        if self._profile and self._history and self._profile.storage.has(checkpoint.storage):
            self._history.note(self._test, self._profile.storage.new_entities(checkpoint.storage))

    # One test

    def _is_wanted_by(self, item: pytest.Item) -> bool:
        """Return whether a test runs on the profile: by flag, marker or fixture."""
        if self.settings.enabled or marker_key in item.stash:
            return True
        names = getattr(item, 'fixturenames', ())
        return 'aiida_temp_profile' in names or 'aiida_temp_session' in names

    def profile_for(self, item: pytest.Item) -> TempProfile:
        """Return the profile to a test, also to one that asks for it while it runs."""
        if not self._wanted or self._item is not item:
            self._begin(item)
        self.set_up(item)
        assert self._profile is not None
        return self._profile

    def begin(self, item: pytest.Item) -> None:
        """Prepare for a test, before anything of it is set up.

        A test that does not ask for the profile while that is loaded is like one that says ``reset=False``: what it
        stores is undone before the next one that does ask.
        """
        if self._is_wanted_by(item):
            self._begin(item)
        else:
            self._outsider = item
            if self._profile is not None and self._profile.is_loaded:
                self._join(item)

    def join(self) -> TempProfile:
        """Return the profile to a fixture of wider scope that is first asked for by a test which does not use it."""
        profile = self.start()
        if self._item is None and self._outsider is not None:
            self._join(self._outsider)
            self._has_joined = True
        return profile

    def _join(self, item: pytest.Item) -> None:
        self._item, self._wanted, self._test = item, False, item.nodeid

    def _begin(self, item: pytest.Item) -> None:
        self._remember_other_profile()
        self._item, self._wanted, self._test = item, True, item.nodeid
        profile = self.start()
        assert self._frames is not None
        if self._scope(item) is not None:
            self._frames.leave_lingering()
            if not self._frames:
                profile.storage.abandon()
                profile.reset()  # what was stored outside of any test

    @contextmanager
    def fixture(self, fixturedef: FixtureDef[Any], node: Any) -> Iterator[None]:
        """Take the checkpoint that a fixture of the current test needs before it runs, and see to late ones.

        A fixture is late if narrower scopes have begun already: what it stores is then handed to its own scope.

        :param node: the node at whose teardown the fixture ends.
        """
        if self._item is None or self._frames is None:
            yield
            return
        self._watch(self._item)
        node = self._frame_node(node, fixturedef.scope)
        if self._frames.is_late(node):
            with self._frames.late(node) as outcome:
                yield
            if any(outcome):
                _warn_of(fixturedef)
        elif fixturedef.scope != 'function' and fixturedef.params is not None and node is not self._item:
            with self._frames.instance(fixturedef, node):
                yield
        else:
            self._ensure(node)
            yield
            if self._has_joined:
                self._ensure(self._item)  # what the test stores from here on

    def set_up(self, item: pytest.Item) -> None:
        """Take the checkpoint of a test all of whose fixtures have run."""
        if self._item is item:
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
            return item.stash[marker_key].scope(self.settings.reset)
        return self.settings.reset

    def _frame_node(self, node: Any, scope: str) -> Any:
        """Return the node whose checkpoint covers what a scope does, which the current test may want wider."""
        assert self._item is not None
        narrowest = self._scope(self._item)
        if narrowest is not None and ORDER.index(scope) < ORDER.index(narrowest):
            return scope_node(self._item, narrowest)
        return node

    def _ensure(self, node: Any) -> None:
        assert self._frames is not None
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

            assert self._profile is not None
            self._leftovers = Leftovers(self._profile)
            item.addfinalizer(lambda: self._inspect(item))

    def _inspect(self, item: pytest.Item) -> None:
        if self._leftovers is None or self._frames is None:
            return
        found = self._leftovers.find()
        self._frames.leave(item)
        if found and self.settings.strict:
            pytest.fail('\n'.join([f'{item.nodeid} left behind:', *found]), pytrace=False)
        path, line, _ = item.location
        for what in self._leftovers.serious:
            warnings.warn_explicit(f'{item.nodeid} left behind {what}', IsolationWarning, path, (line or 0) + 1)

    # Another profile that was loaded already

    def _remember_other_profile(self) -> None:
        from .environment import loaded_profile_name

        if self.settings.enabled or loaded_profile_name() is None:
            return
        from aiida.manage import get_manager

        from .environment import ActiveConfiguration

        loaded = get_manager().get_profile()
        if loaded is not self._profile:
            self._other = (ActiveConfiguration.current(), loaded)

    def _give_back_other_profile(self) -> None:
        from aiida.manage import get_manager

        (configuration, profile), self._other = self._other, None
        manager = get_manager()
        manager.unload_profile()
        configuration.use()
        manager.load_profile(profile)


def _warn_of(fixturedef: FixtureDef[Any]) -> None:
    code = fixturedef.func.__code__
    warnings.warn_explicit(
        f'The {fixturedef.scope}-scoped fixture {fixturedef.argname!r} was first asked for in a narrower scope, and '
        'changes or deletes what was there before: that cannot be kept apart from what the test does. Ask for it '
        'earlier, for instance in a fixture of its own scope.',
        IsolationWarning,
        code.co_filename,
        code.co_firstlineno,
    )


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
