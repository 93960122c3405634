"""The tests of a class share what a fixture of the class stores after emptying, and what they store."""

import pytest
from aiida import orm

pytest_plugins = ['aiida.tools.pytest_fixtures']


@pytest.fixture(scope='class')
def create_nodes(aiida_profile_clean_class):
    return [orm.Int(n).store() for n in range(2)]


@pytest.fixture(scope='class')
def construct_node():
    """A factory that stores a computer, used by narrower fixtures."""
    computer = orm.Computer('of-class', 'localhost', '', 'core.local', 'core.direct', '/tmp').store()

    def construct():
        node = orm.CalcJobNode(computer=computer)
        node.set_option('resources', {'num_machines': 1})
        return node.store()

    return construct


@pytest.fixture
def node(construct_node):
    return construct_node()
