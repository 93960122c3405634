"""Runs that select tests, stop early, are interrupted or open a debugger isolate tests and tidy up like any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from pytest_aiida_temp import temp_profile

FAILING = """
    import pytest
    from nodes import store

    @pytest.fixture(scope='module')
    def data(aiida_temp_session):
        return store()

    @pytest.mark.parametrize('number', range(6))
    def test_it(data, aiida_temp_profile, number):
        if store() != 2:
            pytest.exit('not fresh', 99)
        if number in (1, 3, 4):
            raise RuntimeError('as meant')
"""

INTERRUPTED = """
    import os
    import pytest
    from nodes import store

    def interrupt(where):
        if os.environ['WHERE'] == where:
            exec(os.environ['INTERRUPTION'])

    @pytest.fixture(scope='module')
    def wide(aiida_temp_session):
        store()
        interrupt('set-up of a wide fixture')
        yield
        store()
        interrupt('finalizer of a wide fixture')

    @pytest.fixture
    def narrow(wide, aiida_temp_profile):
        store()
        interrupt('set-up of a fixture')
        yield
        store()
        interrupt('finalizer of a fixture')

    def test_it(narrow, aiida_temp_profile):
        store()
        interrupt('test')
        with aiida_temp_profile.storage.transaction():
            store()
            interrupt('transaction')
"""

FRESH = """
    from nodes import store

    def test_fresh(aiida_temp_profile):
        assert store() == 1
"""


@pytest.fixture
def temporary(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, also for subprocesses; that of pytest is elsewhere."""
    folder = pytester.mkdir('temporary')
    monkeypatch.setenv('TMPDIR', str(folder))
    monkeypatch.setattr(tempfile, 'tempdir', str(folder))
    return folder


def process() -> list[Any]:
    """Return what a run uses of the process and has to give back."""
    from aiida.manage import configuration, get_manager

    return [os.environ.get('AIIDA_PATH'), configuration.CONFIG, get_manager().get_profile()]


@pytest.mark.parametrize(
    ('args', 'passed', 'failed'),
    [
        (['--lf'], 0, 3),
        (['--lf', '-x'], 0, 1),
        (['--ff', '--aiida-temp'], 3, 3),
        (['-x'], 1, 1),
        (['--maxfail=2', '--aiida-temp'], 2, 2),
        (['--stepwise'], 1, 1),
        (['--stepwise', '--stepwise-skip', '--aiida-temp'], 2, 2),
        (['-k', '0 or 3 or 5'], 2, 1),
    ],
    ids=str,
)
def test_tests_that_are_selected_start_fresh(
    pytester: pytest.Pytester, args: list[str], passed: int, failed: int
) -> None:
    pytester.makepyfile(FAILING)
    before = process()
    pytester.runpytest_inprocess().assert_outcomes(passed=3, failed=3)

    outcomes = pytester.runpytest_inprocess(*args).parseoutcomes()

    assert (outcomes.get('passed', 0), outcomes.get('failed', 0), outcomes.get('errors', 0)) == (passed, failed, 0)
    assert process() == before


@pytest.mark.parametrize(
    ('where', 'passed'),
    [
        ('set-up of a wide fixture', 0),
        ('set-up of a fixture', 0),
        ('test', 0),
        ('transaction', 0),
        ('finalizer of a fixture', 1),
        ('finalizer of a wide fixture', 1),
    ],
)
def test_a_run_that_is_interrupted_ends_at_once_and_the_next_starts_fresh(
    pytester: pytest.Pytester, temporary: Path, monkeypatch: pytest.MonkeyPatch, where: str, passed: int
) -> None:
    pytester.makepyfile(test_a=INTERRUPTED, test_b=FRESH)
    before = process()

    for interruption, status in ('raise KeyboardInterrupt', 2), ('pytest.exit("enough", 7)', 7):
        monkeypatch.setenv('WHERE', where)
        monkeypatch.setenv('INTERRUPTION', interruption)
        result = pytester.runpytest_inprocess(no_reraise_ctrlc=True)

        assert result.ret == status
        assert result.parseoutcomes().get('passed', 0) == passed
        assert process() == before
        assert list(temporary.iterdir()) == []
        assert not (pytester.path / '.aiida').exists()

    pytester.runpytest_inprocess('test_b.py').assert_outcomes(passed=1)


