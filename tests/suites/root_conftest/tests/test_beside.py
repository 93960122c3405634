from nodes import EXPECTED, storage, store


def test_beside(aiida_profile_clean, executable):
    assert storage() == EXPECTED
    assert store() == 1
    assert executable == 'bash'
