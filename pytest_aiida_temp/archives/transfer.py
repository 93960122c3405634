"""What goes from archives into a storage, and from a storage into an archive."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida.orm import Computer, Group, Node, User
from aiida.tools.archive import create_archive, import_archive

from .error import ArchiveError
from .format import ArchiveFormat
from .silence import quiet

if TYPE_CHECKING:
    from aiida.orm.implementation import StorageBackend

    from .files import Archive

_KEEP_EXISTING: tuple[Any, ...] = ('k', 'c', 'l')  # extras, as `verdi archive import` merges them
_ENTITIES = (Node, Group, Computer, User)


def load(archives: Iterable[Archive], storage: StorageBackend) -> None:
    """Import archives into a storage as ``verdi archive import`` does, without a group of what was imported."""
    with quiet():
        for archive in archives:
            import_archive(
                archive.file,
                archive_format=ArchiveFormat(),
                backend=storage,
                create_group=False,
                merge_extras=_KEEP_EXISTING,
            )


def export(path: Path, entities: Iterable[Any] | None, storage: StorageBackend) -> Path:
    """Write an archive as ``verdi archive create`` does.

    :param entities: nodes, groups, computers and users; ``None`` for all there are.
    :raises ArchiveError: if there is a file already, or no folder for it, or an entity is not in the storage.
    """
    chosen = None if entities is None else _checked(entities, storage)
    if path.exists():
        raise ArchiveError(f'{path} exists already: remove it, or choose another path.')
    if not path.parent.is_dir():
        raise ArchiveError(f'{path} cannot be written: there is no folder {path.parent}.')
    with quiet():
        written: Path = create_archive(chosen, path, backend=storage)
    return written


def _checked(entities: Iterable[Any], storage: StorageBackend) -> list[Any]:
    """Refuse what aiida-core would leave out without a word, or take for the entity of the same primary key."""
    if isinstance(entities, _ENTITIES) or not isinstance(entities, Iterable):
        raise ArchiveError(f'entities={entities!r}: give a list of nodes, groups, computers and users.')
    chosen = list(entities)
    for entity in chosen:
        if not isinstance(entity, _ENTITIES):
            raise ArchiveError(f'{entity!r} cannot be exported: give nodes, groups, computers and users.')
        if entity.backend.profile.uuid != storage.profile.uuid:  # may be closed, and not to be read
            raise ArchiveError(
                f'a {type(entity).__name__} in `entities` is not in the profile {storage.profile.name!r}, but in '
                f'{entity.backend.profile.name!r}: export it from there.'
            )
        if not entity.is_stored:
            raise ArchiveError(f'{entity!r} cannot be exported, as it is not stored: call its `store()` first.')
    return chosen
