"""The fixtures are loaded at the root of the repository; tests are beside the package and in it."""

import pytest

pytest_plugins = ['aiida.tools.pytest_fixtures']


def pytest_addoption(parser):
    parser.addoption('--executable', default='bash')


@pytest.fixture(scope='session')
def executable(pytestconfig):
    return pytestconfig.getoption('--executable')
