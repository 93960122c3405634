"""Profiles in scripts, notebooks, doctests and test cases of the standard library."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_aiida_temp import temp_profile
from pytest_aiida_temp.environment import import_module

import_module('aiida.orm')  # so that no `~/.aiida` is made
EXAMPLES = Path(__file__).parent.parent / 'examples'


@pytest.fixture
def archive(pytester: pytest.Pytester) -> Path:
    """The path of an archive of the integer 10."""
    from aiida import orm

    with temp_profile() as profile:
        orm.Int(10).store()
        path: Path = profile.export(pytester.path / 'ten.aiida')
    return path


def loaded() -> Any:
    from aiida.manage import get_manager

    return get_manager().get_profile()


def test_a_profile_is_loaded_until_it_is_closed(archive: Path) -> None:
    from aiida import orm

    outer = temp_profile(name='outer').load()
    inner = temp_profile(name='inner', archive=archive).load()

    assert loaded() is inner
    assert orm.QueryBuilder().append(orm.Int, project='attributes.value').all(flat=True) == [10]
    folder = Path(inner.storage_config['filepath'])
    inner.close()
    assert loaded() is outer
    assert not folder.exists()
    assert orm.QueryBuilder().append(orm.Int).count() == 0
    inner.close()
    assert loaded() is outer
    outer.close()
    assert loaded() is None


def test_a_profile_that_was_closed_says_so_and_is_not_loaded_again() -> None:
    from aiida.common.exceptions import InvalidOperation

    before = loaded()
    profile = temp_profile().load()
    profile.close()

    for use in (profile.load, profile.reset, profile.count_queries, lambda: profile.verdi('status')):
        with pytest.raises(InvalidOperation, match=r"'aiida-temp' was closed, .*: make a new one"):
            use()
        assert loaded() is before


def test_one_context_can_be_entered_again(archive: Path) -> None:
    from aiida import orm

    context = temp_profile(archive=[archive])

    for _ in range(2):
        with context as profile:
            assert loaded() is profile
            assert orm.QueryBuilder().append(orm.Int).count() == 1
            orm.Int(1).store()
    assert loaded() is None


def test_a_profile_that_somebody_else_closes_is_not_to_be_closed() -> None:
    from aiida.common.exceptions import InvalidOperation

    with temp_profile() as profile:
        with pytest.raises(InvalidOperation, match=r"'aiida-temp' is not to be closed: .*temp_profile\(\)\.load"):
            profile.close()
        assert loaded() is profile


def test_what_cannot_be_used_is_named_and_nothing_stays_loaded(tmp_path: Path) -> None:
    before = loaded()
    with (
        pytest.raises(ValueError, match=r'missing\.aiida does not exist'),
        temp_profile(archive=tmp_path / 'missing.aiida'),
    ):
        pass
    with pytest.raises(ValueError, match=r'missing\.aiida does not exist'):
        temp_profile(archive=[str(tmp_path / 'missing.aiida')]).load()
    with pytest.raises(ValueError, match="'' cannot be the name of a profile"):
        temp_profile(name='')
    for archive in (3, [3]):
        with pytest.raises(ValueError, match=r'archive=\[?3\]?: give the path of an archive, or a list of paths'):
            temp_profile(archive=archive)  # type: ignore[arg-type]

    assert loaded() is before


@pytest.mark.long
def test_a_process_that_does_not_close_its_profile_ends_well(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        script="""
        from pytest_aiida_temp import temp_profile

        profile = temp_profile().load()
        print(profile.storage_config['filepath'])
    """
    )

    result = pytester.run(sys.executable, '-W', 'error', 'script.py')

    assert (result.ret, result.errlines) == (0, [])
    assert not Path(result.outlines[0]).exists()


CASES = """
    import unittest
    from aiida import orm
    from pytest_aiida_temp import TempProfileTestCase

    def values():
        return sorted(orm.QueryBuilder().append(orm.Int, project='attributes.value').all(flat=True))

    class First(TempProfileTestCase):
        archive = 'ten.aiida'

        @classmethod
        def setUpClass(cls):
            super().setUpClass()
            orm.Int(1).store()

        def setUp(self):
            self.assertEqual(values(), [1, 10])
            orm.Int(2).store()

        def test_one(self):
            self.assertTrue(self.profile.is_loaded)
            self.assertEqual(values(), [1, 2, 10])
            orm.Int(3).store()

        def test_two(self):
            self.assertEqual(values(), [1, 2, 10])

        @unittest.skip('shown as skipped')
        def test_skipped(self):
            pass

    class Second(TempProfileTestCase):
        def test_empty(self):
            self.assertEqual(values(), [])
            self.assertRaises(AttributeError, getattr, self, 'nothing')

    @unittest.skip('shown as skipped')
    class Skipped(TempProfileTestCase):
        def test_skipped(self):
            pass

    class Forgets(TempProfileTestCase):
        @classmethod
        def setUpClass(cls):
            pass

        def test_without_profile(self):
            with self.assertRaisesRegex(AttributeError, r'Forgets has no profile: .* super\\(\\)\\.setUpClass'):
                self.profile
