"""AiiDA's archives: read, written, and the state that tests start from."""

from .error import ArchiveError

__all__ = ('ArchiveError',)
