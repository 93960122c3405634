from aiida import orm
from nodes import EXPECTED, storage, store


def test_storage(aiida_profile, group):
    assert storage() == EXPECTED
    assert orm.load_group('of-the-root').pk == group.pk


def test_clean(aiida_profile_clean):
    assert store() == 1
