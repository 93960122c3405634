"""Attempts at a test, subtests, captured output in JUnit's XML, the debugger."""

from __future__ import annotations

import builtins
from xml.etree import ElementTree

import pytest

from pytest_aiida_temp.artifacts.folders import entries
from pytest_aiida_temp.artifacts.section import TITLE
from pytest_aiida_temp.debugger import HINT


def test_each_attempt_has_a_folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('pytest_rerunfailures', reason='tests how the plugin gets on with pytest-rerunfailures')
    monkeypatch.setenv('PYTEST_ADDOPTS', '-p no:randomly -p no:asyncio --reruns=2')
    pytester.makepyfile("""
        import pytest
        from nodes import store

        attempts = []

        @pytest.fixture(scope='module')
        def wide(aiida_temp_session):
            store()

        @pytest.fixture
        def sometimes(wide, aiida_temp_profile):
            yield
            if len(attempts) == 2:
                raise RuntimeError

        def test_it(sometimes, aiida_temp_profile):
            attempts.append(1)
            for _ in attempts:
                store()
            assert len(attempts) > 1
    """)

    result = pytester.runpytest_inprocess('--aiida-temp-artifacts=out')

    assert result.parseoutcomes()['rerun'] == 2
    found = [(entry.attempt, entry.outcome, entry.phase, entry.counts) for _, entry in entries(pytester.path / 'out')]
    counts = 'This test stored {}, 0 groups, 0 computers. It found 1 node, 0 groups, 0 computers.'
    assert sorted(found) == [
        (1, 'rerun', 'call', counts.format('1 node')),
        (2, 'rerun', 'teardown', counts.format('2 nodes')),
    ]


def test_a_second_failure_of_a_test_is_told_in_the_same_folder(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from nodes import store

        @pytest.fixture
        def fails(aiida_temp_profile):
            yield
            store()
            raise RuntimeError('finalizer')

        def test_it(fails):
            store()
            raise RuntimeError('body')
    """)

    pytester.runpytest_inprocess('--aiida-temp-artifacts=out', '--junitxml=junit.xml').assert_outcomes(
        failed=1, errors=1
    )

    cases = list(ElementTree.parse(pytester.path / 'junit.xml').iterfind('.//testcase'))
    outputs = [case.findtext('system-out') or '' for case in cases]
    assert [output.count(TITLE) for output in outputs] == [1, 1]
    assert ['stored 1 node,' in outputs[0], 'stored 2 nodes,' in outputs[1]] == [True, True]
    [(folder, entry)] = entries(pytester.path / 'out')
    text = (folder / 'report.txt').read_text()
    assert (entry.outcome, entry.error) == ('error', 'RuntimeError: body')
    assert 'RuntimeError: body' in text.partition(': failed in teardown')[0]
    assert 'RuntimeError: finalizer' in text.partition(': failed in teardown')[2]
    assert 'stored 2 nodes' in text.partition(': failed in teardown')[2]


def test_junit_has_one_output_also_where_it_logs_what_was_captured(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from nodes import store

        def test_it(aiida_temp_profile):
            store()
            print('printed by the test')
            assert 0, '\\x00'
    """)

    pytester.runpytest_inprocess('--junitxml=junit.xml', '-o', 'junit_logging=all').assert_outcomes(failed=1)

    [case] = ElementTree.parse(pytester.path / 'junit.xml').iterfind('.//testcase')
    texts = [element.text or '' for element in case.findall('system-out')]
    assert any('printed by the test' in text for text in texts)
    assert sum(TITLE in text for text in texts) == 1
    assert len([text for text in texts if 'stored 1 node' in text and 'printed' in text]) == 1


def test_a_failing_subtest_has_a_section(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from nodes import store

        def test_it(aiida_temp_profile, subtests):
            for number in (1, 2):
                with subtests.test(number=number):
                    store()
                    assert number == 1
    """)

    result = pytester.runpytest_inprocess('--aiida-temp-artifacts=out')

    assert result.ret == 1
    result.stdout.fnmatch_lines([f'*{TITLE}*', 'This test stored 2 nodes*', 'Artefacts: *'])


@pytest.mark.parametrize('flag', [[], ['--aiida-temp']])
def test_the_debugger_has_the_profile_and_a_hint(pytester: pytest.Pytester, flag: list[str]) -> None:
    pytester.syspathinsert()
    pytester.makepyfile(
        commands="""
        import io
        import pdb
        import sys

        COMMANDS = "print('seen:', profile.storage.get_info()['entities']['Nodes']['count'])\\nc\\n"

        class Typed(pdb.Pdb):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, stdin=io.StringIO(COMMANDS), stdout=sys.stdout, **kwargs)
                self.use_rawinput = False
        """
    )
    pytester.makepyfile("""
        import builtins
        from nodes import store

        def test_plain():
            assert 0

        def test_fails(aiida_temp_profile):
            store()
            store()
            assert 0

        def test_breakpoint(aiida_temp_profile):
            store()
            breakpoint()
            assert not hasattr(builtins, 'profile')

        def test_name_in_use(aiida_temp_profile, monkeypatch):
            monkeypatch.setattr(builtins, 'profile', 'of a profiler', raising=False)
            breakpoint()
            assert builtins.profile == 'of a profiler'
    """)

    result = pytester.runpytest_inprocess('--pdb', '--pdbcls=commands:Typed', *flag)

    result.assert_outcomes(passed=2, failed=2)
    seen = [line.partition('seen: ')[2] for line in result.outlines if 'seen: ' in line and 'print' not in line]
    assert seen == ['0'] * bool(flag) + ['2', '1']
    assert result.outlines.count(HINT) == 2 + bool(flag)
    assert not hasattr(builtins, 'profile')
