"""Keep the user's folder in order: what tests left there in earlier runs, and the page that lists all."""

from __future__ import annotations

from pathlib import Path

import pytest

from .witness import Place


class Listing:
    """Sees which tests are run, and writes the page when the run ends, in the process that controls it.

    :param place: where the folders are.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._ran: set[str] = set()
        self._problem: str | None = None
        self._page: Path | None = None

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that a test is run."""
        self._ran.add(nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Remove what tests of this run had left in earlier ones, and write the page."""
        if not self._place.root.is_dir():
            return
        try:
            self._finish()
        except OSError as exception:
            self._problem = f'the list of artefacts in {self._place.root} could not be written: {exception}'

    def _finish(self) -> None:
        from .folders import discard_all, entries, remove
        from .index import write_index

        root, run = self._place.root, self._place.run
        discard_all(root, run)
        for folder, entry in entries(root):
            if entry.run != run and entry.test in self._ran:
                remove(folder)
        self._page = write_index(root, run)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the page is."""
        if self._problem:
            terminalreporter.write_line(f'aiida-temp: {self._problem}', yellow=True)
        elif self._page is not None:
            terminalreporter.write_line(f'aiida-temp: artefacts are listed in {self._page}')
