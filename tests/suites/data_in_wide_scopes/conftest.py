"""Data of the session and of a module whose fixtures do not name the profile."""

import pytest
from aiida import orm

pytest_plugins = ['aiida.tools.pytest_fixtures']


@pytest.fixture(scope='session', autouse=True)
def family():
    """Nodes in a group."""
    group = orm.Group(label='family').store()
    group.add_nodes([orm.Str(name).store() for name in 'abc'])
    return group


@pytest.fixture(scope='session')
def generate_structure():
    """A factory of unstored nodes."""

    def generate(value=1):
        return orm.Dict({'value': value})

    return generate
