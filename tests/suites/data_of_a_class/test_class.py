import pytest
from aiida import orm
from nodes import EXPECTED, count, storage, store


@pytest.mark.usefixtures('create_nodes')
class TestShared:
    def test_one(self):
        assert storage() == EXPECTED
        assert store() == 3

    def test_two(self):
        assert count() == 3
        orm.Group(label='made in two').store()

    def test_three(self, create_nodes):
        assert orm.load_group('made in two')
        assert orm.load_node(create_nodes[0].pk).value == 0


class TestSharedAgain(TestShared):
    """Stores the same again."""


class TestComputer:
    @pytest.mark.parametrize('number', range(2))
    def test_node(self, node, number):
        assert node.computer.label == 'of-class'
        assert orm.load_computer('of-class').pk == node.computer.pk


@pytest.mark.usefixtures('aiida_profile_clean')
class TestCleaned:
    def test_one(self):
        assert store() == 1

    def test_two(self):
        assert store() == 1
