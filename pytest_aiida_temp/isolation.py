"""Which checkpoint belongs to which pytest scope, when it is taken and when it is returned to.

Before the first fixture of a scope runs, a checkpoint is taken for the node of that scope (module, class, test, ...).
When the node is torn down, after its own finalizers, the storage returns to the checkpoint. So what a fixture stored
is there for as long as the fixture lives, and everything narrower is undone.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .loading import temp_profile
from .tmpdir import make_folder

if TYPE_CHECKING:
    from _pytest.fixtures import FixtureDef

    from .history import History
    from .options import MarkerArguments, Settings
    from .profile import ProfileCheckpoint, TempProfile

_isolation: pytest.StashKey[Isolation] = pytest.StashKey()
marker_key: pytest.StashKey[MarkerArguments] = pytest.StashKey()

ORDER = ('function', 'class', 'module', 'package', 'session')


class IsolationWarning(pytest.PytestWarning):
    """Something cannot be isolated, or was left behind by a test."""


@dataclass
class Resets:
    """How often storage was reset, and how long that took.

    :param seconds: in all.
    """

    count: int = 0
    seconds: float = 0.0


@dataclass
class _Frame:
    """A checkpoint and the node whose teardown returns to it.

    :param lingers: its test said ``reset=False``, so it stays until a test that resets begins.
    """

    node: pytest.Item | pytest.Collector
    checkpoint: ProfileCheckpoint
    lingers: bool = False


class Isolation:
    """The ephemeral profile of one pytest run and the checkpoints taken in it."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.settings = settings
        self.resets = Resets()
        self._config = config
        self._profile: TempProfile | None = None
        self._history: History | None = None
        self._frames: list[_Frame] = []
        self._item: pytest.Item | None = None
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
            folder: Path = make_folder(self._config)
            self._profile = self._stack.enter_context(temp_profile(folder=folder))
            from .history import History

            self._history = History()
        return self._profile.load()

    def close(self) -> None:
        """Give back what was there before the profile was made."""
        self._frames.clear()
        self._profile = None
        self._stack.close()

    # One test

    def is_wanted_by(self, item: pytest.Item) -> bool:
        """Return whether a test runs on the profile: by flag, marker or fixture."""
        if self.settings.enabled or marker_key in item.stash:
            return True
        names = getattr(item, 'fixturenames', ())
        return 'aiida_temp_profile' in names or 'aiida_temp_session' in names

    def profile_for(self, item: pytest.Item) -> TempProfile:
        """Return the profile to a test, also to one that asks for it while it runs."""
        self.begin(item)
        self._ensure_frame(item, 'function')
        assert self._profile is not None
        return self._profile

    def begin(self, item: pytest.Item) -> None:
        """Prepare for a test, before anything of it is set up."""
        if self._item is item:
            return
        self._remember_other_profile()
        self._item = item
        self._test = item.nodeid
        self.start()
        if self._scope(item) is not None:
            self._leave_lingering()

    @contextmanager
    def fixture(self, fixturedef: FixtureDef[Any], node: Any) -> Iterator[None]:
        """Take the checkpoint that a fixture of the current test needs before it runs, and see to late ones.

        A fixture is late if narrower scopes have begun already: what it stores is then handed to its own scope.

        :param node: the node at whose teardown the fixture ends.
        """
        if self._item is None:
            yield
            return
        scope = fixturedef.scope
        node = self._frame_node(node, scope)
        late = self._narrower_than(node)
        if late is None:
            self._ensure_frame(node, scope)
            yield
            return
        profile = self.start()
        into = self._insert_frame(node, late)
        checkpoint = profile.checkpoint()
        try:
            yield
        finally:
            between = self._frames[into + 1 :]
            checkpoints, changed = profile.hand_over(
                checkpoint, self._frames[into].checkpoint, [frame.checkpoint for frame in between]
            )
            for frame, replaced in zip(between, checkpoints, strict=True):
                frame.checkpoint = replaced
        if changed:
            _warn_of(fixturedef)

    def set_up(self, item: pytest.Item) -> None:
        """Take the checkpoint of a test all of whose fixtures have run."""
        if self._item is item:
            self._ensure_frame(item, 'function')

    def end(self, item: pytest.Item) -> None:
        """Finish with a test, after everything of it was torn down."""
        if self._item is not item:
            return
        self._item = None
        if self._other is not None:
            self._give_back_other_profile()

    # Frames

    def _scope(self, item: pytest.Item) -> str | None:
        if marker_key in item.stash:
            return item.stash[marker_key].scope(self.settings.reset)
        return self.settings.reset

    def _ensure_frame(self, node: Any, scope: str) -> None:
        node = self._frame_node(node, scope)
        lingers = node is self._item and self._scope(self._item) is None
        if lingers and self._frames and self._frames[-1].lingers:
            return
        if any(frame.node is node for frame in self._frames):
            return
        assert self._profile is not None
        self._frames.append(_Frame(node, self._profile.checkpoint(), lingers))
        if not lingers:
            node.addfinalizer(lambda: self._leave(node))

    def _frame_node(self, node: Any, scope: str) -> Any:
        """Return the node whose checkpoint covers what a scope does, which the current test may want wider."""
        assert self._item is not None
        narrowest = self._scope(self._item)
        if narrowest is not None and ORDER.index(scope) < ORDER.index(narrowest):
            return scope_node(self._item, narrowest)
        return node

    def _narrower_than(self, node: Any) -> int | None:
        """Return the position of the first frame of a node inside the given one, ``None`` if there is none."""
        return next(
            (n for n, frame in enumerate(self._frames) if frame.node is not node and node in frame.node.listchain()),
            None,
        )

    def _insert_frame(self, node: Any, position: int) -> int:
        """Return the position of a node's frame, made with the state at the given position if there is none."""
        found = next((n for n, frame in enumerate(self._frames) if frame.node is node), None)
        if found is not None:
            return found
        assert self._profile is not None
        checkpoint = self._profile.insert_checkpoint(self._frames[position].checkpoint)
        self._frames.insert(position, _Frame(node, checkpoint))
        node.addfinalizer(lambda: self._leave(node))
        return position

    def _leave(self, node: Any) -> None:
        """Return to the checkpoint of a node that was torn down."""
        position = next((n for n, frame in enumerate(self._frames) if frame.node is node), None)
        if position is not None:
            self._return_to(position)

    def _leave_lingering(self) -> None:
        """Undo what tests left that do not reset, and what was stored outside of any test."""
        position = next((n for n, frame in enumerate(self._frames) if frame.lingers), None)
        if position is not None:
            self._return_to(position)
        elif not self._frames:
            assert self._profile is not None
            self._profile.reset()

    def _return_to(self, position: int) -> None:
        assert self._profile is not None
        assert self._history is not None
        frame = self._frames[position]
        del self._frames[position:]
        began = time.perf_counter()
        self._history.note(self._test, self._profile.storage.new_entities(frame.checkpoint.storage))
        self._profile.restore(frame.checkpoint, keep=False)
        self.resets.count += 1
        self.resets.seconds += time.perf_counter() - began

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
