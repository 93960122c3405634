"""The data of the session is stored by a fixture that first empties the profile."""

import pytest
from aiida import orm

pytest_plugins = ['aiida.tools.pytest_fixtures']


@pytest.fixture(scope='session', autouse=True)
def pseudos(aiida_profile):
    aiida_profile.reset_storage()
    group = orm.Group(label='pseudos').store()
    group.add_nodes([orm.Str(name).store() for name in ('H', 'He')])
    return group


@pytest.fixture
def get_pseudo(pseudos):
    return lambda name: next(node for node in pseudos.nodes if node.value == name)
