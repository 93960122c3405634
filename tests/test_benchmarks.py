"""The benchmarks, apart from the measuring: rows and their verdicts, table, JSON file, command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))  # they are no part of what is installed

from benchmarks import __main__ as command
from benchmarks import measurement, processes, table
from benchmarks.measurement import Measurement
from benchmarks.rows import Bound, Row, amount

FASTER = Row('a reset', Bound('ratio', 1 / 100))
NOT_SLOWER = Row('a node', Bound('ratio', 1.0))
SHORT = Row('nothing written', Bound('absolute', 50e-6))
START_UP = Row('start-up', Bound('difference', 5e-3))
MEMORY = Row('memory', Bound('absolute', 5, 'MB'))

KEPT = NOT_SLOWER.filled((0.8, 1.0))
MISSED = NOT_SLOWER.filled((1.2, 1.0))
UNMEASURED = NOT_SLOWER.filled('psutil is not installed')


@pytest.mark.parametrize(
    ('value', 'unit', 'shown'),
    [
        (2.5, 's', '2.5 s'),
        (0.0401, 's', '40.1 ms'),
        (-0.0013, 's', '-1.3 ms'),
        (35.62e-6, 's', '35.6 µs'),
        (0, 's', '0 µs'),
        (0.04, 'MB', '0.0 MB'),
    ],
)
def test_amounts_are_shown_in_a_unit_that_suits_them(value, unit, shown):
    assert amount(value, unit) == shown


@pytest.mark.parametrize(
    ('row', 'outcome', 'ratio', 'bound', 'verdict'),
    [
        (FASTER, (0.2e-3, 40e-3), '1/200', '<= 1/100', 'ok'),
        (FASTER, (1e-3, 40e-3), '1/40', '<= 1/100', 'MISSED'),
        (NOT_SLOWER, (0.8, 1.0), '0.8', '<= 1', 'ok'),
        (NOT_SLOWER, (1.0, 1.0), '1', '<= 1', 'ok'),
        (NOT_SLOWER, (1.2, 1.0), '1.2', '<= 1', 'MISSED'),
        (SHORT, (40e-6, None), '-', '<= 50 µs', 'ok'),
        (SHORT, (60e-6, None), '-', '<= 50 µs', 'MISSED'),
        (START_UP, (0.304, 0.3), '4 ms', '<= 5 ms more', 'ok'),
        (START_UP, (0.306, 0.3), '6 ms', '<= 5 ms more', 'MISSED'),
        (MEMORY, (5.1, None), '-', '<= 5.0 MB', 'MISSED'),
    ],
)
def test_row_is_held_to_its_bound(row, outcome, ratio, bound, verdict):
    assert row.filled(outcome).cells()[3:] == [ratio, bound, verdict]


def test_row_that_was_not_measured_says_why_and_shows_no_figure():
    assert UNMEASURED.cells() == ['a node', '-', '-', '-', '<= 1', 'not measured: psutil is not installed']


def test_plain_table_has_a_line_for_each_row_below_a_header():
    lines = table.as_text([KEPT, MISSED, UNMEASURED]).splitlines()

    assert lines[0].split() == list(table.HEADER)
    assert [line.split()[0:2] for line in lines[2:]] == [['a', 'node']] * 3
    assert [line.rsplit('<= 1', 1)[1].strip() for line in lines[2:]] == [
        'ok',
        'MISSED',
        'not measured: psutil is not installed',
    ]


@pytest.mark.parametrize(
    'has_rich', [False, pytest.param(True, marks=pytest.mark.skipif(not table.HAS_RICH, reason='needs rich'))]
)
def test_shown_table_ends_with_how_many_rows_keep_their_bound(has_rich, capsys, monkeypatch):
    monkeypatch.setattr(table, 'HAS_RICH', has_rich)

    table.show([KEPT, MISSED, UNMEASURED], 12.34)

    output = capsys.readouterr().out
    assert output.splitlines()[-1] == '1 ok, 1 MISSED, 1 not measured, in 12.3 s'
    assert 'verdict' in output
    assert 'not measured: psutil is not installed' in output


def test_json_file_has_figures_in_seconds_and_what_they_depend_on(tmp_path):
    path = tmp_path / 'figures.json'

    table.write_json(path, [START_UP.filled((0.306, 0.3)), UNMEASURED], 1.5, quick=True)

    content = json.loads(path.read_text(encoding='utf-8'))
    assert (content['quick'], content['seconds']) == (True, 1.5)
    assert content['versions'].keys() >= {'python', 'sqlite', 'aiida-core'}
    start_up, unmeasured = content['rows']
    assert start_up == {
        'what': 'start-up',
        'ours': 0.306,
        'theirs': 0.3,
        'unit': 's',
        'kind': 'difference',
        'figure': pytest.approx(0.006),
        'limit': 0.005,
        'verdict': 'MISSED',
        'reason': None,
    }
    assert (unmeasured['ours'], unmeasured['figure']) == (None, None)
    assert (unmeasured['verdict'], unmeasured['reason']) == ('not measured', 'psutil is not installed')


def test_measurement_that_fails_leaves_the_others_alone():
    def fail() -> list[measurement.Outcome]:
        raise OSError('no space left')

    rows = list(
        measurement.carry_out([Measurement([FASTER, SHORT], fail), Measurement([NOT_SLOWER], lambda: [(1, 2)])])
    )

    assert [row.verdict for row in rows] == ['not measured: OSError: no space left'] * 2 + ['ok']


@pytest.mark.parametrize(
    ('exception', 'shown'),
    # One without a message, and one whose message has two lines.
    [(NotImplementedError(), 'NotImplementedError'), (OSError('no\n  space'), 'OSError: no space')],
)
def test_reason_is_one_line(exception, shown):
    assert measurement.reason(exception) == shown


def test_measurement_does_not_begin_without_time():
    began = []

    rows = list(measurement.carry_out([Measurement([SHORT], lambda: began.append(1) or [])], lambda: False))

    assert [row.verdict for row in rows] == ['not measured: no time left']
    assert not began


def test_medians_are_of_runs_that_take_turns():
    order = []

    def side(name: str, seconds: Iterator[float]) -> float:
        order.append(name)
        return next(seconds)

    ours, theirs = iter([1.0, 9.0, 2.0]), iter([5.0, 4.0, 6.0])

    found = measurement.medians([lambda: side('A', ours), lambda: side('B', theirs)], 3)

    assert order == ['A', 'B'] * 3
    assert found == [2.0, 5.0]


def test_block_times_neither_preparation_nor_warm_up(monkeypatch):
    now = 0.0

    def pass_time(seconds: float) -> None:
        nonlocal now
        now += seconds

    durations = iter([100.0, 1.0, 2.0, 3.0])
    monkeypatch.setattr(measurement.time, 'perf_counter', lambda: now)

    found = measurement.block(lambda: pass_time(next(durations)), 3, prepare=lambda: pass_time(50.0))

    assert found == 2.0


def test_generated_file_has_as_many_tests_as_asked_for():
    source = processes.generated_tests('aiida_profile_clean', 3)

    compile(source, 'test_generated.py', 'exec')
    assert source.count('(aiida_profile_clean):') == 3
    assert source.count('.store()') == 3


def test_process_that_fails_is_reported_with_its_output(tmp_path):
    with pytest.raises(RuntimeError, match='status 1: what went wrong'):
        processes.Processes(tmp_path)._run(tmp_path, '-c', 'raise SystemExit("what went wrong")')


def test_process_is_given_up_when_time_has_run_out(tmp_path):
    with pytest.raises(TimeoutError, match='had not ended'):
        processes.Processes(tmp_path, deadline=0.0)._run(tmp_path, '-c', 'import threading; threading.Event().wait()')


def test_process_finds_neither_configuration_nor_options_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv('PYTEST_ADDOPTS', '--aiida-temp')
    monkeypatch.setenv('AIIDA_PATH', '/elsewhere')

    environment = processes._environment(tmp_path, compiles=True)

    assert environment['HOME'] == environment['AIIDA_PATH'] == str(tmp_path)
    assert 'PYTEST_ADDOPTS' not in environment


def test_command_line_has_defaults_for_everything():
    given = command.parse([])

    assert (given.quick, given.json, given.check) == (False, None, False)


def test_command_line_takes_all_options_together():
    given = command.parse(['--quick', '--check', '--json', 'figures.json'])

    assert (given.quick, given.json, given.check) == (True, Path('figures.json'), True)


def test_unknown_option_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        command.parse(['--fast'])

    assert caught.value.code == 2
    assert 'unrecognized arguments: --fast' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('rows', 'arguments', 'status'),
    [
        ([KEPT, MISSED], [], 0),
        ([KEPT, MISSED], ['--check'], 1),
        ([KEPT, UNMEASURED], ['--check'], 0),
    ],
)
def test_status_tells_of_missed_bounds_only_when_they_are_checked(rows, arguments, status, monkeypatch):
    monkeypatch.setattr(command, 'measure', lambda sizes, began: iter(rows))

    assert command.main(arguments) == status


def test_main_prints_the_table_and_writes_the_file_asked_for(tmp_path, capsys, monkeypatch):
    path = tmp_path / 'figures.json'
    used = []
    monkeypatch.setattr(command, 'measure', lambda sizes, began: used.append(sizes) or iter([KEPT]))

    command.main(['--quick', '--json', str(path)])

    assert used == [command.QUICK]
    assert '1 ok, 0 MISSED, 0 not measured' in capsys.readouterr().out
    assert json.loads(path.read_text(encoding='utf-8'))['quick'] is True
