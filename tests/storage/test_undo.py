"""The undo log: checkpoints of a SQLite database and the way back to them, on a schema made for it and on AiiDA's."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.tools import delete_nodes
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_aiida_temp import temp_profile
from pytest_aiida_temp.storage import exclusive
from pytest_aiida_temp.storage.images import MOST_NAMED, PREFIX, TableChanges
from pytest_aiida_temp.storage.undo import UndoLog

if TYPE_CHECKING:
    from pytest_aiida_temp.storage import SqliteTempBackend

pytestmark = pytest.mark.filterwarnings('ignore:Object of type <Db.*> not in session')

SCHEMA = """
    CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT UNIQUE, value);
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id) ON DELETE CASCADE);
    CREATE TABLE keyed (key TEXT PRIMARY KEY, value);
    CREATE TABLE "odd WHERE 'counted'" (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);
    CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);
    CREATE TABLE "odd ""name" ("an id" INTEGER PRIMARY KEY, "select" BLOB);
    INSERT INTO parent VALUES (1, 'a', 1.5), (2, 'b', NULL), (4, 'd', x'00');
    INSERT INTO child VALUES (1, 1), (2, 2), (3, 2);
    INSERT INTO keyed VALUES ('a', 1), ('b', 2);
    INSERT INTO "odd WHERE 'counted'" VALUES (1, 'a'), (3, 'c');
    INSERT INTO counted VALUES (1, 'a'), (3, 'c');
    INSERT INTO "odd ""name" VALUES (1, 'x');
"""

Contents = dict[str, list[tuple[Any, ...]]]


def connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0, check_same_thread=False)


def contents(connection: sqlite3.Connection) -> Contents:
    """Return all rows with their row ids, the log's own tables left out."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    tables = [name.replace('"', '""') for (name,) in names if not name.startswith((PREFIX, 'sqlite_'))]
    return {name: connection.execute(f'SELECT rowid, * FROM "{name}" ORDER BY rowid').fetchall() for name in tables}


class Sample:
    """A small database with an undo log, and a connection that writes to it as a session of the storage does."""

    def __init__(self) -> None:
        uri = f'file:/undo_{uuid4().hex}?vfs=memdb'
        self.writer, self._keeper = connect(uri), connect(uri)
        self.writer.executescript(SCHEMA)
        self.writer.execute('PRAGMA foreign_keys = ON')
        self.writer.execute('PRAGMA recursive_triggers = ON')
        self.log = UndoLog(self._keeper)
        self.base = self.log.checkpoint()

    def write(self, *statements: str) -> None:
        """Commit the statements, or nothing if one fails."""
        self.writer.execute('BEGIN IMMEDIATE')
        try:
            self.log.activate(self.writer)
            for statement in statements:
                self.writer.execute(statement)
            self.writer.execute('COMMIT')
        except BaseException:
            self.writer.execute('ROLLBACK')
            raise

    @property
    def contents(self) -> Contents:
        return contents(self.writer)

    def close(self) -> None:
        self.writer.close()
        self._keeper.close()


@pytest.fixture
def sample() -> Iterator[Sample]:
    with closing(Sample()) as sample:
        yield sample


