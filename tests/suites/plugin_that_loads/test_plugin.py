from aiida.manage import get_manager
from nodes import EXPECTED, storage, store


def test_storage(aiida_profile):
    assert storage() == EXPECTED
    assert store() == 1


def test_second(second_profile):
    assert get_manager().get_profile().name == 'second'
    assert storage() == EXPECTED
    assert store() == 1


def test_after():
    assert get_manager().get_profile().name == 'second'
    assert store() == 1
