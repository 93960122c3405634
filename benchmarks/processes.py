"""Whole processes of pytest, on a generated test file."""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points
from pathlib import Path
from statistics import median

from .measurement import Measurement, medians
from .rows import Bound, Outcome, Row, amount
from .sizes import Sizes

PLUGIN = 'aiida_temp'
STOCK = "pytest_plugins = ['aiida.tools.pytest_fixtures']\n"
START_UP = Bound('difference', 5e-3)
_DISABLED = ('-p', f'no:{PLUGIN}')
TIMEOUT = 1800.0
"""Seconds after which a process is given up in a run without a time limit."""


def measurements(folder: Path, sizes: Sizes, deadline: float = math.inf) -> list[Measurement]:
    """Return what fills the rows on processes.

    :param folder: is made, and holds everything that is written.
    :param deadline: when a process that still runs is given up.
    """
    processes = Processes(folder, deadline)
    return [
        Measurement(
            [Row('start-up of pytest with the plugin unused, against without (processor time)', START_UP)],
            lambda: processes.start_up(sizes.starts),
        ),
        Measurement(
            [
                Row(
                    f'{sizes.tests:,} tests of one node, less the import of aiida.orm, against aiida_profile_clean',
                    Bound('ratio', 1 / 10),
                ),
                Row(
                    f'{sizes.tests:,} tests of one node with aiida_profile_clean, with --aiida-temp against without',
                    Bound('ratio', 1 / 2),
                ),
            ],
            lambda: processes.suite(sizes.tests, sizes.suites, sizes.at_once),
        ),
    ]


def generated_tests(fixture: str, count: int) -> str:
    """Return the source of a test file with tests that store one node each."""
    tests = (f'def test_{n}({fixture}):\n    assert Int({n}).store().is_stored\n' for n in range(count))
    return '\n\n'.join(['from aiida.orm import Int\n', *tests])


class Processes:
    """Processes that find no configuration of the user's, and no plugins of pytest but ours.

    :param folder: is made, and holds everything that is written.
    :param deadline: when a process that still runs is given up.
    """

    def __init__(self, folder: Path, deadline: float = math.inf) -> None:
        self._folder = folder
        self._deadline = deadline

    def start_up(self, starts: int) -> list[Outcome]:
        """Time a run of one trivial test with the plugin installed and without.

        It is processor time, as a few milliseconds cannot be told from waiting where others use the machine too, and
        the median of the differences within each turn. The side without is measured twice in a turn, which tells how
        far that can be believed.
        """
        if PLUGIN not in _installed_plugins():
            return [f'the plugin {PLUGIN!r} is not installed in this environment']
        folder = self._project('trivial', 'def test_it():\n    pass\n')

        def start(*options: str) -> float:
            before = _processor_seconds()
            self._pytest(folder, *options)
            return _processor_seconds() - before

        start()  # compiles what is imported
        turns = [(start(), start(*_DISABLED), start(*_DISABLED)) for _ in range(starts)]
        noise = abs(median(without - again for _, without, again in turns))
        if noise > START_UP.limit:
            return [f'too much noise: twice the same, without the plugin, differed by {amount(noise, "s")}']
        more = median(used - (without + again) / 2 for used, without, again in turns)
        without = median((without + again) / 2 for _, without, again in turns)
        return [(without + more, without)]

    def suite(self, tests: int, runs: int, at_once: bool) -> list[Outcome]:
        """Time a run of many tests with our fixture and with aiida-core's, less the import of ``aiida.orm``.

        Those with aiida-core's are run on its own profile and, unedited, on the ephemeral one.

        :param at_once: run each side once, two processes at a time and none beforehand to compile what they import,
            which takes less time and is less exact.
        """
        ours_folder = self._project('ours', generated_tests('aiida_temp_profile', tests))
        stock_folder = self._project('stock', generated_tests('aiida_profile_clean', tests), STOCK)
        compiles = not at_once
        measures = [
            lambda: self._run(ours_folder, '-c', 'import aiida.orm', compiles=compiles),
            lambda: self._pytest(ours_folder, compiles=compiles),
            lambda: self._pytest(stock_folder, '--aiida-temp', compiles=compiles),
            lambda: self._pytest(stock_folder, *_DISABLED, compiles=compiles),
        ]
        if at_once:
            with ThreadPoolExecutor(2) as pool:
                stock, served, ours, bare = pool.map(lambda measure: measure(), reversed(measures))
        else:
            self._pytest(ours_folder, '-k', 'test_0')  # compiles what is imported
            self._pytest(stock_folder, '-k', 'test_0', *_DISABLED)
            bare, ours, served, stock = medians(measures, runs)
        if bare >= min(ours, served, stock):
            return ['the bare import took longer than the tests; the machine is too busy'] * 2
        return [(ours - bare, stock - bare), (served - bare, stock - bare)]

    def _project(self, name: str, tests: str, conftest: str = '') -> Path:
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'pytest.ini').write_text('[pytest]\n')
        (folder / 'conftest.py').write_text(conftest)
        (folder / 'test_generated.py').write_text(tests)
        return folder

    def _pytest(self, folder: Path, *options: str, compiles: bool = True) -> float:
        others = [option for name in _installed_plugins() - {PLUGIN} for option in ('-p', f'no:{name}')]
        return self._run(folder, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *others, *options, compiles=compiles)

    def _run(self, folder: Path, *arguments: str, compiles: bool = True) -> float:
        began = time.perf_counter()
        timeout = max(0.1, min(TIMEOUT, self._deadline - began))
        try:
            done = subprocess.run(
                [sys.executable, *arguments],
                cwd=folder,
                env=_environment(folder, compiles),
                timeout=timeout,
                capture_output=True,
                text=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TimeoutError(f'a process of pytest had not ended after {timeout:.0f} s') from None
        seconds = time.perf_counter() - began
        if done.returncode:
            lines = (done.stdout + done.stderr).split('\n')
            said = [line.strip() for line in lines if line.strip()][-1:]
            raise RuntimeError(f'status {done.returncode}: {"".join(said)[:200]}')
        return seconds


def _processor_seconds() -> float:
    """Return what all processes that have ended took so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _installed_plugins() -> set[str]:
    return {point.name for point in entry_points(group='pytest11')}


def _environment(folder: Path, compiles: bool) -> dict[str, str]:
    """Return the variables of a process.

    :param compiles: keep what is compiled with the other files, whatever is there already. Not every installer
        compiles, and where nothing does, the time goes into compiling over and over.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(('PYTEST_', 'AIIDA_'))}
    kept |= {'HOME': str(folder), 'AIIDA_PATH': str(folder)}
    if compiles:
        kept.pop('PYTHONDONTWRITEBYTECODE', None)
        kept['PYTHONPYCACHEPREFIX'] = str(folder.parent / 'compiled')
    return kept
