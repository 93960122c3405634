"""The query builder of the storage."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from aiida.storage.sqlite_zip import models
from aiida.storage.sqlite_zip.orm import SqliteQueryBuilder

if TYPE_CHECKING:
    from .backend import SqliteTempBackend


class TempQueryBuilder(SqliteQueryBuilder):
    """aiida-core's query builder for SQLite, except that a result is read to its end before the first row is given.

    A cursor that is open for as long as the caller iterates would keep other threads from writing.
    """

    _backend: SqliteTempBackend

    def iterall(self, data: Any, batch_size: int | None) -> Iterable[list[Any]]:  # noqa: ARG002
        """Return an iterator over all rows as lists; ``batch_size`` has no effect."""
        with self.query_session(data) as build:
            rows = self.get_session().execute(build.query.statement).all()
            with self._transaction():
                for row in rows:
                    yield [self.to_backend(item) for item in row]

    def iterdict(self, data: Any, batch_size: int | None) -> Iterable[dict[str, dict[str, Any]]]:  # noqa: ARG002
        """Return an iterator over all rows as dictionaries; ``batch_size`` has no effect."""
        with self._backend.get_session().reading():
            rows = list(super().iterdict(data, None))
        with self._transaction():
            yield from rows

    def to_backend(self, res: Any) -> Any:
        """Return the backend entity for a row of a table, and any other value as it is."""
        if isinstance(res, models.SqliteBase):
            return self._backend.get_backend_entity(res)
        return str(res) if isinstance(res, uuid.UUID) else res

    def _transaction(self) -> AbstractContextManager[Any]:
        """Undo what the caller does with the rows if an exception ends the loop, as aiida-core does."""
        return nullcontext() if self._backend.in_transaction else self._backend.get_session().block(of_query=True)
