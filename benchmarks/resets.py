"""Resets of a storage that holds little."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable
from importlib import import_module
from statistics import median
from typing import Any

from aiida.manage import get_manager
from aiida.orm import Int

from .measurement import Measurement, block, medians
from .profiles import OpenProfile, Profiles, compare
from .rows import Bound, Outcome, Row
from .sizes import Sizes


def measurements(profiles: Profiles, sizes: Sizes) -> list[Measurement]:
    """Return what fills the rows on resets; memory comes first, while nothing freed can hide its growth."""
    after_node = 'reset after one stored node, against '
    return [
        Measurement(
            [
                Row(f'{sizes.resets:,} resets: the last tenth, against the first', Bound('ratio', 1.1)),
                Row(f'{sizes.resets:,} resets: growth of memory', Bound('absolute', 5, 'MB')),
            ],
            lambda: _many_resets(profiles.ours, sizes.resets),
        ),
        Measurement(
            [
                Row(f'{after_node}reset_storage() of core.sqlite_dos', Bound('ratio', 1 / 100)),
                Row(f'{after_node}closing and reopening core.sqlite_temp', Bound('ratio', 1 / 20)),
            ],
            lambda: _after_node(profiles, sizes),
        ),
        Measurement(
            [
                Row(
                    'emptying in a test what its module stored, against reset_storage() of core.sqlite_dos',
                    Bound('ratio', 1 / 100),
                )
            ],
            lambda: _emptying(profiles, sizes),
        ),
        Measurement(
            [Row('reset with nothing written', Bound('absolute', 50e-6))],
            lambda: _nothing_written(profiles.ours, sizes),
        ),
    ]


def _store() -> None:
    Int(1).store()


class _Control:
    """Work that is always the same, to tell by how much the machine itself has become slower or faster."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(':memory:', isolation_level=None)
        self._connection.execute('CREATE TABLE control (id INTEGER PRIMARY KEY, label TEXT)')

    def work(self) -> None:
        """Insert rows and delete them."""
        for number in range(20):
            self._connection.execute('INSERT INTO control (label) VALUES (?)', (str(number),))
        self._connection.execute('DELETE FROM control')


def _many_resets(ours: OpenProfile, count: int) -> list[Outcome]:
    """Time resets in a row, with the last tenth at the speed that the machine had during the first."""
    with ours.active() as profile:
        for _ in range(count // 20):
            _store()
            profile.reset()
        before = _memory()
        control = _Control()
        resets, controls = [], []
        for _ in range(count):
            resets.append(block(profile.reset, 1, prepare=_store, warm_up=False))
            controls.append(block(control.work, 1, warm_up=False))
        after = _memory()
    tenth = count // 10
    slower = median(controls[-tenth:]) / median(controls[:tenth])
    memory: Outcome = 'psutil is not installed' if before is None or after is None else (after - before, None)
    return [(median(resets[-tenth:]) / slower, median(resets[:tenth])), memory]


def _memory() -> float | None:
    """Return the memory of this process in megabytes."""
    try:
        psutil = import_module('psutil')
    except ImportError:
        return None
    gc.collect()
    return float(psutil.Process().memory_info().rss / 1024**2)


def _after_node(profiles: Profiles, sizes: Sizes) -> list[Outcome]:
    def turn(opened: OpenProfile, reset: Callable[[], Any], calls: int) -> float:
        with opened.active():
            return block(reset, calls, prepare=_store, warm_up=calls > 1)

    return compare(
        lambda: turn(profiles.ours, profiles.ours.profile.reset, sizes.calls),
        [
            (profiles.sqlite_dos, lambda: _on_disk(profiles.sqlite_dos)),
            (profiles.sqlite_temp, lambda: turn(profiles.sqlite_temp, _reopen, 1)),
        ],
        sizes.rounds,
    )


def _on_disk(opened: OpenProfile) -> float:
    """Return the seconds in which aiida-core empties its storage after one node."""

    def clean() -> None:
        opened.profile.reset_storage()

    with opened.active():
        return block(clean, 1, prepare=_store, warm_up=False)


def _emptying(profiles: Profiles, sizes: Sizes) -> list[Outcome]:
    """Time what `aiida_profile_clean` calls, in a test of a module that has stored a node."""

    def turn() -> float:
        with profiles.ours.active() as profile:
            module = profile.checkpoint()
            _store()
            test = profile.checkpoint()

            def prepare() -> None:
                profile.restore(test)
                _store()

            seconds = block(profile.reset, sizes.calls, prepare=prepare)
            profile.restore(module, keep=False)
            return seconds

    return compare(turn, [(profiles.sqlite_dos, lambda: _on_disk(profiles.sqlite_dos))], sizes.rounds)


def _reopen() -> None:
    """Close the storage of the loaded profile and open it again, which is how ``core.sqlite_temp`` is emptied.

    No more than that is done: AiiDA's manager would also set up its logging anew, which takes as long again.
    """
    manager = get_manager()
    profile, storage = manager.get_profile(), manager.get_profile_storage()
    storage.close()
    manager._profile_storage = profile.storage_cls(profile)


def _nothing_written(ours: OpenProfile, sizes: Sizes) -> list[Outcome]:
    with ours.active() as profile:
        (seconds,) = medians([lambda: block(profile.reset, sizes.calls)], sizes.rounds)
    return [(seconds, None)]
