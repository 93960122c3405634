"""The folders of tests inside the one that the user has named.

Several processes write there at once, and the user may keep other things in it. So a folder is filled under another
name and then moved into its place, and a hidden file in it says whose it is and which files were put there.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from uuid import uuid4

ENTRY = '.aiida-temp.json'
INCOMING = '.aiida-temp-incoming-'
REPORT = 'report.txt'
MOST_CHARACTERS = 100
LEFT_BEHIND = 24 * 3600
"""Seconds after which a folder that was never placed is that of a run which was killed."""

_IN_THE_WAY = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
_UNSAFE = re.compile(r'[^A-Za-z0-9_.\[\]=+-]+')


@dataclass
class Entry:
    """What is known of one folder.

    :param run: identifies the run of pytest in which it was written.
    :param outcome: as pytest names it; ``rerun`` for an attempt after which there was another one.
    :param files: relative paths of what was put there.
    """

    test: str
    run: str
    attempt: int = 1
    outcome: str = ''
    phase: str = ''
    error: str = ''
    counts: str = ''
    notes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write it into its folder."""
        (folder / ENTRY).write_text(json.dumps(asdict(self), indent=1), encoding='utf-8')

    @classmethod
    def read(cls, folder: Path, name: str = ENTRY) -> Entry | None:
        """Return the entry of a folder, ``None`` if it is not one of ours."""
        if folder.is_symlink():
            return None
        try:
            return cls(**json.loads((folder / name).read_text(encoding='utf-8')))
        except (OSError, ValueError, TypeError):
            return None


def safe_name(test: str, attempt: int = 1) -> str:
    """Return a name for the folder of a test, different for different tests also where case does not count."""
    digest = hashlib.sha256(test.encode('utf-8', 'surrogatepass')).hexdigest()[:8]
    readable = _UNSAFE.sub('-', test.replace('::', '--')).strip('.-')[:MOST_CHARACTERS]
    suffix = f'-attempt-{attempt}' if attempt > 1 else ''
    return f'{readable or "test"}-{digest}{suffix}'


def make_incoming(root: Path, run: str) -> Path:
    """Return a new folder to be filled."""
    folder = _unused(root, run)
    folder.mkdir(parents=True)
    return folder


def place(incoming: Path, entry: Entry) -> Path:
    """Move a folder that is filled into its place, and return that.

    What an earlier run wrote there is replaced. If anything else is there, the folder gets a number.
    """
    entry.files = _files(incoming)
    entry.write(incoming)
    name = safe_name(entry.test, entry.attempt)
    for number in count(1):
        target = incoming.parent / (name if number == 1 else f'{name}-{number}')
        earlier = Entry.read(target)
        if earlier is not None and earlier.run != entry.run:
            _make_room(target, entry.run)
        try:
            os.rename(incoming, target)
        except OSError as exception:
            # What was in the way may have gone in the meantime.
            if exception.errno not in _IN_THE_WAY and not os.path.lexists(target):
                raise
        else:
            return target
    raise AssertionError('not reached')


def _make_room(target: Path, run: str) -> None:
    """Remove a folder of an earlier run, unless another process of this one has just put its own there.

    Whose it is stands in its entry, so a process that removes it takes that first, under another name: nobody else can
    take it then, and the folder itself stays where it is.
    """
    taken = target / f'{ENTRY}.{uuid4().hex}'
    try:
        os.rename(target / ENTRY, taken)
    except FileNotFoundError:
        return
    entry = Entry.read(target, taken.name)
    if entry is not None and entry.run != run:
        _empty(target, [*entry.files, taken.name])
    else:
        os.rename(taken, target / ENTRY)


def remove(folder: Path) -> None:
    """Remove what was written into a folder, and the folder itself if nothing else is in it."""
    entry = Entry.read(folder)
    if entry is not None:
        _empty(folder, [*entry.files, ENTRY])


def _empty(folder: Path, files: list[str]) -> None:
    for name in files:
        (folder / name).unlink(missing_ok=True)
    inside = (path for path in folder.rglob('*') if path.is_dir() and not path.is_symlink())
    for path in [*sorted(inside, reverse=True), folder]:
        with suppress(OSError):  # there is something in it
            path.rmdir()


def entries(root: Path) -> Iterator[tuple[Path, Entry]]:
    """Yield the folders of tests, with what is known of them."""
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        entry = Entry.read(folder) if not folder.name.startswith(INCOMING) else None
        if entry is not None:
            yield folder, entry


def discard(incoming: Path) -> None:
    """Remove a folder that was not placed."""
    shutil.rmtree(incoming, ignore_errors=True)


def discard_all(root: Path, run: str) -> None:
    """Remove the folders that were not placed by a run, or by one that was killed."""
    for folder in root.glob(f'{INCOMING}*'):
        if folder.name.startswith(f'{INCOMING}{run}') or time.time() - folder.stat().st_mtime > LEFT_BEHIND:
            discard(folder)


def _unused(root: Path, run: str) -> Path:
    return root / f'{INCOMING}{run}-{uuid4().hex}'


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*') if not path.is_dir())
