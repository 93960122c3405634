"""Isolation is the same where other plugins of pytest run tests, divide them or change their order.

For tests that are run again see ``test_reruns.py``.
"""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def async_pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Pytester with async fixtures that store data."""
    pytest.importorskip('pytest_asyncio', reason='tests how the plugin gets on with pytest-asyncio')
    monkeypatch.setenv('PYTEST_ADDOPTS', '-p no:randomly')
    # Settings that an older pytest-asyncio does not know give a warning there.
    pytester.makeini("""
        [pytest]
        asyncio_mode = auto
        asyncio_default_fixture_loop_scope = session
        asyncio_default_test_loop_scope = session
    """)
    pytester.makeconftest("""
        import asyncio
        import pytest
        from nodes import count, store

        @pytest.fixture(scope='session')
        async def of_session(aiida_temp_session):
            await asyncio.sleep(0)
            yield store()
            await asyncio.sleep(0)
            assert count() == 1

        @pytest.fixture
        async def of_function(of_module, aiida_temp_profile):
            await asyncio.sleep(0)
            yield store()
            await asyncio.sleep(0)
            assert count() == 4
    """)
    return pytester


OF_MODULE = """
        import asyncio
        import pytest
        from nodes import count, store

        @pytest.fixture(scope='module')
        async def of_module(of_session):
            yield await asyncio.to_thread(store)
            assert await asyncio.to_thread(count) == 2
