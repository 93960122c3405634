import pytest


@pytest.fixture(autouse=True)
def clean(aiida_profile_clean):
    """Clean for each test."""
