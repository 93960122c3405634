"""The archives that markers name: found and checked at collection, their content read when it is first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from . import archives
from .archives import Archive, ArchiveError
from .options import InvalidOptionError, read_marker
from .scopes import archives_key
from .starting import StartingState
from .storage import SqliteTempBackend

if TYPE_CHECKING:
    from .profile import TempProfile


class Reader:
    """Finds and checks the archives that markers name, each file once.

    :param root: pytest's rootdir.
    :param migrated: the folder for old archives, migrated.
    """

    def __init__(self, root: Path, migrated: Path) -> None:
        self._root = root
        self._migrated = migrated
        self._found: dict[Path, Archive] = {}
        self._checked: set[tuple[str, ...]] = set()

    def read(self, item: pytest.Item, markers: Sequence[tuple[Any, pytest.Mark]]) -> None:
        """Note at a test which archives it starts from.

        :param markers: with the nodes that carry them, that of the test first.
        :raises InvalidOptionError: if one of them cannot be used.
        """
        states: list[StartingState] = []
        named: list[Archive] = []
        for node, marker in reversed(markers):
            paths = read_marker((), marker.kwargs).archive
            found = [self._archive(item, path) for path in paths]
            new = [archive for archive in dict.fromkeys(found) if archive.digest not in {a.digest for a in named}]
            if new:
                named.extend(new)
                states.append(StartingState(node, tuple(new)))
        self._check_conflicts(named)
        item.stash[archives_key] = tuple(states)

    def _archive(self, item: pytest.Item, path: str) -> Archive:
        folders = (item.path.parent, self._root)
        candidates = [folder / path for folder in folders]
        target = next((candidate for candidate in candidates if candidate.exists()), None)
        call = f'@pytest.mark.aiida_temp(archive={path!r})'
        if target is None:
            where = ' and '.join(dict.fromkeys(str(candidate) for candidate in candidates))
            raise InvalidOptionError(
                f'{call}: there is no such file: looked for {where}. The path goes from the folder of the test file, '
                'or from the rootdir.'
            )
        if target not in self._found:
            try:
                self._found[target] = archives.read(target, self._migrated)
            except ArchiveError as exception:
                raise InvalidOptionError(f'{call}: {exception}') from None
        return self._found[target]

    def _check_conflicts(self, named: list[Archive]) -> None:
        key = tuple(archive.digest for archive in named)
        if key in self._checked:
            return
        try:
            archives.check_conflicts(named)
        except ArchiveError as exception:
            raise InvalidOptionError(f'@pytest.mark.aiida_temp(archive=...): {exception}') from None
        self._checked.add(key)


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
            archives.load(state.archives, profile.storage)  # which merges what is there already

    def _read(self, named: tuple[Archive, ...]) -> SqliteTempBackend:
        name = f'archive-{len(self._storages)}'
        profile = SqliteTempBackend.create_profile(name, '', filepath=self._folder / name)
        SqliteTempBackend.initialise(profile)
        storage = SqliteTempBackend(profile)
        archives.load(named, storage)
        return storage

    def close(self) -> None:
        """Free the memory and remove the files."""
        for storage in self._storages.values():
            storage.delete()
        self._storages.clear()
