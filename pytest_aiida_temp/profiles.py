"""The profiles that tests run on: the run's own, and on top of it those that fixtures and tests make or load.

Each ephemeral one has checkpoints of its own, so tests are isolated on whichever is the innermost.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiida.manage.configuration.profile import Profile

    from .environment import ActiveConfiguration
    from .frames import Frames
    from .profile import TempProfile


class Level:
    """A profile that tests run on while nothing is on top of it.

    :param frames: its checkpoints, or ``None`` if it is not an ephemeral one, which is never reset.
    :param giving_back: what to do when it is left.
    """

    def __init__(self, profile: Any, frames: Frames | None, giving_back: ExitStack | None = None) -> None:
        self.profile = profile
        self.frames = frames
        self.configuration = _configuration()
        self.giving_back = giving_back or ExitStack()


class Profiles:
    """The profiles of a run, the innermost last.

    :param own: makes and loads the run's own, when it is first needed.
    :param frames_of: makes the frames of an ephemeral profile.
    """

    def __init__(
        self,
        own: Callable[[], AbstractContextManager[TempProfile]],
        frames_of: Callable[[TempProfile], Frames],
    ) -> None:
        self._make_own = own
        self._frames_of = frames_of
        self._levels: list[Level] = []
        self.seconds = 0.0
        """Spent in making ephemeral profiles."""

    def __bool__(self) -> bool:
        return bool(self._levels)

    @property
    def own(self) -> TempProfile | None:
        """The run's own profile, once there is one."""
        return self._levels[0].profile if self._levels else None

    @property
    def innermost(self) -> Any:
        """The profile that tests run on, once there is one."""
        return self._levels[-1].profile if self._levels else None

    @property
    def frames(self) -> Frames | None:
        """The checkpoints of the profile that tests run on, if that is an ephemeral one."""
        return self._levels[-1].frames if self._levels else None

    @property
    def all_frames(self) -> list[Frames]:
        """The checkpoints of all ephemeral profiles, those of the innermost first."""
        return [level.frames for level in reversed(self._levels) if level.frames is not None]

    def is_loaded(self) -> bool:
        """Return whether AiiDA's loaded profile is the one that tests run on."""
        return bool(self._levels) and _loaded_profile() is self.innermost

    def has_deleted(self, table: str, pk: int) -> bool:
        """Return whether a row was deleted from the loaded profile; none is loaded for that, as tests still use it."""
        is_known = self.is_loaded() and self.frames is not None
        return is_known and bool(self.innermost.storage.has_deleted(table, pk))

    def start(self) -> Any:
        """Load the profile that tests run on, which is made on first use."""
        if not self._levels:
            self.enter(self._make_own())
        self.settle()
        return self.innermost

    def enter(self, context: AbstractContextManager[TempProfile]) -> TempProfile:
        """Make and load an ephemeral profile, for tests to run on until :meth:`leave`.

        :param context: makes and loads it, and gives back what was there before.
        """
        with ExitStack() as stack:
            profile = stack.enter_context(context)
            level = Level(profile, self._frames_of(profile), stack.pop_all())
        self._levels.append(level)
        self.seconds += profile.seconds_to_make
        return profile

    def enter_own(self) -> Level:
        """Make tests run on the run's own profile until :meth:`forget`."""
        own = self._levels[0]
        self._levels.append(Level(own.profile, own.frames))
        self.settle()
        return self._levels[-1]

    def enter_loaded(self) -> Level | None:
        """Make tests run on what is loaded until :meth:`forget`, if profile or configuration are others than these."""
        profile, before = _loaded_profile(), self._levels[-1]
        if profile is before.profile and _configuration().config is not before.configuration.config:
            self._levels.append(Level(profile, before.frames))
        elif profile is None or any(level.profile is profile for level in self._levels):
            return None
        else:
            self._levels.append(Level(profile, None))
        return self._levels[-1]

    def forget(self, level: Level) -> None:
        """Let go of a profile that was not made here, and give back what is on top of it."""
        if level in self._levels:
            self._cut(self._levels.index(level) + 1)
            self._levels.remove(level)

    def leave(self, profile: Profile) -> None:
        """Give back a profile and what is on top of it, if that did not happen yet."""
        position = next((n for n, level in enumerate(self._levels) if level.profile is profile), None)
        if position is not None:
            self._cut(position)
            self.settle()

    def load(self) -> None:
        """Load the profile that tests run on, and its configuration, whatever is loaded."""
        self.settle()
        self._levels[-1].configuration.use()

    def settle(self) -> None:
        """Load the profile that tests run on, unless it is loaded."""
        if not self._levels:
            return
        level = self._levels[-1]
        if level.frames is not None:
            level.profile.load()
        elif _loaded_profile() is not level.profile:
            from aiida.manage import get_manager

            get_manager().unload_profile()
            level.configuration.use()
            get_manager().load_profile(level.profile)

    def close(self) -> None:
        """Give back all profiles."""
        self._cut(0)

    def _cut(self, position: int) -> None:
        left, self._levels[position:] = self._levels[position:], []
        with ExitStack() as giving_back:
            for level in left:
                if level.frames is not None and level.frames not in self.all_frames:
                    level.frames.drop()  # before pytest 9, the nodes that it is to leave may end later
                giving_back.push(level.giving_back)


class OtherProfile:
    """What is loaded while the plugin is not in charge of the whole run, to be given back after a test that uses it."""

    def __init__(self) -> None:
        self._configuration, self._profile = _configuration(), _loaded_profile()

    def give_back(self) -> None:
        """Load it again."""
        from aiida.manage import get_manager

        get_manager().unload_profile()
        self._configuration.use()
        get_manager().load_profile(self._profile)


def _configuration() -> ActiveConfiguration:
    from .environment import ActiveConfiguration

    return ActiveConfiguration.current()


def _loaded_profile() -> Profile | None:
    from aiida.manage import get_manager

    return get_manager().get_profile()