"""


@pytest.mark.long
def test_test_cases_and_the_example_of_one_run_on_the_profile_with_unittest(
    pytester: pytest.Pytester, archive: Path
) -> None:
    pytester.makepyfile(test_cases=CASES)
    shutil.copy(EXAMPLES / 'test_testcase.py', pytester.path)

    result = pytester.run(sys.executable, '-m', 'unittest', '-v', 'test_cases', 'test_testcase.py')

    assert result.ret == 0
    result.stderr.fnmatch_lines(['Ran 8 tests in *', 'OK (skipped=2)'])


@pytest.mark.parametrize('flags', [(), ('--aiida-temp',)])
def test_test_cases_run_on_the_profile_with_pytest(
    pytester: pytest.Pytester, archive: Path, flags: tuple[str, ...]
) -> None:
    other = 'from nodes import store\ndef test_it(aiida_temp_profile): assert store() == 1'
    pytester.makepyfile(test_ahead=other, test_cases=CASES, test_last=other)

    unclosed = 'ignore:unclosed database:ResourceWarning'  # by aiida-core's import, which Python 3.13 says
    result = pytester.runpytest_inprocess('-W', 'error', '-W', unclosed, *flags)

    result.assert_outcomes(passed=6, skipped=2)


def test_a_test_case_whose_archive_is_missing_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from pytest_aiida_temp import TempProfileTestCase

        class Missing(TempProfileTestCase):
            archive = ['missing.aiida']

            def test_it(self):
                pass
    """)

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['E *ArchiveError: */missing.aiida does not exist: give the path of an archive *'])


def test_the_examples_in_docstrings_and_pages_are_run_each_from_fresh_storage(pytester: pytest.Pytester) -> None:
    docstrings = pytester.runpytest_inprocess('--doctest-modules', '--aiida-temp', EXAMPLES / 'words.py')
    pages = pytester.runpytest_inprocess('--doctest-glob=*.rst', '--aiida-temp', EXAMPLES / 'words.rst')

    docstrings.assert_outcomes(passed=2)
    pages.assert_outcomes(passed=1)


@pytest.mark.long
def test_the_example_of_a_notebook_runs(pytester: pytest.Pytester) -> None:
    nbclient = pytest.importorskip('nbclient')
    nbformat = pytest.importorskip('nbformat')
    notebook = nbformat.read(EXAMPLES / 'words.ipynb', as_version=4)
    expected = [output['data'] for cell in notebook.cells for output in cell.get('outputs', [])]

    nbclient.NotebookClient(notebook, timeout=120, resources={'metadata': {'path': str(pytester.path)}}).execute()

    assert (
        [output['data'] for cell in notebook.cells for output in cell.get('outputs', [])]
        == expected
        == [
            {'text/plain': '3'},
            {'text/plain': '3'},
        ]
    )
    assert not (pytester.path / '.aiida').exists()


@pytest.mark.long  # it starts a second kernel
def test_the_output_of_a_notebook_is_checked_by_nbval(pytester: pytest.Pytester) -> None:
    pytest.importorskip('nbval')

    result = pytester.runpytest_subprocess(
        '--nbval', '--aiida-temp', EXAMPLES / 'words.ipynb', '-p', 'no:cacheprovider'
    )

    result.assert_outcomes(passed=4)
