"""What the report of pytest-html says of a folder."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .index import INDEX
from .picture import PICTURE

if TYPE_CHECKING:
    import pytest


def html_extras(config: pytest.Config, report: Any, folder: Path) -> None:
    """Add a link and the picture to the row of pytest-html, if that writes a report."""
    target = getattr(config.option, 'htmlpath', None)
    if not target or not config.pluginmanager.hasplugin('html'):
        return
    from pytest_html import extras

    base = Path(os.path.expandvars(target)).expanduser().absolute().parent
    link = f'{Path(os.path.relpath(folder.parent / INDEX, base)).as_posix()}#{folder.name}'
    found = [extras.url(link, name='AiiDA artefacts')]
    if (folder / PICTURE).exists():
        content = base64.b64encode((folder / PICTURE).read_bytes()).decode()
        found.append(extras.svg(content, name='AiiDA provenance'))
    report.extras = [*getattr(report, 'extras', []), *found]
