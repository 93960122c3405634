"""Archive files: what can be read, and what an older version is migrated to."""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from aiida.common.exceptions import AiidaException
from aiida.storage.sqlite_zip.migrator import migrate
from aiida.storage.sqlite_zip.utils import DB_FILENAME, read_version

from ..environment import installed_aiida_version
from .error import ArchiveError
from .format import latest_version, versions
from .silence import quiet

_FILE_HEADER = b'SQLite format 3\0'
_UNSUPPORTED = ('0.1', '0.2', '0.3')


@dataclass(frozen=True)
class Archive:
    """An archive that can be imported.

    :param path: the one that was asked for.
    :param file: the same archive in the latest version.
    :param digest: the sha256 of its content.
    """

    path: Path
    file: Path
    digest: str


def read(path: Path, migrated: Path) -> Archive:
    """Return an archive that can be imported, migrated if it is an old one.

    :param migrated: the folder where migrated archives are kept by the sha256 of their content.
    :raises ArchiveError: if there is none, or it cannot be read.
    """
    found = _version(path)
    digest = _digest(path)
    head = latest_version()
    file = path if found == head else migrated / f'{digest}-{head}.aiida'
    if not file.exists():
        _migrate(path, file, found)
    _check_database(path, file)
    return Archive(path, file, digest)


def _version(path: Path) -> str:
    if not path.is_file():
        what = 'is a folder' if path.is_dir() else 'does not exist'
        raise ArchiveError(f'{path} {what}: give the path of an archive that `verdi archive create` has made.')
    try:
        found: str = read_version(path)
    except (AiidaException, OSError) as exception:
        raise ArchiveError(
            f'{path} is not an AiiDA archive: {exception}. Make one with `verdi archive create`.'
        ) from exception
    if found in _UNSUPPORTED:
        raise ArchiveError(
            f'{path} has version {found} of the archive format, which aiida-core 2 cannot migrate: do that with '
            'aiida-core 1, or make the archive anew.'
        )
    if found not in versions():
        raise ArchiveError(
            f'{path} has version {found} of the archive format, which aiida-core {installed_aiida_version()} does not '
            f'know; its latest is {latest_version()}. Install a newer aiida-core, or make the archive anew '
            'with this one.'
        )
    return found


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open('rb') as file:
        for chunk in iter(lambda: file.read(1024 * 1024), b''):
            digest.update(chunk)
    return digest.hexdigest()


def _migrate(path: Path, file: Path, found: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    incoming = file.with_name(f'.{uuid4().hex}.aiida')  # as another process may be at it, or this one be killed
    try:
        with quiet():
            migrate(path, incoming, latest_version())
        os.replace(incoming, file)
    except Exception as exception:  # of whatever kind the content leads to
        raise ArchiveError(
            f'{path} cannot be migrated from version {found} of the archive format to {latest_version()}: '
            f'{exception}. See what `verdi archive migrate` says, or make the archive anew.'
        ) from exception
    finally:
        incoming.unlink(missing_ok=True)


def _check_database(path: Path, file: Path) -> None:
    try:
        with zipfile.ZipFile(file) as content, content.open(DB_FILENAME) as database:
            is_database = database.read(len(_FILE_HEADER)) == _FILE_HEADER
    except (KeyError, OSError, zipfile.BadZipFile):
        is_database = False
    if not is_database:
        raise ArchiveError(f'{path} is not an AiiDA archive: it has no database. Make it anew.')
