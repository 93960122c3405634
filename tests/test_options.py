"""Flags, ini settings, and the functions that validate them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_aiida_temp.environment import UnsupportedVersionError, check_aiida_version
from pytest_aiida_temp.options import (
    SCOPES,
    Given,
    InvalidOptionError,
    MarkerArguments,
    read_marker,
    read_settings,
)

PROFILE_IS_LOADED = """
    from aiida.manage import get_manager
    from nodes import store

    def test_one():
        assert get_manager().get_profile().name == 'aiida-temp'
        assert store() == 1

    def test_two():
        assert store() == 1
"""
NO_PROFILE_IS_LOADED = """
    from aiida.manage import get_manager

    def test_one():
        assert get_manager().get_profile() is None

    def test_two():
        assert get_manager().get_profile() is None
"""


@pytest.mark.parametrize(
    ('given', 'enabled', 'reset'),
    [
        ({}, False, 'function'),
        ({'enabled': True}, True, 'function'),
        ({'enabled': False, 'reset': 'module'}, False, 'module'),
        *(({'reset': scope}, False, scope) for scope in SCOPES),
    ],
)
def test_settings_take_what_is_given(given: dict[str, Any], enabled: bool, reset: str) -> None:
    settings = read_settings({name: Given(value, 'flag') for name, value in given.items()})

    assert (settings.enabled, settings.reset) == (enabled, reset)


@pytest.mark.parametrize(
    ('name', 'value', 'allowed'),
    [
        ('enabled', 'maybe', 'true or false'),
        ('enabled', 1, 'true or false'),
        ('strict', 'maybe', 'true or false'),
        ('debug', 'maybe', 'true or false'),
        ('report', 'sometimes', 'one of auto, always, never'),
        ('artifacts_for', 'passed', 'one of failed, all'),
        ('reset', 'test', 'one of function, class, module, package, session'),
        ('reset', 'Class', 'one of function, class, module, package, session'),
        ('reset', '', 'one of function, class, module, package, session'),
        ('reset', True, 'one of function, class, module, package, session'),
    ],
)
def test_settings_refuse_other_values_and_name_their_origin(name: str, value: Any, allowed: str) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        read_settings({name: Given(value, 'the origin')})

    assert str(caught.value) == f'the origin: {value!r} is not allowed; it must be {allowed}.'


@pytest.mark.parametrize(('reset', 'scope'), [(True, 'module'), (False, None), *((scope, scope) for scope in SCOPES)])
def test_marker_arguments_say_after_which_scope_to_reset(reset: Any, scope: str | None) -> None:
    assert read_marker((), {'reset': reset}) == MarkerArguments(reset=reset)
    assert read_marker((), {'reset': reset}).scope(default='module') == scope


@pytest.mark.parametrize(
    ('args', 'kwargs', 'message'),
    [
        (('class', 1), {}, "@pytest.mark.aiida_temp('class', 1): arguments go by keyword; allowed: reset=, "),
        (
            (),
            {'scope': 'class'},
            "@pytest.mark.aiida_temp(scope='class'): there is no argument 'scope'; allowed: reset=, ",
        ),
        (
            (),
            {'reset': 'test'},
            "@pytest.mark.aiida_temp(reset='test'): the value is not allowed; reset must be True, ",
        ),
        ((), {'profile': 0}, '@pytest.mark.aiida_temp(profile=0): the value is not allowed; profile must be True or '),
        ((), {'reset': 0}, '@pytest.mark.aiida_temp(reset=0): the value is not allowed; reset must be True, False or '),
    ],
)
def test_marker_arguments_that_are_not_allowed_are_named(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        read_marker(args, kwargs)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ('ini', 'args', 'enabled'),
    [
        ('', (), False),
        ('', ('--aiida-temp',), True),
        ('aiida_temp = true', (), True),
        ('aiida_temp = On', (), True),
        ('aiida_temp = false', (), False),
        ('addopts = --aiida-temp', (), True),
        ('aiida_temp = true', ('--no-aiida-temp',), False),
        ('aiida_temp = false', ('--aiida-temp',), True),
        ('addopts = --aiida-temp', ('--no-aiida-temp',), False),
        ('aiida_temp = false', ('-o', 'aiida_temp=true'), True),
    ],
)
def test_the_flag_wins_over_the_ini_setting(
    pytester: pytest.Pytester, ini: str, args: tuple[str, ...], enabled: bool
) -> None:
    pytester.makeini(f'[pytest]\n{ini}')
    pytester.makepyfile(PROFILE_IS_LOADED if enabled else NO_PROFILE_IS_LOADED)

    pytester.runpytest_inprocess(*args).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    'table',
    [
        pytest.param('[tool.pytest.ini_options]', id='ini_options'),
        pytest.param(
            '[tool.pytest]',
            id='native',
            marks=pytest.mark.skipif(pytest.version_tuple < (9,), reason='pytest 9 brought native TOML'),
        ),
    ],
)
def test_the_ini_settings_can_be_written_in_toml(pytester: pytest.Pytester, table: str) -> None:
    pytester.makepyprojecttoml(f'{table}\naiida_temp = true\naiida_temp_reset = "function"')
    pytester.makepyfile(PROFILE_IS_LOADED)

    pytester.runpytest_inprocess().assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ('ini', 'args', 'expected'),
    [
        ('', ('--aiida-temp-reset=function',), [1, 1, 1, 1, 1]),
        ('', ('--aiida-temp-reset=class',), [1, 2, 1, 1, 1]),
        ('', ('--aiida-temp-reset', 'module'), [1, 2, 3, 1, 1]),
        ('', ('--aiida-temp-reset=package',), [1, 2, 3, 4, 1]),
        ('', ('--aiida-temp-reset=session',), [1, 2, 3, 4, 5]),
        ('aiida_temp_reset = class', (), [1, 2, 1, 1, 1]),
        ('aiida_temp_reset = class', ('--aiida-temp-reset=module',), [1, 2, 3, 1, 1]),
        ('aiida_temp_reset = session', ('--aiida-temp-reset=function',), [1, 1, 1, 1, 1]),
    ],
)
def test_the_scope_of_a_run_is_given_by_flag_or_ini_setting(
    pytester: pytest.Pytester, counts: Callable[..., list[int]], ini: str, args: tuple[str, ...], expected: list[int]
) -> None:
    pytester.makeini(f'[pytest]\n{ini}')

    assert counts('', '--aiida-temp', *args) == expected


def test_the_scope_of_a_run_holds_for_fixtures_and_for_markers_that_give_none(
    counts: Callable[..., list[int]],
) -> None:
    assert counts('', '--aiida-temp-reset=class', fixture='aiida_temp_profile') == [1, 2, 1, 1, 1]
    assert counts('pytestmark = pytest.mark.aiida_temp', '--aiida-temp-reset=module') == [1, 2, 3, 1, 1]
    assert counts('pytestmark = pytest.mark.aiida_temp(reset="class")', '--aiida-temp-reset=module') == [1, 2, 1, 1, 1]


@pytest.mark.parametrize(
    ('ini', 'args', 'error'),
    [
        ('aiida_temp = maybe', (), "ini setting `aiida_temp`: 'maybe' is not allowed; it must be true or false."),
        ('aiida_temp_reset = test', (), "ini setting `aiida_temp_reset`: 'test' is not allowed; it must be one of *"),
        ('', ('--aiida-temp-reset=test',), "--aiida-temp-reset: 'test' is not allowed; it must be one of *, session."),
        ('', ('--aiida-temp-reset=',), "--aiida-temp-reset: '' is not allowed; it must be one of *, session."),
        ('aiida_temp_reset = class', ('--aiida-temp-reset=test',), "--aiida-temp-reset: 'test' is not allowed*"),
    ],
)
def test_a_wrong_value_ends_the_run_before_collection(
    pytester: pytest.Pytester, ini: str, args: tuple[str, ...], error: str
) -> None:
    pytester.makeini(f'[pytest]\n{ini}')
    pytester.makepyfile('raise RuntimeError("was collected")')

    result = pytester.runpytest_inprocess(*args)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f'ERROR: {error}'])
    assert 'was collected' not in result.stdout.str()


def test_a_profile_that_a_conftest_loads_is_refused_under_the_flag(pytester: pytest.Pytester) -> None:
    from aiida.manage import get_manager

    pytester.makeconftest("""
        from aiida import load_profile
        from pytest_aiida_temp.storage import SqliteTempBackend

        load_profile(SqliteTempBackend.create_profile('of-conftest'), allow_switch=True)
    """)
    pytester.makepyfile('def test_one(): pass')

    result = pytester.runpytest_inprocess('--aiida-temp')

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --aiida-temp: the AiiDA profile 'of-conftest' was loaded *--no-aiida-temp*"])
    assert get_manager().get_profile() is None


def test_a_profile_that_was_loaded_before_pytest_began_is_refused_under_the_flag(pytester: pytest.Pytester) -> None:
    from pytest_aiida_temp import temp_profile

    pytester.makepyfile('def test_one(): pass')

    with temp_profile(name='of-script'):
        result = pytester.runpytest_inprocess('--aiida-temp')

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --aiida-temp: the AiiDA profile 'of-script' was loaded before pytest *"])


@pytest.fixture
def _old_aiida(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('pytest_aiida_temp.environment.installed_aiida_version', lambda: '2.5.2')


@pytest.mark.usefixtures('_old_aiida')
def test_the_flag_needs_a_recent_aiida(pytester: pytest.Pytester) -> None:
    pytester.makepyfile('def test_one(): pass')

    result = pytester.runpytest_inprocess('--aiida-temp')

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(['ERROR: *needs aiida-core 2.6 or later, but 2.5.2 is installed: pip install *'])


@pytest.mark.usefixtures('_old_aiida')
def test_the_fixture_needs_a_recent_aiida(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        def test_one(aiida_temp_profile): pass

        def test_other(): pass
    """)

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(['E *UnsupportedVersionError: *needs aiida-core 2.6 or later, but 2.5.2 is installed*'])


@pytest.mark.parametrize('version', ['2.6.0', '2.6.0rc1', '2.9.4', '2.10.0.post0', '3.0b1', '3'])
def test_aiida_of_a_supported_version_is_accepted(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr('pytest_aiida_temp.environment.installed_aiida_version', lambda: version)

    check_aiida_version()


@pytest.mark.parametrize('version', ['1.6.9', '2.5.2', '2.0.0b1'])
def test_aiida_of_an_old_version_is_refused(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr('pytest_aiida_temp.environment.installed_aiida_version', lambda: version)

    with pytest.raises(UnsupportedVersionError, match=f'2.6 or later, but {version} is installed'):
        check_aiida_version()
