"""Threads that go on after the test that started them."""

from __future__ import annotations

import os
import sys

import pytest

from pytest_aiida_temp.environment import import_module

ROUNDS = int(os.environ.get('AIIDA_TEMP_ROUNDS', '3'))
"""How many tests to run while threads write all the time."""

PATIENCE = 3.0
"""Seconds that may pass in a run before a thread is taken to have kept it waiting: less than the storage waits."""

WIDE = """
    import threading
    from queue import Queue

    import pytest
    from nodes import count, store

    threads, stop = [], threading.Event()

    @pytest.fixture(scope='module', autouse=True)
    def wide(aiida_temp_session):
        store()

    def start(work):
        threads.append(threading.Thread(target=work, name='worker', daemon=True))
        threads[-1].start()

    def join():
        stop.set()
        for thread in threads:
            thread.join(5)
        assert not any(thread.is_alive() for thread in threads)
"""

BUSY = """
    import threading

    import pytest
    from aiida import orm
    from aiida.manage import get_manager
    from nodes import count

    threads, stop = [], threading.Event()

    def nodes(node):
        orm.Int(1, label='thread').store().base.extras.set('key', 'value')

    def transactions(node):
        with get_manager().get_profile_storage().transaction():
            orm.Int(1, label='thread').store()
            orm.Int(2, label='thread').store()

    def files(node):
        file = orm.SinglefileData.from_string(f'thread {rounds[files]}', label='thread').store()
        assert file.get_content().startswith('thread')

    def groups(node):
        group, _ = orm.Group.collection.get_or_create('thread')
        group.add_nodes([orm.Int(3, label='thread').store()])

    def queries(node):
        for found in orm.QueryBuilder().append(orm.Node).all(flat=True):
            assert found.label in ('wide', 'mine', 'thread', 'changed')

    def node_of_undone_test(node):
        node.label = 'thread'
        node.base.extras.set('key', 'changed')

    JOBS = [nodes, transactions, files, groups, queries, node_of_undone_test]
    rounds, unexpected = dict.fromkeys(JOBS, 0), []

    @pytest.fixture(scope='module', autouse=True)
    def wide(aiida_temp_session):
        node = orm.SinglefileData.from_string('wide', label='wide').store()
        node.base.extras.set('key', 'value')
        return node

    def test_start(aiida_temp_profile):
        node, began = orm.Int(1, label='thread').store(), threading.Barrier(len(JOBS) + 1)

        def work(job):
            held = orm.load_node(node.pk)
            began.wait()
            while not stop.wait(0.001):
                rounds[job] += 1
                try:
                    job(held)
                except (AssertionError, MemoryError) as error:
                    unexpected.append(error)
                except Exception:
                    pass  # what it used is undone

        for job in JOBS:
            threads.append(threading.Thread(target=work, args=(job,), name=job.__name__, daemon=True))
            threads[-1].start()
        began.wait()

    @pytest.mark.parametrize('number', range(ROUNDS))
    def test_meanwhile(wide, aiida_temp_profile, number):
        of_thread = {'label': {'!in': ['thread', '']}}
        labels = orm.QueryBuilder().append(orm.Node, filters=of_thread, project='label').all(flat=True)
        assert labels == ['wide']
        node = orm.SinglefileData.from_string(f'mine {number}', label='mine').store()
        node.base.extras.set('number', number)
        orm.Group('mine').store().add_nodes([node, wide])
        wide.base.extras.set('key', 'changed')
        wide.label = 'changed'
        assert node.base.extras.all['number'] == number
        assert orm.load_node(node.pk).get_content() == f'mine {number}'
        assert {node.pk, wide.pk} <= {found.pk for found in orm.Group.collection.get(label='mine').nodes}
        assert wide.get_content() == 'wide'
"""

END = """
    def test_end(aiida_temp_profile):
        stop.set()
        for thread in threads:
            thread.join(5)
        assert not any(thread.is_alive() for thread in threads)
        assert unexpected == []
        assert min(rounds.values()) > 0

    def test_after(wide, aiida_temp_profile):
        assert (wide.label, wide.base.extras.all['key'], wide.get_content()) == ('wide', 'value', 'wide')
        assert count() == 1
        assert orm.QueryBuilder().append(orm.Group).count() == 0
        assert aiida_temp_profile.storage.get_repository().get_info()['objects'] == {'count': 1}
"""


