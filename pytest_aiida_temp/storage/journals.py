"""Which files were added and removed since each checkpoint of a repository.

A removed file is kept under another name. As files are named by their content, what two scopes put is one file; it
has to stay for as long as the wider one of them lasts.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

KEPT = '.kept-'
"""Begins the names of files that are kept, which are no keys."""


@dataclass
class Journal:
    """What happened to the keys of a repository between a checkpoint and the next one.

    :param added: keys that were not there at the checkpoint, and are.
    :param used: keys that were there already when the same content was put again.
    :param removed: keys that were there at the checkpoint, and are not.
    """

    level: int
    added: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)


class Journals:
    """A stack of journals, one for each checkpoint.

    :param path: returns the path of the file with a name.
    """

    def __init__(self, path: Callable[[str], str]) -> None:
        self._path = path
        self._stack: list[Journal] = []
        self._levels = 0

    @property
    def have_added(self) -> bool:
        """Whether there may be files that were not there at the first checkpoint."""
        return any(journal.added for journal in self._stack)

    def note_added(self, key: str) -> None:
        """Note that there is a new file."""
        if self._stack and key in self._stack[-1].removed:
            self._drop(key, self._stack[-1])
            self._stack[-1].used.add(key)
        elif self._stack:
            self._stack[-1].added.add(key)

    def note_used(self, key: str) -> None:
        """Note that the content of a file was put again."""
        if self._stack:
            self._stack[-1].used.add(key)

    def remove(self, key: str) -> None:
        """Remove a file, so that it comes back with a restore."""
        if not self._stack or key in self._stack[-1].added:
            os.remove(self._path(key))
        else:
            os.replace(self._path(key), self._kept(key, self._stack[-1]))
            self._stack[-1].removed.add(key)
        if self._stack:
            self._stack[-1].added.discard(key)

    def checkpoint(self) -> int:
        """Take a checkpoint and return its level."""
        self._levels += 1
        self._stack.append(Journal(self._levels))
        return self._levels

    def restore(self, level: int, *, keep: bool) -> None:
        """Return to a checkpoint; those taken after it are gone, and so is this one unless it is kept."""
        position = self._position(level)
        while len(self._stack) > position:
            journal = self._stack.pop()
            for key in journal.added:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(self._path(key))
            for key in journal.removed:
                os.replace(self._kept(key, journal), self._path(key))
        if keep:
            self._stack.append(Journal(level))

    def insert(self, before: int) -> int:
        """Take a checkpoint of the same state as a given one, ahead of it, and return its level."""
        self._levels += 1
        self._stack.insert(self._position(before), Journal(self._levels))
        return self._levels

    def hand_over(self, level: int, into: int, used: Iterable[str] = (), *, apart: bool = False) -> None:
        """End the latest checkpoint, giving what was put since to an earlier one, past those in between.

        What was removed is put back with the last of those in between.

        :param used: more keys that are needed for as long as the earlier checkpoint lasts.
        :param apart: the checkpoint does not end, but comes next after ``into``.
        """
        position = self._position(into)
        if self._stack[-1].level != level:
            raise ValueError(f'not the latest checkpoint: {level}')
        latest = self._stack.pop()
        target, between = self._stack[position], self._stack[position + 1 :]
        if apart:
            target = Journal(level)
            self._stack.insert(position + 1, target)
        needed = {key for key in {*latest.added, *latest.used, *used} if os.path.exists(self._path(key))}
        for key in needed:
            if self._was_absent(key, [*between, latest]):
                self._add(key, target)
            for journal in between:
                journal.added.discard(key)
                self._drop(key, journal)
        target.used |= needed
        latest.added.clear()
        latest.used.clear()
        self._merge(latest, self._stack[-1])

    def excise(self, level: int) -> None:
        """End a checkpoint that is not the latest; its changes go with the one before it.

        What was added cannot be removed here: later additions of the same content rely on it.
        """
        position = self._position(level)
        self._merge(self._stack.pop(position), self._stack[position - 1])

    def bring_back(self, key: str, level: int) -> None:
        """Have a file that was there at a checkpoint be there ever since."""
        since = [journal for journal in self._stack[self._position(level) :] if key in journal.added | journal.removed]
        if not since or key in since[0].added:
            return
        for journal in since:
            journal.added.discard(key)
            if key in journal.removed:
                journal.removed.discard(key)
                os.replace(self._kept(key, journal), self._path(key))

    @staticmethod
    def _was_absent(key: str, journals: Iterable[Journal]) -> bool:
        """Return whether a file that is there now was not there at the checkpoint of the first of the journals."""
        first = next((journal for journal in journals if key in journal.added | journal.removed), None)
        return first is not None and key in first.added

    def _merge(self, journal: Journal, target: Journal) -> None:
        """Give what a journal has to the one before it."""
        for key in journal.removed:
            if key in target.added:
                os.remove(self._kept(key, journal))
                target.added.discard(key)
            else:
                os.replace(self._kept(key, journal), self._kept(key, target))
                target.removed.add(key)
        for key in journal.added:
            self._add(key, target)
        target.used |= journal.used

    def _add(self, key: str, journal: Journal) -> None:
        if key in journal.removed:
            self._drop(key, journal)
        else:
            journal.added.add(key)

    def _drop(self, key: str, journal: Journal) -> None:
        """Forget that a file was removed."""
        if key in journal.removed:
            journal.removed.discard(key)
            os.remove(self._kept(key, journal))

    def _kept(self, key: str, journal: Journal) -> str:
        return self._path(f'{KEPT}{journal.level}-{key}')

    def _position(self, level: int) -> int:
        if self._stack[-1].level == level:
            return len(self._stack) - 1
        return [journal.level for journal in self._stack].index(level)
