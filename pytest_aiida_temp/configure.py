"""Options and markers as pytest has them, and errors as pytest shows them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from .artifacts.starting import start as start_witness
from .isolation import Isolation, isolation_of, set_isolation

if TYPE_CHECKING:
    from .options import Given, Settings

_settings: pytest.StashKey[Settings] = pytest.StashKey()
_isolated = pytest.StashKey[bool]()

_FIELDS = ('enabled', 'reset', 'strict', 'report', 'artifacts', 'artifacts_for', 'durations', 'debug')
_NAMES = {field: 'aiida_temp' if field == 'enabled' else f'aiida_temp_{field}' for field in _FIELDS}
_FLAGS = {field: f'--{name.replace("_", "-")}' for field, name in _NAMES.items()}


def add_options(parser: pytest.Parser) -> None:
    """Add flags and ini settings. Flags default to ``None``, so that an ini setting shows through."""
    group = parser.getgroup('aiida-temp', 'ephemeral AiiDA profiles')
    group.addoption(
        '--aiida-temp',
        action='store_const',
        const=True,
        default=None,
        dest='aiida_temp',
        help='Run every test on an AiiDA profile in memory that is reset after each test.',
    )
    group.addoption(
        '--no-aiida-temp',
        action='store_const',
        const=False,
        dest='aiida_temp',
        help='Do not, where the ini setting `aiida_temp` says so.',
    )
    group.addoption(
        '--aiida-temp-reset',
        metavar='SCOPE',
        default=None,
        dest='aiida_temp_reset',
        help='Reset after each function (the default), class, module, package or session.',
    )
    group.addoption(
        '--aiida-temp-strict',
        action='store_const',
        const=True,
        default=None,
        dest='aiida_temp_strict',
        help='Fail a test that leaves an open transaction, a thread with a session, another profile or AIIDA_* '
        'variable behind.',
    )
    group.addoption(
        '--no-aiida-temp-strict',
        action='store_const',
        const=False,
        dest='aiida_temp_strict',
        help='Do not, where the ini setting `aiida_temp_strict` says so.',
    )
    group.addoption(
        '--aiida-temp-debug',
        action='store_const',
        const=True,
        default=None,
        dest='aiida_temp_debug',
        help='Ask each query by a kept statement and by one built anew, and fail where the outcomes differ.',
    )
    group.addoption(
        '--no-aiida-temp-debug',
        action='store_const',
        const=False,
        dest='aiida_temp_debug',
        help='Do not, where the ini setting `aiida_temp_debug` says so.',
    )
    group.addoption(
        '--aiida-temp-durations',
        metavar='N',
        default=None,
        dest='aiida_temp_durations',
        help='List the N tests with the most time in storage, with nodes stored and SQL statements (N=0 for all).',
    )
    group.addoption(
        '--aiida-temp-report',
        metavar='WHEN',
        default=None,
        dest='aiida_temp_report',
        help='Show what is in the storage when a test fails: auto (the default, if there is anything to tell), always '
        'or never.',
    )
    group.addoption(
        '--aiida-temp-artifacts',
        metavar='DIR',
        default=None,
        dest='aiida_temp_artifacts',
        help='Write the storage of failing tests as archives, with pictures of the provenance, and list them in '
        'DIR/index.html.',
    )
    group.addoption(
        '--no-aiida-temp-artifacts',
        action='store_const',
        const=False,
        dest='aiida_temp_artifacts',
        help='Do not, where the ini setting `aiida_temp_artifacts` says so.',
    )
    group.addoption(
        '--aiida-temp-artifacts-for',
        metavar='WHICH',
        default=None,
        dest='aiida_temp_artifacts_for',
        help='Do so for tests that failed (the default) or all.',
    )
    parser.addini('aiida_temp_report', 'Like --aiida-temp-report: auto, always or never.')
    parser.addini('aiida_temp_artifacts', 'Like --aiida-temp-artifacts: a folder, from that of the ini file.')
    parser.addini('aiida_temp_artifacts_for', 'Like --aiida-temp-artifacts-for: failed or all.')
    parser.addini('aiida_temp_debug', 'Like --aiida-temp-debug: true or false.', type='bool')
    parser.addini('aiida_temp_durations', 'Like --aiida-temp-durations: a number.')
    parser.addini('aiida_temp_strict', 'Like --aiida-temp-strict: true or false.', type='bool')
    parser.addini('aiida_temp', 'Like --aiida-temp: true or false.', type='bool')
    parser.addini('aiida_temp_reset', 'Like --aiida-temp-reset: function, class, module, package or session.')


def read_settings(config: pytest.Config) -> Settings:
    """Return the settings of a run, from flags first, then ini.

    :raises pytest.UsageError: for a value that is not allowed.
    """
    if _settings in config.stash:
        return config.stash[_settings]
    given = _given(config)
    if not given:
        return _Defaults()  # type: ignore[return-value]
    from .options import InvalidOptionError, read_settings

    try:
        settings = read_settings(given)
    except InvalidOptionError as exception:
        raise pytest.UsageError(str(exception)) from None
    config.stash[_settings] = settings
    return settings


class _Defaults:
    """What ``Settings()`` says, without importing pydantic in runs that do not use the plugin."""

    enabled = False
    reset = 'function'
    strict = False
    durations = None
    report = 'auto'
    artifacts = None
    artifacts_for = 'failed'
    debug = False


def _given(config: pytest.Config) -> dict[str, Given]:
    found = {}
    for field, name in _NAMES.items():
        flag = getattr(config.known_args_namespace, name, None)
        ini = _ini(config, name)
        if flag is False:
            continue  # the default, whatever the ini file says
        if flag is not None:
            found[field] = (flag, _FLAGS[field])
        elif ini:
            found[field] = (ini, f'ini setting `{name}`')
    if 'artifacts' in found:
        found['artifacts'] = (_folder(config, *found['artifacts']), found['artifacts'][1])
    if not found:
        return {}
    from .options import Given

    return {field: Given(*value) for field, value in found.items()}


def _folder(config: pytest.Config, value: str, origin: str) -> str:
    """Return the path of a folder that is given relative to where pytest was started, or to the ini file."""
    if not value.strip():
        raise pytest.UsageError(f'{origin}: {value!r} is not allowed; it must be the path of a folder.')
    is_flag = origin == _FLAGS['artifacts']
    base = config.invocation_params.dir if is_flag or config.inipath is None else config.inipath.parent
    return os.path.normpath(base / os.path.expanduser(value))


def _ini(config: pytest.Config, name: str) -> Any:
    try:
        return config.getini(name)
    except (TypeError, ValueError, pytest.UsageError) as exception:
        value = str(exception).removeprefix('invalid truth value ')
        raise pytest.UsageError(f'ini setting `{name}`: {value} is not allowed; it must be true or false.') from None


def start(config: pytest.Config) -> None:
    """Load the profile if the whole run is to use it.

    :raises pytest.UsageError: if an option is not allowed, a profile is loaded already or aiida-core is too old.
    """
    settings = read_settings(config)
    only_prints = getattr(config.known_args_namespace, 'help', False) or config.known_args_namespace.version
    if not settings.enabled or _isolated in config.stash or only_prints:
        return
    from .environment import UnsupportedVersionError, loaded_profile_name

    _refuse_profile(loaded_profile_name(), 'before pytest read its options')
    isolation = _make_isolation(config, settings)
    try:
        isolation.start()
    except UnsupportedVersionError as exception:
        raise pytest.UsageError(str(exception)) from None
    from .takeover.serving import Takeover

    isolation.takeover = Takeover(isolation)


def _make_isolation(config: pytest.Config, settings: Settings) -> Isolation:
    isolation = Isolation(config, settings)
    if settings.durations is not None:
        from .durations import Durations

        isolation.durations = Durations(settings.durations)
    if settings.debug:
        from .query_checks import QueryChecks

        isolation.query_checks = QueryChecks()
    set_isolation(config, isolation)
    config.stash[_isolated] = True
    config.add_cleanup(isolation.profiles.close)
    return isolation


def configure(config: pytest.Config) -> None:
    """Register the marker, and make sure that all is ready also where conftest files loaded the plugin."""
    config.addinivalue_line(
        'markers',
        'aiida_temp(reset=True, profile=True, archive=None, options=None): run on the ephemeral AiiDA profile; storage '
        "is reset after the test (True, 'function'), after the 'class', 'module', 'package' or 'session', or never on "
        "account of this test (False). profile=False: run on the suite's own fixtures, also with --aiida-temp. "
        'archive: path or list of paths of AiiDA archives that the test starts from. options: options of AiiDA that '
        'are set for the test.',
    )
    if _isolated in config.stash:
        from .tmpdir import hand_over

        hand_over(config)
    start(config)
    if _isolated not in config.stash:
        _make_isolation(config, read_settings(config))
    isolation = isolation_of(config)
    isolation.tear_down.before_failing = start_witness(config, isolation.settings).failed_in_teardown
    check_loaded_profile(config)


def check_loaded_profile(config: pytest.Config) -> None:
    """Refuse a profile that a conftest or test module loaded in place of the ephemeral one.

    :raises pytest.UsageError: with its name.
    """
    isolation = isolation_of(config)
    if isolation.settings.enabled and isolation.profile is not None:
        from .environment import loaded_profile_name

        name = loaded_profile_name()
        _refuse_profile(None if name == isolation.profile.name else name, 'while a conftest or test was imported')


def _refuse_profile(name: str | None, when: str) -> None:
    if name is not None:
        raise pytest.UsageError(
            f'--aiida-temp: the AiiDA profile {name!r} was loaded {when}. The ephemeral profile has to be the first: '
            'leave out the call of load_profile() there (with the flag a profile is loaded already), or use '
            '--no-aiida-temp.'
        )


@contextmanager
def shown_by_controller(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Turn a usage error into one of collection in a worker of xdist, whose own words nobody sees, and run no test."""
    try:
        yield
    except pytest.UsageError as exception:
        if not hasattr(config, 'workerinput'):
            raise
        report = pytest.CollectReport('', 'failed', f'ERROR: {exception}', [])
        config.hook.pytest_collectreport(report=report)
        items.clear()
