"""Make an ephemeral profile, load it and give back what was there before."""

from __future__ import annotations

import atexit
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from . import environment
from .environment import ActiveConfiguration, check_aiida_version, configuration_folder

if TYPE_CHECKING:
    from aiida.manage.configuration.config import Config

    from .profile import TempProfile

    Paths = str | PathLike[str] | Iterable[str | PathLike[str]]

PROFILE_NAME = 'aiida-temp'


def temp_profile(
    *, name: str = PROFILE_NAME, archive: Paths | None = None, folder: Path | None = None
) -> TempProfileContext:
    """Make and load an ephemeral profile, and give back the one that was loaded before.

    For scripts, notebooks and doctests; in pytest the fixtures do this. Use it in a ``with`` statement, or call
    ``load()`` of what is returned, and ``close()`` of the profile at the end. The user's own configuration is neither
    read nor changed. Everything that was stored is gone at the end.

    :param name: of the profile.
    :param archive: a path or a list of paths of archives whose content is to be there.
    :param folder: where to keep the configuration and the sandbox for files; by default a temporary folder that is
        removed at the end.
    :returns: a context manager that gives the loaded :class:`~pytest_aiida_temp.profile.TempProfile`.
    :raises ValueError: if the name is empty, or the archives are no paths.

    In the block or by ``load()`` is raised:

    :raises ~pytest_aiida_temp.environment.UnsupportedVersionError: if aiida-core is too old.
    :raises ~pytest_aiida_temp.archives.ArchiveError: if there is no such archive, or it cannot be read.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f'{name!r} cannot be the name of a profile: give a text that is not empty.')
    return TempProfileContext(name, _paths(archive), folder)


def _paths(archive: Paths | None) -> list[Path]:
    given = [archive] if isinstance(archive, (str, PathLike)) or not isinstance(archive, Iterable) else list(archive)
    paths = [path for path in given if path is not None]
    if not all(isinstance(path, (str, PathLike)) for path in paths):
        raise ValueError(f'archive={archive!r}: give the path of an archive, or a list of paths.')
    return [Path(path) for path in paths]


class TempProfileContext(AbstractContextManager['TempProfile']):
    """What :func:`temp_profile` returns: it makes and loads a profile each time it is entered."""

    def __init__(self, name: str, archives: list[Path], folder: Path | None) -> None:
        self._name = name
        self._archives = archives
        self._folder = folder
        self._entered: list[ExitStack] = []

    def __enter__(self) -> TempProfile:
        check_aiida_version()
        with ExitStack() as stack:
            folder = self._folder or Path(stack.enter_context(TemporaryDirectory(prefix='aiida-temp-')))
            profile = stack.enter_context(_first_profile(folder, self._name))
            for path in self._archives:
                profile.load_archive(path)
            self._entered.append(stack.pop_all())
        return profile

    def __exit__(self, *error: Any) -> None:
        self._entered.pop().close()

    def load(self) -> TempProfile:
        """Make and load the profile, until its ``close()`` is called or the interpreter ends.

        For where a ``with`` statement does not fit, such as the cells of a notebook.
        """
        profile = self.__enter__()
        stack = self._entered.pop()
        profile.give_back_on_close(stack)
        atexit.register(stack.close)
        stack.callback(atexit.unregister, stack.close)
        return profile


@contextmanager
def _first_profile(folder: Path, name: str) -> Iterator[TempProfile]:
    """Make and load a profile in a configuration of its own."""
    with ExitStack() as giving_back:
        configuration = giving_back.enter_context(configuration_folder(folder))
        with _loaded(configuration, giving_back, folder / 'storage', name, {}) as profile:
            yield profile


@contextmanager
def further_profile(config: Config, folder: Path, name: str, **settings: Any) -> Iterator[TempProfile]:
    """Make and load an ephemeral profile in a configuration that is there already, and give back what was loaded.

    :param folder: where the sandbox for files is made.
    :param settings: what else :meth:`~pytest_aiida_temp.profile.TempProfile.create` takes.
    :raises ValueError: if the configuration has a profile of that name.
    """
    if name in config.profile_names:
        raise ValueError(f'The profile {name!r} exists already in {config.filepath}: choose another name.')
    with ExitStack() as giving_back:
        giving_back.callback(ActiveConfiguration.current().use)
        with _loaded(ActiveConfiguration.of(config), giving_back, folder, name, settings) as profile:
            yield profile


@contextmanager
def _loaded(
    configuration: ActiveConfiguration, giving_back: ExitStack, folder: Path, name: str, settings: dict[str, Any]
) -> Iterator[TempProfile]:
    from aiida.manage import get_manager

    from .logs import LoggingState
    from .profile import TempProfile

    manager = get_manager()
    before, was_open, logging_before = manager.get_profile(), manager.profile_storage_loaded, LoggingState()
    began = time.perf_counter()
    profile = TempProfile.create(configuration, folder, name, **settings)
    try:
        profile.load()
        profile.seconds_to_make = time.perf_counter() - began
        yield profile
    finally:
        profile.delete()
        manager.unload_profile()
        giving_back.close()
        if before is not None:
            environment.load(before)
            if was_open and isinstance(before, TempProfile):
                environment.open_storage()  # or AiiDA does on first use, and configures logging
        logging_before.restore()
