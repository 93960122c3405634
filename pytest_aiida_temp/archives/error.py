"""What is wrong with an archive."""

from __future__ import annotations


class ArchiveError(ValueError):
    """An archive that cannot be used, or written; the message says what to do."""
