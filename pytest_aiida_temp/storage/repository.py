"""A sandbox folder of files named by the sha256 of their content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from uuid import uuid4

from aiida.common.log import AIIDA_LOGGER
from aiida.repository.backend.sandbox import SandboxRepositoryBackend

from .journals import Journals

if TYPE_CHECKING:
    from aiida.repository.backend.abstract import InfoDictType

LOGGER = AIIDA_LOGGER.getChild('storage.aiida_temp.repository')
CHUNK = 1024 * 1024
"""Bytes held in memory at most while an object is written."""

_KEY = re.compile('[0-9a-f]{64}')
_INCOMING = '.incoming-'


class InvalidKeyError(FileNotFoundError, ValueError):
    """A string that cannot be the key of an object, and is never used as a path."""


class SandboxShaRepositoryBackend(SandboxRepositoryBackend):
    """A file repository in a temporary folder, whose keys are the sha256 of the content.

    The same content is one object, and archives go in and out without hashing their files again. See
    :class:`aiida.repository.backend.abstract.AbstractRepositoryBackend` for the contract.

    :param filepath: the folder to make the sandbox in, made where it is missing; by default the system's folder for
        temporary files.
    """

    def __init__(self, filepath: str | Path | None = None) -> None:
        super().__init__(None if filepath is None else str(filepath))
        self._owner = os.getpid()
        self._journals = Journals(lambda name: os.path.join(self._folder, name))
        self._lock = threading.Lock()

    @property
    def key_format(self) -> str | None:
        """Return ``'sha256'``, the format that archives have."""
        return 'sha256'

    @property
    def is_owner(self) -> bool:
        """Whether this process made the sandbox, rather than one it was forked from."""
        return self._owner == os.getpid()

    @property
    def _folder(self) -> str:
        return str(self.sandbox.abspath)

    def _path(self, key: str) -> str:
        if not isinstance(key, str) or _KEY.fullmatch(key) is None:
            raise InvalidKeyError(f'not the key of an object: {key!r}; a key is 64 hexadecimal digits in lower case.')
        return os.path.join(self._folder, key)

    def _put_object_from_filelike(self, handle: BinaryIO) -> str:
        content = handle.read(CHUNK)
        digest = hashlib.sha256(content)
        following = handle.read(CHUNK) if content else b''
        if not following:
            self._put(content, digest.hexdigest())
            return digest.hexdigest()

        def chunks() -> Iterator[bytes]:
            yield content
            chunk = following
            while chunk:
                digest.update(chunk)
                yield chunk
                chunk = handle.read(CHUNK)

        incoming = self._write_incoming(chunks())
        self._place(incoming, digest.hexdigest())
        return digest.hexdigest()

    def _put(self, content: bytes, key: str) -> None:
        """Write content that is all there; the lock keeps others from taking half of it for an object."""
        with self._lock:
            try:
                _write(os.path.join(self._folder, key), [content])
            except FileExistsError:
                self._journals.note_used(key)
            else:
                self._journals.note_added(key)

    def _write_incoming(self, chunks: Iterable[bytes]) -> str:
        """Write to a name that is no key while the key is not known."""
        incoming = os.path.join(self._folder, f'{_INCOMING}{uuid4().hex}')
        _write(incoming, chunks)
        return incoming

    def _place(self, incoming: str, key: str) -> None:
        path = self._path(key)
        with self._lock:
            is_new = not os.path.exists(path)
            os.replace(incoming, path)
            if is_new:
                self._journals.note_added(key)
            else:
                self._journals.note_used(key)

    def link_all(self, other: SandboxShaRepositoryBackend) -> None:
        """Add all objects of another sandbox, without copying them where the file system can do that."""
        for key in other.list_objects():
            if os.path.exists(self._path(key)):
                self._journals.note_used(key)
                continue
            incoming = os.path.join(self._folder, f'{_INCOMING}{uuid4().hex}')
            try:
                os.link(other._path(key), incoming)
            except OSError:
                shutil.copyfile(other._path(key), incoming)
            self._place(incoming, key)

    def has_objects(self, keys: list[str]) -> list[bool]:
        """Return for each key whether there is such an object; ``False`` for what cannot be a key."""
        return [_KEY.fullmatch(key) is not None and os.path.isfile(self._path(key)) for key in keys]

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """Open an object for reading.

        :raises FileNotFoundError: if there is none, or the key is not 64 hexadecimal digits.
        """
        path = self._path(key)
        try:
            handle = open(path, 'rb')  # noqa: SIM115 - closed below
        except FileNotFoundError:
            raise FileNotFoundError(f'object with key `{key}` does not exist.') from None
        with handle:
            yield handle

    def get_object_hash(self, key: str) -> str:
        """Return the sha256 of an object, which is its key.

        :raises FileNotFoundError: if there is no such object, or the key is not 64 hexadecimal digits.
        """
        if not os.path.isfile(self._path(key)):
            raise FileNotFoundError(f'object with key `{key}` does not exist.')
        return key

    def list_objects(self) -> Iterable[str]:
        """Return the keys of all objects."""
        with os.scandir(self._folder) as entries:
            return [entry.name for entry in entries if _KEY.fullmatch(entry.name)]

    def delete_objects(self, keys: list[str]) -> None:
        """Delete objects, all of them or none.

        :raises FileNotFoundError: if one of them does not exist, or is not a key.
        """
        for key in keys:
            self._path(key)
        with self._lock:
            super(SandboxRepositoryBackend, self).delete_objects(keys)
            for key in dict.fromkeys(keys):
                self._journals.remove(key)

    def get_info(self, detailed: bool = False, **_: Any) -> InfoDictType:
        """Return the number of objects, and with ``detailed`` their size in megabytes."""
        keys = list(self.list_objects())
        info: InfoDictType = {'SHA-hash algorithm': 'sha256', 'objects': {'count': len(keys)}}
        if detailed:
            size = sum(os.path.getsize(self._path(key)) for key in keys)
            info['Size (MB)'] = {'total_size': round(size / 1024**2, 2)}
        return info

    def maintain(self, dry_run: bool = False, live: bool = True, **_: Any) -> None:
        """Remove what interrupted writes left behind.

        :param dry_run: only log what would be removed.
        :param live: other threads may be writing, so leave everything alone.
        """
        if live:
            return
        left = [name for name in os.listdir(self._folder) if name.startswith(_INCOMING)]
        LOGGER.report(f'{"Would remove" if dry_run else "Removing"} {len(left)} unfinished objects.')
        if not dry_run:
            for name in left:
                os.remove(os.path.join(self._folder, name))

    def erase(self) -> None:
        """Delete the sandbox with all objects; a process forked from the one that made it leaves it alone."""
        if self.is_owner:
            super().erase()
        else:
            self._sandbox = None

    # Checkpoints

    def checkpoint(self) -> int:
        """Take a checkpoint and return its level."""
        with self._lock:
            return self._journals.checkpoint()

    def restore(self, level: int, *, keep: bool = True) -> None:
        """Return to a checkpoint; those taken after it are gone.

        :param keep: the checkpoint itself remains.
        """
        with self._lock:
            self._journals.restore(level, keep=keep)

    def insert(self, before: int) -> int:
        """Take a checkpoint of the same state as a given one, ahead of it, and return its level."""
        with self._lock:
            return self._journals.insert(before)

    def hand_over(self, level: int, into: int, used: Iterable[str] = (), *, apart: bool = False) -> None:
        """End the latest checkpoint, giving what was put since to an earlier one, past those in between.

        :param used: more keys that are needed for as long as the earlier checkpoint lasts.
        """
        with self._lock:
            self._journals.hand_over(level, into, used, apart=apart)

    def excise(self, level: int) -> None:
        """End a checkpoint that is not the latest; its changes go with the one before it."""
        with self._lock:
            self._journals.excise(level)

    def bring_back(self, keys: Iterable[str], level: int) -> None:
        """Have objects that were there at a checkpoint be there ever since, whatever removed them."""
        with self._lock:
            for key in keys:
                self._journals.bring_back(key, level)

    def clear(self) -> None:
        """Delete all objects, as a change that a restore undoes."""
        if self._journals.have_added:
            self.delete_objects(list(self.list_objects()))


def _write(path: str, chunks: Iterable[bytes]) -> None:
    """Write a file that is not there, and leave none behind that is not complete.

    :raises FileExistsError: if it is there.
    """
    with open(path, 'xb', buffering=0) as target:
        try:
            for chunk in chunks:
                view = memoryview(chunk)
                while view:
                    view = view[target.write(view) :]
        except BaseException:
            os.remove(path)
            raise
