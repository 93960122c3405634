from nodes import store


def test_before(aiida_profile):
    assert store() == 1
