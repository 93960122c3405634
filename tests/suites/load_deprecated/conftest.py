"""The deprecated fixtures are loaded by a tuple."""

import pytest
from aiida import orm

pytest_plugins = ('aiida.manage.tests.pytest_fixtures',)


@pytest.fixture(scope='session', autouse=True)
def family(aiida_profile):
    return orm.Group(label='family').store()


@pytest.fixture
def localhost(aiida_localhost):
    aiida_localhost.set_default_mpiprocs_per_machine(2)
    return aiida_localhost
