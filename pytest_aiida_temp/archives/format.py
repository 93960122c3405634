"""AiiDA's format of archives, read in less time: as aiida-core reads it, but for what it does again for each row."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from aiida.storage.sqlite_zip import migrator
from aiida.storage.sqlite_zip.backend import SqliteZipBackend
from aiida.tools.archive.implementations.sqlite_zip.main import ArchiveFormatSqlZip
from aiida.tools.archive.implementations.sqlite_zip.reader import ArchiveReaderSqlZip

from ..storage.rows import RowQueryBuilder


@functools.cache
def versions() -> list[str]:
    """Return the versions that can be read or migrated, the latest last; aiida-core reads them from files each time."""
    return list(migrator.list_versions())


@functools.cache
def latest_version() -> str:
    """Return the version of an archive that is made now."""
    return str(migrator.get_schema_version_head())


class _Backend(SqliteZipBackend):
    def query(self) -> RowQueryBuilder:
        return RowQueryBuilder(self)


class _Reader(ArchiveReaderSqlZip):
    _backend: SqliteZipBackend | None

    def get_backend(self) -> SqliteZipBackend:
        if self._in_context and self._backend is None:
            self._backend = _Backend(_Backend.create_profile(self.path))
        return super().get_backend()


class ArchiveFormat(ArchiveFormatSqlZip):
    """The format, for imports."""

    @property
    def latest_version(self) -> str:
        """The version of an archive that is made now."""
        return latest_version()

    def open(self, path: str | Path, mode: Any = 'r', *, compression: int = 6, **kwargs: Any) -> Any:
        """Return a reader, or what aiida-core has for writing."""
        if mode == 'r':
            return _Reader(path, **kwargs)
        return super().open(path, mode, compression=compression, **kwargs)
