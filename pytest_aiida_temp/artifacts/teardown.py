"""Notice that a finalizer fails before those after it run, of which the last one resets the storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

Notice = Callable[['pytest.Item', BaseException], None]


class Finalizer:
    """A finalizer of pytest's whose failure is noticed."""

    def __init__(self, function: Callable[[], Any], watch: FinalizerWatch) -> None:
        self._function = function
        self._watch = watch

    def __call__(self) -> None:
        """Run it."""
        __tracebackhide__ = True
        try:
            self._function()
        except BaseException as exception:
            self._watch.saw(exception)
            raise


class FinalizerWatch:
    """Watches the finalizers that are run for the test that is being torn down.

    :param notice: is called with the test and the exception of one that fails.
    """

    def __init__(self, notice: Notice) -> None:
        self._notice = notice
        self._item: pytest.Item | None = None

    def saw(self, exception: BaseException) -> None:
        """Note that a finalizer fails."""
        if self._item is not None:
            self._notice(self._item, exception)

    @contextmanager
    def watching(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
        """Watch the finalizers of all nodes that are torn down before the next test begins."""
        staying = set(nextitem.listchain()) if nextitem is not None else set()
        for node, (finalizers, *_) in item.session._setupstate.stack.items():
            if node not in staying:
                finalizers[:] = [f if isinstance(f, Finalizer) else Finalizer(f, self) for f in finalizers]
        self._item = item
        try:
            yield
        finally:
            self._item = None
