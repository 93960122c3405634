import pytest


@pytest.fixture
def aiida_localhost(aiida_localhost):
    aiida_localhost.set_default_mpiprocs_per_machine(4)
    return aiida_localhost


@pytest.fixture(scope='session')
def aiida_profile(aiida_profile):
    aiida_profile.of_later = True
    return aiida_profile
