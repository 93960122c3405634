"""What a test leaves behind: warnings in any case, failures with ``--aiida-temp-strict``."""

from __future__ import annotations

import pytest

SUITE = """
    import os
    import threading

    import pytest
    from nodes import store

    ended = threading.Event()
    threads = []

    def test_transaction(aiida_temp_profile):
        test_transaction.block = aiida_temp_profile.storage.transaction()
        test_transaction.block.__enter__()
        store()

    def test_thread(aiida_temp_profile):
        began = threading.Event()

        def work():
            store()
            began.set()
            ended.wait()

        threads.append(threading.Thread(target=work, name='worker'))
        threads[0].start()
        began.wait()

    def test_thread_of_another_test(aiida_temp_profile):
        ended.set()
        threads[0].join()
        assert store() == 1

    def test_variable(aiida_temp_profile):
        os.environ['AIIDA_TEST_LEFTOVER'] = 'x'

    def test_monkeypatched_variable(aiida_temp_profile, monkeypatch):
        monkeypatch.delenv('AIIDA_TEST_LEFTOVER')

    def test_profile(aiida_temp_profile):
        from aiida.manage import get_manager

        get_manager().unload_profile()

    def test_nothing(aiida_temp_profile):
        assert store() == 1
"""
TRANSACTION = 'test_transaction left behind an open transaction of the storage, which was rolled back*'
THREAD = "test_thread left behind the thread 'worker', which still runs and has a session of the storage*"


@pytest.fixture(autouse=True)
def _without_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('AIIDA_TEST_LEFTOVER', '')
    monkeypatch.delenv('AIIDA_TEST_LEFTOVER')


def test_open_transactions_and_threads_are_warned_of(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(passed=7, warnings=2)
    result.stdout.fnmatch_lines([f'*IsolationWarning: *{TRANSACTION}', f'*IsolationWarning: *{THREAD}'])


def test_strict_fails_what_leaves_something_behind(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)

    result = pytester.runpytest_inprocess('--aiida-temp-strict')

    result.assert_outcomes(passed=7, errors=4)
    result.stdout.fnmatch_lines(
        [
            '*ERROR at teardown of test_transaction*',
            'an open transaction of the storage, which was rolled back*',
            '*ERROR at teardown of test_thread *',
            "the thread 'worker', which still runs*",
            '*ERROR at teardown of test_variable*',
            "the environment variable AIIDA_TEST_LEFTOVER='x', which was None*",
            '*ERROR at teardown of test_profile*',
            "the loaded profile None in place of 'aiida-temp'*",
        ]
    )


def test_strict_can_be_set_in_the_ini_file_and_switched_off(pytester: pytest.Pytester) -> None:
    pytester.makeini('[pytest]\naiida_temp_strict = true')
    pytester.makepyfile("""
        import os

        def test_it(aiida_temp_profile):
            os.environ['AIIDA_TEST_LEFTOVER'] = str(len(os.environ.get('AIIDA_TEST_LEFTOVER', '')) + 1) * 2
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=1, errors=1)
    pytester.runpytest_inprocess('--no-aiida-temp-strict').assert_outcomes(passed=1)


def test_rollback_undoes_its_block_and_a_checkpoint_inside_is_gone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from nodes import count, store

        def test_it(aiida_temp_profile):
            store()
            with pytest.raises(ZeroDivisionError), aiida_temp_profile.rollback():
                store()
                inside = aiida_temp_profile.checkpoint()
                1 / 0
            assert count() == 1
            with pytest.raises(ValueError, match='this checkpoint is gone'):
                aiida_temp_profile.restore(inside)
            with aiida_temp_profile.rollback() as checkpoint:
                for _ in range(2):
                    store()
                    aiida_temp_profile.restore(checkpoint)
                    assert count() == 1
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_test_may_return_to_a_checkpoint_of_a_wider_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from nodes import count, store

        @pytest.fixture(scope='module')
        def checkpoint(aiida_temp_session):
            store()
            return aiida_temp_session.checkpoint()

        @pytest.mark.parametrize('time', [1, 2])
        def test_it(checkpoint, aiida_temp_profile, time):
            assert store() == 2
            aiida_temp_profile.restore(checkpoint)
            assert count() == 1
            store()
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=2)
