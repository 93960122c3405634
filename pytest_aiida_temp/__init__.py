"""Ephemeral AiiDA profiles for pytest: every test starts from fresh storage, in memory.

In tests, use the fixture ``aiida_temp_profile``, the marker ``aiida_temp`` or the flag ``--aiida-temp``; in scripts,
``with pytest_aiida_temp.temp_profile() as profile:``; with :mod:`unittest`, the class ``TempProfileTestCase``.
Importing this package imports neither AiiDA nor SQLAlchemy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .loading import temp_profile
    from .profile import TempProfile
    from .testcase import TempProfileTestCase

__version__ = '0.1.0'
__all__ = ('TempProfile', 'TempProfileTestCase', '__version__', 'temp_profile')


def __getattr__(name: str) -> Any:
    if name == 'temp_profile':
        from .loading import temp_profile

        return temp_profile
    if name == 'TempProfileTestCase':
        from .testcase import TempProfileTestCase

        return TempProfileTestCase
    if name == 'TempProfile':
        from .environment import import_module

        return import_module('pytest_aiida_temp.profile').TempProfile
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted(__all__)
