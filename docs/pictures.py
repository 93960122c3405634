"""Make the picture of the README: run a failing test, and let a browser draw what it left behind.

``python docs/pictures.py`` needs graphviz's ``dot`` and Chromium.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
SIZE = '1000,1130'


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
    """Let a browser draw a page."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f'none of these browsers was found: {", ".join(BROWSERS)}')
    options = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', f'--window-size={SIZE}']
    subprocess.run([browser, *options, f'--screenshot={target}', page.as_uri()], check=True, capture_output=True)


if __name__ == '__main__':
    with TemporaryDirectory() as name:
        draw(leave_behind(Path(name)), HERE / 'failing-tests.png')
