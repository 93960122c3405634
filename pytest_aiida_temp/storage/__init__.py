"""An AiiDA storage that lives in memory and can be emptied in a fraction of a millisecond.

Nothing in here knows of pytest; the storage can be used alone::

    profile = SqliteTempBackend.create_profile()
    storage = SqliteTempBackend(profile)
"""

from __future__ import annotations

from .backend import SqliteTempBackend
from .repository import SandboxShaRepositoryBackend

__all__ = ('SandboxShaRepositoryBackend', 'SqliteTempBackend')
