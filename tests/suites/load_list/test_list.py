from nodes import EXPECTED, storage, store


def test_the_last_in_the_list_wins(aiida_profile, computer):
    assert aiida_profile.of_later
    assert computer.get_default_mpiprocs_per_machine() == 4
    assert storage() == EXPECTED


def test_clean(aiida_profile_clean, aiida_profile):
    assert aiida_profile_clean is aiida_profile
    assert store() == 1
