"""A suite run twice, on its own fixtures and with ``--aiida-temp``, and told apart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

from .recording import VARIABLE

OWN, OURS = 'own fixtures', '--aiida-temp'
SIDES = {OWN: ['--no-aiida-temp'], OURS: ['--aiida-temp']}
_INTERVAL = 0.2
"""Seconds between two looks at how far a run is."""
_PATIENCE = 20.0
"""Seconds that a run which is to end has for its finalizers."""
_TAIL = 30
"""Lines shown of a run that did not come to its end."""
_RANKS = ('error', 'failed', 'xpassed', 'xfailed', 'skipped', 'passed')
"""Outcomes of phases, the one that decides first."""


class RunFailedError(RuntimeError):
    """Pytest did not run the tests; the message has the last of what it printed."""


@dataclass
class Test:
    """What became of one test in one run.

    :param error: the first line of it.
    """

    outcome: str = 'passed'
    error: str = ''
    seconds: float = 0.0

    def add(self, entry: dict[str, Any]) -> None:
        """Add what was recorded of one phase."""
        self.seconds += entry.get('seconds', 0.0)
        outcome = entry['outcome']
        if _RANKS.index(outcome) < _RANKS.index(self.outcome):
            where = f'{entry["phase"]}: ' if outcome == 'error' else ''
            self.outcome, self.error = outcome, f'{where}{entry["error"]}'


@dataclass
class Run:
    """One run of the suite.

    :param seconds: from start to end of the process.
    """

    tests: dict[str, Test] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def storage_seconds(self) -> float:
        """The seconds spent in making and emptying profiles."""
        return sum(test.seconds for test in self.tests.values())


@dataclass(frozen=True)
class Comparison:
    """The runs of both sides.

    :param runs: by side, as many of each.
    """

    runs: dict[str, list[Run]]

    def tests(self) -> list[str]:
        """Return the node ids of all tests, in the order in which they ran."""
        return list(dict.fromkeys(name for runs in self.runs.values() for run in runs for name in run.tests))

    def outcomes(self, side: str, test: str) -> list[str]:
        """Return how a test ended in each run of a side."""
        return [run.tests[test].outcome if test in run.tests else 'not run' for run in self.runs[side]]

    def error(self, side: str, test: str) -> str:
        """Return the first line of the first error of a test on a side."""
        errors = (run.tests[test].error for run in self.runs[side] if test in run.tests)
        return next((error for error in errors if error), '')

    def flaky(self) -> list[str]:
        """Return the tests whose outcome differs within one side."""
        return [test for test in self.tests() if any(len(set(self.outcomes(side, test))) > 1 for side in self.runs)]

    def different(self) -> list[str]:
        """Return the tests whose outcome differs between the sides, other than those that are flaky."""
        flaky = set(self.flaky())
        return [
            test for test in self.tests() if test not in flaky and self.outcomes(OWN, test) != self.outcomes(OURS, test)
        ]

    def seconds(self, side: str) -> float:
        """Return the seconds that the fastest run of a side took."""
        return min(run.seconds for run in self.runs[side])

    def storage_seconds(self, side: str) -> float:
        """Return the seconds that the run of a side which spent the fewest spent in making and emptying profiles."""
        return min(run.storage_seconds for run in self.runs[side])


def compare(arguments: Sequence[str], repeat: int = 1, time_limit: float | None = None) -> Comparison:
    """Run a suite on its own fixtures and with ``--aiida-temp``, in turns.

    :param arguments: of pytest.
    :param repeat: how often each.
    :param time_limit: seconds after which a run is ended.
    :raises RunFailedError: if pytest did not run the tests, or not in time.
    """
    runs: dict[str, list[Run]] = {OWN: [], OURS: []}
    with _ended_by_sigterm(), TemporaryDirectory(prefix='aiida-temp-') as folder:
        for number in range(repeat):
            for side, options in SIDES.items():
                title = f'{side}, {number + 1} of {repeat}' if repeat > 1 else side
                path = Path(folder) / f'{number} {side}'
                runs[side].append(_run([*arguments, *options], path, title, time_limit))
    return Comparison(runs)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Have SIGTERM, which a job of CI that is cancelled gets, end the body as Ctrl-C does, and with it the run."""

    def end(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: list[str], path: Path, title: str, time_limit: float | None) -> Run:
    record, output = path.with_suffix('.jsonl'), path.with_suffix('.txt')
    record.touch()
    command = [sys.executable, '-m', 'pytest', '-p', 'pytest_aiida_temp.comparison.recording', *arguments]
    environment = {**os.environ, VARIABLE: str(record)}
    began = time.perf_counter()
    with output.open('wb') as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # so that all that it started can be ended with it
        )
        try:
            _show_progress(process, record, title, began + time_limit if time_limit else None)
            in_time = process.poll() is not None
        finally:
            _end(process)
    run = Run(seconds=time.perf_counter() - began)
    if not in_time or process.returncode not in (0, 1):
        tail = output.read_text(encoding='utf-8', errors='replace').splitlines()[-_TAIL:]
        why = f'ended with status {process.returncode}' if in_time else f'took longer than {time_limit:g} seconds'
        raise RunFailedError('\n'.join([*tail, '', f'pytest {why} ({title}): {" ".join(command)}']))
    with record.open(encoding='utf-8') as lines:
        for entry in _entries(lines):
            if 'test' in entry:
                run.tests.setdefault(entry['test'], Test()).add(entry)
    return run


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a run that goes on, and all that it has started."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)  # which lets fixtures clean up
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _show_progress(process: subprocess.Popen[bytes], record: Path, title: str, end: float | None) -> None:
    """Wait for a run, or until the time to end it, with a bar of the tests that are done."""
    from tqdm import tqdm

    with tqdm(desc=title, unit=' tests', leave=False, disable=None) as bar, record.open(encoding='utf-8') as lines:
        while process.poll() is None and (end is None or time.perf_counter() < end):
            for entry in _entries(lines):
                bar.total = max(bar.total or 0, entry.get('collected', 0)) or None
                bar.n += entry.get('phase') == 'teardown'
            bar.refresh()
            time.sleep(_INTERVAL)


