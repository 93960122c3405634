"""Folders of tests in the one that the user names: names, replacing, what is the user's own, a full disk."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_aiida_temp.artifacts.folders import Entry, entries, make_incoming, place, remove, safe_name


@pytest.mark.parametrize(
    'test',
    [
        'tests/test_a.py::TestB::test_c[1-x]',
        'test_a.py::test_it[../../etc/passwd]',
        'test_a.py::test_it[a b\n\t\x00"<>|?*:\\]',
        'test_a.py::test_it[é😀\ud800]',
        f'test_a.py::test_it[{"long" * 1000}]',
        '...',
        '',
        'CON',
    ],
)
def test_a_name_is_safe_on_any_file_system(tmp_path: Path, test: str) -> None:
    name = safe_name(test, 2)

    assert name.isascii()
    assert set(name).isdisjoint('/\\:*?"<>| \n\t\x00')
    assert len(name) < 130
    assert not name.startswith('.')
    (tmp_path / name).mkdir()


def test_names_differ_where_tests_do_also_if_case_does_not_count() -> None:
    alike = [
        'a.py::t[x/y]',
        'a.py::t[x:y]',
        'a.py::t[x-y]',
        'a.py::T[x-y]',
        'a.py::t[' + 'x' * 200,
        'a.py::t[' + 'x' * 201,
    ]

    assert len({safe_name(test).lower() for test in alike}) == len(alike)
    assert safe_name('a.py::t') != safe_name('a.py::t', attempt=2)


def leave(root: Path, run: str, test: str = 'a.py::test', **files: str) -> Path:
    """Write the folder of a test with some files."""
    incoming = make_incoming(root, run)
    for name, text in files.items():
        (incoming / 'inside').mkdir(exist_ok=True)
        (incoming / 'inside' / name).write_text(text)
    return place(incoming, Entry(test, run, outcome='failed'))


def contents(root: Path) -> dict[str, str]:
    """Return the files in a folder, apart from what is noted about it."""
    files = (path for path in root.rglob('*') if path.is_file() and not path.name.startswith('.aiida-temp'))
    return {str(path.relative_to(root)): path.read_text() for path in files}


def test_what_an_earlier_run_wrote_is_replaced(tmp_path: Path) -> None:
    first = leave(tmp_path, 'one', a='old', b='old')
    second = leave(tmp_path, 'two', a='new')

    assert first == second
    assert contents(tmp_path) == {f'{second.name}/inside/a': 'new'}
    assert [entry.run for _, entry in entries(tmp_path)] == ['two']


def test_what_the_same_run_wrote_stays(tmp_path: Path) -> None:
    first, second = leave(tmp_path, 'one', a='1'), leave(tmp_path, 'one', a='2')

    assert contents(tmp_path) == {f'{first.name}/inside/a': '1', f'{second.name}/inside/a': '2'}
    assert second.name == f'{first.name}-2'


def test_what_is_the_users_stays(tmp_path: Path) -> None:
    ours = leave(tmp_path, 'one', a='old')
    (ours / 'inside' / 'notes').write_text('mine')
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    (elsewhere / 'a').write_text('mine')
    other = leave(tmp_path, 'one', 'b.py::test', a='old')
    remove(other)
    other.symlink_to(elsewhere)

    replaced, beside_link = leave(tmp_path, 'two', a='new'), leave(tmp_path, 'two', 'b.py::test', a='new')

    assert contents(tmp_path) == {
        f'{ours.name}/inside/notes': 'mine',
        f'{replaced.name}/inside/a': 'new',
        f'{beside_link.name}/inside/a': 'new',
        'elsewhere/a': 'mine',
    }
    assert other.is_symlink()


SUITE = """
    import os
    import pytest
    from nodes import store

    @pytest.mark.parametrize('value', range(7), ids=['a/b', 'a:b', 'A:B', 'x' * 300 + 'value3', 'é', '..', '*'])
    def test_it(aiida_temp_profile, value):
        store()
        assert os.environ.get('PASSES')
