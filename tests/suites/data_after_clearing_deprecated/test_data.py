import pytest
from aiida import orm
from nodes import EXPECTED, storage


@pytest.mark.parametrize('name', ['H', 'He'])
def test_pseudo(get_pseudo, name):
    assert storage() == EXPECTED
    assert get_pseudo(name).value == name
    assert orm.QueryBuilder().append(orm.Str).count() == 2