def _entries(lines: TextIO) -> Iterator[dict[str, Any]]:
    """Yield what was recorded since the file was last read, but for a line that is still being written."""
    while True:
        position = lines.tell()
        line = lines.readline()
        if not line.endswith('\n'):
            lines.seek(position)
            return
        yield json.loads(line)


def report(comparison: Comparison) -> str:
    """Return what a maintainer needs to decide, as text."""
    from tabulate import tabulate

    lines = []
    for title, tests in {'differ': comparison.different(), 'are flaky': comparison.flaky()}.items():
        lines.append(f'Tests that {title}: {len(tests) or "none"}')
        for test in tests:
            lines.append(f'  {test}')
            for side in SIDES:
                outcomes = ', '.join(dict.fromkeys(comparison.outcomes(side, test)))
                lines.append(f'    {side:<14}{outcomes:<8}  {comparison.error(side, test)}'.rstrip())
    own, ours = comparison.seconds(OWN), comparison.seconds(OURS)
    rows: list[list[Any]] = [
        ['tests', *(len(comparison.runs[side][0].tests) for side in SIDES), ''],
        *([outcome, *(_count(comparison, side, outcome) for side in SIDES), ''] for outcome in reversed(_RANKS)),
        ['seconds in making and emptying profiles', *(f'{comparison.storage_seconds(side):.2f}' for side in SIDES), ''],
        ['seconds in all', f'{own:.1f}', f'{ours:.1f}', f'{own / ours:.2f} times as fast'],
    ]
    table = tabulate([row for row in rows if row[1] or row[2]], headers=['', *SIDES, ''], disable_numparse=True)
    return '\n'.join([*lines, '', table])


def _count(comparison: Comparison, side: str, outcome: str) -> int:
    return sum(test.outcome == outcome for test in comparison.runs[side][0].tests.values())


def as_json(comparison: Comparison) -> str:
    """Return all that was found, as JSON."""
    content = {
        'different': comparison.different(),
        'flaky': comparison.flaky(),
        'seconds': {side: [run.seconds for run in runs] for side, runs in comparison.runs.items()},
        'storage_seconds': {side: [run.storage_seconds for run in runs] for side, runs in comparison.runs.items()},
        'tests': {
            test: {
                side: {'outcomes': comparison.outcomes(side, test), 'error': comparison.error(side, test)}
                for side in SIDES
            }
            for test in comparison.tests()
        },
    }
    return json.dumps(content, indent=2)
