"""Given with ``-p``. Its fixtures come before those that a conftest loads."""

import pytest


@pytest.fixture(scope='session', autouse=True)
def aiida_profile():
    raise AssertionError('aiida-core comes later')


@pytest.fixture
def aiida_profile_clean(aiida_profile):
    raise AssertionError('aiida-core comes later')


@pytest.fixture
def with_profile(aiida_profile):
    return aiida_profile