CHANGES = {
    'insert': ["INSERT INTO parent VALUES (NULL, 'new', 1)", 'INSERT INTO child VALUES (NULL, 5)'],
    'insert below': ["INSERT INTO parent VALUES (3, 'c', 1), (-1, 'e', 1), (0, 'f', 1)"],
    'update': ["UPDATE parent SET value = 'x'", "UPDATE parent SET value = 'y', name = name || 'z'"],
    'delete': ['DELETE FROM child WHERE id = 2', 'DELETE FROM parent WHERE id = 4'],
    'delete everything': ['DELETE FROM child', 'DELETE FROM parent', 'DELETE FROM keyed', 'DELETE FROM "odd ""name"'],
    'insert and delete': ["INSERT INTO parent VALUES (9, 'new', 1)", 'DELETE FROM parent WHERE id = 9'],
    'delete and insert': ['DELETE FROM parent WHERE id = 4', "INSERT INTO parent VALUES (4, 'again', 1)"],
    'insert or replace the row': ["INSERT OR REPLACE INTO parent VALUES (4, 'x', 1)"],
    'insert or replace by a unique value': ["INSERT OR REPLACE INTO parent VALUES (9, 'd', 1)"],
    'insert or replace two rows': ["INSERT OR REPLACE INTO parent VALUES (1, 'd', 1)"],
    'update or replace': ["UPDATE OR REPLACE parent SET name = 'd' WHERE id = 2"],
    'upsert': ["INSERT INTO parent VALUES (9, 'a', 1) ON CONFLICT (name) DO UPDATE SET value = 'upserted'"],
    'move up': ['UPDATE parent SET id = 9 WHERE id = 4'],
    'move below': ['UPDATE parent SET id = 3 WHERE id = 4'],
    'move and refill': ['UPDATE parent SET id = 9 WHERE id = 4', "INSERT INTO parent VALUES (4, 'x', 1)"],
    'move in a chain': ['UPDATE child SET id = id + 10', 'UPDATE child SET id = id - 11'],
    'swap unique values': [
        "UPDATE parent SET name = 'tmp' WHERE id = 1",
        "UPDATE parent SET name = 'a' WHERE id = 2",
        "UPDATE parent SET name = 'b' WHERE id = 1",
    ],
    'take over a unique value': ["UPDATE parent SET name = 'x' WHERE id = 1", "INSERT INTO parent VALUES (9, 'a', 1)"],
    'cascade': ['DELETE FROM parent WHERE id = 2'],
    'cascade and replace': ["INSERT OR REPLACE INTO parent VALUES (2, 'x', 1)"],
    'text key': ["INSERT INTO keyed VALUES ('c', 3)", "UPDATE keyed SET key = 'd' WHERE key = 'a'"],
    'text key replaced': ["INSERT OR REPLACE INTO keyed VALUES ('a', 'x')", "DELETE FROM keyed WHERE key = 'b'"],
    'counted insert': ["INSERT INTO counted VALUES (NULL, 'new'), (9, 'far')"],
    'counted move up': ['UPDATE counted SET id = 50 WHERE id = 3'],
    'counted move up and insert': ['UPDATE counted SET id = 50 WHERE id = 3', "INSERT INTO counted VALUES (NULL, 'x')"],
    'counted delete and insert': ['DELETE FROM counted WHERE id = 3', "INSERT INTO counted VALUES (NULL, 'new')"],
    'odd counted move up': ["""UPDATE "odd WHERE 'counted'" SET id = 50 WHERE id = 3"""],
    'odd names': [
        'INSERT INTO "odd ""name" VALUES (7, 7)',
        'UPDATE "odd ""name" SET "select" = NULL, "an id" = 8 WHERE "an id" = 1',
    ],
}


# One checkpoint


@pytest.mark.parametrize('statements', CHANGES.values(), ids=CHANGES)
def test_a_restore_undoes(sample: Sample, statements: list[str]) -> None:
    before = sample.contents

    for _ in range(2):
        sample.write(*statements)
        assert not sample.log.is_at(sample.base)
        sample.log.restore(sample.base)
        assert sample.contents == before
        assert sample.log.is_at(sample.base)


@pytest.mark.parametrize('statements', CHANGES.values(), ids=CHANGES)
def test_a_restore_of_an_outer_checkpoint_undoes_what_both_saw(sample: Sample, statements: list[str]) -> None:
    before = sample.contents
    sample.write(
        "UPDATE parent SET value = 'outer'", 'UPDATE child SET parent_id = 2', "INSERT INTO keyed VALUES ('o', 1)"
    )
    between = sample.contents

    inner = sample.log.checkpoint()
    sample.write(*statements)
    sample.log.restore(inner)
    assert sample.contents == between
    sample.write(*statements)
    sample.log.restore(sample.base)
    assert sample.contents == before


