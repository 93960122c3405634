import pytest
from aiida import orm

pytest_plugins = ['aiida.tools.pytest_fixtures']


@pytest.fixture(scope='session', autouse=True)
def group(aiida_profile, label):
    return orm.Group(label=label).store()
