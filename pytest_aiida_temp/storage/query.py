"""The query builder of the storage.

aiida-core builds an SQL statement for each query anew, which takes longer than all else about most queries. This one
keeps the statements of queries that were asked before, with other values maybe (see :mod:`.shapes`), and binds the
values. Where it is not certain, it has aiida-core build as before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from aiida.common.log import AIIDA_LOGGER

from .rows import RowQueryBuilder
from .shapes import Shape, UncertainError, shape_of
from .statements import Key, Kind, Mark, Statement, compiled, make, statement_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Result
    from sqlalchemy.sql import Executable

    from .backend import SqliteTempBackend

LOGGER = AIIDA_LOGGER.getChild('storage.aiida_temp.query')
Found = TypeVar('Found')


class QueryMismatchError(AssertionError):
    """A kept statement gave other rows, or another error, than the one that aiida-core builds."""


class TempQueryBuilder(RowQueryBuilder):
    """aiida-core's query builder for SQLite, except that it keeps statements, and reads a result to its end at once.

    A cursor that is open for as long as the caller iterates would keep other threads from writing.
    """

    _backend: SqliteTempBackend

    def count(self, data: Any) -> int:
        """Return the number of rows."""
        found: int = self._ask(data, 'count', lambda result, _: result.scalar_one(), super().count)
        return found

    def first(self, data: Any) -> list[Any] | None:
        """Return the first row as a list, ``None`` if there is none."""
        found: list[Any] | None = self._ask(data, 'first', self._first, super().first)
        return found

    def iterall(self, data: Any, batch_size: int | None) -> Iterable[list[Any]]:  # noqa: ARG002
        """Return an iterator over all rows as lists; ``batch_size`` has no effect."""
        rows = self._ask(data, 'all', self._lists, self._lists_as_built)
        with self._transaction():
            yield from rows

    def iterdict(self, data: Any, batch_size: int | None) -> Iterable[dict[str, dict[str, Any]]]:  # noqa: ARG002
        """Return an iterator over all rows as dictionaries; ``batch_size`` has no effect."""
        rows = self._ask(data, 'dict', self._dictionaries, self._dictionaries_as_built)
        with self._transaction():
            yield from rows

    # From a result to what the caller gets

    def _first(self, result: Result[Any], _: Statement) -> list[Any] | None:
        row = result.first()
        return None if row is None else [self.to_backend(item) for item in row]

    def _lists(self, result: Result[Any], _: Statement | None = None) -> list[list[Any]]:
        return [[self.to_backend(item) for item in row] for row in result.all()]

    def _dictionaries(self, result: Result[Any], statement: Statement) -> list[dict[str, dict[str, Any]]]:
        return [self._dictionary(row, statement.keys) for row in result.all()]

    def _lists_as_built(self, data: Any) -> list[list[Any]]:
        with self.query_session(data) as build:
            return self._lists(self.get_session().execute(build.query.statement))

    def _dictionaries_as_built(self, data: Any) -> list[dict[str, dict[str, Any]]]:
        with self._backend.get_session().reading():
            return list(super().iterdict(data, None))

    def _transaction(self) -> AbstractContextManager[Any]:
        """Undo what the caller does with the rows if an exception ends the loop, as aiida-core does."""
        return nullcontext() if self._backend.in_transaction else self._backend.get_session().block(of_query=True)

    # From a query to a result

    def _ask(
        self,
        data: Any,
        kind: Kind,
        fetch: Callable[[Result[Any], Statement], Found],
        as_built: Callable[[Any], Found],
    ) -> Found:
        """Return what a query finds, by a kept statement or, where there is none, by one that aiida-core builds."""
        try:
            shape = shape_of(data if kind != 'first' else data | {'limit': None})  # it has a limit of its own
            statement = self._kept(shape, kind, data)
        except UncertainError:
            statement = None
        if statement is None:
            return as_built(data)

        def ask_kept() -> Found:
            parameters = statement.bind(shape.values)
            with self._closing_on_error():
                return fetch(statement.execute(self.get_session(), parameters), statement)

        return self._check(data, ask_kept, lambda: as_built(data)) if self._backend.checks_queries else ask_kept()

    def _check(self, data: Any, ask_kept: Callable[[], Found], ask_built: Callable[[], Found]) -> Found:
        """Ask both ways and return what was found.

        :raises QueryMismatchError: if that is not the same.
        """
        (found, error), (expected, expected_error) = _outcome(ask_kept), _outcome(ask_built)
        is_same = _told(error) == _told(expected_error) and comparable(found) == comparable(expected)
        self._backend.statements.note_check(is_same)
        if not is_same:
            raise QueryMismatchError(
                f'kept: {error or found!r}, built: {expected_error or expected!r}, query: {data!r}'
            )
        if expected_error:
            raise expected_error
        return expected  # type: ignore[return-value]

    def _kept(self, shape: Shape, kind: Kind, data: Any) -> Statement | None:
        statements = self._backend.statements
        key = kind, shape.key
        found = statements.look_up(key)
        if found is Mark.SEEN:
            found = self._make(shape, kind, data)
            statements.keep(key, found)
        return found if isinstance(found, Statement) else None

    def _make(self, shape: Shape, kind: Kind, data: Any) -> Statement | Mark:
        """Return the statement for a shape, if with values bound it is what aiida-core builds for them."""
        session = self.get_session()
        try:
            executable, keys = self._build_for(shape.query, kind)
            statement = make(executable, shape.stand_ins, session, keys)
            as_built = compiled(self._build_for(data, kind)[0], session)
            if statement.is_as(as_built, shape.values):
                return statement
            LOGGER.debug('not kept, as other values give another statement: %s and %s', statement.sql, as_built)
        except Exception as exception:
            # Whatever it is, the user is to see the error of the query as it was asked, if that has one.
            LOGGER.debug('not kept: %s: %s', type(exception).__name__, exception)
        return Mark.NEVER

    def _build_for(self, query: Any, kind: Kind) -> tuple[Executable, tuple[Key, ...]]:
        build = self._build(query)
        keys = self._keys(build) if kind == 'dict' else ()
        return statement_of(build.query, kind), keys

    @contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        """Close the session on an exception, as aiida-core's ``query_session`` does."""
        try:
            yield
        except Exception:
            self.get_session().close()
            raise


def _outcome(ask: Callable[[], Found]) -> tuple[Found | None, Exception | None]:
    try:
        return ask(), None
    except Exception as exception:
        return None, exception


def _told(error: Exception | None) -> tuple[type, str]:
    """Return what an error says, less the statement that SQLAlchemy adds: a ``count`` is put in other words."""
    return type(error), str(getattr(error, 'orig', error))


@functools.singledispatch
def comparable(found: Any) -> Any:
    """Return what was found with the models in the place of the entities, of which there is a new one each time."""
    return getattr(found, 'bare_model', found)


@comparable.register(list)
def _(found: list[Any]) -> Any:
    return [comparable(each) for each in found]


@comparable.register(dict)
def _(found: dict[Any, Any]) -> Any:
    return {key: comparable(each) for key, each in found.items()}
