import pytest
from aiida import orm
from aiida.engine import calcfunction
from nodes import EXPECTED, count, store


@calcfunction
def double(x):
    return x * 2


@pytest.mark.parametrize('number', range(2))
def test_backend(backend, number):
    assert backend.profile.storage_backend == EXPECTED
    user = orm.User.collection.get_default()
    assert backend.users.create(email='a@b.c').store().id != user.pk
    assert store() == 1


@pytest.mark.parametrize('number', range(2))
def test_runner(runner, event_loop, number):
    assert runner.loop is event_loop
    result, node = runner.run_get_node(double, x=orm.Int(2))
    assert result == 4
    assert node.is_finished_ok


def test_reset_in_the_body(manager):
    pk = orm.Int(7).store().pk
    manager.reset_profile()
    assert orm.load_node(pk).value == 7
    assert count() == 1
