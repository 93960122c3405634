"""Classes of unittest that store in ``setUp``, and empty the profile in an autouse fixture before and after."""

from unittest import TestCase

import pytest
from aiida import orm
from nodes import EXPECTED, count, storage, store


class BaseCase(TestCase):
    @pytest.fixture(autouse=True)
    def reset_db(self, aiida_profile):
        aiida_profile.reset_storage()
        yield
        aiida_profile.reset_storage()

    def setUp(self):
        self.node = orm.Int(1).store()
        self.computer = orm.Computer('unit', 'localhost', '', 'core.local', 'core.direct', '/tmp').store()


class TestOne(BaseCase):
    def test_one(self):
        assert storage() == EXPECTED
        assert store() == 2

    def test_two(self):
        assert orm.load_node(self.node.pk).uuid == self.node.uuid
        assert store() == 2


class TestTwo(BaseCase):
    @classmethod
    def setUpClass(cls):
        cls.value = 3

    def test_three(self):
        assert orm.load_computer('unit').pk == self.computer.pk
        assert self.value == 3


class TestSetUpClass(TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = orm.Str('of the class').store()

    def test_one(self):
        self.node.base.extras.set('seen', 1)
        assert orm.load_node(self.node.pk).value == 'of the class'

    def test_two(self):
        assert orm.load_node(self.node.pk).value == 'of the class'


def test_after():
    assert count() <= 1
