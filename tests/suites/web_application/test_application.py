import pytest
from aiida import orm
from nodes import EXPECTED, count, storage, store


@pytest.mark.parametrize('number', range(2))
def test_request(client, number):
    node = orm.Str('a').store()
    assert storage() == EXPECTED
    assert client(node.uuid) == 1
    assert orm.QueryBuilder().append(orm.Str, project='extras.seen').all() == [[True]]
    store()
    assert client(node.uuid) == count() == 2


def test_after(aiida_profile_clean):
    assert count() == 0
