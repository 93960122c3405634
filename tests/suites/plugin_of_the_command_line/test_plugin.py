from nodes import EXPECTED, storage, store


def test_the_conftest_wins(with_profile, aiida_profile):
    assert with_profile is aiida_profile
    assert storage() == EXPECTED


def test_clean(aiida_profile_clean):
    assert store() == 1
