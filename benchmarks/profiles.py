"""Three kinds of profile in one process, all of them open at once.

Loading a profile closes the storage of the one before, and closing ``core.sqlite_temp`` loses what it holds. So each
profile is loaded once into a state of AiiDA's manager of its own, and the states are exchanged.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_aiida_temp import temp_profile

from .measurement import medians, reason
from .rows import Outcome

if TYPE_CHECKING:
    from aiida.manage.configuration.profile import Profile


class OpenProfile:
    """A profile whose storage stays open while others are in use.

    :param problem: why it could not be opened, if so.
    """

    profile: Any = None

    def __init__(self, name: str, problem: str | None = None) -> None:
        from aiida.manage.manager import Manager

        self.name = name
        self.problem = problem
        self._state = vars(Manager())

    @contextmanager
    def active(self) -> Iterator[Any]:
        """Make this the loaded profile, and the previous one again after it."""
        from aiida.manage import get_manager

        manager = get_manager()
        state = vars(manager)
        before = dict(state)
        state.update(self._state)
        try:
            yield self.profile
        finally:
            if manager._runner is not None:
                manager.reset_runner()  # in aiida-core 2.6, runners share what closing one of them takes down
            self._state = dict(state)
            state.update(before)

    @property
    def storage(self) -> Any:
        """The storage, while the profile is active."""
        from aiida.manage import get_manager

        return get_manager().get_profile_storage()


@dataclass
class Profiles:
    """What is compared.

    :param base: a second profile of ours, for what lies below a checkpoint.
    """

    ours: OpenProfile
    base: OpenProfile
    sqlite_temp: OpenProfile
    sqlite_dos: OpenProfile


@contextmanager
def _opened(name: str, loading: AbstractContextManager[Profile]) -> Iterator[OpenProfile]:
    opened = OpenProfile(name)
    stack = ExitStack()
    with opened.active():
        opened.profile = stack.enter_context(loading)
        assert opened.storage.is_closed is False
    try:
        yield opened
    finally:
        with opened.active():
            stack.close()


@contextmanager
def _sqlite_temp(folder: Path) -> Iterator[Profile]:
    from aiida.manage import get_manager
    from aiida.storage.sqlite_temp import SqliteTempBackend

    folder.mkdir()
    yield get_manager().load_profile(SqliteTempBackend.create_profile('sqlite-temp', filepath=str(folder)))
    get_manager().unload_profile()


@contextmanager
def _sqlite_dos() -> Iterator[Profile]:
    """Load a profile with the factory that aiida-core's ``aiida_profile_clean`` takes its own from."""
    from aiida.manage.configuration import get_config
    from aiida.tools.pytest_fixtures import aiida_profile_factory

    factory = inspect.unwrap(aiida_profile_factory)()
    with factory(get_config()) as profile:
        yield profile


@contextmanager
def open_profiles(folder: Path) -> Iterator[Profiles]:
    """Open all profiles, with their files and AiiDA's configuration in a folder."""
    folder.mkdir()
    with temp_profile(name='outer', folder=folder / 'outer'), ExitStack() as stack:

        def enter(name: str, loading: AbstractContextManager[Profile]) -> OpenProfile:
            return stack.enter_context(_opened(name, loading))

        def try_to_enter(name: str, loading: AbstractContextManager[Profile]) -> OpenProfile:
            try:
                return enter(name, loading)
            except Exception as exception:
                return OpenProfile(name, f'cannot open {name}: {reason(exception)}')

        sqlite_dos = try_to_enter('core.sqlite_dos', _sqlite_dos())
        sqlite_temp = try_to_enter('core.sqlite_temp', _sqlite_temp(folder / 'sqlite-temp'))
        ours = enter('ours', temp_profile(name='ours', folder=folder / 'ours'))
        base = enter('base', temp_profile(name='base', folder=folder / 'base'))
        yield Profiles(ours, base, sqlite_temp, sqlite_dos)


def compare(
    ours: Callable[[], float], theirs: Sequence[tuple[OpenProfile, Callable[[], float]]], rounds: int
) -> list[Outcome]:
    """Return an outcome against each of aiida-core's profiles, also where one of them could not be opened."""
    first, *others = medians([ours, *(measure for opened, measure in theirs if not opened.problem)], rounds)
    seconds = iter(others)
    return [opened.problem or (first, next(seconds)) for opened, _ in theirs]
