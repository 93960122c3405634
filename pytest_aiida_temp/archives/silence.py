"""AiiDA, kept from reporting each step of what it does with an archive."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from aiida.common.progress_reporter import get_progress_reporter, set_progress_reporter

_LOGGERS = ('aiida.export', 'aiida.storage.migrate', 'alembic')


@contextmanager
def quiet() -> Iterator[None]:
    """Keep AiiDA from reporting each step of an import, export or migration."""
    reporter = get_progress_reporter()
    set_progress_reporter(None)
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in levels:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield
    finally:
        set_progress_reporter(reporter)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
