import pytest


@pytest.fixture(scope='session')
def aiida_profile():
    raise AssertionError('aiida-core comes later in the list')


@pytest.fixture
def aiida_profile_clean():
    raise AssertionError('aiida-core comes later in the list')


@pytest.fixture
def computer(aiida_localhost):
    return aiida_localhost
