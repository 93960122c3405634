"""What each kind of failure shows and leaves behind."""

from __future__ import annotations

import html
import inspect
import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest

from pytest_aiida_temp import temp_profile
from pytest_aiida_temp.artifacts.section import MOST_LINES, TITLE

if TYPE_CHECKING:
    from conftest import FailedRun

pytestmark = pytest.mark.long

ONE_NODE = r'This test stored 1 node, 0 groups, 0 computers\. It found 0 nodes, 0 groups, 0 computers\.'
SECTIONS = {
    'test_wrong_executable': [
        r'This test stored \d+ nodes, 0 groups, 1 computer\. It found 0 nodes, 0 groups, 0 computers\.',
        r'Processes, 1 of 1 failed:',
        r'  ArithmeticAddCalculation<\d+> Finished \[3\d\d\]: \w.*',
        r'verdi process report \d+ \(ArithmeticAddCalculation\):',
        r'  \*\*\* Scheduler errors:',
        r'  .*/no/such/program: No such file or directory',
        r'   \| output parser returned exit code.*',
    ],
    'test_exit_401': [
        r'This test stored 2 nodes, 1 group, 0 computers\. It found 0 nodes, 0 groups, 0 computers\.',
        r'Processes, 1 of 1 failed:',
        r'  RefusingWorkChain<2> Finished \[401\]: The number 0 is not positive\.',
        r'verdi process report 2 \(RefusingWorkChain\):',
        r'  .*REPORT\]: \[2\|RefusingWorkChain\|check\]: looking at the number',
    ],
    'test_called': [
        r'Processes, 2 of 2 failed:',
        r'  CallingWorkChain<1> Finished \[402\]: A sub process failed\.',
        r'    RefusingWorkChain<3> Finished \[401\]: The number 0 is not positive\.',
        r'verdi process report 3 \(RefusingWorkChain\):',
        r'verdi process report 1 \(CallingWorkChain\):',
    ],
    'test_exception': [
        r'Processes, 1 of 1 failed:',
        r'  fail<2> Excepted: ValueError: 1 is no good',
        r'verdi process report 2 \(fail\):',
        r'  .*Traceback \(most recent call last\):',
        r'      raise ValueError\(.*',
        r'  ValueError: 1 is no good',
    ],
    'test_failing_fixture': [ONE_NODE],
    'test_failing_finalizer': [ONE_NODE.replace('1 node,', '2 nodes,')],
    'test_timeout': [
        ONE_NODE,
        r'Processes, 0 of 1 failed, 1 had not ended:',
        r'  WaitingWorkChain<1> Running',
        r'  .*going to wait',
    ],
}


@pytest.mark.parametrize('test', SECTIONS)
def test_each_shows_what_led_to_it(failed_run: FailedRun, test: str) -> None:
    lines = failed_run.section(test).splitlines()

    remaining = iter(lines)
    for pattern in SECTIONS[test]:
        assert any(re.fullmatch(pattern, line) for line in remaining), f'{pattern}\n' + '\n'.join(lines)
    assert f'Artefacts: {failed_run.folder_of(test).relative_to(failed_run.folder)}' in lines
    assert len(lines) <= MOST_LINES


def test_one_that_passes_leaves_nothing(failed_run: FailedRun) -> None:
    assert sorted(failed_run.folder.glob('out/*test_passes*')) == []
    assert failed_run.output.count(f'- {TITLE} -') == len(SECTIONS)


@pytest.mark.parametrize('test', SECTIONS)
def test_each_has_its_files(failed_run: FailedRun, test: str) -> None:
    folder = failed_run.folder_of(test)
    picture = 'provenance.svg' if shutil.which('dot') else 'provenance.dot'

    assert {'report.txt', 'storage.aiida', picture} <= {path.name for path in folder.iterdir()}
    text = (folder / 'report.txt').read_text(encoding='utf-8')
    assert f'test_it.py::{test}: failed in ' in text
    assert failed_run.section(test).splitlines()[0] in text
    assert ('`dot` of graphviz was not found' in text) is (shutil.which('dot') is None)


def test_the_folders_of_a_failed_calculation_job_are_kept(failed_run: FailedRun) -> None:
    [job] = failed_run.folder_of('test_wrong_executable').glob('calcjob-*')

    assert '/no/such/program' in (job / 'sandbox' / '_aiidasubmit.sh').read_text()
    assert 'No such file' in (job / 'retrieved' / '_scheduler-stderr.txt').read_text()


