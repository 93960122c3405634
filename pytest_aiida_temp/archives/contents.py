"""The content of the archives that tests start from, read when it is first asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..storage import SqliteTempBackend
from . import transfer

if TYPE_CHECKING:
    from ..profile import TempProfile
    from .files import Archive
    from .state import StartingState


class Contents:
    """The content of archives, each in a storage of its own from when it is first asked for.

    :param folder: for their files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._storages: dict[tuple[str, ...], SqliteTempBackend] = {}

    def add_to(self, profile: TempProfile, state: StartingState) -> None:
        """Put the content of archives into the storage of a profile, as an import does."""
        content = state.content
        if content not in self._storages:
            self._storages[content] = self._read(state.archives)
        if not profile.storage.insert_from(self._storages[content]):
            transfer.load(state.archives, profile.storage)  # which merges what is there already

    def _read(self, named: tuple[Archive, ...]) -> SqliteTempBackend:
        name = f'archive-{len(self._storages)}'
        profile = SqliteTempBackend.create_profile(name, '', filepath=self._folder / name)
        SqliteTempBackend.initialise(profile)
        storage = SqliteTempBackend(profile)
        transfer.load(named, storage)
        return storage

    def close(self) -> None:
        """Free the memory and remove the files."""
        for storage in self._storages.values():
            storage.delete()
        self._storages.clear()
