"""Transactions in which nobody else writes, and what is done about those who do."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

BUSY_TIMEOUT = 10.0
"""Seconds to wait for another thread's transaction."""

PATIENCE = 1.0
"""Seconds to wait for it before it is broken off."""


class WriterBusyError(sqlite3.OperationalError):
    """Another connection kept a transaction open in which it had written."""


class Exclusive:
    """Transactions that keep all other connections from writing.

    :param when_busy: called once when another connection is writing, before that is waited for.
    :param when_stuck: called once when it goes on for longer than ``PATIENCE``.
    """

    def __init__(self, when_busy: Callable[[], None], when_stuck: Callable[[], None]) -> None:
        self._when_busy = when_busy
        self._when_stuck = when_stuck

    def transaction(self, connection: sqlite3.Connection) -> ExclusiveTransaction:
        """Return a context manager that keeps all others from writing.

        It waits until they have committed what they are about, and raises :class:`WriterBusyError` if they do not
        within ``BUSY_TIMEOUT``.
        """
        return ExclusiveTransaction(connection, self._begin)

    def _begin(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute('BEGIN IMMEDIATE')
            return
        except sqlite3.OperationalError as exception:
            if 'locked' not in str(exception):
                raise
        self._when_busy()
        began, stuck = time.monotonic(), False
        while True:
            try:
                connection.execute('BEGIN IMMEDIATE')
                return
            except sqlite3.OperationalError as exception:
                waited = time.monotonic() - began
                if waited > BUSY_TIMEOUT:
                    raise WriterBusyError(str(exception)) from exception
                if waited > PATIENCE and not stuck:
                    stuck = True
                    self._when_stuck()
                time.sleep(0.001)


class ExclusiveTransaction:
    """A transaction of one connection, which is rolled back if its body fails.

    :param begin: begins it.
    """

    def __init__(self, connection: sqlite3.Connection, begin: Callable[[sqlite3.Connection], None]) -> None:
        self._connection = connection
        self._begin = begin

    def __enter__(self) -> None:
        self._begin(self._connection)
        self._changes_before = self._connection.total_changes

    def __exit__(self, error: object, *_: object) -> None:
        # A commit has to wait for whoever reads, even if there is nothing to commit.
        if error is not None or self._connection.total_changes == self._changes_before:
            self._connection.execute('ROLLBACK')
            return
        try:
            self._connection.execute('COMMIT')
        except BaseException:
            self._connection.execute('ROLLBACK')
            raise
