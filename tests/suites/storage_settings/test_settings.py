import pytest
from aiida import orm
from aiida.manage import get_manager
from nodes import EXPECTED, storage, store


@pytest.fixture(scope='module')
def uuid(aiida_profile):
    return orm.Int(3).store().uuid


def test_restricted(uuid, restricted):
    assert storage() == EXPECTED
    assert get_manager().get_profile().storage_config['engine_kwargs'] == {'pool_timeout': 1}
    assert orm.load_node(uuid).value == 3
    assert store() > 1


def test_after(uuid, aiida_profile):
    assert storage() == EXPECTED
    assert 'engine_kwargs' not in get_manager().get_profile().storage_config
    assert orm.load_node(uuid).value == 3
