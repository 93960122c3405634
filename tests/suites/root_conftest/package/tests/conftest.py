import pytest
from aiida import orm


@pytest.fixture(scope='package', autouse=True)
def of_package(aiida_profile):
    return orm.Str('of the package').store()


@pytest.fixture
def aiida_profile_clean(aiida_profile):
    """An own one that does not clean."""
    return aiida_profile
