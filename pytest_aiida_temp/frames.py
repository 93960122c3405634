"""The stack of checkpoints, one for each pytest scope that has begun.

A frame is a checkpoint and what ends it: the teardown of a node (session, package, module, class, test) or of one
instance of a parametrized fixture, which goes in mid-run while its node stays.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .archives.frames import ContentFrames, Frame
from .putting_off import PutOff

if TYPE_CHECKING:
    from collections.abc import Callable

    from .isolation import Resets
    from .profile import Checkpoint, TempProfile
    from .storage.marks import HandOver
    from .storage.since import Beginning


class Frames(ContentFrames):
    """The frames of a run, widest first.

    :param resets: what counts them.
    :param undone: called after a reset with table, primary key and uuid of what it took away.
    :param settle: called after what may have loaded the profile while tests run on another one.
    :param put_off: what leaving by itself may have to wait for.
    """

    def __init__(
        self,
        profile: TempProfile,
        resets: Resets,
        undone: Callable[[list[tuple[str, int, str]]], None],
        settle: Callable[[], None] = lambda: None,
        put_off: PutOff | None = None,
    ) -> None:
        self._resets = resets
        self._profile = profile
        self._undone = undone
        self._settle = settle
        self._put_off = put_off or PutOff()
        self._base: Checkpoint | None = None
        self._frames: list[Frame] = []
        self._between: Checkpoint | None = None
        """What the latest frame was left for, while other threads go on writing."""
        self._earlier: list[Frame] = []
        self._marks: dict[str, int] | None = None

    def __len__(self) -> int:
        return len(self._frames)

    def begin(self, *, shares: bool) -> None:
        """Note what there is when a test begins.

        :param shares: the test may share storage with those before it, so that no checkpoint tells them apart.
        """
        self._earlier = list(self._frames)
        self._marks = self._profile.storage.highest() if shares and self._frames else None

    def beginning(self, node: Any) -> Beginning:
        """Return since when what there is was stored by the current test.

        :param node: the one whose frame covers what the test does.
        """
        from .storage.since import Beginning

        own = [frame for frame in self._frames if frame.node is node and frame.instance is None]
        new = [frame for frame in self._frames if not any(frame is earlier for earlier in self._earlier)]
        is_shared = not own or own[-1] not in new
        if self._marks is not None and is_shared:
            return Beginning(marks=self._marks)
        latest = own[-1:] or new[:1] or self._frames[-1:]
        checkpoint = latest[0].checkpoint if latest else self._base
        return Beginning(checkpoint.storage if checkpoint else None)

    def take_base(self) -> None:
        """Make what there is now the state outside of all scopes, instead of an empty storage."""
        self._base = self._profile.checkpoint()

    def return_to_base(self) -> None:
        """Leave all scopes, and undo what was stored outside of them."""
        self._frames.clear()
        self._profile.storage.abandon()
        if self._base is None:
            self._profile.reset()
        else:
            self._profile.restore_if_there(self._base, keep=True)

    def drop(self) -> None:
        """Forget all frames, as the profile is about to go."""
        self._frames.clear()

    def ensure(self, node: Any, *, leave_by_itself: bool = True) -> None:
        """Take a checkpoint for a node, unless there is one.

        :param leave_by_itself: return to it when the node is torn down, without a call of :meth:`leave`.
        """
        if self._position_of(node) is None:
            self._frames.append(Frame(node, self._take()))
            if leave_by_itself:
                self._at_end_of(node, lambda: self.leave(node))

    def ensure_lingering(self, item: Any) -> None:
        """Take a checkpoint for a test that does not reset, unless the one before it did not either."""
        if not (self._frames and self._frames[-1].lingers):
            self._frames.append(Frame(item, self._take(), lingers=True))

    @contextmanager
    def instance(self, fixturedef: Any, node: Any, failed: list[Any]) -> Iterator[None]:
        """Keep apart what the body stores, one instance of a wide fixture, if it may end before its node does.

        :param failed: not empty if the body failed.
        """
        self._undo_failed(fixturedef)
        self.ensure(node)
        frame = Frame(node, self._take(), instance=fixturedef)
        self._frames.append(frame)
        self._at_end_of(fixturedef, lambda: self._excise(frame))
        yield
        frame.has_failed = bool(failed)
        if not self._profile.is_loaded:
            return  # what was loaded in its place may be in memory too, and gone if it is unloaded
        if failed or self._may_end_early(fixturedef):
            self._frames.append(Frame(node, self._profile.checkpoint()))
        elif frame is self._frames[-1] and self._profile.storage.latest_checkpoint == frame.checkpoint.storage:
            self._frames.pop()
            self._profile.hand_over(frame.checkpoint, self._frames[-1].checkpoint, [])
        self._settle()

    @contextmanager
    def late(self, fixturedef: Any, node: Any, failed: list[Any]) -> Iterator[list[HandOver]]:
        """Hand what the body stores to a node wider than that of the latest frames.

        :param failed: not empty if the body failed.
        :returns: a list, to which is added what became of that.
        """
        self._undo_failed(fixturedef)
        narrower = self._first_inside(node)
        assert narrower is not None
        into = self._insert(node, narrower)
        frame = Frame(node, self._take(), instance=fixturedef)
        self._at_end_of(fixturedef, lambda: self._excise(frame))
        outcome: list[HandOver] = []
        try:
            yield outcome
        finally:
            # It is gone if the body returned to an earlier checkpoint, and what it stored before that is too.
            if self._profile.is_loaded and self._profile.storage.has(frame.checkpoint.storage):
                outcome.append(self._give(frame, into, fixturedef, bool(failed)))

    def _give(self, frame: Frame, into: Frame, fixturedef: Any, has_failed: bool) -> HandOver:
        """Hand over what a late fixture stored."""
        frame.has_failed = has_failed
        is_apart = frame.has_failed or self._may_end_early(fixturedef)
        position = self._frames.index(into) + 1
        between = self._frames[position:]
        replaced, handed_over = self._profile.hand_over(
            frame.checkpoint, into.checkpoint, [other.checkpoint for other in between], apart=is_apart
        )
        for other, its_checkpoint in zip(between, replaced, strict=True):
            other.checkpoint = its_checkpoint
        if is_apart and handed_over.is_given:
            after = Frame(frame.node, self._profile.insert_checkpoint(between[0].checkpoint))
            self._frames[position:position] = [frame, after]
        self._settle()
        return handed_over

    def _may_end_early(self, fixturedef: Any) -> bool:
        """Return whether a fixture may be torn down before its node: with its parameter, or that of one it uses."""
        apart = {frame.instance.argname for frame in self._frames if frame.instance not in (None, fixturedef)}
        return fixturedef.params is not None or not apart.isdisjoint(fixturedef.argnames)

    def _undo_failed(self, fixturedef: Any) -> None:
        """Undo what a fixture stored when it failed, as it runs again. With pytest-rerunfailures it does."""
        for frame in [frame for frame in self._frames if frame.instance is fixturedef and frame.has_failed]:
            self._excise(frame)

    def is_late(self, node: Any) -> bool:
        """Return whether a scope inside the node's has begun already."""
        return self._first_inside(node) is not None

    def leave(self, node: Any) -> None:
        """Return to the checkpoint of a node that was torn down."""
        position = self._position_of(node)
        if position is not None:
            self._return_to(position)

    def leave_ended(self, item: Any, contents: Sequence[Any] = ()) -> None:
        """Leave scopes that have ended unnoticed before a test begins.

        pytest-rerunfailures takes finalizers of wider scopes off pytest's stack, and does not put all of them back.

        :param contents: of the archives that the test starts from.
        """
        running = item.listchain()
        ended = (n for n, frame in enumerate(self._frames) if self._is_over(frame, running, contents))
        position = next(ended, None)
        if position is not None:
            self._return_to(position)

    @staticmethod
    def _is_over(frame: Frame, running: Sequence[Any], contents: Sequence[Any]) -> bool:
        if frame.content is not None and frame.node is None:
            return frame.content not in contents
        return not frame.lingers and frame.node not in running

    def leave_lingering(self) -> None:
        """Undo what tests left that do not reset."""
        position = next((n for n, frame in enumerate(self._frames) if frame.lingers), None)
        if position is not None:
            self._return_to(position)

    def _position_of(self, node: Any) -> int | None:
        found = (
            n
            for n, frame in enumerate(self._frames)
            if frame.node is node and not frame.lingers and frame.content is None
        )
        return next(found, None)

    def _first_inside(self, node: Any) -> int | None:
        inside = (
            n for n, frame in enumerate(self._frames) if frame.node not in (None, node) and _is_inside(frame.node, node)
        )
        return next(inside, None)

    def _insert(self, node: Any, position: int) -> Frame:
        """Return the last frame of a node, made with the state at the given position if there is none."""
        own = [
            frame
            for frame in self._frames[:position]
            if frame.node is node and frame.instance is None and frame.content is None
        ]
        if own:
            return own[-1]
        frame = Frame(node, self._profile.insert_checkpoint(self._frames[position].checkpoint))
        self._frames.insert(position, frame)
        self._at_end_of(node, lambda: self.leave(node))
        return frame

    def _at_end_of(self, owner: Any, action: Callable[[], None]) -> None:
        owner.addfinalizer(lambda: self._put_off.do(action))

    def _take(self) -> Checkpoint:
        """Take a checkpoint, of the state without what other threads did since the latest frame was left."""
        checkpoint, self._between = self._between, None
        if checkpoint is None or not self._profile.storage.has(checkpoint.storage):
            return self._profile.checkpoint()
        self._profile.restore(checkpoint)
        return checkpoint

    def _return_to(self, position: int) -> None:
        frame = self._frames[position]
        del self._frames[position:]
        began = time.perf_counter()
        goes_on = bool(self._frames and self._profile.storage.threads())
        undone = self._profile.restore_if_there(frame.checkpoint, keep=goes_on)
        if frame.content is None:
            self._undone(undone)
        self._between = frame.checkpoint if goes_on else None
        self._count(began)

    def _excise(self, frame: Frame) -> None:
        if frame in self._frames:
            while not self._profile.storage.has(self._frames[-1].checkpoint.storage) and frame is not self._frames[-1]:
                self._frames.pop()  # of a checkpoint that went when a fixture returned to an earlier one
            if frame is self._frames[-1]:
                self._return_to(len(self._frames) - 1)
                return
            began = time.perf_counter()
            self._frames.remove(frame)
            self._profile.excise(frame.checkpoint)
            self._count(began)

    def _count(self, began: float) -> None:
        self._settle()
        self._resets.count += 1
        self._resets.seconds += time.perf_counter() - began


def _is_inside(node: Any, other: Any) -> bool:
    return other in node.listchain()
