"""Which rows of each table were there at a checkpoint, and what became of one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from .spans import Span, without


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint: under which level images are kept, and the mark of each table.

    :param holes: by position of the table, row ids up to the mark that were not there either.
    """

    level: int
    marks: tuple[int, ...]
    holes: dict[int, tuple[Span, ...]] = field(default_factory=dict)

    def absent(self, table: int, highest: int) -> tuple[Span, ...]:
        """Return the row ids up to ``highest`` of rows that were not there."""
        holes, mark = self.holes.get(table, ()), self.marks[table]
        return (*holes, (mark, highest)) if mark < highest else holes

    def with_mark(self, table: int, mark: int) -> Checkpoint:
        """Return this checkpoint with another mark for a table."""
        return replace(self, marks=(*self.marks[:table], mark, *self.marks[table + 1 :]))

    def with_rows(self, table: int, rows: tuple[Span, ...], highest: int) -> Checkpoint:
        """Return this checkpoint as if certain rows had been there already."""
        holes = without(self.absent(table, highest), rows)
        return replace(self.with_mark(table, highest), holes={**self.holes, table: holes})


class HandOver(NamedTuple):
    """What became of a checkpoint that was to be handed over.

    :param is_given: its changes were given to an earlier one, rather than staying with the one before it.
    :param changed: rows that were older were changed or deleted.
    """

    is_given: bool
    changed: bool