def test_a_restore_with_nothing_changed_undoes_nothing(sample: Sample) -> None:
    before = sample.contents

    assert sample.log.restore(sample.base) == {}
    assert sample.contents == before


def test_a_restore_tells_which_rows_it_undid(sample: Sample) -> None:
    sample.write("INSERT INTO parent VALUES (9, 'x', 1)", 'DELETE FROM child WHERE id = 2')

    changes = sample.log.restore(sample.base)

    assert changes.keys() == {'parent', 'child'}
    assert changes['parent'] == TableChanges(lost=((4, 9),))
    assert changes['child'] == TableChanges(rows=frozenset({2}))


def test_row_ids_go_on_from_the_checkpoint(sample: Sample) -> None:
    for _ in range(3):
        sample.write("INSERT INTO parent VALUES (NULL, 'x', 1), (NULL, 'y', 1)")
        assert [row[0] for row in sample.contents['parent']] == [1, 2, 4, 5, 6]
        sample.log.restore(sample.base)


def test_foreign_keys_still_hold_after_a_restore(sample: Sample) -> None:
    sample.write('DELETE FROM parent WHERE id = 2')
    sample.log.restore(sample.base)

    with pytest.raises(sqlite3.IntegrityError):
        sample.write('INSERT INTO child VALUES (9, 99)')
    sample.write('DELETE FROM parent WHERE id = 2')
    assert sample.contents['child'] == [(1, 1, 1)]


# Several checkpoints


def test_a_checkpoint_that_is_not_kept_is_gone(sample: Sample) -> None:
    inner = sample.log.checkpoint()
    sample.write('DELETE FROM child')

    sample.log.restore(inner, keep=False)

    assert len(sample.contents['child']) == 3
    with pytest.raises(KeyError):
        sample.log.restore(inner)
    assert sample.log.is_at(sample.base)


def test_a_checkpoint_dropped_with_nothing_changed_leaves_the_outer_one_its_changes(sample: Sample) -> None:
    before = sample.contents
    sample.write('DELETE FROM child')

    sample.log.restore(sample.log.checkpoint(), keep=False)

    assert not sample.log.is_at(sample.base)
    sample.log.restore(sample.base)
    assert sample.contents == before


def test_checkpoints_taken_later_are_gone_with_a_restore(sample: Sample) -> None:
    inner = sample.log.checkpoint()

    sample.log.restore(sample.base)

    with pytest.raises(KeyError):
        sample.log.restore(inner)


def test_clearing_brings_the_first_checkpoint_back_as_a_change_that_a_restore_undoes(sample: Sample) -> None:
    first = sample.contents
    sample.write("INSERT INTO parent VALUES (9, 'x', 1)", 'DELETE FROM child', "UPDATE keyed SET value = 'x'")
    second, inner = sample.contents, sample.log.checkpoint()

    for _ in range(2):
        sample.write("UPDATE parent SET value = 'y'")
        sample.log.clear()
        assert sample.contents == first
        assert not sample.log.is_at(inner)
        sample.write("INSERT INTO parent VALUES (9, 'other', 1)", 'DELETE FROM keyed')
        sample.log.restore(inner)
        assert sample.contents == second
    sample.log.restore(sample.base)
    assert sample.contents == first


