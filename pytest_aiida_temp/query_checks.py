"""Queries of a run that are asked in two ways: by a kept statement and by one that aiida-core builds for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .profile import TempProfile


class QueryChecks:
    """How many queries of one run were asked in both ways, and how many of them had another outcome."""

    def __init__(self) -> None:
        self.asked = 0
        self.different = 0

    def watch(self, profile: TempProfile) -> None:
        """Have a profile ask each query in both ways."""
        # Set once the storage is made, which else also logs all SQL, for tests to find in `caplog`.
        profile.storage_config['debug'] = True
        profile.storage.statements.note_check = self.note

    def note(self, is_same: bool) -> None:
        """Note a query and whether its outcomes were the same."""
        self.add(1, not is_same)

    def add(self, asked: int, different: int) -> None:
        """Add queries, such as those of a worker of xdist."""
        self.asked += asked
        self.different += different

    def __str__(self) -> str:
        plural = 'query' if self.asked == 1 else 'queries'
        return f'{self.asked} {plural} asked in two ways, {self.different} with different outcomes'
