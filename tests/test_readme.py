"""Every block of code in the README and in the pages of documentation is run, and shows what it says."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result
from warm import Warm

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
BLOCK = re.compile(r'^```(?P<kind>[^\n`]*)\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of code. One of Python or settings begins with a comment that names its file."""

    page: Path
    line: int
    kind: str
    text: str

    @property
    def file(self) -> str:
        return self.text.splitlines()[0].removeprefix('# ')

    @property
    def command(self) -> str:
        return self.text.splitlines()[0].removeprefix('$ ')

    @property
    def output(self) -> list[str]:
        return self.text.splitlines()[1:]


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page."""
    text = page.read_text(encoding='utf-8')
    return [
        Block(page, text.count('\n', 0, match.start()) + 1, match['kind'], match['text'])
        for match in BLOCK.finditer(text)
    ]


Python = Callable[..., list[str]]


@pytest.fixture
def python(warm: Warm, compare: Callable[..., Result]) -> Python:
    """Run ``python`` with arguments, in an interpreter that need not import AiiDA, and return the lines it prints."""

    def run(*arguments: str) -> list[str]:
        if arguments[:3] == ('-m', 'pytest_aiida_temp', 'compare'):
            return compare(*arguments[3:]).output.splitlines()
        return warm.run(*arguments)[1].splitlines()

    return run


def run_python(block: Block, pytester: pytest.Pytester, python: Python) -> None:
    """Run a file of tests or a script, unless a command on the page does; a conftest is run by all."""
    commands = [other.command for other in blocks_of(block.page) if other.kind == 'console']
    if block.file == 'conftest.py' or any(block.file in command for command in commands):
        return
    if 'def test_' in block.text:
        assert pytester.runpytest_inprocess(block.file).ret == 0
    else:
        assert pytester.runpython(block.file).ret == 0


def run_command(block: Block, pytester: pytest.Pytester, python: Python) -> None:
    """Run a command and compare its output; one that installs the package is a task of `.ci/run`."""
    tool, *arguments = shlex.split(block.command)
    if tool == 'python3':
        assert f'\n    {block.command}\n' in (ROOT / '.ci' / 'run').read_text(encoding='utf-8')
        return
    assert tool in ('pytest', 'python'), f'{block.command}: tests cannot run this'
    assert block.output
    if tool == 'pytest':
        lines = pytester.runpytest_inprocess(*arguments).outlines
    elif block.page.name == 'README.md':  # in a new interpreter, as importing AiiDA is what the page speaks of there
        lines = pytester.run(sys.executable, *arguments).outlines
    else:
        lines = python(*arguments)
    pytest.LineMatcher(lines).re_match_lines([pattern(line) for line in block.output])


def run_settings(block: Block, pytester: pytest.Pytester, python: Python) -> None:
    """Run a test with the settings."""
    pytester.makepyfile(test_settings='from nodes import store\ndef test_it(): store()')
    pytester.path.joinpath(block.file).write_text(block.text, encoding='utf-8')

    result = pytester.runpytest_inprocess('-c', block.file, '--strict-config', 'test_settings.py')

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(['aiida-temp: * reset after each class'])


RUN: dict[str, Callable[[Block, pytest.Pytester, Python], None]] = {
    'python': run_python,
    'console': run_command,
    'ini': run_settings,
    'toml': run_settings,
}


def pattern(line: str) -> str:
    """Return a regular expression for a line of output, open as to times, widths and what ``...`` stands for."""
    text = re.sub(r'(\\ )+', r'\\s+', re.escape(line))
    text = re.sub(r'[0-9]+\\\.[0-9]+', r'[0-9]+\\.[0-9]+', text)
    return re.sub('=+', '=+', text).replace(r'\.\.\.', '.*') + '$'


@pytest.mark.parametrize(
    'block',
    [
        pytest.param(block, id=f'{page.name}:{block.line}-{block.kind or "none"}')
        for page in PAGES
        for block in blocks_of(page)
    ],
)
def test_block_does_what_it_says(block: Block, pytester: pytest.Pytester, python: Python) -> None:
    assert block.kind in RUN, f'{block.page.name}, line {block.line}: {block.kind!r} is none of {", ".join(RUN)}'
    shutil.copytree(ROOT / 'examples' / 'data', pytester.path / 'data')
    for other in blocks_of(block.page):
        if other.kind == 'python':
            pytester.path.joinpath(other.file).write_text(other.text, encoding='utf-8')

    RUN[block.kind](block, pytester, python)

    runs_own_fixtures = 'compare' in block.text or 'profile=False' in block.text or 'test_own' in block.text
    assert runs_own_fixtures or not (pytester.path / '.aiida').exists()


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_no_block_is_overlooked(page: Path) -> None:
    text = page.read_text(encoding='utf-8')

    assert len(re.findall(r'^\s*(?:```|~~~)', text, re.MULTILINE)) == 2 * len(blocks_of(page))


def test_links_between_pages_lead_somewhere() -> None:
    links = [
        page.parent / link for page in PAGES for link in re.findall(r'\]\(([^)#]+)', page.read_text(encoding='utf-8'))
    ]

    assert links
    assert [link for link in links if not link.exists()] == []


def test_the_first_thirty_lines_show_a_test_and_its_output() -> None:
    head = [block for block in blocks_of(ROOT / 'README.md') if block.line + block.text.count('\n') < 30]

    assert [block.kind for block in head] == ['python', 'console']
    assert len(head[0].text.splitlines()) == 6
