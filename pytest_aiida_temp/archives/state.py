"""What one marker has a test start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .files import Archive


@dataclass(frozen=True)
class StartingState:
    """The archives that one marker names.

    :param node: the test, class or module that carries the marker.
    """

    node: Any
    archives: tuple[Archive, ...]

    @property
    def content(self) -> tuple[str, ...]:
        """What tells it from the content of other archives."""
        return tuple(archive.digest for archive in self.archives)