@pytest.fixture(autouse=True)
def _less_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the storage of runs in this process give up waiting for a thread before long."""
    for name in 'database', 'exclusive':
        module = import_module(f'pytest_aiida_temp.storage.{name}')
        monkeypatch.setattr(module, 'BUSY_TIMEOUT', PATIENCE)


def test_what_a_thread_stores_between_two_tests_is_undone_before_the_second(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import sys

        def pytest_runtest_logfinish(nodeid):
            if 'test_start' in nodeid or 'test_between' in nodeid:
                sys.modules['test_it'].store_in_thread()
    """)
    pytester.makepyfile(
        test_it=WIDE
        + """
    orders, done = Queue(), Queue()

    def store_in_thread():
        orders.put(store)
        assert done.get(timeout=5) > 0

    def work():
        while not stop.is_set():
            done.put(orders.get()())

    def test_start(aiida_temp_profile):
        start(work)
        store_in_thread()
        assert count() == 2

    @pytest.mark.parametrize('number', [1, 2])
    def test_between(aiida_temp_profile, number):
        assert count() == 1
        store_in_thread()
        assert store() == 3

    class TestClass:
        def test_after(self, aiida_temp_profile):
            assert count() == 1
            orders.put(stop.set)
            threads[0].join(5)

        @pytest.mark.aiida_temp(reset=False)
        def test_no_reset(self):
            assert store() == 2

        def test_after_no_reset(self, aiida_temp_profile):
            assert store() == 2
    """
    )

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(passed=6, warnings=1)
    result.stdout.fnmatch_lines(["*IsolationWarning: *test_start left behind the thread 'worker', which still runs *"])


def test_a_thread_that_stays_inside_a_transaction_keeps_no_test_waiting(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        WIDE
        + """
    inside = threading.Event()

    def test_start(aiida_temp_profile):
        def work():
            with aiida_temp_profile.storage.transaction():
                store()
                inside.set()
                stop.wait()
                store()

        start(work)
        inside.wait()

    @pytest.mark.parametrize('number', [1, 2])
    def test_meanwhile(aiida_temp_profile, number):
        assert store() == 2

    @pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
    def test_end(aiida_temp_profile):
        join()

    def test_after(aiida_temp_profile):
        assert store() == 2
    """
    )

    result = pytester.runpytest_inprocess('--durations=1', '--durations-min=0')

    result.assert_outcomes(passed=5, warnings=1)
    result.stdout.fnmatch_lines(["*IsolationWarning: *test_start left behind the thread 'worker', which still runs *"])


def test_a_commit_that_fails_in_a_thread_keeps_nobody_waiting(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        WIDE
        + """
    def test_start(aiida_temp_profile):
        from aiida.common.exceptions import IntegrityError
        from aiida.orm.entities import EntityTypes

        failed = threading.Event()

        def work():
            link = {'input_id': 1, 'output_id': 99, 'label': 'to nowhere', 'type': 'input_calc'}
            try:
                aiida_temp_profile.storage.bulk_insert(EntityTypes.LINK, [link])
            except Exception:
                failed.set()
            stop.wait()

        start(work)
        assert failed.wait(5)
        assert store() == 2

    def test_after(aiida_temp_profile):
        assert store() == 2
        join()
    """
    )

    pytester.runpytest_inprocess().assert_outcomes(passed=2, warnings=1)


def test_a_thread_with_nodes_of_an_undone_test_gets_errors_and_can_go_on(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        WIDE
        + """
    orders, results = Queue(), Queue()

    def in_thread(order):
        orders.put(order)
        return results.get(timeout=5)

    def test_start(aiida_temp_profile):
        from aiida import orm

        def work():
            node = orm.SinglefileData.from_string('content').store()
            node.base.extras.set('key', 'value')
            group = orm.Group('group').store()
            while not stop.is_set():
                try:
                    results.put(orders.get()(node, group))
                except Exception as exception:
                    results.put(exception)

        start(work)
        assert in_thread(lambda node, group: node.get_content()) == 'content'

    @pytest.mark.parametrize(
        'order',
        [
            lambda node, group: node.label,
            lambda node, group: node.get_content(),
            lambda node, group: node.base.extras.all,
            lambda node, group: node.base.extras.set('key', 'changed'),
            lambda node, group: group.add_nodes([node]),
        ],
    )
    def test_error(aiida_temp_profile, order):
        assert isinstance(in_thread(order), Exception)
        assert store() == 2
        assert in_thread(lambda *_: store()) == 3

    def test_end(aiida_temp_profile):
        assert count() == 1
        in_thread(lambda *_: stop.set())
        join()
    """
    )

    pytester.runpytest_inprocess().assert_outcomes(passed=7, warnings=1)


@pytest.mark.long
def test_threads_that_write_and_read_all_the_time_neither_crash_nor_disturb_a_run(pytester: pytest.Pytester) -> None:
    busy = BUSY.replace('ROUNDS', str(ROUNDS))
    pytester.makepyfile(test_a=busy + END, test_b=busy)  # in the second, threads go on to the end of the run

    command = [sys.executable, '-m', 'pytest', '--aiida-temp', '-W', 'ignore::sqlalchemy.exc.SAWarning']
    result = pytester.run(*command, timeout=60 + ROUNDS)

    result.assert_outcomes(passed=2 * ROUNDS + 4)
    result.stdout.fnmatch_lines(['*IsolationWarning: * left behind the thread *'])
    assert result.ret == pytest.ExitCode.OK
    result.stderr.no_fnmatch_line('*Error*')
