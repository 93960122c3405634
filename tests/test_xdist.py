"""Runs in parallel."""

from __future__ import annotations

import os
import re
import sys
from types import SimpleNamespace

import pytest
from execnet.gateway_base import ThreadExecModel
from warm import Warm

CONFTEST = """
    import pytest
    from aiida import orm

    def store(label):
        return orm.SinglefileData.from_string(f'content of {label}', label=label).store()

    def labels():
        return orm.QueryBuilder().append(orm.Node, project='label').order_by({orm.Node: 'id'}).all(flat=True)

    @pytest.fixture(scope='session')
    def of_session(aiida_temp_session):
        return store('session')

    @pytest.fixture(scope='module')
    def of_module(of_session):
        return store('module')

    @pytest.fixture(scope='class')
    def of_class(of_module, request):
        return store(request.cls.__name__)
"""
SUITE = """
    import pytest
    from aiida import orm
    from conftest import labels, store

    @pytest.mark.parametrize('number', [1, 2])
    def test_uses_the_session(of_session, aiida_temp_profile, number):
        assert store('test').pk == len(labels())
        assert labels()[0] == 'session'
        assert labels()[1:] in (['test'], ['module', 'test'])

    class Base:
        @pytest.mark.parametrize('number', [1, 2])
        def test_uses_all(self, of_session, of_module, of_class, aiida_temp_profile, number):
            assert labels() == ['session', 'module', type(self).__name__]
            assert store('test').pk == 4
            assert of_module.get_content() == 'content of module'
            of_module.label = of_class.label = 'changed'

        def test_uses_the_class(self, of_class, aiida_temp_profile):
            assert labels() == ['session', 'module', type(self).__name__]
            orm.Group('group').store().add_nodes(of_class)
            assert orm.QueryBuilder().append(orm.Group).count() == 1

    @pytest.mark.xdist_group('one')
    class TestOne(Base):
        pass

    @pytest.mark.xdist_group('two')
    class TestTwo(Base):
        pass
"""


class Worker:
    """What execnet uses of ``subprocess.Popen``, for an interpreter that has spent the seconds to import AiiDA."""

    def __init__(self, warm: Warm, command: list[str]) -> None:
        (their_input, our_output), (our_input, their_output) = os.pipe(), os.pipe()
        self.stdin, self.stdout = os.fdopen(our_output, 'wb'), os.fdopen(our_input, 'rb')
        started = warm.start(command[1:], stdin=their_input, stdout=their_output, stderr=2)
        self.wait, self.kill = started.wait, started.kill
        os.close(their_input)
        os.close(their_output)


@pytest.fixture
def parallel(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, warm: Warm) -> pytest.Pytester:
    """Pytester whose in-process runs have workers that need not import AiiDA."""
    process = SimpleNamespace(PIPE=None, Popen=lambda command, **_: Worker(warm, command))
    monkeypatch.setattr(ThreadExecModel, 'subprocess', process)
    monkeypatch.setenv('PYTEST_ADDOPTS', f'{os.environ["PYTEST_ADDOPTS"]} -W "ignore:Module already imported"')
    return pytester


def test_every_way_of_distributing_tests_is_as_isolated_as_any(parallel: pytest.Pytester) -> None:
    parallel.makeconftest(CONFTEST)
    parallel.makepyfile(test_a=SUITE, test_b=SUITE)
    complaint = parallel.runpytest_inprocess('--dist=?').stderr.str()
    modes = re.findall(r'\w+', complaint.partition('choose from')[2].partition(')')[0])
    assert {'no', 'each', 'load', 'loadscope'} <= set(modes)

    outcomes = {}
    for mode in sorted(modes, key=lambda mode: mode != 'no'):
        result = parallel.runpytest_inprocess('--tx=2*popen', f'--dist={mode}')
        outcomes[mode] = result.parseoutcomes()

    assert outcomes == {mode: {'passed': 32 if mode == 'each' else 16} for mode in modes}


def test_tests_after_a_crash_of_a_worker_start_fresh(parallel: pytest.Pytester) -> None:
    parallel.makepyfile("""
        import os
        import pytest
        from nodes import store

        @pytest.fixture(scope='module')
        def data(aiida_temp_session):
            return store()

        @pytest.mark.parametrize('number', range(8))
        def test_it(data, aiida_temp_profile, number):
            assert store() == 2
            if number in (1, 4):
                os._exit(1)
    """)

    result = parallel.runpytest_inprocess('--tx=2*popen', '--dist=load')

    result.assert_outcomes(passed=6, failed=2)
    result.stdout.fnmatch_lines(["*worker 'gw?' crashed while running 'test_*::test_it?1?'*"])


@pytest.mark.long
def test_a_parallel_run_is_as_isolated_and_as_tidy_as_any(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, root = pytester.mkdir('home'), pytester.mkdir('root')
    monkeypatch.setenv('HOME', str(home))
    monkeypatch.setenv('PYTEST_DEBUG_TEMPROOT', str(root))
    pytester.makepyfile("""
        import os
        from pathlib import Path
        import pytest
        from aiida import orm
        from aiida.manage import get_config
        from nodes import store

        @pytest.mark.parametrize('number', range(6))
        def test_starts_fresh(number):
            assert store() == 1

        @pytest.mark.parametrize('number', range(2))
        def test_files(aiida_temp_profile, number):
            assert os.environ['PYTEST_XDIST_WORKER'] in ('gw0', 'gw1')
            root = os.environ['PYTEST_DEBUG_TEMPROOT']
            assert Path(get_config().dirpath).is_relative_to(root)
            assert Path(aiida_temp_profile.storage_config['filepath']).is_relative_to(root)
            assert orm.SinglefileData.from_string('content').store().pk == 1

        def test_fails():
            raise RuntimeError
    """)

    result = pytester.run(sys.executable, '-m', 'pytest', '-n', '2', '--aiida-temp', timeout=120)

    result.assert_outcomes(passed=8, failed=1)
    assert result.stdout.str().count('aiida-temp: aiida-core ') == 1
    result.stdout.re_match_lines([r'aiida-temp: 9 resets in \d\.\d{3} s, '])
    assert [path.name for path in root.glob('*/*') if not path.is_symlink()] == ['pytest-0']
    assert list(home.iterdir()) == []
