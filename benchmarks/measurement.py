"""Measurements, and medians of runs that take turns."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from .rows import Outcome, Row


@dataclass(frozen=True)
class Measurement:
    """What fills one or several rows of the table.

    :param run: returns an outcome for each of the rows.
    """

    rows: list[Row]
    run: Callable[[], Sequence[Outcome]]


def reason(exception: Exception) -> str:
    """Return an exception as the table has it, on one line."""
    return ' '.join(f'{type(exception).__name__}: {exception}'.removesuffix(': ').split())


def carry_out(measurements: Iterable[Measurement], has_time: Callable[[], bool] = lambda: True) -> Iterator[Row]:
    """Yield the rows of all measurements; one that fails does not keep the others from being measured.

    :param has_time: whether another measurement may begin.
    """
    for measurement in measurements:
        outcomes: Sequence[Outcome]
        if not has_time():
            outcomes = ['no time left'] * len(measurement.rows)
        else:
            try:
                outcomes = measurement.run()
            except Exception as exception:
                outcomes = [reason(exception)] * len(measurement.rows)
        for row, outcome in zip(measurement.rows, outcomes, strict=True):
            yield row.filled(outcome)


def _nothing() -> None:
    pass


def block(action: Callable[[], Any], calls: int, prepare: Callable[[], Any] = _nothing, warm_up: bool = True) -> float:
    """Return the median seconds of one call in a row of them.

    Garbage is collected between the calls, not in them, or it would count for whichever side it happens to come in.

    :param prepare: called before each one, and not timed.
    :param warm_up: make a first call that does not count.
    """
    seconds = []
    for _ in range(calls + warm_up):
        prepare()
        with _no_collection():
            began = time.perf_counter()
            action()
            seconds.append(time.perf_counter() - began)
    return median(seconds[warm_up:])


@contextmanager
def _no_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def medians(measures: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """Return the median of each measure; they take turns (A B A B), so that a busy machine slows all of them."""
    found = [[measure() for measure in measures] for _ in range(rounds)]
    return [median(values) for values in zip(*found, strict=True)]
