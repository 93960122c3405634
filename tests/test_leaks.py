"""Nothing grows with the number of resets or of profiles."""

from __future__ import annotations

import gc
import os
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from pytest_aiida_temp import temp_profile


def test_resets_leave_no_files_threads_or_memory_behind() -> None:
    process = psutil.Process()

    def read() -> tuple[int, int, int]:
        gc.collect()
        return process.num_fds(), process.num_threads(), threading.active_count()

    with temp_profile() as profile:
        from aiida import orm
        from aiida.manage import get_manager

        checkpoint = profile.checkpoint()

        def use(times: int) -> None:
            for number in range(times):
                orm.Int(number).store()
                if number % 20 == 0:
                    orm.SinglefileData.from_string(f'{number}').store()
                    orm.Group('group').store().add_nodes(orm.QueryBuilder().append(orm.Data).all(flat=True))
                    get_manager().get_runner()
                if number % 2:
                    profile.reset()
                else:
                    profile.restore(checkpoint)

        use(40)  # what is imported and cached once
        before = read()
        tracemalloc.start()
        try:
            memory_before = tracemalloc.get_traced_memory()[0]
            use(200)
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - memory_before
        finally:
            tracemalloc.stop()

        assert read() == before
        assert grown < 300_000  # caches of statements fill up to their limit; a row kept at each reset takes 600 kB


def test_threads_that_used_the_storage_and_ended_leave_nothing_open() -> None:
    process = psutil.Process()
    with temp_profile() as profile:
        from aiida import orm

        def use(times: int) -> None:
            for _ in range(times):
                with ThreadPoolExecutor(2) as pool:
                    list(pool.map(lambda number: orm.Int(number).store().pk, range(4)))
                profile.reset()

        def sessions() -> int:
            gc.collect()
            return sum(type(thing).__name__ == 'StorageSession' for thing in gc.get_objects())

        use(2)
        before = sessions(), process.num_fds(), threading.active_count()  # in this order: the first collects garbage
        use(10)

        assert (sessions(), process.num_fds(), threading.active_count()) == before


def test_closed_profiles_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    process = psutil.Process()

    def use() -> None:
        with temp_profile():
            from aiida import orm

            orm.Int(1).store()
            orm.User.collection.get_default()

    def alive() -> dict[str, int]:
        gc.collect()
        names = ['SqliteTempBackend', 'Contents', 'Database', 'SandboxShaRepositoryBackend', 'TempProfile', 'Engine']
        found = [type(thing).__name__ for thing in gc.get_objects()]
        return {name: found.count(name) for name in names}

    use()
    before = alive(), process.num_fds(), process.num_threads()
    for _ in range(10):
        use()

    assert (alive(), process.num_fds(), process.num_threads()) == before
    assert os.listdir(tmp_path) == []


def test_a_long_run_of_tests_keeps_nothing_of_them(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import gc
        import pytest
        from aiida import orm

        alive = []

        @pytest.mark.parametrize('number', range(60))
        def test_one(aiida_temp_profile, number):
            node = orm.Int(number).store()
            orm.Group('group').store().add_nodes(node)
            if number % 25 == 10:
                gc.collect()
                names = [type(thing).__name__ for thing in gc.get_objects()]
                alive.append([names.count(name) for name in ('DbNode', 'DbGroup', 'Int', 'Runner', 'StorageSession')])

        def test_last():
            assert len(alive) == 2
            assert alive[0] == alive[1]
    """)

    pytester.runpytest_inprocess('-q').assert_outcomes(passed=61)
