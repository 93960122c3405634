"""What was in use before a profile was made is given back after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from pytest_aiida_temp import temp_profile

if TYPE_CHECKING:
    from pytest_aiida_temp import TempProfile


@pytest.mark.parametrize('flag', ['', '--aiida-temp'])
@pytest.mark.parametrize('variable', [None, 'elsewhere'])
def test_the_process_is_as_before_when_a_run_ends(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, flag: str, variable: str | None
) -> None:
    from aiida.manage import configuration, get_manager

    if variable:
        monkeypatch.setenv('AIIDA_PATH', variable)
    pytester.makepyfile("""
        import os

        def test_one(aiida_temp_profile):
            assert 'aiida-temp-' in os.environ['AIIDA_PATH']

        def test_fails(aiida_temp_profile):
            raise RuntimeError
    """)

    def state() -> list[Any]:
        variables = {name: value for name, value in os.environ.items() if name != 'PYTEST_CURRENT_TEST'}
        return [variables, configuration.CONFIG, get_manager().get_profile()]

    before = state()
    pytester.runpytest_inprocess(*flag.split()).assert_outcomes(passed=1, failed=1)

    assert state() == before


def test_a_profile_that_was_loaded_is_given_back_after_each_test(pytester: pytest.Pytester) -> None:
    from aiida.manage import get_config, get_manager

    pytester.makepyfile("""
        from aiida.manage import get_config, get_manager
        from nodes import count, store

        def test_before():
            assert get_manager().get_profile().name == 'mine'
            assert store() == 1

        def test_fixture(aiida_temp_profile):
            assert get_manager().get_profile() is aiida_temp_profile
            assert get_config().profile_names == ['aiida-temp']
            assert store() == 1

        def test_fails(aiida_temp_profile):
            raise RuntimeError

        def test_after():
            assert get_manager().get_profile().name == 'mine'
            assert get_config().profile_names == ['mine']
            assert store() == 2
    """)

    with temp_profile(name='mine') as mine:
        pytester.runpytest_inprocess().assert_outcomes(passed=3, failed=1)

        assert get_manager().get_profile() is mine
        assert get_config().profile_names == ['mine']


def test_a_profile_that_a_wide_fixture_loads_within_a_test_is_not_what_that_runs_on(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import pytest

        pytest_plugins = ['aiida.tools.pytest_fixtures']

        @pytest.fixture(scope='session', autouse=True)
        def uses_the_suites_own(aiida_profile):
            pass
    """)
    pytester.makepyfile("""
        import pytest
        from aiida.manage import get_manager
        from nodes import store

        @pytest.mark.parametrize('number', [1, 2])
        def test_ours(aiida_temp_profile, number):
            assert get_manager().get_profile() is aiida_temp_profile
            assert store() == 1

        def test_own(aiida_profile):
            assert get_manager().get_profile() is aiida_profile
            assert store() == 1

        @pytest.mark.aiida_temp
        def test_marked(aiida_profile):
            assert get_manager().get_profile() is not aiida_profile
            assert store() == 1
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=4)


@pytest.fixture
def outer() -> Iterator[TempProfile]:
    """A loaded profile with a node in it."""
    with temp_profile(name='outer') as profile:
        from aiida import orm

        orm.Int(1).store()
        yield profile


@pytest.mark.parametrize('error', [None, RuntimeError])
def test_profiles_nest(outer: TempProfile, error: type[Exception] | None) -> None:
    from aiida import orm
    from aiida.manage import get_config, get_manager

    variable = os.environ['AIIDA_PATH']
    with suppress(RuntimeError), temp_profile(name='inner'):
        assert orm.QueryBuilder().append(orm.Node).count() == 0
        if error:
            raise error

    assert get_manager().get_profile() is outer
    assert get_config().profile_names == ['outer']
    assert os.environ['AIIDA_PATH'] == variable
    assert orm.QueryBuilder().append(orm.Node).count() == 1
