"""The empty database of which each database in memory is a copy."""

from __future__ import annotations

import atexit
import functools
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy

from .undo import UndoLog


@functools.lru_cache(maxsize=4)
def template(metadata: sqlalchemy.MetaData) -> sqlite3.Connection:
    """Return an empty database with the tables and the triggers that each database needs, to be copied.

    Its row ids count up, so that none is given out twice. To compile and execute the statements that make it takes
    fifty times as long as to copy it.
    """
    made = sqlite3.connect(':memory:', isolation_level=None, check_same_thread=False)

    def execute(statement: Any, *_: Any, **__: Any) -> None:
        made.execute(str(statement.compile(dialect=engine.dialect)))

    engine = sqlalchemy.create_mock_engine('sqlite://', execute)
    with _counting_up(metadata.tables.values()):
        metadata.create_all(engine, checkfirst=False)
    made.execute('CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)')
    UndoLog(made)
    atexit.register(made.close)
    return made


@contextmanager
def _counting_up(tables: Iterable[sqlalchemy.Table]) -> Iterator[None]:
    """Have SQLAlchemy write the definitions of tables so that their row ids count up.

    To copy the tables and to change the copies takes longer than all else that makes the template.
    """
    changed = []
    for table in tables:
        keys = list(table.primary_key)
        if len(keys) == 1 and isinstance(keys[0].type, sqlalchemy.Integer):
            options = table.dialect_options['sqlite']
            changed.append((options, options['autoincrement']))
            options['autoincrement'] = True
    try:
        yield
    finally:
        for options, before in changed:
            options['autoincrement'] = before
