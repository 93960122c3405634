"""One run of a suite of failing tests, for all who look at what it left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SUITE = Path(__file__).with_name('suite_of_failures.py')


@dataclass
class FailedRun:
    """A run in which tests failed.

    :param folder: where it ran; what was left behind is in ``out`` there.
    """

    folder: Path
    output: str

    def folder_of(self, test: str) -> Path:
        """Return the folder of a test."""
        [found] = self.folder.glob(f'out/*--{test}-????????')
        return found

    def section(self, test: str) -> str:
        """Return the section in the report of a test, as it is printed."""
        report = self.output.partition(f'_ {test} _' if f'_ {test} _' in self.output else f' of {test} _')[2]
        section = report.partition('AiiDA storage at the failure')[2].partition('\n')[2]
        lines = section.splitlines()
        ends = (number for number, line in enumerate(lines) if line.startswith(('____', '====', '----')))
        return '\n'.join(lines[: next(ends)])


@pytest.fixture(scope='session')
def failed_run(tmp_path_factory: pytest.TempPathFactory) -> FailedRun:
    """The suite of failures as it was run, with a report of JUnit and one of pytest-html."""
    folder = tmp_path_factory.mktemp('failures')
    (folder / 'pytest.ini').write_text('[pytest]\n')
    (folder / 'test_it.py').write_text(SUITE.read_text(encoding='utf-8'), encoding='utf-8')
    plugins = ['-p', 'no:randomly', '-p', 'no:asyncio', '-p', 'no:cacheprovider']
    reports = ['--aiida-temp-artifacts=out', '--junitxml=junit.xml', '--html=reports/all.html']
    left_out = ('AIIDA_PATH', 'PYTEST_ADDOPTS', 'PYTEST_AIIDA_TEMP', 'PYTEST_XDIST', 'CI', 'BUILD_NUMBER')
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-rA', *plugins, *reports],
        cwd=folder,
        env={**environment, 'HOME': str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return FailedRun(folder, done.stdout)