@pytest.mark.long
def test_a_signal_ends_a_run_that_is_inside_a_transaction(
    pytester: pytest.Pytester, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = pytester.mkdir('root')
    monkeypatch.setenv('PYTEST_DEBUG_TEMPROOT', str(root))
    pytester.makepyfile("""
        import threading
        from nodes import store

        def test_it(aiida_temp_profile):
            with aiida_temp_profile.storage.transaction():
                store()
                print('inside', flush=True)
                threading.Event().wait(60)

        def test_after():
            print('went on')
    """)
    # What runs in the background of a shell ignores the signal, and so do the processes that it starts.
    listen = 'import signal, sys, pytest; signal.signal(signal.SIGINT, signal.default_int_handler)'
    command = [sys.executable, '-c', f'{listen}; sys.exit(pytest.main())', '-s', '--aiida-temp']
    with pytester.popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT) as run:
        assert any('inside' in line.decode() for line in run.stdout)
        run.send_signal(signal.SIGINT)
        output = run.stdout.read().decode()

    assert run.returncode == pytest.ExitCode.INTERRUPTED
    assert 'KeyboardInterrupt' in output
    assert 'went on' not in output
    assert [path.name for path in root.glob('*/*') if not path.is_symlink()] == ['pytest-0']
    assert list(temporary.iterdir()) == []
    assert not (pytester.path / '.aiida').exists()


@pytest.fixture
def debugger(pytester: pytest.Pytester) -> str:
    """The flag for a debugger that, when it opens, prints where and how many nodes there are, and goes on."""
    pytester.syspathinsert()
    pytester.makepyfile(
        recorder="""
        import os
        import pdb
        from nodes import count

        def record(*args, **kwargs):
            print('debugger in', os.environ['PYTEST_CURRENT_TEST'].partition('::')[2], count())

        class Recorder(pdb.Pdb):
            interaction = set_trace = staticmethod(record)

            def runcall(self, function, *args, **kwargs):
                record()
                return function(*args, **kwargs)
        """
    )
    return '--pdbcls=recorder:Recorder'


@pytest.mark.parametrize('flag', [[], ['--aiida-temp']])
def test_a_debugger_sees_what_the_test_stored_and_the_next_starts_fresh(
    pytester: pytest.Pytester, debugger: str, flag: list[str]
) -> None:
    pytester.makepyfile("""
        import unittest
        import pytest
        from nodes import count, store

        @pytest.fixture(scope='module', autouse=True)
        def data(aiida_temp_session):
            store()

        @pytest.fixture
        def fails(aiida_temp_profile):
            store()
            raise RuntimeError

        @pytest.fixture
        def finalizer_fails(aiida_temp_profile):
            yield
            raise RuntimeError

        def test_fails(aiida_temp_profile):
            assert [store(), store(), store()] == [2, 3, 4]
            raise RuntimeError

        def test_set_up_fails(fails):
            pass

        def test_after_set_up_failed(aiida_temp_profile):
            assert count() == 1

        def test_finalizer_fails(finalizer_fails):
            assert store() == 2

        def test_breakpoint(aiida_temp_profile):
            assert [store(), store()] == [2, 3]
            breakpoint()
            assert count() == 3

        @pytest.mark.aiida_temp
        class TestCase(unittest.TestCase):
            def setUp(self):
                assert store() == 2

            def tearDown(self):
                assert count() == 5

            def test_fails(self):
                assert [store(), store(), store()] == [3, 4, 5]
                raise RuntimeError

        def test_after(aiida_temp_profile):
            assert store() == 2
    """)

    result = pytester.runpytest_inprocess('--pdb', debugger, *flag)

    result.assert_outcomes(passed=4, failed=2, errors=2)
    assert [line for line in result.outlines if line.startswith('debugger')] == [
        'debugger in test_fails (call) 4',
        'debugger in test_set_up_fails (setup) 2',
        'debugger in test_finalizer_fails (teardown) 2',
        'debugger in test_breakpoint (call) 3',
        'debugger in TestCase::test_fails (call) 5',
    ]


