"""What an ephemeral profile offers besides resets: archives, options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .option_values import ProfileOptions, set_all


class ProfileTools:
    """The part of :class:`~.profile.TempProfile` for the bodies of tests; each member hands on to a module."""

    dictionary: Any
    storage: Any

    def load_archive(self, path: str | Path) -> None:
        """Import an archive, as ``verdi archive import`` does, but without a group of what was imported.

        For the state that a test starts from, use ``@pytest.mark.aiida_temp(archive=...)``, which reads it only once.

        :param path: of an archive of any version that the installed aiida-core can migrate.
        :raises ~pytest_aiida_temp.archives.ArchiveError: if there is none, or it cannot be read.
        """
        from . import archives

        with TemporaryDirectory(prefix='aiida-temp-') as folder:
            archives.load([archives.read(Path(path), Path(folder))], self.storage)

    def export(self, path: str | Path, entities: Iterable[Any] | None = None) -> Path:
        """Write an archive, as ``verdi archive create`` does, and return its path.

        :param path: of the file to write.
        :param entities: nodes, groups, computers and users, with which goes what they were made from; by default
            everything.
        :raises ~pytest_aiida_temp.archives.ArchiveError: if there is a file already, or no folder for it.
        :raises ~aiida.tools.archive.exceptions.ArchiveExportError: if an entity cannot be exported, such as a process
            that is not finished.
        """
        from . import archives

        return archives.export(Path(path), entities, self.storage)

    @property
    def options(self: Any) -> ProfileOptions:
        """The options of the profile by name. Called with some of them, it sets those for a block::

            with profile.options({'caching.default_enabled': True}):
                ...

        Also what resets the profile in the block leaves them set. The marker sets them for a test:
        ``@pytest.mark.aiida_temp(options=...)``.

        :raises ~pytest_aiida_temp.option_values.OptionError: for an option that AiiDA does not have, and a value that
            it does not take.
        """
        return ProfileOptions(self, self.dictionary.setdefault('options', {}))

    @options.setter
    def options(self, value: Mapping[str, Any]) -> None:
        self.dictionary['options'] = dict(value)

    @cached_property
    def options_meanwhile(self) -> list[Mapping[str, Any]]:
        """What is set for blocks of code that are not at their end."""
        return []

    def set_options_meanwhile(self: Any) -> None:
        """Set again what is set for a block of code, after a reset in it."""
        for options in self.options_meanwhile:
            set_all(self, options)
