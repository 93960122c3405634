"""The picture of the README is what the script makes today."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parent.parent / 'docs' / 'pictures.py'
needs_dot = pytest.mark.skipif(not shutil.which('dot'), reason='the picture has a drawing by `dot` of graphviz in it')


@pytest.fixture
def pictures() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location('pictures', SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_dot
def test_the_picture_shows_what_a_failing_test_leaves_behind_today(
    pytester: pytest.Pytester, pictures: ModuleType
) -> None:
    page = pictures.leave_behind(pytester.path)

    assert pictures.source_of(page) == pictures.noted_in(pictures.PICTURE), 'run `python docs/pictures.py` again'


@needs_dot
@pytest.mark.long
def test_the_script_makes_the_picture(pytester: pytest.Pytester, pictures: ModuleType) -> None:
    if not any(map(shutil.which, pictures.BROWSERS)):
        pytest.skip(f'none of these browsers is there to draw the page: {", ".join(pictures.BROWSERS)}')
    target = pytester.path / 'picture.png'

    result = pytester.run(sys.executable, str(SCRIPT), str(target))

    assert result.ret == 0, result.stderr.str()
    header = slice(0, 24)  # with width and height
    assert target.read_bytes()[header] == pictures.PICTURE.read_bytes()[header]
    assert pictures.noted_in(target) == pictures.noted_in(pictures.PICTURE)
    assert len(target.read_bytes()) > 50_000, 'the page is empty'
