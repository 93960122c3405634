"""What a newer aiida-core may add to its schema is undone too, or a test fails with the name of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy
from aiida.storage.sqlite_zip import models
from sqlalchemy import Column, Computed, ForeignKey, Index, Integer, MetaData, String, Table

from pytest_aiida_temp.storage import SqliteTempBackend
from pytest_aiida_temp.storage.images import PREFIX, quoted

if TYPE_CHECKING:
    from pytest_aiida_temp import TempProfile

COLUMNS = ['note', 'level', 'row', 'existed', 'order']
"""Names of columns, among them what may be names in the undo log as well."""

NODE = """
    INSERT INTO db_dbnode
        (id, uuid, node_type, label, description, ctime, mtime, repository_metadata, user_id, note, "order")
    VALUES ({0}, '{0}', 'data.', '', '', '', '', '{{}}', 1, 'note {0}', 1)
"""

BASE = [
    NODE.format(1),
    NODE.format(2),
    "INSERT INTO db_dbnew VALUES (1, 'one', 1), (2, 'two', 2)",
    "INSERT INTO db_dbtext (key, value) VALUES ('a', 'one'), ('b', 'two')",
    "INSERT INTO db_dbpair VALUES (1, 'a', 'one'), (1, 'b', 'two')",
]

CHANGES = {
    'insert': [
        NODE.format(3),
        "INSERT INTO db_dbnew VALUES (3, 'three', 3)",
        "INSERT INTO db_dbtext (key, value) VALUES ('c', 'three')",
        "INSERT INTO db_dbpair VALUES (2, 'a', 'three')",
    ],
    'update': [
        'UPDATE db_dbnode SET note = \'changed\', level = 7, row = 8, existed = 9, "order" = NULL',
        "UPDATE db_dbnew SET name = 'changed ' || name WHERE id = 1",
        "UPDATE db_dbtext SET key = 'z' WHERE key = 'a'",
        "UPDATE db_dbpair SET first = 5, value = 'changed' WHERE second = 'b'",
    ],
    'delete': [
        'DELETE FROM db_dbnode WHERE id = 2',
        "DELETE FROM db_dbtext WHERE key = 'a'",
        "DELETE FROM db_dbpair WHERE second = 'a'",
    ],
    'replace': [
        "INSERT OR REPLACE INTO db_dbnew VALUES (9, 'one', 1)",
        "INSERT OR REPLACE INTO db_dbtext (key, value) VALUES ('b', 'changed')",
        "INSERT OR REPLACE INTO db_dbpair VALUES (1, 'b', 'changed')",
    ],
}


def newer_schema() -> MetaData:
    """Return the schema of the aiida-core installed with more columns, and with more tables of several kinds."""
    metadata = MetaData()
    for table in models.SqliteBase.metadata.tables.values():
        table.to_metadata(metadata)
    for name in COLUMNS:
        metadata.tables['db_dbnode'].append_column(Column(name, String, server_default='default'))
    new = Table(
        'db_dbnew',
        metadata,
        Column('id', Integer, primary_key=True),
        Column('name', String, unique=True),
        Column('dbnode_id', ForeignKey('db_dbnode.id', ondelete='CASCADE')),
    )
    Index('ix_new', new.c.dbnode_id, new.c.name)
    Table(
        'db_dbtext',
        metadata,
        Column('key', String, primary_key=True),
        Column('value', String),
        Column('both', String, Computed("key || ' ' || value")),
    )
    Table(
        'db_dbpair',
        metadata,
        Column('first', Integer, primary_key=True),
        Column('second', String, primary_key=True),
        Column('value', String),
    )
    return metadata


@pytest.fixture
def newer_storage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module_profile: TempProfile
) -> Iterator[SqliteTempBackend]:
    """A storage with the newer schema, and something in every table that is new."""
    monkeypatch.setattr(models.SqliteBase, 'metadata', newer_schema())
    storage = SqliteTempBackend(SqliteTempBackend.create_profile('newer', filepath=tmp_path))
    execute(storage, 'CREATE VIEW new_view AS SELECT name FROM db_dbnew', *BASE)
    yield storage
    storage.close()


def execute(storage: SqliteTempBackend, *statements: str) -> None:
    for statement in statements:
        storage.get_session().execute(sqlalchemy.text(statement))
    storage.get_session().commit()


def contents(storage: SqliteTempBackend) -> dict[str, list[tuple[Any, ...]]]:
    raw = storage.get_session().raw
    names = raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' OR type = 'view'").fetchall()
    tables = [name for (name,) in names if not name.startswith((PREFIX, 'sqlite_'))]
    return {name: sorted(raw.execute(f'SELECT * FROM {quoted(name)}').fetchall(), key=str) for name in tables}


# What is new is covered


@pytest.mark.parametrize('statements', CHANGES.values(), ids=CHANGES)
def test_new_tables_and_columns_return_to_the_checkpoint(
    newer_storage: SqliteTempBackend, statements: list[str]
) -> None:
    before = contents(newer_storage)

    outer = newer_storage.checkpoint()
    inner = newer_storage.checkpoint()
    for checkpoint in (inner, outer):
        execute(newer_storage, *statements)
        assert {name for name, rows in contents(newer_storage).items() if rows != before[name]} >= {'db_dbtext'}
        newer_storage.restore(checkpoint)
        assert contents(newer_storage) == before


def test_new_tables_are_cleared_and_come_back(newer_storage: SqliteTempBackend) -> None:
    before, checkpoint = contents(newer_storage), newer_storage.checkpoint()

    newer_storage._clear()
    assert {name for name, rows in contents(newer_storage).items() if rows} == {'db_dbuser', 'alembic_version'}
    newer_storage.restore(checkpoint)

    assert contents(newer_storage) == before


def test_rows_of_new_tables_are_handed_over_and_excised(newer_storage: SqliteTempBackend) -> None:
    before = contents(newer_storage)

    into, between = newer_storage.checkpoint(), newer_storage.checkpoint()
    execute(newer_storage, *CHANGES['update'])
    late = newer_storage.checkpoint()
    execute(newer_storage, *CHANGES['insert'])
    newer_storage.hand_over(late, into)
    newer_storage.restore(between)
    handed_over = contents(newer_storage)
    newer_storage.excise(into)

    assert {name: len(rows) - len(before[name]) for name, rows in handed_over.items() if rows != before[name]} == {
        'db_dbnode': 1,
        'db_dbnew': 1,
        'db_dbtext': 1,
        'db_dbpair': 1,
        'new_view': 1,
    }
    assert contents(newer_storage) == before


# What would not be covered is named


def not_covered(connection: sqlite3.Connection) -> dict[str, str]:
    """Return what the undo log cannot bring back wholly, and why."""
    found = connection.execute('SELECT type, name, sql FROM sqlite_master WHERE sql NOT NULL').fetchall()
    reasons = {}
    for kind, name, sql in found:
        words = sql.upper()
        if name.startswith((PREFIX, 'sqlite_')):
            continue
        if kind == 'trigger' and not name.startswith(PREFIX):
            reasons[name] = 'a trigger that would fire on the way back'
        elif words.startswith('CREATE VIRTUAL TABLE'):
            reasons[name] = 'a virtual table, on which there are no triggers'
        elif kind == 'table' and 'WITHOUT ROWID' in words:
            reasons[name] = 'without row ids'
    return reasons


def test_all_that_the_installed_aiida_core_has_is_covered(temp_storage: SqliteTempBackend) -> None:
    assert not_covered(temp_storage.get_session().raw) == {}


def test_the_undo_log_has_images_of_every_column_of_the_installed_aiida_core(temp_storage: SqliteTempBackend) -> None:
    raw = temp_storage.get_session().raw

    for name, table in models.SqliteBase.metadata.tables.items():
        columns = {column.name for column in table.columns} - {'id'}
        kept = raw.execute(f'PRAGMA table_info({quoted(f"{PREFIX}undo_{name}")})').fetchall()
        assert len(kept) == len(['level', 'row', 'existed', *columns]), name


def test_what_is_not_covered_is_named() -> None:
    with closing(sqlite3.connect(':memory:')) as connection:
        connection.executescript("""
            CREATE TABLE covered (id INTEGER PRIMARY KEY, value);
            CREATE TABLE keyed (key TEXT PRIMARY KEY) WITHOUT ROWID;
            CREATE TABLE counting (id INTEGER PRIMARY KEY AUTOINCREMENT, value);
            CREATE TRIGGER fires AFTER DELETE ON covered BEGIN DELETE FROM counting; END;
            CREATE VIEW seen AS SELECT * FROM covered;
            CREATE INDEX indexed ON covered (value);
        """)

        assert not_covered(connection).keys() == {'keyed', 'fires'}
