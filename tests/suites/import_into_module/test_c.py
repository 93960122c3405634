from nodes import EXPECTED, storage, store


def test_after():
    assert storage() == EXPECTED
    assert store() == 1
