"""Shows tests that start from the content of an archive. It is read once, and each test is reset to it."""

from __future__ import annotations

import pytest
from aiida import orm

pytestmark = pytest.mark.aiida_temp(archive='data/bands.aiida')


@pytest.fixture(scope='module')
def bands() -> orm.BandsData:
    """Bands of the archive, for all tests of this file."""
    return orm.QueryBuilder().append(orm.BandsData, filters={'label': 'silicon'}).one()[0]


def gap(bands: orm.BandsData) -> float:
    """Return the smallest distance between the two bands."""
    lower, upper = bands.get_bands().T
    return float(upper.min() - lower.max())


def test_finds_the_gap(bands: orm.BandsData) -> None:
    bands.base.extras.set('gap', gap(bands))

    assert bands.base.extras.get('gap') == 1.0


def test_starts_without_what_the_other_test_noted(bands: orm.BandsData) -> None:
    assert 'gap' not in bands.base.extras.all
    assert orm.load_group('bands').count() == 1
