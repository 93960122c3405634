"""The profiles that tests run on: the run's own, and on top of it those that fixtures and tests make or load.

Each ephemeral one has checkpoints of its own, so tests are isolated on whichever is the innermost.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiida.manage import get_manager

from .environment import ActiveConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiida.manage.configuration.profile import Profile

    from .frames import Frames
    from .profile import TempProfile


@dataclass(eq=False)
class Level:
    """A profile that tests run on while nothing is on top of it.

    :param frames: its checkpoints, or ``None`` if it is not an ephemeral one, which is never reset.
    :param configuration: where it is found.
    """

    profile: Any
    frames: Frames | None
    configuration: ActiveConfiguration
    giving_back: ExitStack = field(default_factory=ExitStack)

    @property
    def is_loaded(self) -> bool:
        """Whether this is AiiDA's loaded profile."""
        return get_manager().get_profile() is self.profile


class Profiles:
    """The profiles of a run, the innermost last.

    :param frames_of: makes the frames of an ephemeral profile.
    """

    def __init__(self, frames_of: Callable[[TempProfile], Frames]) -> None:
        self._frames_of = frames_of
        self._levels: list[Level] = []

    @property
    def innermost(self) -> Level | None:
        """The profile that tests run on, once there is one."""
        return self._levels[-1] if self._levels else None

    @property
    def own(self) -> TempProfile | None:
        """The run's own profile, once there is one."""
        return self._levels[0].profile if self._levels else None

    def frames(self) -> list[Frames]:
        """Return the frames of all profiles, those of the innermost first."""
        return [level.frames for level in reversed(self._levels) if level.frames is not None]

    def enter(self, context: AbstractContextManager[TempProfile]) -> TempProfile:
        """Make and load an ephemeral profile, for tests to run on until :meth:`leave`."""
        with ExitStack() as stack:
            profile = stack.enter_context(context)
            level = Level(profile, self._frames_of(profile), ActiveConfiguration.current(), stack.pop_all())
        self._levels.append(level)
        return profile

    def again(self) -> Level:
        """Make tests run on the run's own profile until :meth:`forget`."""
        own = self._levels[0]
        level = Level(own.profile, own.frames, own.configuration)
        self._levels.append(level)
        self.settle()
        return level

    def note_loaded(self) -> Level | None:
        """Make tests run on what a fixture has loaded, if that is another profile."""
        profile = get_manager().get_profile()
        if profile is None or any(level.profile is profile for level in self._levels):
            return None
        self._levels.append(Level(profile, None, ActiveConfiguration.current()))
        return self._levels[-1]

    def forget(self, level: Level) -> None:
        """Let a profile be that :meth:`note_loaded` or :meth:`again` gave, and give back what is on top of it."""
        if level in self._levels:
            self._cut(self._levels.index(level) + 1)
            self._levels.remove(level)

    def leave(self, profile: Profile) -> None:
        """Give back a profile and what is on top of it, if that did not happen yet."""
        position = next((n for n, level in enumerate(self._levels) if level.profile is profile), None)
        if position is not None:
            self._cut(position)
            if self._levels:
                self.settle()

    def _cut(self, position: int) -> None:
        left, self._levels[position:] = self._levels[position:], []
        with ExitStack() as giving_back:
            for level in left:
                giving_back.push(level.giving_back)

    def settle(self) -> None:
        """Load the innermost profile, unless it is loaded."""
        level = self._levels[-1]
        manager = get_manager()
        if level.frames is not None:
            level.profile.load()
        elif manager.get_profile() is not level.profile:
            manager.unload_profile()
            level.configuration.use()
            manager.load_profile(level.profile)

    def close(self) -> None:
        """Give back all profiles."""
        self._cut(0)
