"""Given with ``-p``. It has fixtures made of aiida-core's, and is what loads those."""

import pytest

pytest_plugins = ['aiida.tools.pytest_fixtures']


@pytest.fixture(scope='session')
def second_profile(aiida_config, aiida_profile_factory):
    with aiida_profile_factory(aiida_config, name='second') as profile:
        yield profile


@pytest.fixture
def aiida_profile_clean(aiida_profile):
    raise AssertionError('what a plugin loads comes after itself')