@pytest.fixture(scope='module')
def real_profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A loaded profile with the storage `core.sqlite_dos`."""
    with temp_profile(name='outer', folder=tmp_path_factory.mktemp('real')):
        from aiida.manage import get_config
        from aiida.tools.pytest_fixtures import aiida_profile_factory

        with inspect.unwrap(aiida_profile_factory)()(get_config()) as profile:
            if not can_import(tmp_path_factory.mktemp('archive') / 'one.aiida'):
                pytest.skip('aiida-core 2.6 with SQLAlchemy 2.0.0 cannot import any archive into core.sqlite_dos')
            yield profile


def can_import(path: Path) -> bool:
    """Return whether aiida-core imports an archive that it has made itself.

    This is a probe for the oldest pair that is supported. There it cannot, whatever is in the archive, which says
    nothing about our archives.
    """
    from aiida import orm
    from aiida.tools.archive import create_archive, import_archive

    create_archive([orm.Int(1).store()], path)
    try:
        import_archive(path)
    except NotImplementedError:  # SQLAlchemy 2.0.0, over the RETURNING that aiida-core asks for
        return False
    return True


@pytest.mark.parametrize('test', SECTIONS)
def test_each_archive_gives_the_same_nodes_in_a_real_profile(
    failed_run: FailedRun, real_profile: Any, test: str
) -> None:
    from aiida import orm
    from aiida.cmdline.commands.cmd_verdi import verdi
    from click.testing import CliRunner

    real_profile.reset_storage()
    archive = failed_run.folder_of(test) / 'storage.aiida'

    result = CliRunner().invoke(
        verdi, ['-p', real_profile.name, 'archive', 'import', str(archive)], catch_exceptions=False
    )

    assert result.exit_code == 0, result.output
    assert real_profile.storage_backend == 'core.sqlite_dos'
    nodes, groups = json.loads((failed_run.folder / 'noted' / f'{test}.json').read_text())
    if test == 'test_failing_finalizer':
        assert len(nodes) == 2
    found = {node.uuid: node for node in orm.QueryBuilder().append(orm.Node).all(flat=True)}
    assert found.keys() == nodes.keys()
    for uuid, (node_type, attributes, files) in nodes.items():
        assert (found[uuid].node_type, found[uuid].base.attributes.all) == (node_type, attributes)
        assert found[uuid].base.repository.metadata == files
    imported = set(
        orm.QueryBuilder().append(orm.Group, filters={'type_string': 'core'}, project='label').all(flat=True)
    )
    assert imported == set(groups)


@pytest.mark.parametrize('test', SECTIONS)
def test_junit_has_the_path_as_a_property_and_the_section_as_output(failed_run: FailedRun, test: str) -> None:
    [case] = ElementTree.parse(failed_run.folder / 'junit.xml').iterfind(f".//testcase[@name='{test}']")

    [path] = [p.get('value') for p in case.iterfind('properties/property') if p.get('name') == 'aiida_temp_artifacts']
    assert failed_run.folder / str(path) == failed_run.folder_of(test)
    [output] = case.findall('system-out')
    assert failed_run.section(test).strip() in (output.text or '')


def test_pytest_html_has_a_link_and_the_picture_in_the_row(failed_run: FailedRun) -> None:
    page = failed_run.folder / 'reports' / 'all.html'
    found = re.search('data-jsonblob="([^"]*)"', page.read_text(encoding='utf-8'))
    assert found
    tests = json.loads(html.unescape(found.group(1)))['tests']
    for test in SECTIONS:
        # pytest-html 4.0 has them in the row of the phase that failed, later versions in all rows of the test.
        all_rows = [row for found in tests.values() for row in found if f'::{test}' in row['testId']]
        rows = [row for row in all_rows if row['extras']]
        names = [extra['name'] for extra in rows[0]['extras']]
        extras = {extra['name']: extra for extra in rows[0]['extras']}
        assert all(row['extras'] == rows[0]['extras'] for row in rows)
        assert len(names) == len(extras)
        link = urlsplit(extras['AiiDA artefacts']['content'])
        assert (page.parent / link.path).resolve() == (failed_run.folder / 'out' / 'index.html').resolve()
        assert unquote(link.fragment) == failed_run.folder_of(test).name
        if shutil.which('dot'):
            picture = page.parent / extras['AiiDA provenance']['content']
            assert b'<svg' in picture.read_bytes()


class Links(HTMLParser):
    """The addresses on a page, and the anchors."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.pictures: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text(encoding='utf-8'))

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        found = dict(attributes)
        self.addresses += [value for name, value in found.items() if name in ('href', 'src')]
        self.pictures += [found['src']] if tag == 'img' else []
        self.anchors |= {found['id']} if 'id' in found else set()


def test_the_page_lists_all_with_pictures_and_needs_nothing_from_elsewhere(failed_run: FailedRun) -> None:
    page = failed_run.folder / 'out' / 'index.html'
    text, links = page.read_text(encoding='utf-8'), Links(page)

    assert '2 error, 5 failed' in text
    assert all(f'test_it.py::{test}' in text for test in SECTIONS)
    assert links.anchors >= {failed_run.folder_of(test).name for test in SECTIONS}
    assert len(links.pictures) == (len(SECTIONS) if shutil.which('dot') else 0)
    for address in links.addresses:
        link = urlsplit(address)
        assert not link.scheme
        assert not link.netloc
        assert (page.parent / unquote(link.path)).exists()
        assert link.path or unquote(link.fragment) in links.anchors
    assert f'artefacts are listed in {page}' in failed_run.output
