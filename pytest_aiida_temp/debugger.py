"""What the debugger is told: the profile under a name, and that the storage is still there."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from .isolation import isolation_of

if TYPE_CHECKING:
    import pytest

NAME = 'profile'
HINT = (
    'aiida-temp: the storage is still there while the debugger is open. `profile` is the AiiDA profile that is '
    'loaded, for instance `profile.storage.get_info()`.'
)
_OTHER = "aiida-temp: the storage is still there while the debugger is open. AiiDA's profile is loaded."


def enter(config: pytest.Config) -> None:
    """Give the debugger the profile, under a name that can be used in any frame, and say so."""
    isolation = isolation_of(config)
    if not isolation.is_running or not isolation.profiles.is_loaded():
        return
    profile = isolation.profiles.innermost
    is_free = getattr(builtins, NAME, profile) is profile  # a profiler may have taken it
    if is_free:
        setattr(builtins, NAME, profile)
        config.add_cleanup(lambda: leave(config))
    terminal: Any = config.pluginmanager.getplugin('terminalreporter')
    if terminal is not None:
        terminal.write_line(HINT if is_free else _OTHER)


def leave(config: pytest.Config) -> None:
    """Take the name away again."""
    profile = isolation_of(config).profiles.innermost
    if profile is not None and getattr(builtins, NAME, None) is profile:
        delattr(builtins, NAME)
