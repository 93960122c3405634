"""Shows options of AiiDA that are set for a test. They are checked before anything runs, and put back after it."""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.engine import calcfunction

from pytest_aiida_temp import TempProfile


@calcfunction
def square(number: orm.Int) -> orm.Int:
    """Return the square of a number."""
    return orm.Int(number.value**2)


@pytest.mark.aiida_temp(options={'caching.default_enabled': True})
def test_takes_the_second_calculation_from_the_cache() -> None:
    first, second = (square(orm.Int(3)).creator for _ in range(2))

    assert second.base.caching.get_cache_source() == first.uuid


def test_switches_caching_on_for_a_block(aiida_temp_profile: TempProfile) -> None:
    first = square(orm.Int(3)).creator
    with aiida_temp_profile.options({'caching.default_enabled': True}):
        second = square(orm.Int(3)).creator
    third = square(orm.Int(3)).creator

    assert second.base.caching.get_cache_source() == first.uuid
    assert third.base.caching.get_cache_source() is None
