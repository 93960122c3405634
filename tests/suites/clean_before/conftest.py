"""Each test is cleaned for; a fixture queries the profile at its teardown."""

import pytest
from aiida import orm
from nodes import count

pytest_plugins = ['aiida.tools.pytest_fixtures']


@pytest.fixture(autouse=True)
def clear_database_auto(aiida_profile_clean):
    """Clean for each test."""


@pytest.fixture
def fresh_aiida_env(aiida_profile_clean, tmp_path):
    from aiida.tools.archive import create_archive

    yield aiida_profile_clean
    nodes = orm.QueryBuilder().append(orm.Int).all(flat=True)
    create_archive(nodes, filename=tmp_path / 'left.aiida')
    assert len(nodes) == count() == 1


@pytest.fixture
def populate():
    return [orm.Dict({'n': n}).store() for n in range(3)]
