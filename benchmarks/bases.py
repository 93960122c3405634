"""Checkpoints and resets above a base: what a wide fixture stored and every test finds."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any
from uuid import uuid4

from aiida.orm import Int
from aiida.orm.entities import EntityTypes

from .measurement import Measurement, block, medians
from .nodes import insert_nodes
from .profiles import OpenProfile, Profiles
from .rows import Bound, Outcome, Row
from .sizes import Sizes


def measurements(profiles: Profiles, sizes: Sizes) -> list[Measurement]:
    """Return what fills the rows on checkpoints and bases."""
    base = _Base(profiles, sizes)
    nodes = f'a base of {sizes.base:,} nodes'
    many, few = sizes.changed, sizes.changed // 10
    return [
        Measurement([Row(f'reset after one node with {nodes}, against none', Bound('ratio', 2))], base.after_node),
        Measurement([Row(f'taking a checkpoint with {nodes}', Bound('absolute', 1e-3))], base.taking),
        Measurement([Row('leaving a scope in which nothing was written', Bound('absolute', 50e-6))], base.leaving),
        Measurement(
            [Row(f'reset after changing {many:,} rows of {nodes}, against {few:,}', Bound('ratio', 12))],
            lambda: base.changing(many, few),
        ),
        Measurement([Row('Int(1).store() inside three checkpoints, against none', Bound('ratio', 1.15))], base.inside),
        Measurement(
            [Row(f'reset after one file with a base of {sizes.files:,} files, against none', Bound('ratio', 2))],
            base.after_file,
        ),
    ]


def _store() -> None:
    Int(1).store()


class _Base:
    """A profile with a base, made on first use, and an empty one."""

    def __init__(self, profiles: Profiles, sizes: Sizes) -> None:
        self._full = profiles.base
        self._empty = profiles.ours
        self._sizes = sizes
        self._nodes: list[int] = []
        self._has_files = False

    def after_node(self) -> list[Outcome]:
        """Time the reset after storing a node, with and without a base of nodes."""
        self._make_nodes()
        return self._with_and_without(_store)

    def after_file(self) -> list[Outcome]:
        """Time the reset after writing a file, with and without a base of files."""
        if not self._has_files:
            with self._full.active():
                for _ in range(self._sizes.files):
                    _put_file(self._full)
            self._has_files = True
        return self._with_and_without(lambda: _put_file(self._full), lambda: _put_file(self._empty))

    def taking(self) -> list[Outcome]:
        """Time a checkpoint that follows a stored node."""
        self._make_nodes()
        taken: list[Any] = []

        def prepare() -> None:
            if taken:
                self._full.profile.restore(taken.pop(), keep=False)
            _store()

        return self._alone(lambda: taken.append(self._full.profile.checkpoint()), prepare, taken.clear)

    def leaving(self) -> list[Outcome]:
        """Time the way back to a checkpoint since which nothing was written."""
        taken: list[Any] = []
        profile = self._full.profile
        return self._alone(lambda: profile.restore(taken.pop(), keep=False), lambda: taken.append(profile.checkpoint()))

    def changing(self, many: int, few: int) -> list[Outcome]:
        """Time the reset after changing many and after changing few rows."""
        self._make_nodes()

        def change(count: int) -> None:
            rows = [{'id': pk, 'label': uuid4().hex} for pk in self._nodes[:count]]
            self._full.storage.bulk_update(EntityTypes.NODE, rows)

        return self._compare(
            self._reset_after(self._full, lambda: change(many)), self._reset_after(self._full, lambda: change(few))
        )

    def inside(self) -> list[Outcome]:
        """Time the storing of a node, with and without checkpoints."""

        def store(checkpoints: int) -> float:
            with self._empty.active() as profile:
                outermost = profile.checkpoint() if checkpoints else None
                for _ in range(checkpoints - 1):
                    _store()
                    profile.checkpoint()
                seconds = block(_store, self._sizes.calls)
                if outermost:
                    profile.restore(outermost, keep=False)
                return seconds

        with self._empty.active() as profile:
            profile.reset()
        return self._compare(lambda: store(3), lambda: store(0))

    def _make_nodes(self) -> None:
        if not self._nodes:
            with self._full.active():
                self._nodes = insert_nodes(self._full.storage, self._sizes.base)

    def _with_and_without(
        self, write: Callable[[], Any], write_empty: Callable[[], Any] | None = None
    ) -> list[Outcome]:
        with self._empty.active() as profile:
            profile.reset()
        return self._compare(self._reset_after(self._full, write), self._reset_after(self._empty, write_empty or write))

    def _reset_after(self, opened: OpenProfile, write: Callable[[], Any]) -> Callable[[], float]:
        def turn() -> float:
            with opened.active() as profile:
                checkpoint = profile.checkpoint()
                seconds = block(lambda: profile.restore(checkpoint), self._sizes.calls, prepare=write)
                profile.restore(checkpoint, keep=False)
                return seconds

        return turn

    def _alone(
        self, action: Callable[[], Any], prepare: Callable[[], Any], end: Callable[[], Any] | None = None
    ) -> list[Outcome]:
        def turn() -> float:
            with self._full.active() as profile:
                checkpoint = profile.checkpoint()
                seconds = block(action, self._sizes.calls, prepare)
                profile.restore(checkpoint, keep=False)
                if end:
                    end()
                return seconds

        (seconds,) = medians([turn], self._sizes.rounds)
        return [(seconds, None)]

    def _compare(self, first: Callable[[], float], second: Callable[[], float]) -> list[Outcome]:
        ours, reference = medians([first, second], self._sizes.rounds)
        return [(ours, reference)]


def _put_file(opened: OpenProfile) -> None:
    opened.storage.get_repository().put_object_from_filelike(BytesIO(uuid4().bytes))
