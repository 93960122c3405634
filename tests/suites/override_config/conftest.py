"""The configuration is overridden, and what makes profiles is wrapped."""

import pytest

pytest_plugins = ['aiida.tools.pytest_fixtures']


@pytest.fixture(scope='session', autouse=True)
def aiida_config(aiida_config_factory, tmp_path_factory):
    with aiida_config_factory(tmp_path_factory.mktemp('of-the-suite')) as config:
        config.set_option('runner.poll.interval', 1)
        yield config


@pytest.fixture(scope='session')
def aiida_profile_factory(aiida_profile_factory):
    return lambda config, **kwargs: aiida_profile_factory(config, **{'email': 'me@localhost', **kwargs})


@pytest.fixture(scope='session')
def aiida_profile(aiida_config, aiida_profile_factory):
    with aiida_profile_factory(aiida_config, name='of-the-suite') as profile:
        yield profile


@pytest.fixture
def aiida_profile_clean(aiida_profile):
    aiida_profile.reset_storage()
    return aiida_profile
