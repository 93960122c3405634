from nodes import EXPECTED, storage, store


def test_storage(aiida_profile):
    assert storage() == EXPECTED


def test_clean(aiida_profile_clean):
    assert store() == 1