"""


def test_data_of_async_fixtures_lives_as_long_as_they_do(async_pytester: pytest.Pytester) -> None:
    module = f"""{OF_MODULE}
        async def test_one(of_function):
            assert of_function == 3
            await asyncio.sleep(0)
            assert store() == 4

        def test_two(of_function):
            assert store() == 4

        class TestClass:
            @pytest.fixture(scope='class', params=[1, 2])
            async def of_class(self, request, of_module):
                await asyncio.sleep(0)
                yield [store() for _ in range(request.param)]
                await asyncio.sleep(0)
                assert count() == 2 + request.param

            async def test_one(self, of_class, aiida_temp_profile):
                assert store() == len(of_class) + 3

            async def test_two(self, of_class, aiida_temp_profile):
                assert store() == len(of_class) + 3

        async def test_three(aiida_temp_profile):
            assert store() == 3
    """
    async_pytester.makepyfile(test_a=module, test_b=module)

    async_pytester.runpytest_inprocess().assert_outcomes(passed=14)


def test_data_of_async_fixtures_that_are_asked_for_late_stays(async_pytester: pytest.Pytester) -> None:
    async_pytester.makepyfile(
        test_a=f"""{OF_MODULE}
        @pytest.fixture
        def late(request, aiida_temp_profile):
            store()
            request.getfixturevalue('of_module')
            assert store() == 4

        async def test_before(aiida_temp_profile):
            assert store() == 1

        async def test_late(late):
            assert store() == 5

        async def test_after(aiida_temp_profile):
            assert store() == 3
        """,
        test_b="""
        from nodes import store

        async def test_other_module(aiida_temp_profile):
            assert store() == 2
        """,
    )

    async_pytester.runpytest_inprocess('-W', 'error::pytest_aiida_temp.isolation.IsolationWarning').assert_outcomes(
        passed=4
    )


def test_tasks_and_idle_threads_of_an_event_loop_are_no_leftovers(async_pytester: pytest.Pytester) -> None:
    async_pytester.makepyfile("""
        import asyncio
        import pytest
        from nodes import count, store

        async def task():
            await asyncio.sleep(0)
            return store()

        @pytest.mark.parametrize('n', range(3))
        async def test_it(aiida_temp_profile, n):
            assert count() == 0
            assert await asyncio.gather(task(), task()) == [1, 2]
            assert sorted(await asyncio.gather(*[asyncio.to_thread(store) for _ in range(2)]))[-1] == 4
    """)

    async_pytester.runpytest_inprocess('--aiida-temp-strict').assert_outcomes(passed=3)


def test_a_reset_does_not_close_the_event_loop_of_async_tests(async_pytester: pytest.Pytester) -> None:
    async_pytester.makepyfile("""
        import asyncio
        from aiida.manage import get_manager

        async def test_async(of_session, aiida_temp_profile):
            get_manager().get_runner()

        def test_sync(of_session, aiida_temp_profile):
            get_manager().get_runner()

        async def test_async_again(of_session, aiida_temp_profile):
            await asyncio.sleep(0)
    """)

    async_pytester.runpytest_inprocess().assert_outcomes(passed=3)


def test_subtests_share_the_storage_of_their_test(pytester: pytest.Pytester) -> None:
    if pytest.version_tuple < (9,):  # from there on they are a part of pytest
        pytest.importorskip('pytest_subtests', reason='tests how the plugin gets on with pytest-subtests')
    pytester.makepyfile("""
        import unittest
        import pytest
        from aiida import orm
        from nodes import count, store

        pytestmark = pytest.mark.aiida_temp
        kept = []

        @pytest.mark.parametrize('n', range(2))
        def test_it(subtests, n):
            with subtests.test('one'):
                print('nodes:', store())
            with subtests.test('fails'):
                store()
                raise ZeroDivisionError
            with subtests.test('two'):
                print('nodes:', store())

        class TestCase(unittest.TestCase):
            def check(self):
                with self.subTest(n=1):
                    print('nodes:', store())
                with self.subTest(n=2):
                    store()
                    raise ZeroDivisionError
                print('nodes:', store())

            test_one = test_two = check

        def test_keeps():
            kept.append(orm.Int(1).store())

        def test_uses(subtests):
            with subtests.test('stale'):
                kept[0].base.extras.set('a', 1)
    """)

    result = pytester.runpytest_inprocess('-s')

    assert re.findall('nodes: ([0-9]+)', result.stdout.str()) == ['1', '3'] * 4
    result.stdout.fnmatch_lines(['*test_uses [[]stale[]]*', '*AiiDA node of an earlier test*', '*::test_keeps.'])


@pytest.mark.parametrize('seed', range(1, 5))
def test_any_order_that_pytest_randomly_makes_is_isolated(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    pytest.importorskip('pytest_randomly', reason='tests how the plugin gets on with pytest-randomly')
    monkeypatch.setenv('PYTEST_ADDOPTS', '-p no:asyncio')
    pytester.makeconftest("""
        import pytest
        from aiida import orm

        alive = {}

        def fixture(scope, params=None):
            @pytest.fixture(scope=scope, params=params)
            def data(aiida_temp_session):
                node = orm.Int(1).store()
                alive[node.uuid] = node
                yield node
                del alive[node.uuid]

            return data

        of_session = fixture('session')
        of_module = fixture('module')
        of_class = fixture('class')
        of_session_params = fixture('session', [1, 2])
        of_module_params = fixture('module', [1, 2, 3])

        @pytest.fixture(autouse=True)
        def fresh(aiida_temp_profile):
            found = orm.QueryBuilder().append(orm.Node, project='uuid').all(flat=True)
            assert set(found) == set(alive)
            assert not any('changed' in node.base.extras.all for node in alive.values())
            orm.Int(2).store()
            for node in alive.values():
                node.base.extras.set('changed', True)
    """)
    module = """
        class TestOne:
            def test_one(self, of_class): pass
            def test_two(self, of_module_params): pass
            def test_three(self, of_session, of_class): pass

        class TestTwo:
            def test_one(self, of_session_params, of_class): pass
            def test_two(self): pass
            def test_three(self, of_module): pass

        def test_one(of_module, of_session_params): pass
        def test_two(of_module_params, of_session): pass
        def test_three(): pass
    """
    pytester.makepyfile(test_a=module, test_b=module)

    result = pytester.runpytest_inprocess(f'--randomly-seed={seed}')

    result.assert_outcomes(passed=30)
    result.stdout.fnmatch_lines(f'*--randomly-seed={seed}')
