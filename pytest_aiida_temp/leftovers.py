"""What a test leaves behind that a reset cannot undo, or should not have to."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import thread as pools
from typing import TYPE_CHECKING

from aiida.manage import get_manager

if TYPE_CHECKING:
    from .profile import TempProfile

_PREFIX = 'AIIDA'
_PATIENCE = 0.1
"""Seconds in which a thread may still come to its end."""


class Leftovers:
    """The state of the process when a test begins, to be compared with that when it has ended."""

    def __init__(self, profile: TempProfile) -> None:
        self._profile = profile
        self._threads = profile.storage.threads()
        self._variables = _variables()
        self.serious: list[str] = []
        """What deserves a warning in any case."""

    def find(self) -> list[str]:
        """Return a description of each thing that was left behind."""
        self.serious = [*self._transactions(), *self._new_threads()]
        return [*self.serious, *self._changed_variables(), *self._other_profile()]

    def _transactions(self) -> list[str]:
        if not self._profile.is_loaded or not self._profile.storage.get_session().in_block:
            return []
        return ['an open transaction of the storage, which was rolled back: leave `with storage.transaction():`.']

    def _new_threads(self) -> list[str]:
        threads = self._profile.storage.threads() if self._profile.is_loaded else []
        return [
            f'the thread {thread.name!r}, which still runs and has a session of the storage: join it. What it stores '
            'from now on is undone with a later test.'
            for thread in threads
            if thread not in self._threads and _goes_on(thread)
        ]

    def _changed_variables(self) -> list[str]:
        now = _variables()
        names = sorted(name for name in {*now, *self._variables} if now.get(name) != self._variables.get(name))
        return [
            f'the environment variable {name}={now.get(name)!r}, which was {self._variables.get(name)!r}: use the '
            'fixture `monkeypatch`.'
            for name in names
        ]

    def _other_profile(self) -> list[str]:
        if self._profile.is_loaded:
            return []
        loaded = get_manager().get_profile()
        name = loaded and loaded.name
        return [f'the loaded profile {name!r} in place of {self._profile.name!r}: use `profile_context`.']


def _variables() -> dict[str, str]:
    return {name: os.environ[name] for name in os.environ if name.startswith(_PREFIX)}


def _goes_on(thread: threading.Thread) -> bool:
    """Return whether a thread neither ends at once nor waits for work, as one of a pool does that outlives the test."""
    deadline = time.monotonic() + _PATIENCE
    while thread.is_alive() and not _is_idle(thread):
        if time.monotonic() > deadline:
            return True
        thread.join(0.001)
    return False


def _is_idle(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code is pools._worker.__code__
