"""AiiDA's archives: what can be read, what an older version is migrated to, what goes in and out of a profile."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiida.common.exceptions import AiidaException
from aiida.common.progress_reporter import get_progress_reporter, set_progress_reporter
from aiida.orm import Computer, Group, Node, User
from aiida.storage.sqlite_zip.migrator import migrate
from aiida.storage.sqlite_zip.utils import DB_FILENAME, read_version
from aiida.tools.archive import create_archive, import_archive

from .archive_format import ArchiveFormat, latest_version, versions
from .environment import installed_aiida_version

if TYPE_CHECKING:
    from aiida.orm.implementation import StorageBackend

_LOGGERS = ('aiida.export', 'aiida.storage.migrate', 'alembic')
_KEEP_EXISTING: tuple[Any, ...] = ('k', 'c', 'l')  # extras, as `verdi archive import` merges them
_FILE_HEADER = b'SQLite format 3\0'
_COMPARED = ('db_dbcomputer', 'db_dbnode', 'db_dbgroup', 'db_dbcomment', 'db_dblog')
_NOT_COMPARED = {'id', 'ctime', 'mtime', 'time'}
_ENTITIES = (Node, Group, Computer, User)
_UNSUPPORTED = ('0.1', '0.2', '0.3')


class ArchiveError(ValueError):
    """An archive that cannot be used, or written; the message says what to do."""


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


def check_conflicts(archives: Sequence[Archive]) -> None:
    """Refuse archives of which two have other content for the same node, computer, group, comment or log.

    Which of them a test would start from would depend on their order. Users are the same where their email is. Two
    computers of the same label are no conflict: one of them gets another label, as in any import.

    :raises ArchiveError: with the first entity that differs.
    """
    if len(archives) < 2:
        return
    with TemporaryDirectory(prefix='aiida-temp-') as folder, ExitStack() as stack:
        databases = []
        for number, archive in enumerate(archives):
            with zipfile.ZipFile(archive.file) as content:
                extracted = content.extract(DB_FILENAME, Path(folder) / str(number))
            connection = stack.enter_context(closing(sqlite3.connect(extracted)))
            connection.row_factory = sqlite3.Row
            databases.append(connection)
        for number, (archive, database) in enumerate(zip(archives, databases, strict=True)):
            for other, other_database in zip(archives[:number], databases[:number], strict=True):
                _check_two(other, other_database, archive, database)


def _check_two(first: Archive, one: sqlite3.Connection, second: Archive, other: sqlite3.Connection) -> None:
    for table in _COMPARED:
        rows = {row['uuid']: row for row in one.execute(f'SELECT * FROM {table}')}
        for row in other.execute(f'SELECT * FROM {table}'):
            different = _different(rows[row['uuid']], row) if row['uuid'] in rows else []
            if different:
                raise ArchiveError(
                    f'{first.path} and {second.path} conflict: the {table.removeprefix("db_db")} with uuid '
                    f'{row["uuid"]} has another {" and ".join(different)} in each. Export both again from one profile, '
                    'or use one of them and read the other one with `profile.load_archive()`, which keeps what is '
                    'there.'
                )


def _different(one: sqlite3.Row, other: sqlite3.Row) -> list[str]:
    """Return the columns that differ, of those whose value is not particular to one database."""
    names = [name for name in one.keys() if name not in _NOT_COMPARED and not name.endswith('_id')]  # noqa: SIM118
    return [name for name in names if one[name] != other[name] and _parsed(one[name]) != _parsed(other[name])]


def _parsed(value: Any) -> Any:
    """Return what JSON stands for, without what AiiDA itself notes in extras, and any other value as it is."""
    try:
        parsed = json.loads(value)
    except (TypeError, ValueError):
        return value
    if isinstance(parsed, dict):
        return {key: inner for key, inner in parsed.items() if not key.startswith('_aiida')}
    return parsed


def load(archives: Iterable[Archive], storage: StorageBackend) -> None:
    """Import archives into a storage as ``verdi archive import`` does, without a group of what was imported."""
    with quiet():
        for archive in archives:
            import_archive(
                archive.file,
                archive_format=ArchiveFormat(),
                backend=storage,
                create_group=False,
                merge_extras=_KEEP_EXISTING,
            )


def export(path: Path, entities: Iterable[Any] | None, storage: StorageBackend) -> Path:
    """Write an archive as ``verdi archive create`` does.

    :param entities: nodes, groups, computers and users; ``None`` for all there are.
    :raises ArchiveError: if there is a file already, or no folder for it, or an entity is not in the storage.
    """
    chosen = None if entities is None else _checked(entities, storage)
    if path.exists():
        raise ArchiveError(f'{path} exists already: remove it, or choose another path.')
    if not path.parent.is_dir():
        raise ArchiveError(f'{path} cannot be written: there is no folder {path.parent}.')
    with quiet():
        written: Path = create_archive(chosen, path, backend=storage)
    return written


def _checked(entities: Iterable[Any], storage: StorageBackend) -> list[Any]:
    """Refuse what aiida-core would leave out without a word, or take for the entity of the same primary key."""
    if isinstance(entities, _ENTITIES) or not isinstance(entities, Iterable):
        raise ArchiveError(f'entities={entities!r}: give a list of nodes, groups, computers and users.')
    chosen = list(entities)
    for entity in chosen:
        if not isinstance(entity, _ENTITIES):
            raise ArchiveError(f'{entity!r} cannot be exported: give nodes, groups, computers and users.')
        if entity.backend.profile.uuid != storage.profile.uuid:  # may be closed, and not to be read
            raise ArchiveError(
                f'a {type(entity).__name__} in `entities` is not in the profile {storage.profile.name!r}, but in '
                f'{entity.backend.profile.name!r}: export it from there.'
            )
        if not entity.is_stored:
            raise ArchiveError(f'{entity!r} cannot be exported, as it is not stored: call its `store()` first.')
    return chosen


@contextmanager
def quiet() -> Iterator[None]:
    """Keep AiiDA from reporting each step of an import, export or migration."""
    reporter = get_progress_reporter()
    set_progress_reporter(None)
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in levels:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield
    finally:
        set_progress_reporter(reporter)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
