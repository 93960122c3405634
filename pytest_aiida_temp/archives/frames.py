"""The frames of what archives hold that tests start from; :mod:`.starting` says where they belong and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..profile import Checkpoint, TempProfile
    from .state import StartingState


@dataclass
class Frame:
    """A checkpoint and the node at whose teardown it is returned to.

    :param lingers: its test said ``reset=False``, so it stays until a test that resets begins.
    :param instance: the fixture of which this frame holds what one instance stored.
    :param has_failed: that instance could not be set up.
    :param content: what archives the starting state is of that came after this checkpoint, or right before it.
    """

    node: Any
    checkpoint: Checkpoint
    lingers: bool = False
    instance: Any = None
    has_failed: bool = False
    content: Any = None


class ContentFrames:
    """The part of :class:`~pytest_aiida_temp.frames.Frames` for the content of archives.

    There is a frame before the content and one after it. Those of a scope that has ended, which are kept for the next
    test, have no node.
    """

    _frames: list[Frame]
    _profile: TempProfile
    _take: Callable[[], Checkpoint]
    _return_to: Callable[[int], None]

    def start_from(
        self, states: Sequence[StartingState], add: Callable[[TempProfile, StartingState], None]
    ) -> list[Any]:
        """Have the content of archives in the storage, each in two frames: one before and one after it.

        :param states: widest scope first; what was kept of others is left.
        :param add: puts content into the storage of a profile.
        :returns: the nodes whose starting states were not there before; :meth:`end_content` is to be called for them.
        """
        new = []
        for state in states:
            kept = self._kept(state)
            if kept is None or self._frames[kept].node is None:
                new.append(state.node)
            if kept is None:
                self._leave_kept()
                self._add(state, add)
            elif self._frames[kept].node is None:
                for frame in self._frames[kept : kept + 2]:
                    frame.node = state.node
                self._profile.restore_if_there(self._frames[kept + 1].checkpoint, keep=True)
        self._leave_kept()
        return new

    def _kept(self, state: StartingState) -> int | None:
        """Return the position of what is there already of a starting state, in the place where it belongs."""
        for position, frame in enumerate(self._frames):
            if frame.content == state.content and frame.node in (None, state.node):
                return position
            if frame.content is not None and frame.node is None:
                break
        return None

    def _add(self, state: StartingState, add: Callable[[TempProfile, StartingState], None]) -> None:
        before = self._take()
        try:
            add(self._profile, state)
        except BaseException:
            self._profile.restore(before, keep=False)
            raise
        for checkpoint in (before, self._profile.checkpoint()):
            self._frames.append(Frame(state.node, checkpoint, content=state.content))

    def end_content(self, node: Any, is_kept: Callable[[Any, bool], bool]) -> None:
        """Leave the starting state of a node that was torn down, or keep it for the next test.

        :param is_kept: returns that for its content, and whether nothing else is below it.
        """
        for position, frame in enumerate(self._frames):
            if frame.content is None or frame.node is not node:
                continue
            is_alone = all(other.content is not None for other in self._frames[:position])
            if not is_kept(frame.content, is_alone):
                self._return_to(position)
                return
            del self._frames[position + 2 :]
            for kept in self._frames[position:]:
                kept.node = None
            self._profile.restore_if_there(self._frames[-1].checkpoint, keep=True)
            return

    def _leave_kept(self) -> None:
        kept = (n for n, frame in enumerate(self._frames) if frame.content is not None and frame.node is None)
        position = next(kept, None)
        if position is not None:
            self._return_to(position)
