"""A plugin that records a run of pytest for a comparison: outcomes, errors, seconds.

One line of JSON for each thing that happens goes to the file that the environment variable names.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..isolation import isolation_of
from ..takeover.served import is_of_aiida

if TYPE_CHECKING:
    from _pytest.fixtures import FixtureDef

VARIABLE = 'PYTEST_AIIDA_TEMP_RECORD'
_PARTS = ('config', 'profile', 'postgres', 'clear_database', 'instance', 'broker')
"""Parts of the names of those of aiida-core's fixtures that make or empty profiles."""


class Stopwatch:
    """The seconds spent in making and emptying profiles, what is nested counted once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the seconds of the body."""
        began = time.perf_counter()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self.seconds += time.perf_counter() - began

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose seconds are counted."""

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self.running():
                return function(*args, **kwargs)

        return wrapper


class Recorder:
    """What is recorded in one process: by a worker of xdist seconds only, which it adds to its reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._stopwatch = Stopwatch()
        self._timed: set[type] = set()
        self._told = 0.0

    def _write(self, **what: Any) -> None:
        if not hasattr(self._config, 'workerinput'):
            with Path(os.environ[VARIABLE]).open('a', encoding='utf-8') as file:
                file.write(f'{json.dumps(what)}\n')

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Record how many tests there are."""
        self._write(collected=len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Record how many tests the workers have found."""
        self._write(collected=len(ids))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record what could not be imported."""
        if report.failed:
            self._write(test=report.nodeid or '(collection)', phase='collection', outcome='error', error=_error(report))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: FixtureDef[Any]) -> Generator[None]:
        """Count the seconds of aiida-core's fixtures that make or empty profiles."""
        function = fixturedef.func
        name = getattr(function, '__name__', '')
        if is_of_aiida(function) and any(part in name for part in _PARTS):
            with self._stopwatch.running():
                yield
        else:
            yield
        self._time_storage()

    def _time_storage(self) -> None:
        """Count the seconds of emptying the loaded storage in another way than by aiida-core's fixtures."""
        manager = getattr(sys.modules.get('aiida.manage.manager'), 'MANAGER', None)
        storage: Any = type(getattr(manager, '_profile_storage', None))
        if storage not in self._timed and hasattr(storage, '_clear'):
            self._timed.add(storage)
            storage._clear = self._stopwatch.timed(storage._clear)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, None]:
        """Add to a report the seconds since the one before it."""
        report = (yield).get_result()
        isolation = isolation_of(self._config)
        now = self._stopwatch.seconds + isolation.resets.seconds + isolation.profiles.seconds
        report.aiida_temp_seconds = now - self._told
        self._told = now

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Record one phase of a test."""
        if report.outcome == 'rerun':
            return
        self._write(
            test=report.nodeid,
            phase=report.when,
            outcome=_outcome(report),
            error=_error(report),
            seconds=getattr(report, 'aiida_temp_seconds', 0.0),
        )


def _outcome(report: Any) -> str:
    if hasattr(report, 'wasxfail'):
        return 'xfailed' if report.skipped else 'xpassed'
    if report.failed:
        return 'failed' if report.when == 'call' else 'error'
    return str(report.outcome)


def _error(report: Any) -> str:
    """Return the first line of what a report says is wrong."""
    if report.passed:
        return ''
    if isinstance(report.longrepr, tuple):
        text = str(report.longrepr[2])
    else:
        crash = getattr(report.longrepr, 'reprcrash', None)
        text = crash.message if crash else _marked_line(str(report.longrepr or '').strip())
    return text.partition('\n')[0]


def _marked_line(text: str) -> str:
    """Return the first line that pytest marks as an error, or else all lines."""
    return next((line[1:].strip() for line in text.splitlines() if line.startswith('E ')), text)


def pytest_configure(config: pytest.Config) -> None:
    """Record, where a comparison asks for it."""
    if VARIABLE in os.environ:
        config.pluginmanager.register(Recorder(config), 'aiida_temp_recorder')
