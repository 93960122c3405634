"""What an ephemeral profile offers besides resets: archives, options, SQL statements, ``verdi``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from .option_values import ProfileOptions, set_all

if TYPE_CHECKING:
    from .queries import Queries
    from .verdi import VerdiResult


class ProfileTools:
    """The part of :class:`~.profile.TempProfile` for the bodies of tests; each member hands on to a module."""

    dictionary: Any
    loaded_meanwhile: Any
    name: Any
    storage: Any

    def load_archive(self, path: str | Path) -> None:
        """Import an archive, as ``verdi archive import`` does, but without a group of what was imported.

        For the state that a test starts from, use ``@pytest.mark.aiida_temp(archive=...)``, which reads it only once.

        :param path: of an archive of any version that the installed aiida-core can migrate.
        :raises ~pytest_aiida_temp.archives.ArchiveError: if there is none, or it cannot be read.
        """
        from .archives import files, transfer

        with self.loaded_meanwhile(), TemporaryDirectory(prefix='aiida-temp-') as folder:
            transfer.load([files.read(Path(path), Path(folder))], self.storage)

    def export(self, path: str | Path, entities: Iterable[Any] | None = None) -> Path:
        """Write an archive, as ``verdi archive create`` does, and return its path.

        :param path: of the file to write.
        :param entities: nodes, groups, computers and users, with which goes what they were made from; by default
            everything.
        :raises ~pytest_aiida_temp.archives.ArchiveError: if there is a file already, or no folder for it, or an entity
            is not stored in this profile.
        :raises ~aiida.tools.archive.exceptions.ArchiveExportError: if an entity cannot be exported, such as a process
            that is not finished.
        """
        from .archives import transfer

        with self.loaded_meanwhile():
            return transfer.export(Path(path), entities, self.storage)

    def verdi(self, *arguments: object, input: str | None = None) -> VerdiResult:  # noqa: A002 - as click has it
        """Run ``verdi`` on this profile, in this process, and return its output and exit code.

        It is the real command line. In a subprocess it could not see the profile. Commands that need the daemon fail
        as they do where none runs.

        :param arguments: what follows ``verdi`` on the command line, such as ``'process', 'list', '--all'``.
        :param input: what the command reads from standard input, such as answers to its questions.
        :returns: a named tuple of ``output`` and ``exit_code``. An exception of the command is in the output.
        """
        from .verdi import run

        with self.loaded_meanwhile():
            return run(self.name, arguments, input)

    def count_queries(self) -> AbstractContextManager[Queries]:
        """Return a context manager that gives a list of the SQL statements of its block, of all threads.

        Each has the attributes ``sql``, ``tables``, ``seconds`` and ``location``. The list has ``seconds`` for all of
        them, ``grouped()`` and ``report()``. What begins and ends transactions is not in it.
        """
        from .queries import counting

        return counting(self.storage)

    def assert_max_queries(self, allowed: int) -> AbstractContextManager[Queries]:
        """Return a context manager that fails if its block executes more SQL statements than allowed.

        The failure has the statements grouped, with the line of code that each is from: a loop that asks for one row
        after the other shows as one statement with a high count.

        :param allowed: the greatest number of statements.
        :raises AssertionError: at the end of the block.
        :raises ValueError: if ``allowed`` is not a whole number, or is negative.
        """
        from .queries import at_most, check_number

        check_number(allowed)
        return at_most(self.storage, allowed)

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
