"""AiiDA's options, set for a test and for a block of code."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_aiida_temp import temp_profile
from pytest_aiida_temp.environment import import_module

import_module('aiida.orm')  # so that no `~/.aiida` is made
OptionError = import_module('pytest_aiida_temp.option_values').OptionError

GLOBAL = 'autofill.user.email'  # AiiDA has no such option for a profile


@pytest.fixture(scope='module')
def profile() -> Iterator[Any]:
    with temp_profile() as made:
        yield made


def get(name: str) -> Any:
    from aiida.manage import get_config_option

    return get_config_option(name)


def state(profile) -> tuple[dict[str, Any], dict[str, Any]]:
    return dict(profile.options), dict(profile.configuration.options)


def test_options_are_set_for_a_block_and_put_back(profile) -> None:
    before = state(profile)

    with profile.options({'caching.default_enabled': True, 'runner.poll.interval': 3, GLOBAL: 'a@b.cd'}):
        assert get('caching.default_enabled') is True
        assert get('runner.poll.interval') == 3
        assert profile.configuration.options[GLOBAL] == 'a@b.cd'
        with profile.options({'caching.default_enabled': False}):
            assert get('caching.default_enabled') is False
        assert get('caching.default_enabled') is True

    assert state(profile) == before


def test_options_are_put_back_after_an_error_and_kept_over_a_reset(profile) -> None:
    before = state(profile)

    with pytest.raises(ZeroDivisionError), profile.rollback(), profile.options({'caching.default_enabled': True}):  # noqa: PT012
        profile.reset()
        assert get('caching.default_enabled') is True
        raise ZeroDivisionError

    assert state(profile) == before


def test_an_option_for_logging_holds_at_once(profile) -> None:
    logger = logging.getLogger('aiida')
    before = logger.level

    with profile.options({'logging.aiida_loglevel': 'DEBUG'}):
        assert logger.level == logging.DEBUG

    assert logger.level == before


def test_caching_takes_a_calculation_from_the_cache(profile) -> None:
    from aiida import orm
    from aiida.workflows.arithmetic.add_multiply import add

    numbers = orm.Int(1).store(), orm.Int(2).store()
    first = add(*numbers).creator
    with profile.options({'caching.default_enabled': True}):
        assert add(*numbers).creator.base.caching.get_cache_source() == first.uuid
    assert add(*numbers).creator.base.caching.get_cache_source() is None


def test_the_options_of_a_profile_are_still_a_mapping_that_writes_through(profile) -> None:
    with profile.rollback():
        profile.options['caching.default_enabled'] = True
        assert get('caching.default_enabled') is True
        assert profile.options == profile.dictionary['options']
        assert type(profile.dictionary['options']) is dict
        assert profile.options.copy() == profile.options


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            {'caching.default_enable': True},
            "AiiDA has no option 'caching.default_enable': did you mean 'caching.default_enabled'",
        ),
        ({'zzzzzzzz': True}, "AiiDA has no option 'zzzzzzzz': `verdi config list` prints all of them"),
        (
            {'caching.enabled_for': [], 'caching.default_enabled': 'perhaps'},
            "'perhaps' is not allowed for the option 'caching.default_enabled': .*See `verdi config show caching.",
        ),
        (['caching.default_enabled'], r"\['caching.default_enabled'\] is no dictionary of options, such as {'caching."),
    ],
)
def test_options_that_aiida_does_not_take_are_named_and_nothing_is_set(
    profile, options: dict[str, Any], message: str
) -> None:
    before = state(profile)

    with pytest.raises(OptionError, match=message):
        profile.options(options)

    assert state(profile) == before


def test_a_marker_sets_options_for_the_test_and_its_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from aiida.manage import get_config_option as get
        from nodes import store

        pytestmark = pytest.mark.aiida_temp(options={'caching.default_enabled': True})

        @pytest.fixture(scope='module')
        def wide(aiida_temp_session):
            assert get('caching.default_enabled') is False
            store()

        @pytest.fixture
        def fixture(aiida_temp_profile):
            assert get('caching.default_enabled') is True
            yield
            assert get('caching.default_enabled') is True

        @pytest.fixture
        def ends_in_error(fixture):
            yield
            raise RuntimeError

        def test_module(wide, fixture, aiida_temp_profile):
            aiida_temp_profile.reset()
            assert get('caching.default_enabled') is True

        def test_alone():
            assert get('caching.default_enabled') is True

        @pytest.mark.aiida_temp(options={'runner.poll.interval': 7})
        def test_adds_up(wide):
            assert get('caching.default_enabled') is True
            assert get('runner.poll.interval') == 7

        @pytest.mark.aiida_temp(options={'caching.default_enabled': False})
        def test_wins(wide):
            assert get('caching.default_enabled') is False

        def test_is_torn_down_with_an_error(ends_in_error):
            pass

        @pytest.mark.aiida_temp(reset='module')
        def test_shares(wide):
            assert get('caching.default_enabled') is True
    """)
    pytester.makepyfile(
        test_unmarked="""
        from aiida.manage import get_config_option as get

        def test_unmarked(aiida_temp_profile):
            assert get('caching.default_enabled') is False
            assert get('runner.poll.interval') != 7
    """
    )

    pytester.runpytest_inprocess().assert_outcomes(passed=7, errors=1)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (
            "{'caching.enable': True}",
            "*(options={'caching.enable': True}): AiiDA has no option *: did you mean *",
        ),
        (
            "{'caching.default_enabled': 'perhaps'}",
            "*(options={'caching.default_enabled': 'perhaps'}): 'perhaps' is not allowed for the option *",
        ),
        (
            "'caching'",
            "*(options='caching'): the value is not allowed; options must be a dictionary *",
        ),
        ("{'caching.default_enabled': True}, profile=False", '*(profile=False, options=...): options is for the *'),
    ],
)
def test_options_of_a_marker_that_are_wrong_end_the_run_before_the_first_test(
    pytester: pytest.Pytester, arguments: str, message: str
) -> None:
    pytester.makepyfile(
        test_it=f'import pytest\n@pytest.mark.aiida_temp(options={arguments})\ndef test_it(): print("executed")'
    )

    result = pytester.runpytest_inprocess('-s')

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f'ERROR: test_it.py::test_it: {message}'])
    assert 'executed' not in result.stdout.str()
