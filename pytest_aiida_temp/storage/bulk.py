"""Many rows at once."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy
from aiida.common.exceptions import IntegrityError
from aiida.storage.sqlite_zip import models

if TYPE_CHECKING:
    from aiida.orm.entities import EntityTypes

    from .session import StorageSession

Rows = list[dict[str, Any]]

_LATEST_ID = sqlalchemy.text('SELECT seq FROM sqlite_sequence WHERE name = :name')


@functools.lru_cache(maxsize=18)
def mapper_of(entity_type: EntityTypes, with_pk: bool) -> tuple[Any, set[str]]:
    """Return the mapper of an entity type and the names of its fields.

    :param with_pk: include the primary key.
    """
    mapper: Any = sqlalchemy.inspect(models.MAP_ENTITY_TYPE_TO_MODEL[entity_type])
    return mapper, {key for key, column in mapper.c.items() if with_pk or column not in mapper.primary_key}


def check_insert(entity_type: EntityTypes, rows: Rows, allow_defaults: bool) -> Rows:
    """Return the rows with the names of the model's attributes.

    :raises ~aiida.common.exceptions.IntegrityError: if the keys of a row are not the fields of the entity.
    """
    _, keys = mapper_of(entity_type, False)
    rows = [_with_attribute_names(row, keys) for row in rows]
    for row in rows:
        if not (keys.issuperset(row) if allow_defaults else keys == row.keys()):
            relation = 'not subset of' if allow_defaults else '!='
            raise IntegrityError(f'Incorrect fields given for {entity_type}: {set(row)} {relation} {keys}')
    return rows


def check_update(entity_type: EntityTypes, rows: Rows) -> Rows:
    """Return the rows with the names of the model's attributes.

    :raises ~aiida.common.exceptions.IntegrityError: if a row has no ``id`` or keys that are not fields.
    """
    _, keys = mapper_of(entity_type, True)
    rows = [_with_attribute_names(row, keys) for row in rows]
    for row in rows:
        if 'id' not in row:
            raise IntegrityError(f"'id' field not given for {entity_type}: {set(row)}")
        if not keys.issuperset(row):
            raise IntegrityError(f'Incorrect fields given for {entity_type}: {set(row)} not subset of {keys}')
    return rows


def insert(session: StorageSession, entity_type: EntityTypes, rows: Rows) -> list[int]:
    """Insert checked rows and return their primary keys in the same order."""
    mapper, _ = mapper_of(entity_type, False)
    table = mapper.local_table
    columns = {mapper.get_property_by_column(column).key: column.key for column in table.columns}
    # The open transaction is the only one that writes, so the primary keys can be given out here.
    first = (session.execute(_LATEST_ID, {'name': table.name}).scalar() or 0) + 1
    values = [{'id': pk} | {columns[key]: value for key, value in row.items()} for pk, row in enumerate(rows, first)]
    for same in _grouped_by_keys(values):
        session.execute(sqlalchemy.insert(table), same)
    return list(range(first, first + len(rows)))


def _grouped_by_keys(rows: Rows) -> Iterable[Rows]:
    """Return the rows in groups with the same keys, as one statement for many rows must have."""
    groups: dict[frozenset[str], Rows] = {}
    for row in rows:
        groups.setdefault(frozenset(row), []).append(row)
    return groups.values()


def update(session: StorageSession, entity_type: EntityTypes, rows: Rows) -> None:
    """Update checked rows."""
    mapper, _ = mapper_of(entity_type, True)
    session.execute(sqlalchemy.update(mapper), rows)
    session.expire_all()


def delete_nodes(session: StorageSession, pks: Iterable[int]) -> None:
    """Delete nodes with their links, comments, logs and group memberships."""
    # As one JSON value, since SQLite limits the number of variables.
    known = session.identity_map.values()  # SQLAlchemy raises a `KeyError` for one that is collected just then
    wanted = sqlalchemy.func.json_each(json.dumps(list(pks))).table_valued('value')
    for column in (
        models.DbGroupNodes.dbnode_id,
        models.DbLink.input_id,
        models.DbLink.output_id,
        models.DbComment.dbnode_id,
        models.DbLog.dbnode_id,
        models.DbNode.id,
    ):
        statement = sqlalchemy.delete(column.class_).where(column.in_(sqlalchemy.select(wanted.c.value)))
        session.execute(statement, execution_options={'synchronize_session': 'fetch'})
    del known


def _with_attribute_names(row: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    """Return the row with the name that the models have for a column called ``metadata``."""
    if 'metadata' in row and '_metadata' in keys:
        row = dict(row)
        row['_metadata'] = row.pop('metadata')
    return row
