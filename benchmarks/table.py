"""The table and the JSON file."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .rows import Row

try:
    from rich import box
    from rich.console import Console
    from rich.table import Table
except ImportError:
    HAS_RICH = False
else:
    HAS_RICH = True

HEADER = ('what', 'ours', 'theirs', 'ratio', 'bound', 'verdict')
_LEGEND = 'Medians of runs that take turns. Where ours is compared with ours, theirs is what follows "against".'
_WIDTH = 150


def versions() -> dict[str, str]:
    """Return the versions that the figures depend on."""
    found = {'python': sys.version.split()[0], 'sqlite': sqlite3.sqlite_version}
    for name in ('aiida-core', 'sqlalchemy', 'pytest', 'pytest-aiida-temp'):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = 'not installed'
    return found


def summary(rows: Sequence[Row], seconds: float) -> str:
    """Return one line on how many rows keep their bound."""
    missed = sum(row.is_missed for row in rows)
    unmeasured = sum(row.figure is None for row in rows)
    kept = len(rows) - missed - unmeasured
    return f'{kept} ok, {missed} MISSED, {unmeasured} not measured, in {seconds:.1f} s'


def as_text(rows: Sequence[Row]) -> str:
    """Return the table in plain characters."""
    lines = [HEADER, *(tuple(row.cells()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    numbers = range(1, 4)
    texts = [
        '  '.join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return '\n'.join([texts[0], '  '.join('-' * width for width in widths), *texts[1:]])


def show(rows: Sequence[Row], seconds: float) -> None:
    """Print the table, with rich where that is installed."""
    if HAS_RICH:
        _show_rich(rows)
    else:
        print(as_text(rows))
    print(_LEGEND)
    print(', '.join(f'{name} {number}' for name, number in versions().items()))
    print(summary(rows, seconds))


def _show_rich(rows: Sequence[Row]) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for name in HEADER:
        table.add_column(name, justify='right' if name in HEADER[1:4] else 'left', overflow='fold')
    for row in rows:
        table.add_row(*row.cells(), style='red' if row.is_missed else 'yellow' if row.figure is None else None)
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(table)


def write_json(path: Path, rows: Sequence[Row], seconds: float, quick: bool) -> None:
    """Write everything that was measured to a file."""
    content: dict[str, Any] = {
        'versions': versions(),
        'quick': quick,
        'seconds': seconds,
        'rows': [row.as_json() for row in rows],
    }
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + '\n', encoding='utf-8')
