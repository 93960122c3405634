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


def test_a_late_fixture_that_builds_on_what_the_test_stored_is_undone_with_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from aiida import orm
        from nodes import count, store

        @pytest.fixture(scope='session')
        def code(aiida_temp_session):
            _, computer = orm.Computer.collection.get_or_create(
                'shared', hostname='localhost', transport_type='core.local', scheduler_type='core.direct'
            )
            return orm.InstalledCode(computer.store(), '/bin/true', label='code').store()

        @pytest.fixture(scope='session')
        def with_checkpoint(aiida_temp_session):
            with aiida_temp_session.rollback():
                store()
            checkpoint = aiida_temp_session.checkpoint()
            return store(), checkpoint

        def test_late(request, aiida_temp_profile):
            orm.Computer('shared', 'localhost', '', 'core.local', 'core.direct').store()
            assert request.getfixturevalue('code').computer.label == 'shared'

        def test_after(aiida_temp_profile):
            assert count() == 0

        def test_late_with_a_checkpoint_of_its_own(request, aiida_temp_profile):
            store()
            request.getfixturevalue('with_checkpoint')
            assert count() == 2

        def test_that_is_kept(with_checkpoint, aiida_temp_profile):
            assert count() == 1
            with pytest.raises(ValueError, match='checkpoint is gone'):
                aiida_temp_profile.restore(with_checkpoint[1])
    """)

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(passed=4, warnings=1)
    result.stdout.fnmatch_lines(["*session-scoped fixture 'code' *builds on what the test stored*"])
