"""Shows data that is stored once for a module and used by several tests. What a test changes in it is put back
before the next test.
"""

from __future__ import annotations

import pytest
from aiida import orm

from pytest_aiida_temp import TempProfile


@pytest.fixture(scope='module')
def numbers(aiida_temp_session: TempProfile) -> orm.Group:
    """A group of a hundred numbers, stored once."""
    group = orm.Group('numbers').store()
    group.add_nodes([orm.Int(number).store() for number in range(100)])
    return group


def test_counts_them(numbers: orm.Group) -> None:
    assert numbers.count() == 100


def test_may_empty_the_group(numbers: orm.Group) -> None:
    numbers.clear()
    numbers.description = 'emptied'
    orm.Int(100).store()

    assert numbers.is_empty


def test_finds_all_as_they_were(numbers: orm.Group) -> None:
    assert numbers.count() == 100
    assert numbers.description == ''
    assert orm.QueryBuilder().append(orm.Int).count() == 100
