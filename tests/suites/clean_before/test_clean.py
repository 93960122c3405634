import pytest
from nodes import EXPECTED, count, storage, store


def test_storage():
    assert storage() == EXPECTED


@pytest.mark.parametrize('number', range(2))
def test_each(number):
    assert store() == 1


def test_environment(fresh_aiida_env):
    assert store() == 1


@pytest.mark.usefixtures('populate')
def test_populated():
    assert count() == 3


def test_populated_again(populate, aiida_localhost):
    assert count() == 3
    assert aiida_localhost.pk
