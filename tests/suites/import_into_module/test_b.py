import pytest
from aiida.manage import get_manager
from aiida.tools.pytest_fixtures import aiida_profile, aiida_profile_clean  # noqa: F401
from nodes import EXPECTED, count, storage, store


@pytest.fixture(scope='module')
def data(aiida_profile):  # noqa: F811
    return store()


def test_storage(aiida_profile):  # noqa: F811
    assert get_manager().get_profile() is aiida_profile
    assert storage() == EXPECTED


def test_clean(data, aiida_profile_clean):  # noqa: F811
    assert count() == 0
