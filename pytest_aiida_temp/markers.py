"""What the markers of a test say, validated at collection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .scopes import marker_key

if TYPE_CHECKING:
    from .options import MarkerArguments


def read_markers(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Validate the markers of all tests, and the archives and options that they name.

    :raises pytest.UsageError: for the first one that is wrong, naming the test.
    """
    read_archives: Callable[..., None] | None = None
    check_options: Callable[..., None] | None = None
    for item in items:
        markers = list(item.iter_markers_with_node('aiida_temp'))
        if not markers:
            continue
        item.stash[marker_key] = arguments = _read(item, [marker for _, marker in markers])
        if arguments.options and arguments.profile:
            check_options = check_options or _options_checker()
            _call(item, check_options, arguments.options)
        if arguments.archive and arguments.profile:
            read_archives = read_archives or _reader(config)
            _call(item, read_archives, item, markers)


def _read(item: pytest.Item, markers: list[pytest.Mark]) -> MarkerArguments:
    from .options import MarkerArguments, read_marker

    merged: dict[str, Any] = {}
    for marker in reversed(markers):
        _call(item, read_marker, marker.args, marker.kwargs)
        options = {**merged.get('options', {}), **marker.kwargs.get('options', {})}
        merged.update(marker.kwargs, options=options)
    return MarkerArguments(**merged)


def _call(item: pytest.Item, function: Callable[..., Any], *args: Any) -> Any:
    from .options import InvalidOptionError

    try:
        return function(*args)
    except InvalidOptionError as exception:
        raise pytest.UsageError(f'{item.nodeid}: {exception}') from None


def _options_checker() -> Callable[..., None]:
    from .environment import import_module
    from .options import InvalidOptionError

    option_values = import_module('pytest_aiida_temp.option_values')

    def check(options: dict[str, Any]) -> None:
        try:
            option_values.check(options)
        except option_values.OptionError as exception:
            raise InvalidOptionError(f'@pytest.mark.aiida_temp(options={options!r}): {exception}') from None

    return check


def _reader(config: pytest.Config) -> Callable[..., None]:
    from .environment import import_module
    from .tmpdir import make_folder

    cache = getattr(config, 'cache', None)
    folder: Path = cache.mkdir('aiida-temp') if cache else make_folder(config)
    reader: Callable[..., None] = (
        import_module('pytest_aiida_temp.archives.markers').Reader(config.rootpath, folder).read
    )
    return reader
