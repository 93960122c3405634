from aiida import orm
from nodes import storage, store


def test_storage(profile):
    assert storage() == 'core.sqlite_temp'
    assert orm.load_group('of-the-suite')
    assert store() == 1


def test_it_is_not_emptied(profile):
    assert store() == 2
