"""Flags and ini settings of what failing tests leave behind, and what a run pays that does not need it."""

from __future__ import annotations

import pytest

from pytest_aiida_temp.artifacts.section import TITLE

FAILS = """
    from nodes import store

    def test_it(aiida_temp_profile):
        store()
        assert 0
"""


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (
            ['--aiida-temp-report=yes'],
            "--aiida-temp-report: 'yes' is not allowed; it must be one of auto, always, never.",
        ),
        (['--aiida-temp-artifacts='], "--aiida-temp-artifacts: '' is not allowed; it must be the path of a folder."),
        (['--aiida-temp-artifacts=file'], '--aiida-temp-artifacts: *file is not a folder; name another folder.'),
        (['--aiida-temp-artifacts=file/in'], '--aiida-temp-artifacts: *file is not a folder; name another folder.'),
        (
            ['--aiida-temp-artifacts=out', '--aiida-temp-artifacts-for=x'],
            "--aiida-temp-artifacts-for: 'x' is not *all.",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_before_any_test_runs(
    pytester: pytest.Pytester, args: list[str], message: str
) -> None:
    (pytester.path / 'file').touch()
    pytester.makepyfile(FAILS)

    result = pytester.runpytest_inprocess(*args)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f'*{message}'])


@pytest.mark.parametrize(
    ('args', 'folder', 'has_section'),
    [
        ([], 'of_ini', False),
        (['--aiida-temp-artifacts=of_flag', '--aiida-temp-report=always'], 'below/of_flag', True),
        (['--no-aiida-temp-artifacts'], None, False),
    ],
)
def test_a_flag_wins_over_an_ini_setting(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, args: list[str], folder: str | None, has_section: bool
) -> None:
    pytester.makeini('[pytest]\naiida_temp_artifacts = of_ini\naiida_temp_report = never\n')
    pytester.makepyfile(FAILS)
    monkeypatch.chdir(pytester.mkdir('below'))

    result = pytester.runpytest_inprocess('..', *args)

    result.assert_outcomes(failed=1)
    pages = [page.parent.relative_to(pytester.path).as_posix() for page in pytester.path.rglob('index.html')]
    assert pages == [folder] * bool(folder)
    assert (TITLE in result.stdout.str()) is has_section


@pytest.mark.long
def test_nothing_of_it_is_imported_while_tests_pass(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys
        from nodes import store

        def test_it(aiida_temp_profile):
            store()

        def test_what_is_imported():
            parts = ('evidence', 'findings', 'archive', 'picture', 'record', 'index', 'folders')
            found = {f'pytest_aiida_temp.artifacts.{part}' for part in parts} & set(sys.modules)
            assert not found | ({'graphviz', 'pytest_aiida_temp.storage.view'} & set(sys.modules))
    """)

    pytester.runpytest_subprocess('--aiida-temp-artifacts=out').assert_outcomes(passed=2)
    assert not (pytester.path / 'out').exists()
