"""Every test starts from fresh storage after tests that fail, skip or leave something behind."""

from __future__ import annotations

import pytest


def test_storage_is_fresh_after_a_test_that_did_not_end_well(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from nodes import count, store

        @pytest.fixture
        def raises(aiida_temp_profile):
            store()
            raise RuntimeError

        @pytest.fixture
        def fails_to_finish(aiida_temp_profile):
            store()
            yield
            store()
            raise RuntimeError

        def test_set_up_fails(raises):
            pass

        def test_after_set_up_failed(aiida_temp_profile):
            assert store() == 1

        def test_finalizer_fails(fails_to_finish):
            assert store() == 2

        def test_after_finalizer_failed(aiida_temp_profile):
            assert store() == 1

        def test_fails(aiida_temp_profile):
            assert store() == 2

        def test_after_failure(aiida_temp_profile):
            assert store() == 1

        def test_skips(aiida_temp_profile):
            store()
            pytest.skip('in mid-test')

        def test_after_skip(aiida_temp_profile):
            assert store() == 1
    """)

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(passed=5, failed=1, skipped=1, errors=2)


@pytest.mark.parametrize('flag', ['', '--aiida-temp'])
def test_a_test_that_is_skipped_before_it_begins_is_no_error(pytester: pytest.Pytester, flag: str) -> None:
    pytester.makepyfile("""
        import pytest
        from nodes import store

        @pytest.mark.skip
        def test_fixture(aiida_temp_profile):
            pass

        @pytest.mark.skipif(True, reason='always')
        @pytest.mark.aiida_temp(reset=False)
        def test_marker():
            pass

        @pytest.mark.xfail(run=False, reason='a skip by another name')
        def test_expected_to_fail(aiida_temp_profile):
            pass

        def test_after_skip(aiida_temp_profile):
            assert store() == 1
    """)

    pytester.runpytest_inprocess(*flag.split()).assert_outcomes(passed=1, skipped=2, xfailed=1)


def test_a_module_whose_set_up_fails_is_no_further_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_a="""
        import pytest
        from nodes import store

        pytestmark = pytest.mark.aiida_temp

        def setup_module():
            store()
            raise RuntimeError

        def test_one():
            pass

        def test_two():
            pass
        """,
        test_b="""
        from nodes import store

        def test_after(aiida_temp_profile):
            assert store() == 1
        """,
    )

    pytester.runpytest_inprocess().assert_outcomes(passed=1, errors=2)


def test_a_run_that_stops_at_the_first_failure_ends_well(pytester: pytest.Pytester) -> None:
    from aiida.manage import get_manager

    pytester.makepyfile("""
        import pytest
        from nodes import store

        @pytest.fixture(scope='session')
        def data(aiida_temp_session):
            return store()

        def test_fails(data, aiida_temp_profile):
            assert store() == 0

        def test_other(data, aiida_temp_profile):
            pass
    """)

    result = pytester.runpytest_inprocess('-x')

    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert get_manager().get_profile() is None


def test_a_transaction_that_a_test_leaves_open_is_undone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from nodes import store

        left_open = []

        def test_leaves_it_open(aiida_temp_profile):
            left_open.append(aiida_temp_profile.storage.transaction())
            left_open[0].__enter__()
            assert store() == 1

        def test_starts_fresh(aiida_temp_profile):
            assert store() == 1
            assert not aiida_temp_profile.storage.in_transaction
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=2, warnings=1)


def test_a_transaction_that_a_test_without_the_plugin_leaves_open_is_undone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from aiida.manage import get_manager
        from nodes import store

        left_open = []

        def test_with(aiida_temp_profile):
            pass

        def test_without():
            left_open.append(get_manager().get_profile_storage().transaction())
            left_open[0].__enter__()
            assert store() == 1

        def test_starts_fresh(aiida_temp_profile):
            assert store() == 1
            assert not aiida_temp_profile.storage.in_transaction
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=3)


def test_a_test_that_unloads_the_profile_or_loads_another_does_not_disturb_the_next(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from aiida import load_profile
        from aiida.manage import get_manager
        from nodes import store
        from pytest_aiida_temp.storage import SqliteTempBackend

        def test_unloads(aiida_temp_profile):
            get_manager().unload_profile()

        def test_after_unloading(aiida_temp_profile):
            assert get_manager().get_profile() is aiida_temp_profile
            assert store() == 1

        def test_loads_another(aiida_temp_profile):
            store()
            load_profile(SqliteTempBackend.create_profile('other'), allow_switch=True)
            assert store() == 1

        def test_after_loading_another(aiida_temp_profile):
            assert get_manager().get_profile() is aiida_temp_profile
            assert store() == 1
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=4)
