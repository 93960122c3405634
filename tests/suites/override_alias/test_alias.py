import pytest
from nodes import EXPECTED, count, storage, store


def test_alias(with_database, aiida_profile):
    assert with_database is aiida_profile
    assert storage() == EXPECTED


@pytest.mark.parametrize('number', range(2))
def test_app(app, number):
    assert app['profile'].storage_backend == EXPECTED
    assert store() == 1


def test_after():
    assert count() == 0
