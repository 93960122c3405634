"""Put evidence where it is found: the report of the test, its folder, the reports of other plugins."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from .evidence import Evidence, take
from .folders import REPORT, Entry, discard, make_incoming, place
from .html_report import html_extras
from .section import MOST_LINES, TITLE, TITLE_IF_NOT_FAILED, clean
from .witness import PROPERTY

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from ..isolation import Subject
    from .witness import Attempt, Place


def take_into(attempt: Attempt, subject: Subject, wanted: str, where: Place | None) -> Evidence | None:
    """Return what is to be told, and fill a folder if the attempt has none."""
    problem = None
    if where is not None and attempt.incoming is None and attempt.folder is None:
        try:
            attempt.incoming = make_incoming(where.root, where.run)
        except OSError as exception:
            problem = f'no folder in {where.root}: {exception}'
    is_new = attempt.incoming is not None and not any(attempt.incoming.iterdir())
    evidence = take(subject, wanted, MOST_LINES, attempt.incoming if is_new else None)
    if evidence is None and attempt.incoming is not None:
        discard(attempt.incoming)
        attempt.incoming = None
    if evidence is not None and problem:
        evidence.problems.append(problem)
    return evidence


def tell(
    attempt: Attempt, evidence: Evidence, report: pytest.TestReport, where: Place | None, config: pytest.Config
) -> None:
    """Add the section to a report, finish the folder and name it in the reports of other plugins."""
    is_new = attempt.folder is None
    if where is not None:
        try:
            _write(attempt, evidence, report, where)
        except OSError as exception:
            evidence.problems.append(f'its folder could not be written: {exception}')
            _give_up(attempt)
    lines = [*evidence.section] if report.failed else []
    if attempt.folder is not None and where is not None:
        if lines:
            lines += _about_folder(attempt.folder, evidence)
        if is_new:
            attempt.item.user_properties.append((PROPERTY, _shown(attempt.folder)))
            html_extras(config, report, attempt.folder)
        report.user_properties = list(attempt.item.user_properties)
    elif lines:
        lines += [f'No artefacts: {" ".join(clean(problem))}' for problem in evidence.problems[-1:]]
    if lines:
        report.sections.append((TITLE, '\n'.join(lines)))


def note_rerun(attempt: Attempt) -> None:
    """Note in its folder that there is another attempt."""
    if attempt.entry is not None and attempt.folder is not None:
        attempt.entry.outcome = 'rerun'
        attempt.entry.write(attempt.folder)


def _write(attempt: Attempt, evidence: Evidence, report: pytest.TestReport, where: Place) -> None:
    if attempt.incoming is None and attempt.folder is None:
        return
    entry = attempt.entry or Entry(attempt.item.nodeid, where.run, getattr(attempt.item, 'execution_count', 1))
    if report.failed or not entry.outcome:
        entry.outcome = _outcome(report)
        entry.phase, entry.error = str(report.when), entry.error or _error(report)
    entry.counts = entry.counts or evidence.counts
    entry.notes += [note for note in [*evidence.notes, *evidence.problems] if note not in entry.notes]
    folder = attempt.folder or attempt.incoming
    assert folder is not None
    with (folder / REPORT).open('a', encoding='utf-8', errors='backslashreplace') as file:
        file.write(_text(entry, evidence, report))
    if attempt.folder is None:
        attempt.folder, attempt.incoming = place(folder, entry), None
    else:
        entry.write(attempt.folder)
    attempt.entry = entry


def _give_up(attempt: Attempt) -> None:
    if attempt.incoming is not None:
        discard(attempt.incoming)
        attempt.incoming = None


def _text(entry: Entry, evidence: Evidence, report: pytest.TestReport) -> str:
    heading = f'{report.nodeid}: {report.outcome} in {report.when}, {time.strftime("%Y-%m-%d %H:%M:%S")}'
    storage = evidence.full or evidence.section
    title = TITLE if report.failed else TITLE_IF_NOT_FAILED
    error = [report.longreprtext, ''] if report.longreprtext else []
    parts = [heading, '=' * min(len(heading), 120), *error, title, '-' * len(title), *storage]
    return '\n'.join([*parts, *(['', *entry.notes] if entry.notes else []), '', ''])


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, 'wasxfail'):
        return 'xfailed' if report.skipped else 'xpassed'
    return 'error' if report.failed and report.when != 'call' else str(report.outcome)


def _error(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, 'reprcrash', None)
    lines = str(crash.message if crash else report.longrepr or '').strip().splitlines()
    return clean(lines[0])[0] if lines and lines[0] else ''


def _about_folder(folder: Path, evidence: Evidence) -> list[str]:
    notes = [*evidence.notes, *evidence.problems]
    return [f'Artefacts: {_shown(folder)}', *(f'  {" ".join(clean(note))}' for note in notes[:2])]


def _shown(folder: Path) -> str:
    """Return a path as a user would write it."""
    relative = os.path.relpath(folder)
    return str(folder) if relative.startswith('..') else relative
