from aiida import orm
from nodes import EXPECTED, count, storage, store


class TestSetUp:
    def setup_method(self):
        self.node = orm.Dict({'a': 1}).store()

    def test_one(self):
        assert storage() == EXPECTED
        assert orm.load_node(self.node.pk)['a'] == 1
        assert store() == 2

    def test_two(self):
        assert orm.load_node(self.node.pk)['a'] == 1
        assert store() == 2


def test_after():
    assert count() == 0