STATEMENTS = st.one_of(
    st.builds('INSERT INTO parent VALUES ({}, {!r}, 1)'.format, st.integers(1, 9), st.sampled_from('abcdef')),
    st.builds('INSERT OR REPLACE INTO parent VALUES ({}, {!r}, 1)'.format, st.integers(1, 9), st.sampled_from('abcd')),
    st.builds('UPDATE OR REPLACE parent SET id = {} WHERE id = {}'.format, st.integers(1, 9), st.integers(1, 9)),
    st.builds(
        'UPDATE OR REPLACE parent SET name = {!r} WHERE id = {}'.format, st.sampled_from('abcd'), st.integers(1, 9)
    ),
    st.builds('DELETE FROM parent WHERE id = {}'.format, st.integers(1, 9)),
    st.builds('INSERT OR IGNORE INTO child VALUES (NULL, {})'.format, st.integers(1, 9)),
    st.builds('INSERT OR REPLACE INTO keyed VALUES ({!r}, {})'.format, st.sampled_from('abc'), st.integers(1, 3)),
    st.builds(
        'UPDATE OR REPLACE keyed SET key = {!r} WHERE value = {}'.format, st.sampled_from('abc'), st.integers(1, 3)
    ),
)
STEPS = st.one_of(
    st.tuples(st.just('write'), st.lists(STATEMENTS, min_size=1, max_size=3)),
    st.tuples(st.just('checkpoint'), st.none()),
    st.tuples(st.sampled_from(['restore', 'drop']), st.integers(0, 3)),
    st.tuples(st.just('clear'), st.none()),
)


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(STEPS, max_size=15))
def test_whatever_is_written_a_restore_returns_to_what_was_there(steps: list[tuple[str, Any]]) -> None:
    with closing(Sample()) as sample:
        stack = [(sample.base, sample.contents)]
        for step, argument in [*steps, ('restore', 3), ('restore', 0)]:
            if step == 'write':
                with suppress(sqlite3.IntegrityError):
                    sample.write(*argument)
            elif step == 'checkpoint':
                stack.append((sample.log.checkpoint(), sample.contents))
            elif step == 'clear':
                sample.log.clear()
                assert sample.contents == stack[0][1]
            else:
                position = min(argument, len(stack) - 1)
                keep = step == 'restore' or position == 0
                level, expected = stack[position]
                sample.log.restore(level, keep=keep)
                assert sample.contents == expected
                del stack[position + keep :]


# Locks


def test_a_restore_that_fails_because_of_a_lock_changes_nothing(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusive, 'BUSY_TIMEOUT', 0.01)
    before = sample.contents
    inner = sample.log.checkpoint()
    sample.write('DELETE FROM child')
    changed = sample.contents

    sample.writer.execute('BEGIN IMMEDIATE')
    for refused in (lambda: sample.log.restore(inner), lambda: sample.log.restore(sample.base), sample.log.clear):
        with pytest.raises(sqlite3.OperationalError, match='locked'):
            refused()
    sample.writer.execute('ROLLBACK')

    assert sample.contents == changed
    assert not sample.log.is_at(inner)
    sample.log.restore(inner)
    assert sample.contents == before


def test_a_half_read_result_is_no_obstacle_to_the_connection_that_reads_it(sample: Sample) -> None:
    before = sample.contents
    sample.write('DELETE FROM child')
    cursor = sample.writer.execute('SELECT * FROM parent')
    cursor.fetchone()

    sample.writer.execute('PRAGMA foreign_keys = OFF')
    sample.log.restore(sample.base, through=sample.writer)

    assert sample.contents == before


# AiiDA's schema


def test_the_id_of_a_deleted_row_is_given_to_no_other_before_the_row_is_back(temp_storage: SqliteTempBackend) -> None:
    first = orm.Int(1).store()
    checkpoint = temp_storage.checkpoint()

    for _ in range(2):
        orm.Node.collection.delete(first.pk)
        assert [orm.Int(2).store().pk, orm.Int(3).store().pk] == [2, 3]
        temp_storage.restore(checkpoint)
        assert (first.label, orm.load_node(first.pk).value) == ('', 1)


