"""Test modules import single fixtures that a plugin gives already."""

import pytest

pytest_plugins = ['aiida.tools.pytest_fixtures']


@pytest.fixture(autouse=True)
def clean(aiida_profile_clean):
    """Clean for each test."""
