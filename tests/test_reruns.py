"""Each attempt at a test that pytest-rerunfailures runs again starts fresh, and so does what runs after it.

That plugin takes finalizers of wider scopes off pytest's stack for as long as a test is run again. Some versions do not
put back all of them.
"""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def rerunning(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Pytester with a function ``fail`` that fails at its first two calls, and a module that runs last."""
    pytest.importorskip('pytest_rerunfailures', reason='tests how the plugin gets on with pytest-rerunfailures')
    monkeypatch.setenv('PYTEST_ADDOPTS', '-p no:randomly -p no:asyncio --reruns=2 -s')
    pytester.makeconftest("""
        import pytest
        from nodes import store

        @pytest.fixture(scope='session')
        def of_session(aiida_temp_session):
            return store()
    """)
    pytester.makepyfile(
        failing="""
        calls = []

        def fail():
            calls.append(1)
            if len(calls) < 3:
                raise RuntimeError
        """,
        test_z="""
        from nodes import store

        def test_module_after_it_starts_fresh(aiida_temp_profile):
            print('last:', store())
        """,
    )
    return pytester


def numbers(result: pytest.RunResult, name: str) -> list[int]:
    """Return what a run has printed after a name."""
    return [int(number) for number in re.findall(rf'{name}: ([0-9]+)', result.stdout.str())]


def test_each_attempt_starts_fresh_with_the_data_of_wider_fixtures(rerunning: pytest.Pytester) -> None:
    rerunning.makepyfile("""
        import pytest
        from failing import fail
        from nodes import count, store

        @pytest.fixture(scope='module', params=[1, 2])
        def of_module(request, of_session):
            yield [store() for _ in range(request.param)]
            assert count() == 1 + request.param

        @pytest.fixture(scope='class')
        def of_class(of_module):
            yield store()
            assert count() == 2 + len(of_module)

        @pytest.fixture
        def of_function(of_class, aiida_temp_profile):
            yield store()
            assert count() == of_class + 2

        class TestClass:
            def test_fails(self, of_function, of_class):
                print('seen:', count() - of_class)
                store()
                fail()

            def test_next(self, of_function, of_class):
                assert store() == of_class + 2

        def test_after_the_class(of_module, aiida_temp_profile):
            assert store() == 2 + len(of_module)
    """)

    result = rerunning.runpytest_inprocess()

    assert result.parseoutcomes() == {'passed': 7, 'rerun': 2}
    assert numbers(result, 'seen') == [1, 1, 1, 1]
    assert numbers(result, 'last') == [2]


@pytest.mark.parametrize('attempt', [1, 2, 3])
def test_data_of_a_fixture_that_is_asked_for_late_by_one_attempt_stays(
    rerunning: pytest.Pytester, attempt: int
) -> None:
    rerunning.makepyfile(f"""
        import pytest
        from failing import calls, fail
        from nodes import count, store

        @pytest.fixture(scope='module')
        def of_module(of_session):
            return store()

        def test_fails(request, aiida_temp_profile):
            print('seen:', count())
            store()
            if len(calls) == {attempt} - 1:
                request.getfixturevalue('of_module')
            store()
            fail()

        def test_next(of_module, aiida_temp_profile):
            assert store() == 3
    """)

    result = rerunning.runpytest_inprocess()

    assert result.parseoutcomes() == {'passed': 3, 'rerun': 2}
    assert numbers(result, 'seen') == [0] * attempt + [2] * (3 - attempt)
    assert numbers(result, 'last') == [2]


@pytest.mark.parametrize('scope', ['function', 'class', 'module', 'session'])
@pytest.mark.parametrize('params', [None, [1]])
def test_a_fixture_that_fails_starts_fresh_when_it_runs_again(
    rerunning: pytest.Pytester, scope: str, params: list[int] | None
) -> None:
    rerunning.makepyfile(f"""
        import pytest
        from failing import fail
        from nodes import count, store

        @pytest.fixture(scope={scope!r}, params={params})
        def fails(of_session):
            print('seen:', count())
            store()
            fail()

        def test_it(fails, aiida_temp_profile):
            assert store() == 3
    """)

    result = rerunning.runpytest_inprocess()

    assert result.parseoutcomes() == {'passed': 2, 'rerun': 2}
    assert numbers(result, 'seen') == [1, 1, 1]
    assert numbers(result, 'last') == [3 if scope == 'session' else 2]


def test_an_attempt_that_leaves_something_behind_fails_and_is_undone(rerunning: pytest.Pytester) -> None:
    rerunning.makepyfile("""
        from failing import calls
        from nodes import count, store

        def test_it(aiida_temp_profile):
            print('seen:', count())
            if len(calls) < 2:
                calls.append(aiida_temp_profile.storage.transaction())
                calls[-1].__enter__()
            store()
    """)

    result = rerunning.runpytest_inprocess('--aiida-temp-strict')

    assert result.ret == pytest.ExitCode.OK
    assert numbers(result, 'seen') == [0, 0, 0]
    assert numbers(result, 'last') == [1]


@pytest.mark.parametrize('reset', ["'class'", 'False'])
def test_attempts_that_share_storage_leave_nothing_to_those_who_do_not(rerunning: pytest.Pytester, reset: str) -> None:
    rerunning.makepyfile(f"""
        import pytest
        from failing import fail
        from nodes import store

        @pytest.mark.aiida_temp(reset={reset})
        class TestClass:
            def test_fails(self):
                store()
                fail()

            def test_next(self):
                store()

        def test_next(aiida_temp_profile):
            assert store() == 1
    """)

    result = rerunning.runpytest_inprocess()

    assert result.parseoutcomes() == {'passed': 4, 'rerun': 2}
    assert numbers(result, 'last') == [1]


def test_the_report_says_that_a_stale_node_comes_from_an_earlier_attempt(rerunning: pytest.Pytester) -> None:
    rerunning.makepyfile("""
        from aiida import orm

        kept = []

        def test_it(aiida_temp_profile):
            kept.append(orm.Int(1).store())
            kept[0].base.extras.set('a', 1)
            raise RuntimeError
    """)

    result = rerunning.runpytest_inprocess()

    assert result.parseoutcomes() == {'failed': 1, 'passed': 1, 'rerun': 2}
    result.stdout.fnmatch_lines(
        ['*AiiDA node of an earlier test*', 'It was stored by *::test_it, in an earlier attempt.']
    )
