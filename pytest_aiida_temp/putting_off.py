"""Put off what takes the storage away, while a debugger is to show it.

pytest opens the debugger over a failed tear-down when all that ends with the test was torn down: with the last test of
a module the module, with the last of a run the session. What that would do to the storage waits for the debugger.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack


class PutOff:
    """Does things at once, or when a debugger has been closed."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], object]] | None = None

    def begin(self) -> None:
        """Let what comes from now on wait."""
        if self._waiting is None:
            self._waiting = []

    def do(self, action: Callable[[], object]) -> None:
        """Do something now, unless it has to wait."""
        if self._waiting is None:
            action()
        else:
            self._waiting.append(action)

    def finish(self) -> None:
        """Do all that waits, in its order, the rest also where one fails."""
        waiting, self._waiting = self._waiting, None
        with ExitStack() as doing:
            for action in reversed(waiting or []):
                doing.callback(action)
