"""Each test is cleaned up after with a deprecated fixture; classes store in ``setup_method``."""

import pytest

pytest_plugins = ['aiida.manage.tests.pytest_fixtures']


@pytest.fixture(autouse=True)
def clear_database_auto(clear_database):
    """Clean after each test."""
