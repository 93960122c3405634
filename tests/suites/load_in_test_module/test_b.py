from nodes import EXPECTED, storage, store

pytest_plugins = ['aiida.tools.pytest_fixtures']


def test_storage(aiida_profile_clean):
    assert storage() == EXPECTED
    assert store() == 1
