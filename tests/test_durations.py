"""What is booked on a test, and the list of tests by what they ask of the storage."""

from __future__ import annotations

import re

import pytest

from pytest_aiida_temp.durations import Durations

TESTS = """
    import io
    import pytest
    from aiida import orm
    from nodes import store

    def test_none(aiida_temp_profile):
        pass

    def test_many(aiida_temp_profile):
        for number in range(5):
            orm.Int(number).store()

    def test_few(aiida_temp_profile):
        store()

    def test_bulk(aiida_temp_profile):
        from aiida.orm.entities import EntityTypes

        user = orm.User.collection.get_default().pk
        rows = [{'user_id': user, 'node_type': 'data.'} for _ in range(7)]
        aiida_temp_profile.storage.bulk_insert(EntityTypes.NODE, rows, allow_defaults=True)

    def test_without_profile():
        pass
"""


def rows(result: pytest.RunResult) -> dict[str, tuple[float, int, int]]:
    """Return seconds, statements and nodes by name of the test, in the order of the list."""
    pattern = re.compile(r' *([0-9.]+) +([0-9]+) +([0-9]+)  [^:]*::(test_[a-z_]+)$')
    found = [match for match in map(pattern.match, result.stdout.lines) if match]
    return {match[4]: (float(match[1]), int(match[2]), int(match[3])) for match in found}


@pytest.mark.parametrize(
    'flags',
    [
        pytest.param((), id='fixture'),
        pytest.param(('--aiida-temp',), id='flag'),
        pytest.param(('-n', '2'), id='workers', marks=pytest.mark.long),
    ],
)
def test_tests_are_listed_by_time_in_storage(pytester: pytest.Pytester, flags: tuple[str, ...]) -> None:
    pytester.makepyfile(test_it=TESTS)
    run = pytester.runpytest_subprocess if '-n' in flags else pytester.runpytest_inprocess

    result = run('--aiida-temp-durations=0', *flags)

    result.assert_outcomes(passed=5)
    found = rows(result)
    assert [found[name][2] for name in ('test_many', 'test_few', 'test_bulk')] == [5, 1, 7]
    assert found['test_many'][1] > found['test_few'][1] > 1
    assert 'test_without_profile' not in found
    seconds = [row[0] for row in found.values()]
    assert seconds == sorted(seconds, reverse=True)
    assert sum(seconds) > 0


def test_no_more_tests_are_listed_than_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    pytester.makeini('[pytest]\naiida_temp_durations = 2')

    assert len(rows(pytester.runpytest_inprocess())) == 2
    assert len(rows(pytester.runpytest_inprocess('--aiida-temp-durations=1'))) == 1
    pytester.makeini('[pytest]')
    assert len(rows(pytester.runpytest_inprocess('--durations=1'))) == 0


@pytest.mark.parametrize('value', ['-1', 'many', '1.5', ''])
def test_what_is_no_number_of_tests_is_refused(pytester: pytest.Pytester, value: str) -> None:
    result = pytester.runpytest_inprocess(f'--aiida-temp-durations={value}')

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --aiida-temp-durations: '{value}' is not allowed; it must be a number of *"])


def test_files_are_part_of_the_time_in_storage(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import io, time
        from aiida import orm

        class Slow(io.BytesIO):
            def read(self, *args):
                time.sleep(0.2)
                return super().read(*args)

        def test_slow(aiida_temp_profile):
            aiida_temp_profile.storage.get_repository().put_object_from_filelike(Slow(b'content'))
    """)

    assert rows(pytester.runpytest_inprocess('--aiida-temp-durations=1'))['test_slow'][0] >= 0.2


@pytest.mark.parametrize('flags', [(), ('--aiida-temp',)])
def test_resets_and_checkpoints_are_not_booked_on_the_call(pytester: pytest.Pytester, flags: tuple[str, ...]) -> None:
    pytester.makeconftest("""
        import os
        import pytest

        @pytest.fixture(scope='session', autouse=True)
        def noted():
            from pytest_aiida_temp.profile import TempProfile

            def noting(name, real):
                def wrapper(*args, **kwargs):
                    print(f'{name} of {os.environ["PYTEST_CURRENT_TEST"]}')
                    return real(*args, **kwargs)
                return wrapper

            with pytest.MonkeyPatch.context() as patch:
                for name in ('restore_if_there', 'checkpoint'):
                    patch.setattr(TempProfile, name, noting(name, getattr(TempProfile, name)))
                yield
    """)
    pytester.makepyfile("""
        import pytest

        @pytest.mark.aiida_temp
        def test_marked():
            pass

        def test_fixture(aiida_temp_profile):
            pass
    """)

    result = pytester.runpytest_inprocess('-s', *flags)

    result.assert_outcomes(passed=2)
    noted = set(re.findall(r'(restore_if_there|checkpoint) of [^:]*::(test_[a-z]+) [(](\w+)', result.stdout.str()))
    for test in ('test_marked', 'test_fixture'):
        assert {(what, phase) for what, name, phase in noted if name == test} == {
            ('checkpoint', 'setup'),
            ('restore_if_there', 'teardown'),
        }


def test_what_workers_counted_is_added_up() -> None:
    worker, controller = Durations(0), Durations(0)
    worker.begin('test_a')
    worker._note('INSERT INTO db_dbnode (id) VALUES (?), (?)', 1, 0.5)
    worker._note('SELECT 1 FROM db_dbnode', 1, 0.25)
    worker.end()
    worker._note('SELECT 1', 1, 9.0)

    controller.add(worker.as_rows())
    controller.add(worker.as_rows())

    assert controller.as_rows() == [('test_a', 4, 4, 1.5)]
