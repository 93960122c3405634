"""Sets of row ids as spans: those greater than one number and up to another."""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[int, int]
"""The row ids greater than the first number, and up to the second."""


def without(spans: Iterable[Span], others: Iterable[Span]) -> tuple[Span, ...]:
    """Return what is in the one set and not in the other."""
    left = [span for span in spans if span[0] < span[1]]
    for above, upto in others:
        left = [
            part
            for start, end in left
            for part in ((start, min(end, above)), (max(start, upto), end))
            if part[0] < part[1]
        ]
    return tuple(left)


def has(spans: Iterable[Span], row: int) -> bool:
    """Return whether a row id is in the set."""
    return any(above < row <= upto for above, upto in spans)
