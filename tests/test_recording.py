"""What is recorded of a run for a comparison."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_aiida_temp.comparison.recording import VARIABLE, Stopwatch

Record = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def record(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Record:
    """Run a module, and return what was recorded."""

    def run(source: str, *arguments: str) -> list[dict[str, Any]]:
        pytester.makepyfile(test_it=source)
        monkeypatch.setenv(VARIABLE, str(tmp_path / 'record.jsonl'))
        pytester.runpytest_inprocess('-p', 'pytest_aiida_temp.comparison.recording', *arguments)
        return [json.loads(line) for line in (tmp_path / 'record.jsonl').read_text(encoding='utf-8').splitlines()]

    return run


def _ends(entries: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Return test, phase, outcome and error of all that did not pass."""
    found = [entry for entry in entries if entry.get('outcome', 'passed') != 'passed']
    return [(entry['test'], entry['phase'], entry['outcome'], entry['error']) for entry in found]


def test_each_phase_is_recorded(record: Record) -> None:
    entries = record('def test_one(): pass')

    assert entries[0] == {'collected': 1}
    assert [(entry['phase'], entry['outcome'], entry['error']) for entry in entries[1:]] == [
        ('setup', 'passed', ''),
        ('call', 'passed', ''),
        ('teardown', 'passed', ''),
    ]
    assert {entry['test'] for entry in entries[1:]} == {'test_it.py::test_one'}
    assert all(0 <= entry['seconds'] < 1 for entry in entries[1:])


def test_what_did_not_pass_is_recorded_with_the_first_line_of_its_error(record: Record) -> None:
    entries = record("""
        import pytest

        @pytest.fixture
        def broken():
            raise ValueError('first line\\nsecond line')

        @pytest.fixture
        def broken_in_the_end():
            yield
            raise RuntimeError('in the end')

        def test_fails():
            assert 1 == 2

        def test_says_no_more():
            pytest.fail('without\\ntraceback', pytrace=False)

        def test_setup(broken): pass

        def test_teardown(broken_in_the_end): pass

        def test_skips():
            pytest.skip('no server')

        # One of each outcome that an expected failure can have: all three are told apart below.
        @pytest.mark.xfail(reason='known')
        def test_xfail():
            raise KeyError('a')

        @pytest.mark.xfail(reason='known', strict=False)
        def test_xpass(): pass

        @pytest.mark.xfail(reason='known', strict=True)
        def test_strict(): pass
    """)

    assert [
        (test.removeprefix('test_it.py::test_'), phase, outcome, error.removeprefix('Failed: '))  # not from pytest 7.0
        for test, phase, outcome, error in _ends(entries)
    ] == [
        ('fails', 'call', 'failed', 'assert 1 == 2'),
        ('says_no_more', 'call', 'failed', 'without'),
        ('setup', 'setup', 'error', 'ValueError: first line'),
        ('teardown', 'teardown', 'error', 'RuntimeError: in the end'),
        ('skips', 'call', 'skipped', 'Skipped: no server'),
        ('xfail', 'call', 'xfailed', "KeyError: 'a'"),
        ('xpass', 'call', 'xpassed', ''),
        ('strict', 'call', 'failed', '[XPASS(strict)] known'),
    ]


def test_a_fixture_that_is_not_there_is_named(record: Record) -> None:
    [(_, phase, outcome, error)] = _ends(record('def test_one(of_nobody): pass'))

    assert (phase, outcome) == ('setup', 'error')
    assert error == "fixture 'of_nobody' not found"


def test_a_module_that_cannot_be_imported_is_recorded(record: Record) -> None:
    entries = record('raise ImportError("not installed")')

    [(test, phase, outcome, error)] = _ends(entries)
    assert (test, phase, outcome) == ('test_it.py', 'collection', 'error')
    assert error.startswith('ImportError')


@pytest.mark.long
def test_workers_of_xdist_record_each_test_once(record: Record) -> None:
    pytest.importorskip('xdist', reason='tests how the recording gets on with pytest-xdist')

    entries = record('def test_one(): pass\ndef test_two(): assert 0\ndef test_three(of_nobody): pass', '-n', '2')

    recorded = [(entry['test'], entry['phase']) for entry in entries if 'test' in entry]
    assert sorted(recorded) == [
        *(('test_it.py::test_one', phase) for phase in ('call', 'setup', 'teardown')),
        *(('test_it.py::test_three', phase) for phase in ('setup', 'teardown')),
        *(('test_it.py::test_two', phase) for phase in ('call', 'setup', 'teardown')),
    ]
    assert max(entry.get('collected', 0) for entry in entries) == 3
    assert sorted(_ends(entries)) == [
        ('test_it.py::test_three', 'setup', 'error', "fixture 'of_nobody' not found"),
        ('test_it.py::test_two', 'call', 'failed', 'assert 0'),
    ]


def test_only_the_last_attempt_at_a_test_that_is_run_again_counts(record: Record) -> None:
    pytest.importorskip('pytest_rerunfailures', reason='tests how the recording gets on with pytest-rerunfailures')

    entries = record(
        """
        attempts = []

        def test_one():
            attempts.append(1)
            assert len(attempts) == 3
        """,
        '--reruns=2',
    )

    assert _ends(entries) == []
    assert [entry['phase'] for entry in entries if 'test' in entry].count('call') == 1


def test_nothing_is_recorded_where_no_comparison_asks_for_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        'def test_one(request): assert not request.config.pluginmanager.has_plugin("aiida_temp_recorder")'
    )

    pytester.runpytest_inprocess('-p', 'pytest_aiida_temp.comparison.recording').assert_outcomes(passed=1)


def test_nested_seconds_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr('pytest_aiida_temp.comparison.recording.time.perf_counter', lambda: clock[0])
    stopwatch = Stopwatch()

    @stopwatch.timed
    def inner() -> None:
        clock[0] += 1

    @stopwatch.timed
    def outer() -> None:
        clock[0] += 2
        inner()
        inner()

    outer()
    clock[0] += 10
    inner()

    assert stopwatch.seconds == 5


def test_seconds_are_counted_up_to_an_exception() -> None:
    stopwatch = Stopwatch()
    fails = stopwatch.timed(lambda: 1 / 0)

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fails()
        assert stopwatch.seconds > 0
        stopwatch.seconds = 0.0
