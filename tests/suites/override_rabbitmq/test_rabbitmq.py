from aiida.engine import calcfunction, run_get_node
from aiida.orm import Int
from nodes import EXPECTED, count, storage


@calcfunction
def add(x, y):
    return x + y


def test_storage(aiida_profile):
    assert storage() == EXPECTED == aiida_profile.storage_backend


def test_run():
    result, node = run_get_node(add, x=Int(1), y=Int(2))
    assert result == 3
    assert node.is_finished_ok
    assert count() == 4


def test_call():
    assert add(Int(1), Int(2)) == 3
    assert count() == 4
