"""Archives that have other content for the same entity."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from aiida.storage.sqlite_zip.utils import DB_FILENAME

from .error import ArchiveError

if TYPE_CHECKING:
    from .files import Archive

_COMPARED = ('db_dbcomputer', 'db_dbnode', 'db_dbgroup', 'db_dbcomment', 'db_dblog')
_NOT_COMPARED = {'id', 'ctime', 'mtime', 'time'}


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
