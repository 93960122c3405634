"""What is kept of the storage at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..storage.view import viewed
from .archive import FILE, write_archive
from .calcjobs import write_files
from .findings import Findings
from .picture import write_picture
from .section import full, short

if TYPE_CHECKING:
    from ..isolation import Subject

LINES_FOR_FOLDER = 3
"""How many lines of the section are left for the folder and what is not in it."""


@dataclass
class Evidence:
    """What is told of the storage in the report of a test.

    :param counts: one line.
    :param section: few lines, none if there is nothing to tell.
    :param full: all lines.
    :param notes: what is missing in the folder, and why.
    :param problems: which of these the user should be warned of.
    """

    counts: str
    section: list[str]
    full: list[str]
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def take(subject: Subject, wanted: str, most: int, folder: Path | None) -> Evidence | None:
    """Look at the storage, and write archive, picture and files into a folder.

    :param wanted: whether there is a section: ``auto``, ``always`` or ``never``.
    :param most: how many lines the section has at most.
    :param folder: one that is there and empty, or ``None`` to write nothing.
    :returns: ``None`` if the test has nothing to do with the storage.
    """
    with viewed(subject.profile) as view:
        findings = Findings(view, view.since(subject.beginning))
        if not (subject.is_wanted or findings.has_stored):
            return None
        is_told = wanted == 'always' or (wanted == 'auto' and (findings.has_stored or bool(findings.processes)))
        reserved = LINES_FOR_FOLDER if folder else 0
        section = short(findings, most - reserved) if is_told else []
        evidence = Evidence(findings.counts(), section, full(findings) if folder else [])
        if folder is not None:
            _write(findings, folder, evidence)
    return evidence


def _write(findings: Findings, folder: Path, evidence: Evidence) -> None:
    try:
        write_archive(findings.view, folder / FILE)
    except Exception as exception:
        evidence.problems.append(f'no {FILE}: {exception!r}')
    try:
        if findings.stored_nodes:
            reason = write_picture(findings.view, findings.stored_nodes, folder)
            evidence.notes += [f'no provenance.svg, but provenance.dot: {reason}'] if reason else []
    except Exception as exception:
        evidence.problems.append(f'no picture of the provenance: {exception!r}')
    evidence.problems += write_files(findings, folder)
