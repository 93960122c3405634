"""The fixtures are loaded by the conftest of the folder that pytest is given."""

import pytest


@pytest.fixture(scope='session')
def label():
    return 'of-the-root'
