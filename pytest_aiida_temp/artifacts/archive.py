"""A storage as an AiiDA archive."""

from __future__ import annotations

import gc
import importlib.util
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

if TYPE_CHECKING:
    from ..storage.view import StorageView

FILE = 'storage.aiida'


class ArchiveError(RuntimeError):
    """The archive could not be written; the message says why."""


def write_archive(view: StorageView, path: Path) -> None:
    """Write all that a storage holds, processes that have not ended included.

    :raises ArchiveError: if it cannot be written.
    """
    failure = _try_to_write(view, path)
    if failure is None:
        return
    problem = repr(failure)
    with _silent_about_what_is_dropped():
        traceback.clear_frames(failure.__traceback__)
        del failure
        gc.collect()
    raise ArchiveError(problem)


def _try_to_write(view: StorageView, path: Path) -> Exception | None:
    try:
        with _without_waiting_for_the_disk():
            _module().create_archive(None, path, backend=view, include_authinfos=True, compression=1)
    except Exception as exception:
        return exception
    return None


@contextmanager
def _silent_about_what_is_dropped() -> Iterator[None]:
    """Say nothing of the zip file that aiida-core leaves open where writing fails, and that fails as it is closed.

    pytest would tell that of the test, and fail it where warnings are errors.
    """
    before, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextmanager
def _without_waiting_for_the_disk() -> Iterator[None]:
    """Let SQLite not wait for the disk in what this thread opens.

    aiida-core makes a database in a temporary folder, table by table, and then copies it into the archive.
    """
    thread = threading.get_ident()

    def prepare(connection: Any, _: Any) -> None:
        if threading.get_ident() == thread:
            connection.execute('PRAGMA synchronous = OFF')

    event.listen(Engine, 'connect', prepare)
    try:
        yield
    finally:
        event.remove(Engine, 'connect', prepare)


@lru_cache(maxsize=1)
def _module() -> Any:
    """Return a second instance of aiida-core's module, which logs nothing, shows no progress, and exports any process.

    Nothing of it is changed for those who use the first instance.
    """
    from aiida.common.progress_reporter import ProgressReporterNull

    spec = importlib.util.find_spec('aiida.tools.archive.create')
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.EXPORT_LOGGER = _Silent(module.EXPORT_LOGGER.name)
    module.get_progress_reporter = lambda: ProgressReporterNull
    module._check_unsealed_nodes = lambda *_, **__: None
    return module


class _Silent(logging.Logger):
    """A logger that is no part of the tree of loggers."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.addHandler(logging.NullHandler())

    def report(self, *_: Any, **__: Any) -> None:
        """Drop a message of AiiDA's level of that name."""
