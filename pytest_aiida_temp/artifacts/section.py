"""The text on what a storage holds: cut to a few lines for the report of a test, or in full."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .findings import Findings, Process

TITLE = 'AiiDA storage at the failure'
TITLE_IF_NOT_FAILED = 'AiiDA storage after the test'
MOST_LINES = 40
MOST_REPORTS = 3
LAST_LINES = 8
"""How many lines of a scheduler's standard error are shown at most."""

WIDTH = 240
CONTROL = re.compile(r'[\x00-\x08\x0b-\x1f\x7f]')
"""Characters that neither a terminal nor XML can have."""


@dataclass
class Block:
    """Lines under a title.

    :param cut: makes them fewer.
    """

    title: str
    lines: list[str]
    cut: Callable[[Sequence[str], int], list[str]]


def short(findings: Findings, most: int = MOST_LINES) -> list[str]:
    """Return at most so many lines that say what is there, and above all why processes failed."""
    failed = findings.failed[:MOST_REPORTS]
    blocks = [_processes(findings), *(_report(findings, process) for process in failed)]
    blocks = [block for block in blocks if block.lines]
    shown = _fit(blocks, most - 1)
    missing = [block for block in (_scheduler_errors(findings, process, shown) for process in failed) if block.lines]
    missing += [block for block in [_logs(findings, _lines([*blocks, *missing]))] if block.lines]
    return [findings.counts(), *_fit([*blocks, *missing], most - 1)]


def full(findings: Findings) -> list[str]:
    """Return all lines."""
    blocks = [_processes(findings), *(_report(findings, process) for process in findings.failed), _logs(findings, [])]
    return [findings.counts(), *(line for block in blocks if block.lines for line in ['', block.title, *block.lines])]


def clean(text: str) -> list[str]:
    """Return lines of a text that any terminal and any XML can show."""
    shown = text.encode('utf-8', 'backslashreplace').decode('utf-8')
    return [CONTROL.sub('?', line)[:WIDTH].rstrip() for line in shown.splitlines()]


def _processes(findings: Findings) -> Block:
    processes = findings.processes
    failed = sum(process.has_ended and not process.is_ok for process in processes)
    others = {
        'had not ended': sum(process.has_run and not process.has_ended for process in processes),
        'not run': sum(not process.has_run for process in processes),
    }
    parts = [f'{failed} of {len(processes)} failed', *(f'{number} {what}' for what, number in others.items() if number)]
    lines = [f'  {"  " * process.depth}{" ".join(clean(str(process)))}' for process in processes]
    important = [index for index, process in enumerate(processes) if not process.is_ok]

    def cut(all_lines: Sequence[str], share: int) -> list[str]:
        others = [index for index in range(len(processes)) if index not in important]
        kept = sorted([*important, *others][: max(share - 1, 0)])
        return [*(all_lines[index] for index in kept), f'  ... and {len(all_lines) - len(kept)} more']

    return Block(f'Processes, {", ".join(parts)}:', lines, cut)


def _report(findings: Findings, process: Process) -> Block:
    text = _attempt(lambda: findings.report(process))
    return Block(f'verdi process report {process.pk} ({process.label}):', _indented(text), _ends)


def _scheduler_errors(findings: Findings, process: Process, shown: Sequence[str]) -> Block:
    """Return the last lines, unless they can be seen in the report of the process."""
    lines = [line for line in _indented(_attempt(lambda: findings.scheduler_errors(process))) if line.strip()]
    last = lines[-LAST_LINES:] if set(lines[-LAST_LINES:]) - set(shown) else []
    return Block(f'Last lines that the scheduler wrote to standard error for {process.name}:', last, _tail)


def _logs(findings: Findings, told: Sequence[str]) -> Block:
    """Return the last messages that are in no report of a process, of which lines may have been left out."""
    seen = '\n'.join(told)
    missing = [log for log in findings.logs if clean(log.text)[:1] and clean(log.text)[0] not in seen]
    lines = [line for log in missing for line in _indented(str(log))]
    return Block('Last log messages:', lines, _tail)


def _attempt(read: Callable[[], str]) -> str:
    """Return a text, or in its place why it cannot be read: a file that is no text, say."""
    try:
        return read()
    except Exception as exception:
        return f'(cannot be read: {exception!r})'


def _indented(text: str) -> list[str]:
    return [f'  {line}' for line in clean(text)]


def _lines(blocks: Sequence[Block]) -> list[str]:
    return [line for block in blocks for line in block.lines]


def _tail(lines: Sequence[str], share: int) -> list[str]:
    left_out = len(lines) - share + 1
    return [f'  ... {left_out} lines before that', *lines[left_out:]]


def _ends(lines: Sequence[str], share: int) -> list[str]:
    """Return the beginning and, twice as long, the end."""
    head = (share - 1) // 3
    tail = share - 1 - head
    return [*lines[:head], f'  ... {len(lines) - head - tail} lines left out', *lines[len(lines) - tail :]]


def _fit(blocks: Sequence[Block], most: int) -> list[str]:
    """Return the blocks in so many lines; what is short is shown whole, the others share what is left."""
    room = most - len(blocks)
    shares = {}
    by_length = sorted(range(len(blocks)), key=lambda index: len(blocks[index].lines))
    for rank, index in enumerate(by_length):
        shares[index] = min(len(blocks[index].lines), room // (len(blocks) - rank))
        room -= shares[index]
    found = []
    for index, block in enumerate(blocks):
        is_whole = len(block.lines) <= shares[index]
        found += [block.title, *(block.lines if is_whole else block.cut(block.lines, shares[index]))]
    return found
