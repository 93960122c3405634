"""The fixtures are loaded by a string."""

import os

import pytest

pytest_plugins = 'aiida.tools.pytest_fixtures'


@pytest.fixture
def chdir_tmp_path(tmp_path):
    before = os.getcwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)
