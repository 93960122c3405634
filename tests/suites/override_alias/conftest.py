"""A fixture of the suite's own stands for the deprecated profile."""

import pytest

pytest_plugins = ['aiida.manage.tests.pytest_fixtures']


@pytest.fixture(scope='session', autouse=True)
def with_database(aiida_profile):
    """Alias for ``aiida_profile``."""
    yield aiida_profile  # noqa: PT022


@pytest.fixture
def app(aiida_profile, tmp_path):
    """Something that holds the profile, and clears it in the end."""
    yield {'profile': aiida_profile, 'folder': tmp_path}
    aiida_profile.clear_profile()
