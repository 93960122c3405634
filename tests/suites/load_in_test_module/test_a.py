"""The fixtures are loaded by a test module, for all modules."""

from nodes import EXPECTED, storage, store

pytest_plugins = ['aiida.tools.pytest_fixtures']


def test_storage(aiida_profile, aiida_config):
    assert storage() == EXPECTED
    assert aiida_profile.name in aiida_config.profile_names


def test_further(aiida_config, aiida_profile_factory):
    with aiida_profile_factory(aiida_config, name='further'):
        assert store() == 1
