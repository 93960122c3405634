"""The command line ``verdi`` in this process: a subprocess cannot see a profile in memory."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from aiida.cmdline.commands.cmd_verdi import verdi
from aiida.common.progress_reporter import get_progress_reporter, set_progress_reporter
from click.testing import CliRunner

from .logs import LoggingState


class VerdiResult(NamedTuple):
    """What a command printed, and how it ended.

    :param output: standard output and standard error, as they came.
    :param exit_code: 0 if all is well.
    """

    output: str
    exit_code: int


def run(name: str, arguments: tuple[Any, ...], given: str | None) -> VerdiResult:
    """Run a command on a profile that is loaded.

    :param name: of the profile.
    :param arguments: what follows ``verdi``.
    :param given: what the command reads from standard input.
    """
    with _undisturbed():
        # Without the name it would be AiiDA's default profile, which may be another one.
        result = CliRunner().invoke(verdi, ['--profile', name, *map(str, arguments)], input=given, prog_name='verdi')
    output = result.output
    if result.exc_info is not None and not isinstance(result.exception, (SystemExit, type(None))):
        output += ''.join(traceback.format_exception(*result.exc_info))  # as the real command line does
    return VerdiResult(output, result.exit_code)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put back what ``verdi`` changes for the process: logging and the bar that shows progress."""
    logging, reporter = LoggingState(), get_progress_reporter()
    try:
        yield
    finally:
        logging.restore()
        set_progress_reporter(reporter)
