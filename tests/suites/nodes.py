"""What the tests of these suites do with nodes. Each suite is run with a copy of it."""

from __future__ import annotations

import os

EXPECTED = os.environ.get('SUITE_STORAGE', 'core.sqlite_dos')
"""The storage that a suite is to run on: on its own fixtures this one, unless the variable says otherwise."""


def store() -> int:
    """Store a node, and return how many there are then."""
    from aiida import orm

    orm.Int(1).store()
    return count()


def count() -> int:
    """Return how many nodes there are."""
    from aiida import orm

    return orm.QueryBuilder().append(orm.Node).count()


def storage() -> str:
    """Return the entry point of the storage that AiiDA uses."""
    from aiida.manage import get_manager

    return get_manager().get_profile_storage().profile.storage_backend
