"""Make the picture of the README: run a failing test, and let a browser draw what it left behind.

``python docs/pictures.py`` needs graphviz's ``dot`` and Chromium. It notes in the file what was drawn, so that a test
can tell whether that is still what a failing test leaves behind.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
PICTURE = HERE / 'failing-tests.png'
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
SIZE = '1000,1130'
SOURCE = b'zTXtSource\0\0'
"""What a chunk of a PNG file begins with that has a compressed text under this keyword."""

_CHANGING = re.compile(
    r'[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b[0-9a-f]{32}\b|[0-9]{4}(?:-[0-9]{2}){2} [0-9]{2}(?::[0-9]{2}){2}'
)
"""Identifiers and times."""


def test_file() -> str:
    """Return the test that the page of documentation shows."""
    page = (HERE / 'failing-tests.md').read_text(encoding='utf-8')
    found = re.search(r'^```python\n(.*?)^```$', page, re.MULTILINE | re.DOTALL)
    assert found
    return found.group(1)


def leave_behind(folder: Path) -> Path:
    """Run the test and return the page that lists what it left behind."""
    (folder / 'test_work.py').write_text(test_file(), encoding='utf-8')
    (folder / 'pytest.ini').write_text('[pytest]\n', encoding='utf-8')
    command = [sys.executable, '-m', 'pytest', '-q', '--aiida-temp-artifacts=artefacts', 'test_work.py']
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    page = folder / 'artefacts' / 'index.html'
    if not page.exists():
        raise SystemExit(done.stdout + done.stderr)
    return page


def draw(page: Path, target: Path) -> None:
    """Let a browser draw a page, and note in the picture what was drawn."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f'none of these browsers was found: {", ".join(BROWSERS)}')
    options = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', f'--window-size={SIZE}']
    subprocess.run([browser, *options, f'--screenshot={target}', page.as_uri()], check=True, capture_output=True)
    chunk = SOURCE + zlib.compress(source_of(page).encode(), 9)
    picture = target.read_bytes()
    end = picture.rindex(b'IEND') - 4
    added = struct.pack('>I', len(chunk) - 4) + chunk + struct.pack('>I', zlib.crc32(chunk))
    target.write_bytes(picture[:end] + added + picture[end:])


def source_of(page: Path) -> str:
    """Return a page, and the words in its picture of the provenance, without what is another each time."""
    [drawing] = page.parent.glob('*/provenance.svg')
    words = re.findall('<text[^>]*>(.*?)</text>', drawing.read_text(encoding='utf-8'))
    return _CHANGING.sub('...', '\n'.join([page.read_text(encoding='utf-8'), *words]))


def noted_in(picture: Path) -> str:
    """Return what was drawn."""
    return zlib.decompressobj().decompress(picture.read_bytes().partition(SOURCE)[2]).decode()


if __name__ == '__main__':
    with TemporaryDirectory() as name:
        draw(leave_behind(Path(name)), Path(sys.argv[1]).absolute() if sys.argv[1:] else PICTURE)
