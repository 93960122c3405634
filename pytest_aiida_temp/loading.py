"""Make an ephemeral profile, load it and give back what was there before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from .environment import check_aiida_version, configuration_folder

if TYPE_CHECKING:
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
        from aiida.manage import get_manager

        from .logs import LoggingState
        from .profile import TempProfile

        manager = get_manager()
        before = manager.get_profile()
        logging_before = LoggingState()
        profile = TempProfile.create(configuration, folder / 'storage', name)
        try:
            yield profile.load()
        finally:
            profile.delete()
            manager.unload_profile()
            logging_before.restore()
            giving_back.close()
            if before is not None:
                manager.load_profile(before)
