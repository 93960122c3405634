"""Suites of plugins as they are found, in small: each runs as it stands with ``--aiida-temp``.

Each folder in ``suites`` is one. All but those on PostgreSQL pass on their own fixtures, too.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / 'suites'


@dataclass(frozen=True)
class Suite:
    """How a suite is run, and how it ends."""

    passed: int
    others: dict[str, int] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


SUITES = {
    'clean_after': Suite(3),
    'clean_before': Suite(6),
    'command_line': Suite(3),
    'config_at_import': Suite(2),
    'config_swap': Suite(8),
    'data_after_clearing': Suite(2),
    'data_after_clearing_deprecated': Suite(2),
    'data_in_wide_scopes': Suite(12),
    'data_of_a_class': Suite(10),
    'import_chain': Suite(2),
    'import_into_module': Suite(4),
    'import_into_module_deprecated': Suite(3),
    'ini_options': Suite(2, {'xfailed': 1}),
    'load_deprecated': Suite(3),
    'load_in_subfolder': Suite(2, arguments=('sub',)),
    'load_in_test_module': Suite(3),
    'load_list': Suite(2),
    'load_string': Suite(4),
    'logging_and_hooks': Suite(3, {'skipped': 1}),
    'manager_reset': Suite(5),
    'override_alias': Suite(4),
    'override_by_option': Suite(3, {'deselected': 1}),
    'override_config': Suite(6),
    'override_psql': Suite(3),
    'override_rabbitmq': Suite(3),
    'own_session_fixture': Suite(2),
    'plugin_of_the_command_line': Suite(2, arguments=('-p', 'third_party')),
    'plugin_that_loads': Suite(3, arguments=('-p', 'third_party')),
    'processes': Suite(5),
    'profiles_further': Suite(5),
    'reset_in_the_body': Suite(5),
    'root_conftest': Suite(2),
    'storage_settings': Suite(2),
    'unittest_classes': Suite(6),
    'web_application': Suite(3),
}


def test_each_suite_is_run() -> None:
    assert {path.parent.name for path in FOLDER.glob('*/*.py')} == set(SUITES)


@pytest.mark.parametrize('name', SUITES)
def test_a_suite_runs_as_it_stands(name: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = SUITES[name]
    shutil.copytree(FOLDER / name, pytester.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns('__pycache__'))
    shutil.copy(FOLDER / 'nodes.py', pytester.path)
    pytester.syspathinsert()
    monkeypatch.setenv('SUITE_STORAGE', 'aiida_temp.sqlite')

    result = pytester.runpytest_inprocess('--aiida-temp', '-W', 'ignore', *suite.arguments)

    result.assert_outcomes(passed=suite.passed, **suite.others)
