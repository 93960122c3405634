"""What each test asked of the storage: nodes, SQL statements, seconds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .profile import TempProfile

_NODES = re.compile(r'INSERT (?:OR \w+ )?INTO "?db_dbnode"?[ (]')


@dataclass
class Usage:
    """What one test asked for, its fixtures included and resets not.

    :param nodes: that were stored.
    :param statements: of SQL that were executed.
    :param seconds: in these, and in writing files.
    """

    nodes: int = 0
    statements: int = 0
    seconds: float = 0.0


class Durations:
    """What the tests of one run asked for.

    :param most: how many tests to list; 0 for all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._usages: dict[str, Usage] = {}
        self._usage = Usage()

    def begin(self, test: str) -> None:
        """Count for a test from here on, perhaps for another attempt of it."""
        self._usage = self._usages.setdefault(test, Usage())

    def end(self) -> None:
        """Count for no test until the next one begins."""
        self._usage = Usage()

    def watch(self, profile: TempProfile) -> None:
        """Count what is asked of the storage of a profile."""
        profile.storage.watchers.add(self._note)
        repository: Any = profile.storage.get_repository()
        repository.put_object_from_filelike = self._timed(repository.put_object_from_filelike)

    def _note(self, statement: str, rows: int, seconds: float) -> None:
        self._usage.statements += 1
        self._usage.seconds += seconds
        if _NODES.match(statement):
            self._usage.nodes += rows + statement.count('), (', statement.find(' VALUES '))

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._usage.seconds += time.perf_counter() - began

        return timed

    def as_rows(self) -> list[tuple[Any, ...]]:
        """Return what a worker of xdist tells the controller."""
        return [(test, *astuple(usage)) for test, usage in self._usages.items()]

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add what a worker of xdist told."""
        for test, nodes, statements, seconds in rows:
            usage = self._usages.setdefault(test, Usage())
            usage.nodes += nodes
            usage.statements += statements
            usage.seconds += seconds

    def lines(self) -> list[str]:
        """Return the table, the test with the most seconds first."""
        found = [(test, usage) for test, usage in self._usages.items() if usage.statements or usage.seconds]
        found.sort(key=lambda item: -item[1].seconds)
        shown = found[: self._most] if self._most else found
        return [
            f'{"seconds":>9} {"statements":>10} {"nodes":>7}  test',
            *(f'{usage.seconds:9.4f} {usage.statements:10} {usage.nodes:7}  {test}' for test, usage in shown),
        ]
