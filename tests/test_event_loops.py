"""Event loops over resets: AiiDA's runner closes the one that it uses."""

from __future__ import annotations

import pytest


def test_a_loop_that_was_there_before_the_test_stays_open(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import asyncio
        import pytest
        from aiida import engine, orm
        from aiida.manage import get_manager

        @engine.calcfunction
        def add(x, y):
            return orm.Int(x + y)

        @pytest.fixture(scope='module')
        def loop():
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            yield loop
            loop.close()

        async def use():
            return get_manager().get_runner().loop

        @pytest.mark.parametrize('number', range(2))
        def test_runner_on_it(aiida_temp_profile, loop, number):
            assert loop.run_until_complete(use()) is loop

        @pytest.mark.parametrize('number', range(2))
        def test_process(aiida_temp_profile, number):
            assert add(orm.Int(1), orm.Int(2)) == 3

        def test_runner_of_the_test(aiida_temp_profile):
            test_runner_of_the_test.loop = get_manager().get_runner().loop

        def test_it_is_still_open(aiida_temp_profile, loop):
            assert loop.run_until_complete(asyncio.sleep(0, 'done')) == 'done'
    """)

    pytester.runpytest_inprocess('-W', 'error::pytest.PytestUnraisableExceptionWarning').assert_outcomes(passed=6)
