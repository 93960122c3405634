"""The query builder of the storage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aiida.storage.sqlite_zip.orm import SqliteQueryBuilder

if TYPE_CHECKING:
    from .backend import SqliteTempBackend


class TempQueryBuilder(SqliteQueryBuilder):
    """aiida-core's query builder for SQLite, except that a result is read to its end before the first row is given.

    aiida-core keeps a transaction and a cursor open for as long as the caller iterates. Here that would lock other
    threads out, and a loop that is left early would undo what its body had changed.
    """

    _backend: SqliteTempBackend

    def iterall(self, data: Any, batch_size: int | None) -> Iterable[list[Any]]:  # noqa: ARG002
        """Return an iterator over all rows as lists; ``batch_size`` has no effect."""
        with self._backend.get_session().reading():
            rows = list(super().iterall(data, None))
        yield from rows

    def iterdict(self, data: Any, batch_size: int | None) -> Iterable[dict[str, dict[str, Any]]]:  # noqa: ARG002
        """Return an iterator over all rows as dictionaries; ``batch_size`` has no effect."""
        with self._backend.get_session().reading():
            rows = list(super().iterdict(data, None))
        yield from rows
