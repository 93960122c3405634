"""What the run prints about itself."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from .isolation import isolation_of

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from .isolation import Isolation

began = pytest.StashKey[float]()
_KEY = 'aiida_temp_resets'
_DURATIONS_KEY = 'aiida_temp_durations'
_CHECKS_KEY = 'aiida_temp_query_checks'


def header(config: pytest.Config) -> list[str]:
    """Return the lines for the header of a run that uses the profile as a whole."""
    isolation = isolation_of(config)
    if not isolation.settings.enabled:
        return []
    import sqlite3

    line = (
        f'aiida-temp: aiida-core {version("aiida-core")}, SQLite {sqlite3.sqlite_version}, '
        f'reset after each {isolation.settings.reset}'
    )
    profile = isolation.profile
    if config.getoption('verbose') < 1 or profile is None:
        return [line]
    return [line, f'aiida-temp: files in {profile.storage_config["filepath"]}']


def lines(config: pytest.Config) -> list[str]:
    """Return the lines for the end of a run, none if there was no reset and no query was asked in two ways."""
    resets, checks = isolation_of(config).resets, isolation_of(config).query_checks
    checked = [] if checks is None else [f'aiida-temp: {checks}']
    if not resets.count or config.getoption('verbose') < 0:
        return checked
    share = resets.seconds / max(time.perf_counter() - config.stash[began], 1e-9)
    plural = '' if resets.count == 1 else 's'
    return [*checked, f'aiida-temp: {resets.count} reset{plural} in {resets.seconds:.3f} s, {share:.1%} of the run']


def send(config: pytest.Config) -> None:
    """Put the figures where xdist takes what a worker tells the controller."""
    output: dict[str, Any] | None = getattr(config, 'workeroutput', None)
    resets = isolation_of(config).resets
    if output is None:
        return
    durations = isolation_of(config).durations
    if durations is not None:
        output[_DURATIONS_KEY] = durations.as_rows()
    checks = isolation_of(config).query_checks
    if checks is not None:
        output[_CHECKS_KEY] = checks.asked, checks.different
    output[_KEY] = {'count': resets.count, 'seconds': resets.seconds}


def receive(config: pytest.Config, output: dict[str, Any]) -> None:
    """Add the figures of a worker to those of the run."""
    figures = output.get(_KEY)
    if figures:
        resets = isolation_of(config).resets
        resets.count += figures['count']
        resets.seconds += figures['seconds']
    durations = isolation_of(config).durations
    if durations is not None:
        durations.add(output.get(_DURATIONS_KEY, []))
    checks = isolation_of(config).query_checks
    if checks is not None:
        checks.add(*output.get(_CHECKS_KEY, (0, 0)))


def write_durations(reporter: TerminalReporter, config: pytest.Config) -> None:
    """Print what tests asked of the storage, where that was asked for."""
    durations = isolation_of(config).durations
    if durations is not None:
        reporter.section('tests by time in storage')
        for line in durations.lines():
            reporter.write_line(line)


def explain(isolation: Isolation, item: pytest.Item, error: BaseException, report: pytest.TestReport) -> None:
    """Add a section to a report whose failure is about a node of an earlier test."""
    if isolation.history is None:
        return
    from .history import SECTION

    explanation = isolation.history.explain(item.nodeid, _within(error), isolation.profiles.has_deleted)
    if explanation:
        report.sections.append((SECTION, explanation))


def _within(error: BaseException) -> BaseException:
    """Return what a doctest ran into, which is wrapped; any other exception as it is."""
    inner = getattr(error, 'failures', [error])[0]  # of pytest, with --doctest-continue-on-failure
    inner = getattr(inner, 'exc_info', (None, inner))[1]  # of the standard library
    return inner if isinstance(inner, BaseException) else error
