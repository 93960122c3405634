"""After which scope the storage is reset on account of a test, and the node at whose teardown that scope ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .archives.state import StartingState
    from .options import MarkerArguments, Settings

marker_key: pytest.StashKey[MarkerArguments] = pytest.StashKey()
archives_key: pytest.StashKey[tuple[StartingState, ...]] = pytest.StashKey()
"""The archives that a test starts from, those of the widest scope first."""

ORDER = ('function', 'class', 'module', 'package', 'session')

SHARED_BY_CLASS = {'aiida_profile_clean_class', 'clear_database_before_test_class'}
"""Fixtures of aiida-core that empty the storage for the tests of a class to share."""

OWN_FIXTURES = {'aiida_temp_profile', 'aiida_temp_profile_factory', 'aiida_temp_session'}


def is_wanted_by(item: pytest.Item, settings: Settings) -> bool:
    """Return whether a test runs on the ephemeral profile: by marker, flag or fixture."""
    if marker_key in item.stash:
        return item.stash[marker_key].profile
    return settings.enabled or not OWN_FIXTURES.isdisjoint(getattr(item, 'fixturenames', ()))


def is_kept_off(item: pytest.Item) -> bool:
    """Return whether a marker says that a test does not run on the ephemeral profile."""
    return marker_key in item.stash and not item.stash[marker_key].profile


def reset_scope(item: pytest.Item, settings: Settings) -> str | None:
    """Return the scope after which the storage is reset on account of a test, or ``None`` for never."""
    default: str = settings.reset
    names = getattr(item, 'fixturenames', ())
    if settings.enabled and default == 'function' and not SHARED_BY_CLASS.isdisjoint(names):
        default = 'class'
    scope = item.stash[marker_key].scope(default) if marker_key in item.stash else default
    starting = item.stash.get(archives_key, ())
    if scope is None and not (starting and starting[-1].node is item):
        return None
    return min([scope or ORDER[-1], *(_scope_of(state.node) for state in starting)], key=ORDER.index)


def _scope_of(node: Any) -> str:
    """Return the scope that ends when a node is torn down."""
    kinds = (
        ('class', pytest.Class),
        ('module', pytest.Module),
        ('package', pytest.Package),
        ('session', pytest.Session),
    )
    return next((scope for scope, kind in kinds if isinstance(node, kind)), 'function')


def is_narrower(scope: str, other: str) -> bool:
    """Return whether a scope is inside another one."""
    return ORDER.index(scope) < ORDER.index(other)


def scope_node(item: pytest.Item, scope: str) -> Any:
    """Return the node at whose teardown a scope of a test ends, the next wider one if there is none."""
    kinds: dict[str, Any] = {'class': pytest.Class, 'module': pytest.Module, 'package': pytest.Package}
    if scope == 'function':
        return item
    if scope == 'class':
        return item.getparent(pytest.Class) or item
    return (scope in kinds and item.getparent(kinds[scope])) or item.session
