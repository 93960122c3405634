"""The command line."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from .measurement import Measurement, carry_out
from .rows import Row
from .sizes import FULL, QUICK, Sizes
from .table import show, write_json

_LAST_BEGIN = 0.75
"""The part of the time limit after which no measurement begins."""

_LAST_END = 0.9
"""The part of the time limit after which a process that still runs is given up; the rest is for cleaning up."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks',
        description="Measure pytest-aiida-temp against aiida-core's own storages and fixtures.",
    )
    parser.add_argument('--quick', action='store_true', help='smaller sizes and fewer repetitions, under 30 seconds')
    parser.add_argument('--json', metavar='FILE', type=Path, help='write the figures to a file as well')
    parser.add_argument('--check', action='store_true', help='exit with status 1 if a row misses its bound')
    return parser.parse_args(arguments)


def exit_status(rows: Sequence[Row], check: bool) -> int:
    """Return 1 if a bound that is to be checked is missed, else 0."""
    return int(check and any(row.is_missed for row in rows))


def measure(sizes: Sizes, began: float) -> Iterator[Row]:
    """Yield each row as soon as it is measured, with everything that is written in a temporary folder.

    :param began: when the run did, for sizes that have a time limit.
    """
    limit = math.inf if sizes.seconds is None else sizes.seconds
    with TemporaryDirectory(prefix='aiida-temp-benchmarks-') as name:
        measurements = _measurements(Path(name), sizes, began + limit * _LAST_END)
        yield from carry_out(measurements, lambda: time.perf_counter() < began + limit * _LAST_BEGIN)


def _measurements(folder: Path, sizes: Sizes, deadline: float) -> Iterator[Measurement]:
    from . import processes
    from .profiles import open_profiles

    with open_profiles(folder / 'profiles') as profiles:
        # These import AiiDA, which looks for its configuration at that moment.
        from . import bases, failures, resets, states, steps, storing

        yield from resets.measurements(profiles, sizes)
        yield from storing.measurements(profiles, sizes)
        yield from steps.measurements(profiles, sizes)
        yield from bases.measurements(profiles, sizes)
        yield from states.measurements(profiles, sizes)
        yield from failures.measurements(profiles, sizes, folder / 'failures')
    yield from processes.measurements(folder / 'processes', sizes, deadline)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and return the exit status."""
    began = time.perf_counter()
    given = parse(arguments)
    rows = []
    for row in measure(QUICK if given.quick else FULL, began):
        print(f'{row.what}: {row.verdict}', file=sys.stderr, flush=True)
        rows.append(row)
    seconds = time.perf_counter() - began
    show(rows, seconds)
    if given.json:
        write_json(given.json, rows, seconds, given.quick)
    return exit_status(rows, given.check)


if __name__ == '__main__':
    sys.exit(main())
