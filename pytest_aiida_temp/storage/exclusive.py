"""Transactions in which nobody else writes, and what is done about those who do."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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

    @contextmanager
    def transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Keep all others from writing, waiting until they have committed what they are about.

        :raises WriterBusyError: if they do not within ``BUSY_TIMEOUT``.
        """
        self._begin(connection)
        before = connection.total_changes
        try:
            yield
            # A commit has to wait for whoever reads, even if there is nothing to commit.
            connection.execute('COMMIT' if connection.total_changes > before else 'ROLLBACK')
        except BaseException:
            connection.execute('ROLLBACK')
            raise

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
