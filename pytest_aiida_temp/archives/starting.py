"""The state that a test starts from: which archives its markers name, and their content, read once a process.

The content of archives belongs to the scope whose marker names them. It is in the storage before the first fixture of
that scope runs, so that such a fixture can use it, on top of what wider fixtures stored and below all else: as if a
fixture ahead of all others of that scope had imported it. Archives of the module, the class and the test add up.

It is imported once a process, into a storage of its own. From there it goes into the storage of the tests by SQL
statements and by links to files, which takes about a thirtieth of the import, and can be had in any order of tests.
Most tests do not pay that either: its frame stays on the stack when its scope has ended, and is taken over by the next
test that asks for the same content in the same place. That costs a look at whether anything was changed. It stays only
where nobody notices: below it nothing but such frames, or the next test a neighbour in the same class or module, so
that no fixture of a wider scope is set up or torn down in its presence.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..scopes import archives_key, marker_key

if TYPE_CHECKING:
    import pytest

    from ..frames import Frames
    from ..profile import TempProfile
    from ..putting_off import PutOff
    from .contents import Contents
    from .state import StartingState


class StartingStates:
    """The starting states of the tests of one run."""

    def __init__(self, config: pytest.Config, put_off: PutOff) -> None:
        self._config = config
        self._put_off = put_off
        self._contents: Contents | None = None
        self._with_options: pytest.Item | None = None
        self.next_item: pytest.Item | None = None
        """The test that runs after the one that is being torn down."""

    def contents(self, item: pytest.Item) -> list[Any]:
        """Return the content that a test starts from, that of the widest scope first."""
        return [state.content for state in self._of(item)]

    @staticmethod
    def _of(item: pytest.Item) -> tuple[StartingState, ...]:
        return item.stash.get(archives_key, ())

    def begin(self, frames: Frames, item: pytest.Item, node: Any) -> None:
        """Have the archives in the storage that belong to the scope of a node of a test, or to a wider one."""
        around = node.listchain()
        for owner in frames.start_from([state for state in self._of(item) if state.node in around], self._add):
            if owner is not item:  # which is seen to when its leftovers are
                owner.addfinalizer(partial(self._put_off.do, partial(self.end, frames, owner)))

    def _add(self, profile: TempProfile, state: StartingState) -> None:
        if self._contents is None:
            from ..tmpdir import make_folder
            from .contents import Contents

            self._contents = Contents(make_folder(self._config))
            self._config.add_cleanup(self._contents.close)
        self._contents.add_to(profile, state)

    def end(self, frames: Frames, node: Any) -> None:
        """Leave the archives of a scope that has ended, or keep them for the next test."""
        following = self.next_item

        def is_kept(content: Any, is_alone: bool) -> bool:
            is_neighbour = following is not None and following.parent is node.parent
            return following is not None and (is_alone or is_neighbour) and content in self.contents(following)

        frames.end_content(node, is_kept)

    def set_options(self, item: pytest.Item, profile: TempProfile) -> None:
        """Set the options of AiiDA for a test, before its first fixture, until all of it is torn down."""
        options = item.stash[marker_key].options if marker_key in item.stash else {}
        if not options or self._with_options is item:
            return
        self._with_options = item
        context = profile.options(options)
        context.__enter__()

        def put_back() -> None:
            self._with_options = None
            context.__exit__(None, None, None)

        item.addfinalizer(put_back)
