"""Many nodes at once, in any storage."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from aiida.orm import Float
from aiida.orm.entities import EntityTypes


def insert_nodes(storage: Any, count: int) -> list[int]:
    """Insert nodes of the type ``Float`` and return their primary keys."""
    now = datetime.now(timezone.utc)
    shared = {
        'node_type': Float.class_node_type,
        'process_type': None,
        'label': '',
        'description': '',
        'ctime': now,
        'mtime': now,
        'extras': {},
        'repository_metadata': {},
        'dbcomputer_id': None,
        'user_id': storage.default_user.pk,
    }
    rows = [{**shared, 'uuid': str(uuid4()), 'attributes': {'value': float(number)}} for number in range(count)]
    keys: list[int] = storage.bulk_insert(EntityTypes.NODE, rows)
    return keys
