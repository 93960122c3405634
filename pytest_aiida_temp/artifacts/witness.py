"""When evidence is taken: at the failure of set-up and call, and in tear-down before the storage is reset.

While tests pass, nothing but this module and :mod:`.teardown` is used of the package.
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from ..isolation import isolation_of
from .teardown import FinalizerWatch

if TYPE_CHECKING:
    from ..options import Settings
    from .evidence import Evidence
    from .folders import Entry

PROPERTY = 'aiida_temp_artifacts'
_witness: pytest.StashKey[Witness] = pytest.StashKey()


class ArtifactsWarning(pytest.PytestWarning):
    """What a failing test was to leave behind could not be written."""


class Place(NamedTuple):
    """Where folders are written.

    :param run: identifies the run, in all of its processes.
    """

    root: Path
    run: str


class Attempt:
    """One attempt at a test, and what was taken of it.

    :param early: evidence taken when a finalizer failed, for the report that is yet to come.
    :param folder: where its files are, once there are any.
    """

    def __init__(self, item: pytest.Item) -> None:
        self.item = item
        self.early: tuple[Evidence | None] | None = None
        self.incoming: Path | None = None
        self.folder: Path | None = None
        self.entry: Entry | None = None
        self.failures: list[str] = []


class Witness:
    """Takes evidence of the tests of one process.

    :param place: where to write, if anywhere.
    """

    def __init__(self, config: pytest.Config, settings: Settings, place: Place | None) -> None:
        self._config = config
        self._settings = settings
        self._attempt: Attempt | None = None
        self.place = place
        self._watch = FinalizerWatch(self.failed_in_teardown)

    def begin(self, item: pytest.Item) -> None:
        """Note that an attempt at a test begins."""
        before, self._attempt = self._attempt, Attempt(item)
        if before is not None and before.item is item and before.folder is not None:
            with self._harmless(item):
                from .record import note_rerun

                note_rerun(before)

    def watching(self, item: pytest.Item, nextitem: pytest.Item | None) -> AbstractContextManager[None]:
        """Watch for finalizers that fail while a test is torn down."""
        is_idle = not isolation_of(self._config).is_running
        return nullcontext() if is_idle else self._watch.watching(item, nextitem)

    def failed_in_teardown(self, item: pytest.Item, error: BaseException) -> None:
        """Take evidence as a finalizer has failed, unless an earlier one had."""
        attempt = self._attempt
        if isinstance(error, pytest.exit.Exception) or not isinstance(error, (Exception, pytest.fail.Exception)):
            return
        isolation_of(self._config).keep_for_debugger()
        if attempt is not None and attempt.item is item and attempt.early is None:
            attempt.early = (self._take(attempt),)

    def attend(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Add to the report of a phase what is to be told, if it failed or all are recorded."""
        attempt = self._attempt
        if attempt is None or attempt.item is not item or not (report.failed or self._records(report)):
            return
        early, attempt.early = attempt.early, None
        evidence = early[0] if early else self._take(attempt)
        if evidence is None:
            return
        with self._harmless(item):
            from .record import tell

            tell(attempt, evidence, report, self.place, self._config)
        for problem in evidence.problems:
            self.warn(item, problem)

    def _records(self, report: pytest.TestReport) -> bool:
        """Return whether a test leaves files behind though it did not fail."""
        has_run = report.when == 'call' and (report.passed or hasattr(report, 'wasxfail'))
        return has_run and self.place is not None and bool(self._settings.artifacts_for == 'all')

    def _take(self, attempt: Attempt) -> Evidence | None:
        """Return what is to be told, and fill a folder for the attempt if there is none yet."""
        subject = isolation_of(self._config).subject(attempt.item)
        if subject is None:
            return None
        with self._harmless(attempt.item):
            from .record import take_into

            return take_into(attempt, subject, self._settings.report, self.place)
        return None

    def _harmless(self, item: pytest.Item) -> _Harmless:
        return _Harmless(self, item)

    def warn(self, item: pytest.Item, message: str) -> None:
        """Warn of what could not be done, also where warnings are errors: the outcome is the test's own."""
        path, line, _ = item.location
        text = f'{item.nodeid} leaves less behind than it should: {message}'
        try:
            warnings.warn_explicit(text, ArtifactsWarning, path, (line or 0) + 1)
        except ArtifactsWarning:
            with warnings.catch_warnings():
                warnings.simplefilter('always')
                warnings.warn_explicit(text, ArtifactsWarning, path, (line or 0) + 1)


class _Harmless:
    """Turns an exception in the body into a warning."""

    def __init__(self, witness: Witness, item: pytest.Item) -> None:
        self._witness = witness
        self._item = item

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> bool:
        if isinstance(error, Exception):
            self._witness.warn(self._item, repr(error))
            return True
        return False


def witness_of(config: pytest.Config) -> Witness:
    """Return the witness of a run."""
    return config.stash[_witness]


def set_witness(config: pytest.Config, witness: Witness) -> None:
    """Set the witness of a run."""
    config.stash[_witness] = witness