"""


def test_each_test_has_a_folder_and_the_next_run_replaces_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = pytester.mkdir('out')
    (out / 'mine.txt').write_text('kept')
    pytester.makepyfile(SUITE)

    pytester.runpytest_inprocess('--aiida-temp-artifacts=out').assert_outcomes(failed=7)
    found = [entry for _, entry in entries(out)]
    pytester.runpytest_inprocess('--aiida-temp-artifacts=out', '-k', 'value3').assert_outcomes(failed=1)
    rest = [entry for _, entry in entries(out)]

    assert len({entry.test for entry in found}) == len(found) == 7
    assert len({entry.run for entry in found}) == 1
    assert {entry.test for entry in rest} == {entry.test for entry in found}
    assert [entry.test[-7:] for entry in rest if entry.run != found[0].run] == ['value3]']
    assert (out / 'index.html').read_text(encoding='utf-8').count('From an earlier run.') == 6
    assert (out / 'mine.txt').read_text() == 'kept'

    monkeypatch.setenv('PASSES', 'yes')
    pytester.runpytest_inprocess('--aiida-temp-artifacts=out', '-k', 'value3').assert_outcomes(passed=1)
    assert {entry.test[-7:] for _, entry in entries(out)} == {entry.test[-7:] for entry in found} - {'value3]'}


def test_processes_that_write_at_once_do_not_take_anything_from_each_other(tmp_path: Path) -> None:
    names = ['a.py::one', 'a.py::two'] * 20
    for name in names[:2]:
        leave(tmp_path, 'one', name, a='old')

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: leave(tmp_path, 'two', name, a='new'), names))

    assert len(set(found)) == len(names)
    assert list(contents(tmp_path).values()) == ['new'] * len(names)
    assert not list(tmp_path.glob('.aiida-temp-incoming*'))


@pytest.mark.long
def test_workers_of_xdist_write_to_one_folder_and_their_reports_tell_all(pytester: pytest.Pytester) -> None:
    pytest.importorskip('xdist', reason='tests how workers of pytest-xdist share the folder')
    pytester.makepyfile(SUITE)

    result = pytester.runpytest_subprocess('--aiida-temp-artifacts=out', '-n', '2', '--junitxml=out.xml')

    result.assert_outcomes(failed=7)
    found = {folder.name: entry for folder, entry in entries(pytester.path / 'out')}
    assert len({entry.test for entry in found.values()}) == 7
    assert len({entry.run for entry in found.values()}) == 1
    page = (pytester.path / 'out' / 'index.html').read_text(encoding='utf-8')
    assert (page.count('<article'), page.count('From an earlier run.')) == (7, 0)
    cases = list(ElementTree.parse(pytester.path / 'out.xml').iterfind('.//testcase'))
    properties = {Path(str(p.get('value'))).name for case in cases for p in case.iterfind('properties/property')}
    assert properties == set(found)
    assert all('stored 1 node' in (case.findtext('system-out') or '') for case in cases)
    assert result.stdout.str().count('Artefacts: out') == 7


@pytest.mark.long
def test_each_worker_has_a_folder_where_each_runs_all_tests(pytester: pytest.Pytester) -> None:
    pytest.importorskip('xdist', reason='tests how workers of pytest-xdist share the folder')
    pytester.makepyfile(SUITE)

    for _ in range(2):  # the second run replaces what the first one left
        result = pytester.runpytest_subprocess(
            '--aiida-temp-artifacts=out', '-n', '2', '--dist=each', '--junitxml=out.xml'
        )

        result.assert_outcomes(failed=14)
        found = list(entries(pytester.path / 'out'))
        assert Counter(Counter(entry.test for _, entry in found).values()) == {2: 7}
        assert len({entry.run for _, entry in found}) == 1
        for folder, _ in found:
            assert {path.name for path in folder.iterdir()} >= {'storage.aiida', 'report.txt'}
            assert (folder / 'report.txt').read_text(encoding='utf-8').count(': failed in call') == 1
        page = (pytester.path / 'out' / 'index.html').read_text(encoding='utf-8')
        assert page.count('<article') == len({folder.name for folder, _ in found if f'"{folder.name}"' in page}) == 14
        cases = ElementTree.parse(pytester.path / 'out.xml').iterfind('.//testcase/properties/property')
        assert {Path(str(case.get('value'))).name for case in cases} == {folder.name for folder, _ in found}


def test_a_page_of_the_users_own_stays(pytester: pytest.Pytester) -> None:
    (pytester.mkdir('out') / 'index.html').write_text('<html>mine</html>')
    pytester.makepyfile(SUITE)

    for _ in range(2):
        pytester.runpytest_inprocess('--aiida-temp-artifacts=out').assert_outcomes(failed=7)

    assert sorted(path.name for path in pytester.path.glob('out/*.html')) == ['aiida-temp-index.html', 'index.html']
    assert (pytester.path / 'out' / 'index.html').read_text() == '<html>mine</html>'


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Let no file grow, which fails as a full disk does, from the first test on that says so."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures('full_disk')
def test_a_full_disk_is_a_warning(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import resource
        import pytest
        from nodes import store

        @pytest.fixture
        def full(aiida_temp_profile):
            store()
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
            yield
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

        def test_fails(full):
            raise RuntimeError('its own')

        def test_passes(full):
            pass

        def test_after(aiida_temp_profile):
            assert store() == 1
    """)

    result = pytester.runpytest_inprocess('--aiida-temp-artifacts=out', '--aiida-temp-artifacts-for=all', '-s')

    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(
        [
            'E*RuntimeError: its own',
            'This test stored 1 node*',
            'No artefacts: *File too large*',
            '*test_fails leaves less behind than it should: *File too large*',
            '*test_passes leaves less behind than it should: *File too large*',
        ]
    )
    assert [entry.test.rpartition('::')[2] for _, entry in entries(pytester.path / 'out')] == ['test_after']
    assert list(pytester.path.glob('out/.aiida-temp-incoming*')) == []
