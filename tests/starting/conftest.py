"""Suites whose tests start from archives."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_aiida_temp import temp_profile

_HELPERS = """
    from aiida import orm

    def values():
        return sorted(orm.QueryBuilder().append(orm.Int, project='attributes.value').all(flat=True))
"""


@pytest.fixture(scope='module')
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with archives of the values 10, 20 and 30, and one of a node of the first with other extras."""
    folder = tmp_path_factory.mktemp('archives')
    with temp_profile() as profile:
        from aiida import orm

        for value in (10, 20, 30):
            node = orm.Int(value)
            node.base.repository.put_object_from_bytes(str(value).encode(), 'file.txt')
            node.store()
            profile.export(folder / f'{value}.aiida')
            if value == 10:
                node.base.extras.set('colour', 'red')
                profile.export(folder / 'conflict.aiida')
            profile.reset()
    return folder


@pytest.fixture
def suite(pytester: pytest.Pytester, archives: Path) -> pytest.Pytester:
    """Pytester with these archives in the folder ``data``."""
    pytester.makepyfile(helpers=_HELPERS)
    (pytester.path / 'data').symlink_to(archives)
    return pytester
