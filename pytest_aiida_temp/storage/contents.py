"""What a storage holds, apart from the backend that gives access to it."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, ClassVar, Concatenate, ParamSpec, TypeVar

from .database import Database
from .repository import SandboxShaRepositoryBackend

if TYPE_CHECKING:
    from aiida.manage.configuration.profile import Profile

    from .backend import SqliteTempBackend
    from .images import Changes
    from .marks import HandOver

P = ParamSpec('P')
Result = TypeVar('Result')

FOLDER_PREFIX = 'aiida-temp-'


def make_folder() -> str:
    """Return a new temporary folder."""
    return mkdtemp(prefix=FOLDER_PREFIX)


def _one_at_a_time(method: Callable[Concatenate[Contents, P], Result]) -> Callable[Concatenate[Contents, P], Result]:
    """Let no two threads change the stack of checkpoints at once."""

    @functools.wraps(method)
    def locked(self: Contents, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        with self._lock:
            return method(self, *args, **kwargs)

    return locked


class CheckpointGoneError(ValueError):
    """A checkpoint that cannot be returned to any more."""


@dataclass(frozen=True, eq=False)
class StorageCheckpoint:
    """A state of database and repository that can be returned to."""

    database: int
    repository: int
    default_user_is_untouched: bool


class Contents:
    """The database and the repository of one profile, shared by all its backends in this process.

    They live as long as somebody holds them: an open backend, or the profile once its storage was initialised. When
    nobody does, or the interpreter ends, the memory is freed and the folder removed.

    :param profile: its ``storage_config`` may have ``filepath`` (a folder) and ``debug`` (log SQL statements).
    :param version: the schema version to note in the database.
    :raises OSError: if the folder cannot be used.
    """

    _of_profile: ClassVar[weakref.WeakValueDictionary[str, Contents]] = weakref.WeakValueDictionary()
    _held: ClassVar[weakref.WeakKeyDictionary[Profile, Contents]] = weakref.WeakKeyDictionary()

    def __init__(self, profile: Profile, version: str) -> None:
        config = profile.storage_config or {}
        self._lock = threading.RLock()
        self.default_user_is_untouched = True
        """Whether nobody has asked for the default user to be made, which it is already."""
        self.database = Database(version, echo=bool(config.get('debug')))
        try:
            folder = Path(config.get('filepath') or make_folder())
            is_ours = not folder.exists() or folder.name.startswith(FOLDER_PREFIX)
            self.repository = SandboxShaRepositoryBackend(folder)
            self.repository.initialise()
        except OSError:
            self.database.close()
            raise
        self.database.add_default_user(profile.default_user_email)
        self._checkpoints: list[StorageCheckpoint] = []
        self.checkpoint()
        self.backends: weakref.WeakSet[SqliteTempBackend] = weakref.WeakSet()
        """The backends that are open."""
        self.closed: weakref.ref[SqliteTempBackend] | None = None
        """The backend that was closed last, to be opened again."""
        self._finalizer = weakref.finalize(self, _release, self.database, self.repository, folder if is_ours else None)
        self._of_profile[profile.uuid] = self

    @classmethod
    def of(cls, profile: Profile) -> Contents | None:
        """Return the live contents of a profile."""
        return cls._of_profile.get(profile.uuid)

    @_one_at_a_time
    def checkpoint(self) -> StorageCheckpoint:
        """Take a checkpoint."""
        checkpoint = StorageCheckpoint(
            self.database.checkpoint(), self.repository.checkpoint(), self.default_user_is_untouched
        )
        self._checkpoints.append(checkpoint)
        return checkpoint

    @property
    def first(self) -> StorageCheckpoint:
        """The checkpoint of a storage just made."""
        return self._checkpoints[0]

    @property
    def latest(self) -> StorageCheckpoint:
        """The checkpoint that was taken last, of those that can be returned to."""
        return self._checkpoints[-1]

    def has(self, checkpoint: StorageCheckpoint) -> bool:
        """Return whether a checkpoint can be returned to."""
        return checkpoint in self._checkpoints

    @_one_at_a_time
    def restore(self, checkpoint: StorageCheckpoint, *, keep: bool = True) -> Changes:
        """Return to a checkpoint, those taken after it being gone, and return what was undone in the database.

        :param keep: the checkpoint itself remains.
        :raises CheckpointGoneError: if it is gone.
        :raises sqlite3.OperationalError: if another thread keeps a transaction open.
        """
        try:
            position = self._checkpoints.index(checkpoint)
        except ValueError:
            raise CheckpointGoneError(
                'this checkpoint is gone: the storage was returned to an earlier one, or was closed and made anew, or '
                'the fixture that took it was first asked for in a narrower scope than its own. Take a new one.'
            ) from None
        changes = self.database.restore(checkpoint.database, keep=keep)
        self.repository.restore(checkpoint.repository, keep=keep)
        self.default_user_is_untouched = checkpoint.default_user_is_untouched
        del self._checkpoints[position + keep :]
        return changes

    @_one_at_a_time
    def insert(self, before: StorageCheckpoint) -> StorageCheckpoint:
        """Take a checkpoint of the same state as a given one, ahead of it."""
        position = self._checkpoints.index(before)
        checkpoint = StorageCheckpoint(
            self.database.insert(before.database),
            self.repository.insert(before.repository),
            before.default_user_is_untouched,
        )
        self._checkpoints.insert(position, checkpoint)
        return checkpoint

    @_one_at_a_time
    def hand_over(self, checkpoint: StorageCheckpoint, into: StorageCheckpoint, *, apart: bool = False) -> HandOver:
        """End the latest checkpoint, giving the changes since to an earlier one, past those in between.

        Checkpoints taken after it are gone.

        :returns: whether they were given, and whether anything older was changed or deleted.
        """
        position = self._checkpoints.index(checkpoint)
        for later in reversed(self._checkpoints[position + 1 :]):
            self._hand_over(later, self._checkpoints[-2])
        return self._hand_over(checkpoint, into, apart=apart)

    def _hand_over(self, checkpoint: StorageCheckpoint, into: StorageCheckpoint, *, apart: bool = False) -> HandOver:
        previous = self._checkpoints[-2]
        used = self.database.used_keys(checkpoint.database)
        outcome = self.database.hand_over(checkpoint.database, into.database, apart=apart)
        if outcome.is_given:
            self.repository.hand_over(checkpoint.repository, into.repository, used, apart=apart)
        else:
            self.repository.hand_over(checkpoint.repository, previous.repository)
        self._checkpoints.remove(checkpoint)
        if apart and outcome.is_given:
            self._checkpoints.insert(self._checkpoints.index(into) + 1, checkpoint)
        return outcome

    @_one_at_a_time
    def excise(self, checkpoint: StorageCheckpoint) -> Changes:
        """Undo in the database what happened between a checkpoint and the next one; keep what came after that.

        A node that is back has its files again, also if they were removed after that, when nothing needed them.
        """
        changes = self.database.excise(checkpoint.database)
        if 'db_dbnode' in changes:
            keys = self.database.keys((row - 1, row) for row in changes['db_dbnode'].rows)
            self.repository.bring_back(keys, checkpoint.repository)
        self.repository.excise(checkpoint.repository)
        self._checkpoints.remove(checkpoint)
        return changes

    @_one_at_a_time
    def insert_from(self, other: Contents) -> bool:
        """Add all that another storage holds, or nothing if some of it is there already; return whether it did."""
        if not self.database.insert_from(other.database):
            return False
        self.repository.link_all(other.repository)
        return True

    @_one_at_a_time
    def clear(self) -> Changes:
        """Return to the first state, as a change that restoring a later checkpoint undoes.

        :returns: what was deleted from the database.

        :raises sqlite3.OperationalError: if another thread keeps a transaction open.
        """
        if len(self._checkpoints) == 1:
            return self.restore(self._checkpoints[0])
        changes = self.database.clear()
        self.repository.clear()
        self.default_user_is_untouched = True
        return changes

    def hold(self, profile: Profile) -> None:
        """Live for as long as the profile object does."""
        self._held[profile] = self

    @property
    def is_held(self) -> bool:
        """Whether a profile keeps the contents alive."""
        return any(contents is self for contents in self._held.values())

    def release(self) -> None:
        """Free the memory and remove the folder now."""
        for registry in (self._of_profile, self._held):
            for key, contents in list(registry.items()):
                if contents is self:
                    del registry[key]
        self._finalizer()


def _release(database: Database, repository: SandboxShaRepositoryBackend, folder: Path | None) -> None:
    is_owner = repository.is_owner
    database.close()
    repository.erase()
    if folder is not None and is_owner:
        with contextlib.suppress(OSError):
            os.rmdir(folder)
