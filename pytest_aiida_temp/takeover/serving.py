"""aiida-core's own fixtures, served from the ephemeral profile under ``--aiida-temp``.

A fixture is told by its function, not by its name: where a function of aiida-core's fixture modules is about to be
run, another one is run in its place. So it does not matter whether these modules were loaded by ``pytest_plugins``, by
a plugin or by an import into a conftest, nor in which order, and a conftest's own fixture of the same name is run as
it is. A test marked with ``aiida_temp(profile=False)`` runs on the functions of aiida-core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..scopes import marker_key
from . import served

if TYPE_CHECKING:
    import pytest
    from _pytest.fixtures import FixtureDef, SubRequest

    from ..isolation import Isolation


class Takeover:
    """The fixtures of one run that are served."""

    def __init__(self, isolation: Isolation) -> None:
        self._isolation = isolation
        self._is_suites_own = False
        self._set_up: list[Callable[[], None]] = []

    def begin(self, item: pytest.Item) -> None:
        """Change between our fixtures and the suite's own, if a test wants others than the one before it.

        Those that are set up are torn down, and with them all that use them, to be set up anew.
        """
        is_suites_own = marker_key in item.stash and not item.stash[marker_key].profile
        if is_suites_own == self._is_suites_own:
            return
        self._is_suites_own = is_suites_own
        with ExitStack() as tearing_down:
            for finish in self._set_up:
                tearing_down.callback(finish)
        if is_suites_own:
            self._isolation.stand_aside()

    @contextmanager
    def serving(self, fixturedef: FixtureDef[Any], request: SubRequest) -> Iterator[None]:
        """Run our function in the body where the fixture is one of aiida-core's."""
        if not served.is_of_aiida(fixturedef.func):
            yield
            return
        original: Any = fixturedef.func
        function = None if self._is_suites_own else served.replacement(original)
        if function is not None:
            fixturedef.func = partial(function, self._isolation, original)  # type: ignore[misc]
        try:
            yield
        finally:
            fixturedef.func = original  # type: ignore[misc]
            if fixturedef.scope != 'function':
                self._remember(fixturedef, partial(fixturedef.finish, request=request))

    def _remember(self, fixturedef: FixtureDef[Any], finish: Callable[[], None]) -> None:
        self._set_up.append(finish)
        fixturedef.addfinalizer(lambda: self._set_up.remove(finish))
