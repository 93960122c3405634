"""The SQL statements of a database, told to whoever watches.

While nobody does, nothing listens.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

Watcher = Callable[[str, int, float], None]
"""Called with each statement when it has been executed, the number of rows it was executed for, and its seconds."""

_BEGAN = 'aiida_temp_began'
_NOT_TOLD = ('SAVEPOINT ', 'RELEASE ', 'ROLLBACK ', 'PRAGMA ')
_NOTHING = 'SELECT 1'
"""What stands for a savepoint that did not have to begin."""


class Watchers:
    """Those who watch one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._watchers: list[Watcher] = []

    def __bool__(self) -> bool:
        return bool(self._watchers)

    def add(self, watcher: Watcher) -> None:
        """Tell a watcher of the statements of all threads from here on."""
        self._watchers.append(watcher)
        if len(self._watchers) == 1:
            event.listen(self._engine, 'before_cursor_execute', self._before)
            event.listen(self._engine, 'after_cursor_execute', self._after)

    def remove(self, watcher: Watcher) -> None:
        """Tell a watcher no more."""
        self._watchers.remove(watcher)
        if not self._watchers:
            event.remove(self._engine, 'before_cursor_execute', self._before)
            event.remove(self._engine, 'after_cursor_execute', self._after)

    def tell(self, statement: str, rows: int, seconds: float) -> None:
        """Tell of a statement."""
        for watcher in list(self._watchers):
            watcher(statement, rows, seconds)

    @staticmethod
    def _before(connection: Connection, *_: Any) -> None:
        connection.info[_BEGAN] = time.perf_counter()

    def _after(self, connection: Connection, *execution: Any) -> None:
        _, statement, parameters, _, is_of_many = execution
        seconds = time.perf_counter() - connection.info.pop(_BEGAN, time.perf_counter())
        if statement != _NOTHING and not statement.startswith(_NOT_TOLD):
            self.tell(statement, len(parameters) if is_of_many else 1, seconds)
