"""What becomes of the rows that a query finds."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from aiida.storage.psql_dos.orm.querybuilder.main import get_corresponding_property, get_table_name
from aiida.storage.sqlite_zip import models
from aiida.storage.sqlite_zip.orm import SqliteQueryBuilder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .statements import Key


class RowQueryBuilder(SqliteQueryBuilder):
    """aiida-core's query builder for SQLite, except that it finds out once, not for each row, what rows become."""

    _backend: Any

    def iterdict(self, data: Any, batch_size: int | None) -> Iterable[dict[str, dict[str, Any]]]:
        """Return an iterator over all rows as dictionaries.

        :param batch_size: the number of rows to have in memory at a time.
        """
        with self.query_session(data) as build:
            keys = self._keys(build)
            statement = build.query.statement.execution_options(yield_per=batch_size)
            session = self.get_session()
            with nullcontext() if session.in_nested_transaction() else self._backend.transaction():
                for row in session.execute(statement):
                    yield self._dictionary(row, keys)

    def to_backend(self, res: Any) -> Any:
        """Return the backend entity for a row of a table, and any other value as it is."""
        if isinstance(res, models.SqliteBase):
            return self._backend.get_backend_entity(res)
        return str(res) if isinstance(res, uuid.UUID) else res

    def _dictionary(self, row: Sequence[Any], keys: tuple[Key, ...]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {tag: {} for tag, _, _ in keys}
        for tag, name, index in keys:
            found[tag][name] = self.to_backend(row[index])
        return found

    def _keys(self, build: Any) -> tuple[Key, ...]:
        """Return under which tag and name, and from where in a row, aiida-core puts what it finds in a dictionary."""
        return tuple(
            (tag, self._name(build.tag_to_alias[tag], name), index)
            for tag, projected in build.tag_to_projected.items()
            for name, index in projected.items()
        )

    def _name(self, alias: Any, name: str) -> str:
        found: str = get_corresponding_property(get_table_name(alias), name, self.inner_to_outer_schema)
        return found
