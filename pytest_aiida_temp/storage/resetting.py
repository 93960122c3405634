"""Clearing the storage, and returning to checkpoints of it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiida.common import exceptions
from aiida.storage.sqlite_zip import models

from .contents import StorageCheckpoint

if TYPE_CHECKING:
    from aiida.orm.autogroup import AutogroupManager

    from .contents import Contents
    from .images import Changes
    from .marks import HandOver
    from .session import StorageSession
    from .watching import Watchers


class Resetting:
    """The part of a storage backend that resets it."""

    get_session: Callable[[], StorageSession]
    reset_default_user: Callable[[], None]
    _fresh_autogroup: AutogroupManager | None

    if TYPE_CHECKING:

        @property
        def _live(self) -> Contents: ...

    def _clear(self) -> None:
        """Return to the state of a storage just made: empty but for the default user.

        :raises ~aiida.common.exceptions.InvalidOperation: inside an open transaction, or if another thread keeps one
            open.
        """
        if self.get_session().in_block:
            raise exceptions.InvalidOperation(
                'the storage cannot be cleared inside an open transaction: leave `with storage.transaction():` first.'
            )
        self._reset('cleared', self._live.clear)

    def checkpoint(self) -> StorageCheckpoint:
        """Take a checkpoint, a state that can be returned to."""
        return self._live.checkpoint()

    def abandon(self) -> None:
        """Undo what the calling thread has not committed, open transactions included."""
        self.get_session().abandon()

    def has(self, checkpoint: StorageCheckpoint) -> bool:
        """Return whether a checkpoint can be returned to."""
        return self._live.has(checkpoint)

    @property
    def latest_checkpoint(self) -> StorageCheckpoint:
        """The checkpoint that was taken last, of those that can be returned to."""
        return self._live.latest

    def restore(self, checkpoint: StorageCheckpoint, *, keep: bool = True) -> list[tuple[str, int, str]]:
        """Return to a checkpoint; those taken after it are gone, and so is what is not committed.

        :param keep: the checkpoint itself remains.
        :returns: table, primary key and uuid of what was stored since, at most 100 per table.
        :raises CheckpointGoneError: if the checkpoint is gone.
        :raises ~aiida.common.exceptions.InvalidOperation: if another thread keeps a transaction open.
        """
        changes = self._reset('reset', self._live.restore, checkpoint, keep=keep)
        return [(name, *row) for name, undone in changes.items() for row in undone.named] if changes else []

    def insert_checkpoint(self, before: StorageCheckpoint) -> StorageCheckpoint:
        """Take a checkpoint of the same state as a given one, ahead of it."""
        return self._live.insert(before)

    def hand_over(self, checkpoint: StorageCheckpoint, into: StorageCheckpoint, *, apart: bool = False) -> HandOver:
        """End the latest checkpoint, giving the changes since to an earlier one, past those in between.

        :param apart: it comes next after the earlier one, so that it can be excised.
        :returns: whether they were given, rather than staying with the one before, as they must where they build on
            what the checkpoints in between undo; and whether anything older was changed or deleted.
        """
        return self._live.hand_over(checkpoint, into, apart=apart)

    def excise(self, checkpoint: StorageCheckpoint) -> None:
        """Undo in the database what happened between a checkpoint and the next one; keep what came after that."""
        self._reset('reset', self._live.excise, checkpoint)

    def insert_from(self, other: Resetting) -> bool:
        """Add all that another storage holds, or nothing if some of it is there already; return whether it did.

        A user of the same email is the same user. Primary keys are others than there.
        """
        return self._live.insert_from(other._live)

    def has_deleted(self, table: str, pk: int) -> bool:
        """Return whether the calling thread deleted a row whose object is still held by somebody."""
        return self._live.database.has_deleted(table, pk)

    @property
    def watchers(self) -> Watchers:
        """Those who are told of each SQL statement."""
        return self._live.database.watchers

    def threads(self) -> list[threading.Thread]:
        """Return the other threads that have a session and still run."""
        return self._live.database.threads()

    def highest(self) -> dict[str, int]:
        """Return the highest row id of each table that the calling thread sees."""
        return self._live.database.highest()

    def _reset(self, verb: str, undo: Callable[..., Changes], *args: Any, **kwargs: Any) -> Changes:
        try:
            changes = undo(*args, **kwargs)
        except sqlite3.OperationalError as exception:
            raise exceptions.InvalidOperation(
                f'the storage cannot be {verb}, as another thread keeps a transaction open: {exception}'
            ) from exception
        if models.DbUser.__tablename__ in changes:
            self.reset_default_user()
        self._fresh_autogroup = None
        return changes

    @property
    def _autogroup(self) -> AutogroupManager:
        """The manager of automatic groups, made anew when one is first asked for after a reset."""
        from aiida.orm.autogroup import AutogroupManager

        if self._fresh_autogroup is None:
            self._fresh_autogroup = AutogroupManager(self)
        return self._fresh_autogroup

    @_autogroup.setter
    def _autogroup(self, manager: AutogroupManager) -> None:
        self._fresh_autogroup = manager