FAILING_FINALIZERS = {
    'conftest': """
        import pytest
        from nodes import store

        @pytest.fixture(scope='session')
        def data(aiida_temp_session):
            store()

        @pytest.fixture
        def finalizer_fails(data, aiida_temp_profile):
            store()
            yield
            raise RuntimeError

        @pytest.fixture
        def fresh(data, aiida_temp_profile):
            assert store() == 2

        @pytest.fixture(scope='session')
        def session_fails(data):
            store()
            yield
            raise RuntimeError
    """,
    'test_1_last_of_module': """
        import pytest
        from nodes import store

        @pytest.fixture(scope='module')
        def more(data):
            store()

        def test_it(more, finalizer_fails):
            assert store() == 4
    """,
    'test_2_last_of_class': """
        import pytest
        from nodes import store

        def test_fresh(fresh): pass

        @pytest.mark.aiida_temp(reset='class')
        class TestFails:
            @pytest.fixture(scope='class')
            def fails(self, data):
                store()
                yield
                raise RuntimeError

            def test_before(self, fails):
                assert store() == 3

            def test_it(self, fails):
                assert store() == 4

        def test_fresh_again(fresh): pass
    """,
    'test_3_module': """
        import pytest
        from nodes import store

        @pytest.fixture(scope='module', params=[1, 2, 3])
        def fails(request, data):
            store()
            yield
            raise RuntimeError

        def test_it(fails, aiida_temp_profile):
            assert store() == 3
    """,
    'test_4_own_profile': """
        import pytest
        from aiida.manage import get_manager
        from nodes import store

        @pytest.fixture
        def factory(data, aiida_temp_profile_factory):
            with aiida_temp_profile_factory('further'):
                store()
                yield
            assert get_manager().get_profile().name == 'further'

        @pytest.fixture
        def fails(factory):
            yield
            raise RuntimeError

        def test_it(fails):
            assert store() == 2
    """,
    'test_5_archive': """
        import pytest
        from nodes import count, store

        pytestmark = pytest.mark.aiida_temp(archive='one.aiida')

        def test_it(finalizer_fails):
            assert store() == 4
    """,
    'test_6_last_of_run': """
        from nodes import store

        def test_fresh(fresh): pass

        def test_it(session_fails, finalizer_fails):
            assert store() == 4
    """,
}


@pytest.mark.parametrize('flag', [[], ['--aiida-temp']])
def test_a_debugger_over_a_failed_tear_down_sees_the_storage_though_wider_scopes_have_ended(
    pytester: pytest.Pytester, debugger: str, flag: list[str]
) -> None:
    from aiida import orm

    with temp_profile() as profile:
        orm.Int(1).store()
        profile.export(pytester.path / 'one.aiida')
    pytester.makeconftest(FAILING_FINALIZERS['conftest'])
    pytester.makepyfile(**{name: text for name, text in FAILING_FINALIZERS.items() if name != 'conftest'})
    before = process()

    result = pytester.runpytest_inprocess('--pdb', debugger, *flag)

    result.assert_outcomes(passed=11, errors=7)
    assert [line for line in result.outlines if line.startswith('debugger')] == [
        'debugger in test_it (teardown) 4',
        'debugger in TestFails::test_it (teardown) 4',
        'debugger in test_it[2] (setup) 2',
        'debugger in test_it[3] (teardown) 2',
        'debugger in test_it (teardown) 2',
        'debugger in test_it (teardown) 4',
        'debugger in test_it (teardown) 4',
    ]
    assert 'def __call__' not in result.stdout.str(), 'a traceback shows the plugin itself'
    assert process() == before


@pytest.mark.long
def test_a_debugger_that_is_fed_by_hand_sees_the_storage_after_the_last_tear_down_has_failed(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(FAILING_FINALIZERS['conftest'])
    pytester.makepyfile(FAILING_FINALIZERS['test_6_last_of_run'])
    commands = b"p profile.storage.get_info()['entities']['Nodes']\nc\n"

    result = pytester.run(sys.executable, '-m', 'pytest', '--pdb', '-k', 'test_it', stdin=commands)

    result.stdout.fnmatch_lines(
        ['aiida-temp: the storage is still there *', "(Pdb) {'count': 4}", '*1 passed*1 error*']
    )


@pytest.mark.parametrize('flag', [[], ['--aiida-temp']])
def test_tracing_tests_changes_nothing_about_isolation(
    pytester: pytest.Pytester, debugger: str, flag: list[str]
) -> None:
    pytester.makepyfile("""
        import pytest
        from nodes import store

        @pytest.fixture(scope='module')
        def data(aiida_temp_session):
            store()

        @pytest.fixture
        def more(data, aiida_temp_profile):
            store()

        def test_wide_fixture(data, aiida_temp_profile):
            assert store() == 2

        @pytest.mark.parametrize('number', [1, 2])
        def test_fixture(more, number):
            assert store() == 3

        def test_fails(data, aiida_temp_profile):
            assert store() == 2
            raise RuntimeError

        @pytest.mark.aiida_temp
        def test_marker():
            assert store() == 2
    """)

    result = pytester.runpytest_inprocess('--trace', debugger, *flag)

    result.assert_outcomes(passed=4, failed=1)
    assert [line for line in result.outlines if line.startswith('debugger')] == [
        'debugger in test_wide_fixture (call) 1',
        'debugger in test_fixture[1] (call) 2',
        'debugger in test_fixture[2] (call) 2',
        'debugger in test_fails (call) 1',
        'debugger in test_marker (call) 1',
    ]
