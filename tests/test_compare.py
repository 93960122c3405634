"""``python -m pytest_aiida_temp compare``: what is made of two runs, and the command line."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pytest_aiida_temp import __main__ as command_line
from pytest_aiida_temp.comparison.compare import OURS, OWN, Comparison, Run, _end, as_json, report
from pytest_aiida_temp.comparison.compare import Test as Outcome

SUITES = Path(__file__).parent / 'suites'


def _run(seconds: float = 1.0, **outcomes: str | tuple[str, str]) -> Run:
    """Return a run whose tests ended as given, in 0.25 s of making and emptying profiles each."""
    pairs = {name: (value, '') if isinstance(value, str) else value for name, value in outcomes.items()}
    return Run({name: Outcome(outcome, error, 0.25) for name, (outcome, error) in pairs.items()}, seconds)


# What is made of the runs


@pytest.mark.parametrize(
    ('phases', 'outcome', 'error'),
    [
        ([('setup', 'passed'), ('call', 'passed'), ('teardown', 'passed')], 'passed', ''),
        ([('setup', 'passed'), ('call', 'failed'), ('teardown', 'passed')], 'failed', 'in call'),
        ([('setup', 'skipped'), ('teardown', 'passed')], 'skipped', 'in setup'),
        ([('setup', 'passed'), ('call', 'xfailed'), ('teardown', 'passed')], 'xfailed', 'in call'),
        ([('setup', 'passed'), ('call', 'xpassed'), ('teardown', 'passed')], 'xpassed', 'in call'),
        ([('setup', 'error'), ('teardown', 'passed')], 'error', 'setup: in setup'),
        ([('setup', 'passed'), ('call', 'failed'), ('teardown', 'error')], 'error', 'teardown: in teardown'),
        ([('setup', 'passed'), ('call', 'skipped'), ('teardown', 'error')], 'error', 'teardown: in teardown'),
        ([('collection', 'error')], 'error', 'collection: in collection'),
    ],
)
def test_the_worst_phase_decides_how_a_test_ended(phases: list[tuple[str, str]], outcome: str, error: str) -> None:
    test = Outcome()
    for phase, result in phases:
        test.add({'phase': phase, 'outcome': result, 'error': f'in {phase}', 'seconds': 0.5})

    assert (test.outcome, test.error, test.seconds) == (outcome, error, len(phases) / 2)


def test_tests_differ_where_the_sides_do() -> None:
    comparison = Comparison(
        {
            OWN: [_run(a='passed', b='passed', c=('skipped', 'no server'), only_own='passed')],
            OURS: [_run(a='passed', b=('failed', 'assert 1 == 2'), c='passed', only_ours='passed')],
        }
    )

    assert comparison.tests() == ['a', 'b', 'c', 'only_own', 'only_ours']
    assert comparison.different() == ['b', 'c', 'only_own', 'only_ours']
    assert comparison.flaky() == []
    assert comparison.outcomes(OURS, 'only_own') == ['not run']
    assert comparison.error(OWN, 'c') == 'no server'


def test_a_test_that_differs_within_a_side_is_flaky_and_not_different() -> None:
    comparison = Comparison(
        {
            OWN: [_run(own='passed', ours='passed', both='passed'), _run(own='failed', ours='passed', both='passed')],
            OURS: [_run(own='failed', ours='passed', both='error'), _run(own='failed', both='error')],
        }
    )

    assert comparison.flaky() == ['own', 'ours']
    assert comparison.different() == ['both']


def test_the_error_is_the_first_one_of_a_side() -> None:
    runs = [_run(a='passed'), _run(a=('failed', 'first')), _run(a=('failed', 'second'))]

    assert Comparison({OWN: runs, OURS: [_run(a='passed')] * 3}).error(OWN, 'a') == 'first'


def test_the_fastest_run_of_a_side_counts() -> None:
    comparison = Comparison({OWN: [_run(4.0, a='passed'), _run(3.0, a='passed', b='passed')], OURS: [_run(1.5)] * 2})

    assert (comparison.seconds(OWN), comparison.seconds(OURS)) == (3.0, 1.5)
    assert (comparison.storage_seconds(OWN), comparison.storage_seconds(OURS)) == (0.25, 0.0)


def test_the_report_has_outcomes_errors_and_seconds_of_both_sides() -> None:
    own = [_run(6.0, same='passed', other='passed', flaky='passed'), _run(9.0, same='passed', other='passed')]
    ours = [_run(2.0, same='passed', other=('failed', 'assert 0 == 1'), flaky=('error', 'setup: gone'))] * 2

    text = report(Comparison({OWN: own, OURS: ours}))

    lines = [' '.join(line.split()) for line in text.splitlines()]
    assert lines[:8] == [
        'Tests that differ: 1',
        'other',
        'own fixtures passed',
        '--aiida-temp failed assert 0 == 1',
        'Tests that are flaky: 1',
        'flaky',
        'own fixtures passed, not run',
        '--aiida-temp error setup: gone',
    ]
    assert lines[11:] == [
        'tests 3 3',
        'passed 3 1',
        'failed 0 1',
        'error 0 1',
        'seconds in making and emptying profiles 0.50 0.75',
        'seconds in all 6.0 2.0 3.00 times as fast',
    ]


def test_the_error_of_a_flaky_test_is_apart_from_its_outcomes() -> None:
    side = [_run(a='passed'), _run(a=('xpassed', 'assert 0 == 1'))]

    text = report(Comparison({OWN: side, OURS: [_run(a='passed')] * 2}))

    assert 'passed, xpassed ' in text
    assert ' assert 0 == 1\n' in text


def test_the_report_says_that_nothing_differs() -> None:
    text = report(Comparison({OWN: [_run(a='passed')], OURS: [_run(a='passed')]}))

    assert text.startswith('Tests that differ: none\nTests that are flaky: none\n')


def test_the_json_has_all_outcomes() -> None:
    runs = {OWN: [_run(3.0, a='passed', b='passed')], OURS: [_run(2.0, a=('failed', 'assert 0'))]}

    content = json.loads(as_json(Comparison(runs)))

    assert content == {
        'different': ['a', 'b'],
        'flaky': [],
        'seconds': {OWN: [3.0], OURS: [2.0]},
        'storage_seconds': {OWN: [0.5], OURS: [0.25]},
        'tests': {
            'a': {OWN: {'outcomes': ['passed'], 'error': ''}, OURS: {'outcomes': ['failed'], 'error': 'assert 0'}},
            'b': {OWN: {'outcomes': ['passed'], 'error': ''}, OURS: {'outcomes': ['not run'], 'error': ''}},
        },
    }


# The command line

Invoke = Callable[..., tuple[Result, list[tuple[Sequence[str], int, float | None]]]]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """Run the command with made-up outcomes, and return its result and how the suite would have been run."""

    def run(*arguments: str, ours: str = 'passed') -> tuple[Result, list[tuple[Sequence[str], int, float | None]]]:
        calls = []

        def compare(*given: object) -> Comparison:
            calls.append(given)
            return Comparison({OWN: [_run(a='passed')], OURS: [_run(a=ours)]})

        monkeypatch.setattr(command_line, 'compare_suite', compare)
        return CliRunner().invoke(command_line.main, ['compare', *arguments]), calls

    monkeypatch.chdir(tmp_path)
    return run


@pytest.mark.parametrize(('ours', 'status'), [('passed', 0), ('failed', 1), ('skipped', 1)])
def test_the_exit_status_says_whether_tests_differ(invoke: Invoke, ours: str, status: int) -> None:
    result, _ = invoke('tests', ours=ours)

    assert result.exit_code == status
    assert result.output.startswith(f'Tests that differ: {status or "none"}\n')


@pytest.mark.parametrize(
    ('given', 'handed_on'),
    [
        ('', []),
        ('tests -x -rA -vv --tb=short -n 2', ['tests', '-x', '-rA', '-vv', '--tb=short', '-n', '2']),
        ('-p no:randomly --repeat 3 a::b[c-1]', ['-p', 'no:randomly', 'a::b[c-1]']),
        ('-k one --json found.json -m two', ['-k', 'one', '-m', 'two']),
        ('-- --repeat 3', ['--repeat', '3']),
    ],
)
def test_what_is_not_an_option_of_the_command_is_handed_on(invoke: Invoke, given: str, handed_on: list[str]) -> None:
    result, [(arguments, repeat, time_limit)] = invoke(*given.split())

    assert result.exit_code == 0, result.output
    assert list(arguments) == handed_on
    assert repeat == (3 if 'no:randomly' in given else 1)
    assert time_limit is None


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ('--repeat 0', "Invalid value for '--repeat': 0 is not in the range x>=1"),
        ('--repeat many', "'many' is not a valid integer"),
        ('--time-limit 0', "Invalid value for '--time-limit'"),
        ('--json missing/found.json', 'missing/found.json cannot be written: No such file or directory'),
        ('--json .', 'is a directory'),
    ],
)
def test_a_bad_option_is_refused_before_the_runs(invoke: Invoke, given: str, message: str) -> None:
    result, calls = invoke(*given.split())

    assert (result.exit_code, calls) == (2, [])
    assert message in ' '.join(result.output.split())


def test_what_was_found_is_written(invoke: Invoke) -> None:
    invoke('--json', 'found.json', ours='failed')

    assert json.loads(Path('found.json').read_text(encoding='utf-8'))['different'] == ['a']


# Real runs


@pytest.mark.parametrize(
    ('arguments', 'said'), [(['--no-such-option'], 'unrecognized arguments: --no-such-option'), ([], 'no tests ran in')]
)
def test_what_pytest_said_is_shown_if_it_ran_no_tests(
    compare: Callable[..., Result], arguments: list[str], said: str
) -> None:
    result = compare(*arguments)

    assert result.exit_code == 2
    assert said in result.output
    assert '(own fixtures): ' in result.output.splitlines()[-1]


def test_a_run_that_takes_too_long_is_given_up(pytester: pytest.Pytester) -> None:
    result = CliRunner().invoke(command_line.main, ['compare', '--time-limit', '0.01'])

    assert result.exit_code == 2
    assert 'pytest took longer than 0.01 seconds (own fixtures): ' in result.output


def test_what_a_run_has_started_is_ended_with_it() -> None:
    with socket.create_server(('127.0.0.1', 0)) as server:
        started = f'import socket, time; s = socket.create_connection({server.getsockname()}); time.sleep(600)'
        source = f'import subprocess, sys; subprocess.Popen([sys.executable, "-c", {started!r}]).wait()'
        process = subprocess.Popen([sys.executable, '-c', source], start_new_session=True, stderr=subprocess.DEVNULL)
        server.settimeout(60)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(60)

            _end(process)

            assert connection.recv(1) == b''  # as the other end is gone


def test_a_comparison_that_is_terminated_ends_the_run_that_goes_on(pytester: pytest.Pytester) -> None:
    with socket.create_server(('127.0.0.1', 0)) as server:
        pytester.makeconftest(f"""
            import socket, time
            connection = socket.create_connection({server.getsockname()})
            time.sleep(600)
        """)
        process = subprocess.Popen([sys.executable, '-m', 'pytest_aiida_temp', 'compare'], stderr=subprocess.DEVNULL)
        server.settimeout(60)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(60)

            process.terminate()

            assert connection.recv(1) == b''
        assert process.wait(60) == 1


@pytest.mark.long
def test_a_suite_is_run_on_both_sides_and_told_apart(pytester: pytest.Pytester) -> None:
    shutil.copytree(SUITES / 'load_string', pytester.path, dirs_exist_ok=True)
    shutil.copy(SUITES / 'nodes.py', pytester.path)  # which expects the storage of the suite's own fixtures
    pytester.makepyfile(
        test_first_run="""
        from pathlib import Path

        def test_fails_in_it(path=Path('was-run')):
            was_run = path.exists()
            path.touch()
            assert was_run
        """
    )
    command = [sys.executable, '-m', 'pytest_aiida_temp', 'compare', '--repeat', '2', '--json', 'found.json', '-q']

    process = subprocess.run(command, capture_output=True, text=True, check=False)

    assert process.returncode == 1, process.stdout + process.stderr
    lines = [' '.join(line.split()) for line in process.stdout.splitlines()]
    assert lines[:6] == [
        'Tests that differ: 1',
        'test_string.py::test_storage',
        'own fixtures passed',
        "--aiida-temp failed AssertionError: assert 'aiida_temp.sqlite' == 'core.sqlite_dos'",
        'Tests that are flaky: 1',
        'test_first_run.py::test_fails_in_it',
    ]
    assert 'tests 5 5' in lines
    content = json.loads((pytester.path / 'found.json').read_text(encoding='utf-8'))
    assert {test: list(sides[OURS]['outcomes']) for test, sides in content['tests'].items()} == {
        'test_first_run.py::test_fails_in_it': ['passed', 'passed'],
        'test_string.py::test_storage': ['failed', 'failed'],
        'test_string.py::test_names_no_fixture': ['passed', 'passed'],
        'test_string.py::test_clean': ['passed', 'passed'],
        'test_string.py::test_clean_in_the_signature': ['passed', 'passed'],
    }
    assert content['tests']['test_first_run.py::test_fails_in_it'][OWN]['outcomes'] == ['failed', 'passed']
    assert 0 < max(content['storage_seconds'][OURS]) < min(content['storage_seconds'][OWN])
