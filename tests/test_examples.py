"""The examples run as they are, with the flag and without."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / 'examples'
TESTS = sorted(EXAMPLES.glob('test_*.py'))


@pytest.mark.long
@pytest.mark.parametrize('flags', [('--aiida-temp',), ()], ids=['flag', 'no flag'])
def test_examples_pass(pytester: pytest.Pytester, flags: tuple[str, ...]) -> None:
    result = pytester.runpytest_subprocess(EXAMPLES, *flags, '-p', 'no:cacheprovider')

    assert result.ret == 0
    result.stdout.fnmatch_lines([f'*{path.name} .*' for path in TESTS])
    assert {'skipped', 'xfailed', 'deselected'}.isdisjoint(result.parseoutcomes())
    assert (pytester.path / '.aiida').exists() == (not flags)


@pytest.mark.usefixtures('pytester')
def test_the_script_prints_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / 'count_words.py'), run_name='__main__')

    assert capsys.readouterr().out.splitlines() == [
        "{'and': 2, 'bird': 1, 'cat': 1, 'dog': 1, 'the': 3}",
        '1 calculation in profile aiida-temp',
    ]


@pytest.mark.parametrize('path', sorted(EXAMPLES.glob('*.py')), ids=lambda path: path.name)
def test_each_begins_with_two_sentences(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or ''

    assert docstring.startswith('Shows ')
    assert len(re.findall(r'\.(?=\s|$)', docstring)) == 2
