"""The archives that markers name, found and checked at collection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ..options import InvalidOptionError, read_marker
from ..scopes import archives_key
from .conflicts import check_conflicts
from .error import ArchiveError
from .files import Archive, read
from .state import StartingState


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
                self._found[target] = read(target, self._migrated)
            except ArchiveError as exception:
                raise InvalidOptionError(f'{call}: {exception}') from None
        return self._found[target]

    def _check_conflicts(self, named: list[Archive]) -> None:
        key = tuple(archive.digest for archive in named)
        if key in self._checked:
            return
        try:
            check_conflicts(named)
        except ArchiveError as exception:
            raise InvalidOptionError(f'@pytest.mark.aiida_temp(archive=...): {exception}') from None
        self._checked.add(key)
