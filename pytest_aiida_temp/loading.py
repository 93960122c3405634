"""Make an ephemeral profile, load it and give back what was there before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from .environment import ActiveConfiguration, check_aiida_version, configuration_folder

if TYPE_CHECKING:
    from aiida.manage.configuration.config import Config

    from .profile import TempProfile

PROFILE_NAME = 'aiida-temp'


@contextmanager
def temp_profile(*, name: str = PROFILE_NAME, folder: Path | None = None) -> Iterator[TempProfile]:
    """Make and load an ephemeral profile, and give back the one that was loaded before.

    For scripts, notebooks and doctests; in pytest the fixtures do this. The user's own configuration is neither read
    nor changed. Everything that was stored is gone at the end.

    :param name: of the profile.
    :param folder: where to keep the configuration and the sandbox for files; by default a temporary folder that is
        removed at the end.
    :returns: the loaded :class:`~pytest_aiida_temp.profile.TempProfile`.
    :raises ~pytest_aiida_temp.environment.UnsupportedVersionError: if aiida-core is too old.
    """
    check_aiida_version()
    if folder is None:
        with (
            TemporaryDirectory(prefix='aiida-temp-') as temporary,
            temp_profile(name=name, folder=Path(temporary)) as p,
        ):
            yield p
        return
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
    before, logging_before = manager.get_profile(), LoggingState()
    began = time.perf_counter()
    profile = TempProfile.create(configuration, folder, name, **settings)
    try:
        profile.load()
        profile.seconds_to_make = time.perf_counter() - began
        yield profile
    finally:
        profile.delete()
        manager.unload_profile()
        logging_before.restore()
        giving_back.close()
        if before is not None:
            manager.load_profile(before)
