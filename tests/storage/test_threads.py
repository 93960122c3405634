"""One database for all threads of the process, one session a thread."""

from __future__ import annotations

import asyncio
import gc
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy
from aiida import orm
from aiida.common import exceptions
from aiida.storage.sqlite_zip.models import DbUser

from pytest_aiida_temp.storage.exclusive import BUSY_TIMEOUT
from pytest_aiida_temp.storage.images import UndoTable

if TYPE_CHECKING:
    from pytest_aiida_temp.storage import SqliteTempBackend

PATIENCE = BUSY_TIMEOUT / 2
"""Seconds after which a thread is taken to be blocked; less than the storage itself waits for a lock."""


@pytest.fixture
def other() -> Iterator[ThreadPoolExecutor]:
    """Another thread, the same one for as long as the test runs."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


def in_new_thread(function: Callable[[], Any]) -> None:
    """Run a function to its end in a thread of its own, or fail if it blocks."""
    errors = []

    def run() -> None:
        try:
            function()
        except BaseException as exception:
            errors.append(exception)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), 'the thread is blocked'
    assert errors == []


def store(label: str) -> orm.Node:
    return orm.SinglefileData(io.BytesIO(label.encode()), label=label).store()


def count() -> int:
    return orm.QueryBuilder().append(orm.Node).count()


def test_four_threads_store_query_and_put_files_at_once(temp_storage: SqliteTempBackend) -> None:
    together = threading.Barrier(4)

    def work(thread: int) -> None:
        together.wait()
        group = orm.Group(f'group {thread}').store()
        for number in range(50):
            node = store(f'{thread} {number}')
            assert orm.QueryBuilder().append(orm.Node, filters={'label': node.label}).count() == 1
            if number % 10 == 0:
                group.add_nodes(node)
                assert node.get_content(mode='rb') == f'{thread} {number}'.encode()

    with ThreadPoolExecutor(4) as executor:
        assert list(executor.map(work, range(4))) == [None] * 4

    assert count() == 200
    assert temp_storage.get_repository().get_info()['objects'] == {'count': 200}
    assert [group.count() for group in orm.Group.collection.all()] == [5] * 4


def test_every_thread_has_the_default_user_in_its_own_session(
    temp_storage: SqliteTempBackend, other: ThreadPoolExecutor
) -> None:
    here = temp_storage.default_user
    there = other.submit(lambda: temp_storage.default_user).result()
    owner = other.submit(lambda: orm.Int(1).store().user.pk).result()

    assert here is not there
    assert here.pk == there.pk == owner
    assert here is temp_storage.default_user


def test_a_default_user_changed_in_one_thread_is_changed_in_all(
    temp_storage: SqliteTempBackend, other: ThreadPoolExecutor
) -> None:
    there = other.submit(lambda: temp_storage.default_user).result()

    temp_storage.default_user.first_name = 'Changed'

    assert other.submit(lambda: there.first_name).result() == 'Changed'


def test_threads_see_what_the_others_committed(temp_storage: SqliteTempBackend, other: ThreadPoolExecutor) -> None:
    mine = store('mine')
    theirs = other.submit(orm.load_node, mine.pk).result()

    other.submit(setattr, theirs, 'label', 'by them').result()
    assert mine.label == 'by them'
    mine.base.extras.set('key', 'by me')
    assert other.submit(theirs.base.extras.get, 'key').result() == 'by me'
    assert orm.load_node(other.submit(store, 'theirs').result().pk).label == 'theirs'


def test_a_transaction_is_open_in_its_own_thread_only(
    temp_storage: SqliteTempBackend, other: ThreadPoolExecutor
) -> None:
    in_block, may_end = threading.Event(), threading.Event()

    def transact() -> None:
        with temp_storage.transaction():
            assert temp_storage.in_transaction
            in_block.set()
            may_end.wait(PATIENCE)
            store('theirs')

    future = other.submit(transact)
    in_block.wait(PATIENCE)
    assert not temp_storage.in_transaction
    assert count() == 0
    may_end.set()
    future.result()
    assert count() == 1


def test_who_has_just_queried_can_wait_for_a_thread_that_stores(temp_storage: SqliteTempBackend) -> None:
    first = store('first')
    assert count() == 1
    assert orm.load_node(first.pk).label == 'first'
    iterator = orm.QueryBuilder().append(orm.Node).iterall()
    next(iterator)

    in_new_thread(lambda: store('second'))

    assert count() == 2


def test_a_failed_store_does_not_keep_other_threads_waiting(temp_storage: SqliteTempBackend) -> None:
    orm.Group('group').store()
    with pytest.raises(exceptions.IntegrityError):
        orm.Group('group').store()

    in_new_thread(lambda: store('second'))

    assert count() == 1


def test_a_thread_that_ended_inside_a_transaction_does_not_keep_a_reset_waiting(
    temp_storage: SqliteTempBackend,
) -> None:
    store('mine')

    def end_inside() -> None:
        session = temp_storage.get_session()
        session.begin_nested()
        session.execute(sqlalchemy.insert(DbUser).values(email='never committed'))

    in_new_thread(end_inside)

    in_new_thread(temp_storage._clear)
    assert count() == 0
    assert orm.User.collection.count() == 1


def test_a_result_that_was_not_read_to_its_end_is_no_obstacle_beside_another_thread(
    temp_storage: SqliteTempBackend, other: ThreadPoolExecutor
) -> None:
    store('mine')
    assert other.submit(count).result() == 1  # it has a session from now on
    into, between = temp_storage.checkpoint(), temp_storage.checkpoint()
    late = temp_storage.checkpoint()

    cursor = temp_storage.get_session().raw.execute('SELECT 1 FROM db_dbnode UNION ALL SELECT 2')
    assert cursor.fetchone() == (1,)
    assert temp_storage.hand_over(late, into) == (True, False)
    temp_storage._clear()
    assert count() == other.submit(count).result() == 0
    temp_storage._clear()
    temp_storage.restore(between)
    assert count() == other.submit(count).result() == 1
    temp_storage.restore(into, keep=False)


def test_what_a_thread_stored_that_has_ended_is_undone(temp_storage: SqliteTempBackend) -> None:
    checkpoint = temp_storage.checkpoint()
    for _ in range(2):
        temp_storage.restore(checkpoint)
        in_new_thread(lambda: store('theirs'))
        gc.collect()  # and its session with it
        assert count() == 1
        temp_storage.restore(checkpoint)
        assert count() == 0
        assert store('mine').pk == 1
    temp_storage.restore(checkpoint, keep=False)


def test_a_thread_sees_a_reset_of_another_one(temp_storage: SqliteTempBackend, other: ThreadPoolExecutor) -> None:
    theirs = other.submit(store, 'theirs').result()

    temp_storage._clear()

    assert other.submit(count).result() == 0
    with pytest.raises((exceptions.NotExistent, sqlalchemy.exc.InvalidRequestError)):
        other.submit(lambda: theirs.label).result()
    assert other.submit(store, 'again').result().pk == 1
    assert other.submit(lambda: temp_storage.default_user.is_stored).result()


def test_two_threads_can_clear_at_once(
    temp_storage: SqliteTempBackend, other: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp_storage.set_global_variable('variable', 1)
    first_is_inside, second_is_done, restore = threading.Event(), threading.Event(), UndoTable.restore

    def restore_while_the_other_clears(*args: Any, **kwargs: Any) -> Any:
        first_is_inside.set()
        second_is_done.wait(0.2)
        return restore(*args, **kwargs)

    monkeypatch.setattr(UndoTable, 'restore', restore_while_the_other_clears)
    first = other.submit(temp_storage._clear)
    assert first_is_inside.wait(PATIENCE)
    temp_storage._clear()
    second_is_done.set()
    first.result(PATIENCE)

    with pytest.raises(KeyError):
        temp_storage.get_global_variable('variable')
    assert store('again').pk == 1


def test_threads_that_ended_leave_no_connection_behind(temp_storage: SqliteTempBackend) -> None:
    pool: Any = temp_storage.get_session().get_bind().engine.pool
    gc.collect()
    before = pool.checkedout()

    for number in range(5):
        in_new_thread(lambda number=number: store(str(number)))

    gc.collect()
    assert pool.checkedout() == before


def test_asyncio_tasks_and_the_threads_they_start_store_nodes(temp_storage: SqliteTempBackend) -> None:
    async def task(label: str) -> int:
        await asyncio.sleep(0)
        pk = store(label).pk
        await asyncio.sleep(0)
        assert orm.load_node(pk).label == label
        return await asyncio.to_thread(lambda: store(f'{label} of a thread').pk)

    async def main() -> list[int]:
        return await asyncio.gather(*(task(str(number)) for number in range(5)))

    loop = asyncio.new_event_loop()
    try:
        pks = loop.run_until_complete(main())
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    assert len(set(pks)) == 5
    assert count() == 10
