"""The ``UPDATE`` of one row, without SQLAlchemy's unit of work.

aiida-core writes each change of an attribute, an extra, a label or a state at once, so what is to be written is one
object of which columns have changed. SQLAlchemy's way to find out which rows depend on which takes several times as
long as the statement.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.sql import ClauseElement

from .images import quoted

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState, Mapper, Session

_DIALECT = SQLiteDialect_pysqlite()


@dataclass(frozen=True)
class _Column:
    """A column that may be changed.

    :param is_equal: whether two values are the same.
    :param convert: from SQLAlchemy's value to the driver's.
    :param on_update: gives the value for an update that has none.
    """

    name: str
    is_equal: Callable[[Any, Any], bool]
    convert: Callable[[Any], Any]
    on_update: Callable[[Any], Any] | None


@functools.lru_cache(maxsize=64)
def _columns(mapper: Mapper[Any]) -> dict[str, _Column] | None:
    """Return the columns of a table by attribute, ``None`` if updating it takes more than a statement."""
    if (
        len(mapper.tables) != 1
        or mapper.version_id_col is not None
        or [key.name for key in mapper.primary_key] != ['id']
    ):
        return None
    columns: dict[str, Any] = {attribute.key: attribute.columns[0] for attribute in mapper.column_attrs}
    if not all(isinstance(column, Column) and _is_plain(column) for column in columns.values()):
        return None
    return {name: _column(column) for name, column in columns.items() if not column.primary_key}


def _is_plain(column: Column[Any]) -> bool:
    """Return whether the database computes nothing for a column in an update."""
    on_update: Any = column.onupdate
    return column.server_onupdate is None and (on_update is None or on_update.is_callable)


def _column(column: Column[Any]) -> _Column:
    convert = column.type.dialect_impl(_DIALECT).bind_processor(_DIALECT) or (lambda value: value)
    on_update: Any = column.onupdate
    return _Column(column.name, column.type.compare_values, convert, on_update and on_update.arg)


@functools.lru_cache(maxsize=256)
def _statement(table: str, columns: tuple[str, ...]) -> str:
    values = ', '.join(f'{quoted(column)}=?' for column in columns)
    return f'UPDATE {quoted(table)} SET {values} WHERE {quoted(table)}.id = ?'


def update_only_row(session: Session) -> bool:
    """Write what was changed if that is columns of one row, and return whether it was written.

    Where it is not, or the statement fails, SQLAlchemy is to do it, or to raise its error.
    """
    dirty = session.dirty
    if len(dirty) != 1 or session.new or session.deleted:
        return False
    [instance] = dirty
    state = instance_state(instance)
    columns = _columns(state.mapper)
    if columns is None or not columns.keys() >= state.committed_state.keys() or _is_listened_to(session, state):
        return False
    changed = _changed(state, columns)
    return changed is not None and _write(session, state, columns, changed)


def _changed(state: InstanceState[Any], columns: dict[str, _Column]) -> dict[str, Any] | None:
    """Return the new values by attribute, ``None`` if one of them is for the database to compute, or was deleted."""
    changed = {}
    for name, before in state.committed_state.items():
        value = state.dict.get(name, state)
        if value is state or isinstance(value, ClauseElement) or hasattr(value, '__clause_element__'):
            return None
        if columns[name].is_equal(value, before) is not True:
            changed[name] = value
    if changed:
        for name, column in columns.items():
            if column.on_update is not None and name not in changed:
                changed[name] = column.on_update(None)
    return changed


def _write(session: Session, state: InstanceState[Any], columns: dict[str, _Column], changed: dict[str, Any]) -> bool:
    if changed:
        names = [name for name in columns if name in changed]
        table: Any = state.mapper.local_table
        statement = _statement(table.name, tuple(columns[name].name for name in names))
        try:
            parameters = [columns[name].convert(changed[name]) for name in names]
            row = state.key[1][0]  # type: ignore[index]
            if session.connection().exec_driver_sql(statement, (*parameters, row)).rowcount != 1:
                return False
        except (SQLAlchemyError, TypeError, ValueError):
            return False
        state.dict.update(changed)
    state._commit_all(state.dict, session.identity_map)
    session._register_altered([state])
    return True


def _is_listened_to(session: Session, state: InstanceState[Any]) -> bool:
    """Return whether somebody is to be told of what SQLAlchemy writes."""
    of_session, of_mapper = session.dispatch, state.mapper.dispatch
    return bool(
        of_session.before_flush
        or of_session.after_flush
        or of_session.after_flush_postexec
        or of_mapper.before_update
        or of_mapper.after_update
    )
