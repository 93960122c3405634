"""Further ephemeral profiles within a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from .loading import further_profile

if TYPE_CHECKING:
    from .isolation import Isolation
    from .profile import TempProfile


class ProfileFactory:
    """Makes further ephemeral profiles; the fixture ``aiida_temp_profile_factory`` gives one."""

    def __init__(self, isolation: Isolation) -> None:
        self._isolation = isolation
        self._made = 0

    def __call__(
        self, name: str | None = None, *, email: str = 'test@localhost', options: Mapping[str, Any] | None = None
    ) -> AbstractContextManager[TempProfile]:
        """Return a context manager that makes and loads a profile, and loads the previous one again at the end.

        The profile is empty, with a database and a repository of its own. Nodes of the previous profile are usable
        again after the block; in it, export them from there and load the archive here. Blocks can be nested. The
        profile is given back also if the block ends with an exception.

        :param name: by default one that is not taken.
        :param email: of the default user.
        :param options: AiiDA's options by name.
        :raises ValueError: if there is a profile of that name in the configuration, or the name is empty.
        :raises ~pytest_aiida_temp.option_values.OptionError: for an option that AiiDA does not have, and a value that
            it does not take.
        """
        from aiida.manage.configuration import get_config

        from .option_values import check

        if name is not None and (not isinstance(name, str) or not name):
            raise ValueError(f'{name!r} cannot be the name of a profile: give a text that is not empty.')
        check(options or {})
        config = get_config()
        folder = Path(config.dirpath) / f'storage-{uuid4().hex}'
        made = further_profile(
            config,
            folder,
            name or self._free_name(config.profile_names),
            email=email,
            options=dict(options or {}),
            in_place_of=self._isolation.profiles.innermost.name,
        )
        return self._entered(made)

    @contextmanager
    def _entered(self, made: AbstractContextManager[TempProfile]) -> Iterator[TempProfile]:
        with self._isolation.further_profile(made) as profile:
            yield profile

    def _free_name(self, taken: list[str]) -> str:
        while True:
            self._made += 1
            name = f'aiida-temp-{self._made}'
            if name not in taken:
                return name
