"""What a fixture of wider scope stores stays, also where narrower scopes have begun when it is first asked for."""

from __future__ import annotations

import pytest


def test_data_of_a_wide_fixture_that_is_asked_for_late_stays(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_a="""
        import pytest
        from nodes import count, store

        @pytest.fixture(scope='module')
        def of_module(aiida_temp_session):
            return store()

        def test_module_first(of_module, aiida_temp_profile):
            assert store() == 2

        def test_session_late(of_module, of_session, aiida_temp_profile):
            assert store() == 3

        def test_session_again(of_module, of_session, aiida_temp_profile):
            assert store() == 3
        """,
        test_b="""
        from aiida import orm
        from nodes import count, store

        def test_other_module(of_session, aiida_temp_profile):
            assert orm.load_node(of_session).value == 1
            assert store() == 2

        def test_asks_while_it_runs(request, aiida_temp_profile):
            assert store() == 2
            request.getfixturevalue('other_of_session')
            assert store() == 4

        def test_after(other_of_session, aiida_temp_profile):
            assert store() == 3
        """,
    )
    pytester.makeconftest("""
        import pytest

        @pytest.fixture(scope='session')
        def of_session(aiida_temp_session):
            from aiida import orm
            return orm.Int(1).store().uuid

        @pytest.fixture(scope='session')
        def other_of_session(aiida_temp_session):
            from aiida import orm
            return orm.Int(2).store().uuid
    """)

    pytester.runpytest_inprocess('-W', 'error::pytest_aiida_temp.isolation.IsolationWarning').assert_outcomes(passed=6)


def test_data_of_a_wide_fixture_that_a_test_asks_for_without_the_plugin_stays(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from nodes import count, store

        @pytest.fixture(scope='session')
        def of_session(aiida_temp_session):
            return store()

        def test_asks_while_it_runs(request):
            assert request.getfixturevalue('of_session') == 1
            assert store() == 2

        def test_after(of_session, aiida_temp_profile):
            assert store() == 2
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=2)