@pytest.mark.parametrize('number', [2, MOST_NAMED + 1])
def test_a_restore_names_the_latest_of_the_rows_that_were_new(temp_storage: SqliteTempBackend, number: int) -> None:
    orm.Int(0).store()
    checkpoint = temp_storage.checkpoint()
    with temp_storage.transaction():
        nodes = [orm.Int(1).store() for _ in range(number)]

    named = temp_storage.restore(checkpoint)

    assert named == [('db_dbnode', node.pk, node.uuid) for node in reversed(nodes[-MOST_NAMED:])]


def test_what_a_late_fixture_changes_is_as_it_was_at_the_wider_scope(temp_storage: SqliteTempBackend) -> None:
    changed, both = orm.Int(1).store(), orm.Int(2).store()
    into = temp_storage.checkpoint()
    between = temp_storage.checkpoint()
    both.label = 'of the test'
    late = temp_storage.checkpoint()
    changed.label = both.label = 'late'

    assert temp_storage.hand_over(late, into) == (True, True)
    assert (changed.label, both.label) == ('late', 'late')
    temp_storage.restore(between)
    assert (changed.label, both.label) == ('late', '')
    temp_storage.restore(into)
    assert (changed.label, both.label) == ('', '')


def test_what_is_as_it_was_made_is_not_cleared_again() -> None:
    with temp_profile() as profile:
        storage = profile.storage
        storage.checkpoint()
        assert storage._live.clear() == {}

        kept = orm.Int(1).store()
        checkpoint = storage.checkpoint()
        assert storage._live.clear() != {}
        assert orm.QueryBuilder().append(orm.Node).count() == 0
        storage.restore(checkpoint)
        assert orm.load_node(kept.pk).value == 1
        assert storage._live.clear() != {}


def test_a_late_fixture_that_may_end_early_begins_without_what_the_test_stored_before(
    temp_storage: SqliteTempBackend,
) -> None:
    into, between = temp_storage.checkpoint(), temp_storage.checkpoint()
    of_test = orm.Int(1).store()
    may_end_early = temp_storage.checkpoint()
    assert temp_storage.hand_over(may_end_early, into, apart=True) == (True, False)
    temp_storage.insert_checkpoint(between)

    wider, late = temp_storage.insert_checkpoint(may_end_early), temp_storage.checkpoint()
    delete_nodes([of_test.pk], dry_run=False)
    temp_storage.hand_over(late, wider)
    temp_storage.restore(wider)

    assert orm.QueryBuilder().append(orm.Node).count() == 0


def test_every_table_of_aiida_returns_to_the_checkpoint(temp_storage: SqliteTempBackend) -> None:
    source, process = orm.SinglefileData(io.BytesIO(b'content')).store(), orm.CalculationNode()
    process.base.links.add_incoming(source, LinkType.INPUT_CALC, 'x')
    process.computer = orm.Computer('a', 'a', '', 'core.local', 'core.direct').store()
    process.store().logger.error('message')
    process.computer.configure()
    process.base.comments.add('comment')
    orm.Group('group').store().add_nodes([source, process])
    temp_storage.set_global_variable('variable', 1)
    raw = temp_storage.get_session().raw
    before, checkpoint = contents(raw), temp_storage.checkpoint()
    assert [name for name, rows in before.items() if not rows] == []

    for name in before:
        if name != 'alembic_version':
            column = raw.execute(f'SELECT name FROM pragma_table_info({name!r}) WHERE type LIKE "%CHAR%"').fetchone()
            with temp_storage.transaction() as session:
                session.connection().exec_driver_sql('PRAGMA defer_foreign_keys = ON')
                if column:
                    session.connection().exec_driver_sql(f'UPDATE {name} SET "{column[0]}" = "{column[0]}" || id')
                else:
                    session.connection().exec_driver_sql(f'DELETE FROM {name}')
    changed = contents(raw)
    assert [name for name in before if changed[name] == before[name]] == ['alembic_version']
    temp_storage.restore(checkpoint)

    assert contents(raw) == before
    assert process.base.links.get_incoming().one().node == source
