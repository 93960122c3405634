"""The command line: ``python -m pytest_aiida_temp compare``."""

from __future__ import annotations

from pathlib import Path

import click

from .comparison.compare import RunFailedError, as_json, report
from .comparison.compare import compare as compare_suite


@click.group(context_settings={'help_option_names': ['-h', '--help']})
def main() -> None:
    """Tools for suites that use pytest-aiida-temp."""


@main.command(context_settings={'ignore_unknown_options': True})
@click.option('--json', 'path', type=click.Path(dir_okay=False, path_type=Path), help='Write all that was found here.')
@click.option('--repeat', type=click.IntRange(min=1), default=1, show_default=True, help='Run each side so often.')
@click.option('--time-limit', type=click.FloatRange(min=0, min_open=True), help='Give up a run after so many seconds.')
@click.argument('arguments', nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def compare(
    context: click.Context, path: Path | None, repeat: int, time_limit: float | None, arguments: tuple[str, ...]
) -> None:
    """Run a suite on its own fixtures, then with --aiida-temp, and print what differs.

    ARGUMENTS are those of pytest; what follows `--` is handed on as it is. The exit status is 1 if tests end otherwise
    with --aiida-temp, 2 if pytest cannot run them. Tests that end otherwise within one side, which takes --repeat to
    see, are flaky and do not count.
    """
    if path is not None:
        _check_writable(path)
    try:
        comparison = compare_suite(arguments, repeat, time_limit)
    except RunFailedError as exception:
        click.echo(str(exception), err=True)
        context.exit(2)
    if path is not None:
        path.write_text(as_json(comparison), encoding='utf-8')
    click.echo(report(comparison))
    context.exit(1 if comparison.different() else 0)


def _check_writable(path: Path) -> None:
    """Refuse a file that cannot be written before the runs, which take long.

    :raises click.BadParameter: naming the file.
    """
    try:
        path.touch()
    except OSError as exception:
        raise click.BadParameter(f'{path} cannot be written: {exception.strerror}', param_hint='--json') from None


if __name__ == '__main__':
    main(prog_name='python -m pytest_aiida_temp')
