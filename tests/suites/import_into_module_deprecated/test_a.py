from aiida.manage.tests.pytest_fixtures import (  # noqa: F401
    aiida_profile,
    clear_database,
    clear_database_after_test,
    clear_database_before_test,
)
from nodes import EXPECTED, count, storage, store


def test_before_and_after(clear_database_before_test, clear_database_after_test):  # noqa: F811
    assert storage() == EXPECTED
    assert store() == 1


def test_it_was_cleaned(clear_database):  # noqa: F811
    assert count() == 0
    assert store() == 1


def test_it_was_cleaned_again(aiida_profile):  # noqa: F811
    assert count() == 0
