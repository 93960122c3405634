"""A row of the table: two figures, the bound they are held to, and whether they keep it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

Unit = Literal['s', 'MB']
Outcome = tuple[float, float | None] | str
"""Our figure and the one it is compared with, or the reason why there are none."""


def amount(value: float, unit: Unit) -> str:
    """Return a figure with its unit, seconds in the largest unit that they fill."""
    if unit == 'MB':
        return f'{value:.1f} MB'
    for factor, name in ((1.0, 's'), (1e-3, 'ms')):
        if abs(value) >= factor:
            return f'{value / factor:.3g} {name}'
    return f'{value * 1e6:.3g} µs'


@dataclass(frozen=True)
class Bound:
    """What a row must not exceed.

    :param kind: which figure is held to the limit: ours divided by theirs, ours alone, or ours less theirs.
    """

    kind: Literal['ratio', 'absolute', 'difference']
    limit: float
    unit: Unit = 's'

    def figure(self, ours: float, theirs: float | None) -> float:
        """Return the figure that is held to the limit."""
        if self.kind == 'absolute' or theirs is None:
            return ours
        return ours / theirs if self.kind == 'ratio' else ours - theirs

    def show(self, figure: float) -> str:
        """Return a figure as the table has it; ratios that are to be small as fractions."""
        if self.kind != 'ratio':
            return amount(figure, self.unit)
        return f'1/{1 / figure:.3g}' if self.limit < 1 and figure > 0 else f'{figure:.3g}'

    def __str__(self) -> str:
        return f'<= {self.show(self.limit)}' + (' more' if self.kind == 'difference' else '')


@dataclass(frozen=True)
class Row:
    """One comparison, measured or not.

    :param reason: why it could not be measured.
    """

    what: str
    bound: Bound
    ours: float | None = None
    theirs: float | None = None
    reason: str | None = None

    def filled(self, outcome: Outcome) -> Row:
        """Return the row with what was measured."""
        if isinstance(outcome, str):
            return replace(self, reason=outcome)
        return replace(self, ours=outcome[0], theirs=outcome[1])

    @property
    def figure(self) -> float | None:
        """The figure that is held to the bound, if it was measured."""
        return None if self.ours is None else self.bound.figure(self.ours, self.theirs)

    @property
    def is_missed(self) -> bool:
        """Whether it was measured and does not keep its bound."""
        return self.figure is not None and self.figure > self.bound.limit

    @property
    def verdict(self) -> str:
        """``ok``, ``MISSED`` or why there is none."""
        if self.figure is None:
            return f'not measured: {self.reason}'
        return 'MISSED' if self.is_missed else 'ok'

    def cells(self) -> list[str]:
        """Return the row as the table shows it."""
        figures = ['-' if value is None else amount(value, self.bound.unit) for value in (self.ours, self.theirs)]
        has_figure = self.figure is not None and self.bound.kind != 'absolute'
        shown = self.bound.show(self.figure) if self.figure is not None and has_figure else '-'
        return [self.what, *figures, shown, str(self.bound), self.verdict]

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON has it, times in seconds and memory in megabytes."""
        return {
            'what': self.what,
            'ours': self.ours,
            'theirs': self.theirs,
            'unit': self.bound.unit,
            'kind': self.bound.kind,
            'figure': self.figure,
            'limit': self.bound.limit,
            'verdict': 'not measured' if self.figure is None else self.verdict,
            'reason': self.reason,
        }
