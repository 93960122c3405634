"""What of a profile AiiDA keeps in the process rather than in the storage, and putting it back."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aiida.manage import get_manager

if TYPE_CHECKING:
    from .profile import TempProfile


@dataclass(frozen=True)
class ProcessState:
    """That state at one moment.

    :param runner: AiiDA's runner, which is left alone when one made later is closed.
    :param broker: AiiDA's broker, likewise.
    :param event_loop: the one that a runner would use, which is left open when that runner is closed.
    """

    options: dict[str, Any]
    email: str | None
    global_options: dict[str, Any]
    default_profile: str | None
    runner: Any
    broker: Any
    event_loop: Any

    def with_changes(self, before: ProcessState, after: ProcessState) -> ProcessState:
        """Return this state with what differs between two others, of options each one by itself."""
        changed = {name: value for name, value in vars(after).items() if value != getattr(before, name)}
        for name in {'options', 'global_options'} & set(changed):
            old, new = getattr(before, name), changed[name]
            kept = {key: value for key, value in getattr(self, name).items() if key not in old or key in new}
            changed[name] = kept | {key: value for key, value in new.items() if key not in old or old[key] != value}
        return replace(self, **changed)

    @classmethod
    def of(cls, profile: TempProfile) -> ProcessState:
        """Return the present state."""
        config = profile.configuration
        return cls(
            deepcopy(dict(profile.options)),
            profile.default_user_email,
            deepcopy(config.options),
            config.default_profile_name,
            get_manager()._runner,
            get_manager()._broker,
            _current_event_loop(),
        )

    def restore(self, profile: TempProfile) -> None:
        """Make this the present state again."""
        manager = get_manager()
        if manager._runner is not self.runner:
            _close_runner(manager, self.event_loop)
        if manager._broker is not self.broker:
            _let_go_of_broker(manager)
        manager._persister = None
        settings = profile.dictionary
        if settings.get('options', {}) != self.options or settings.get(profile.KEY_DEFAULT_USER_EMAIL) != self.email:
            profile.options = deepcopy(self.options)
            profile.default_user_email = self.email
            profile.storage.reset_default_user()
        config = profile.configuration
        if config.options != self.global_options or config.default_profile_name != self.default_profile:
            config.options = deepcopy(self.global_options)
            config.set_default_profile(self.default_profile, overwrite=True)
        if not profile.logging.is_intact():
            profile.logging.restore()


def _current_event_loop() -> Any:
    """Return the event loop that a runner made now would use, unless it would make one."""
    policy = getattr(asyncio.events, '_get_event_loop_policy', asyncio.get_event_loop_policy)()
    return getattr(getattr(policy, '_local', None), '_loop', None)


def _close_runner(manager: Any, event_loop: Any) -> None:
    """Close the runner; but not its event loop if that was there before, or was running when the runner was made."""
    runner = manager._runner
    if runner is not None and (runner.loop is event_loop or _current_event_loop() not in (None, runner.loop)):
        runner._loop = asyncio.new_event_loop()  # which is closed in its place
    manager.reset_runner()


def _let_go_of_broker(manager: Any) -> None:
    """Have AiiDA's manager make another broker when it is next asked for one.

    The one that it has is closed in a thread: a server takes some 20 ms to answer, which no test need wait for but one
    that makes another broker.
    """
    broker, manager._broker = manager._broker, None
    manager.reset_broker()  # and what the manager has made of it
    if broker is not None:
        _being_closed.append(_closing_brokers().submit(_close_broker, broker))


_being_closed: list[Future[None]] = []


def finish_closing_brokers() -> None:
    """Wait for those that are being closed: the server drops what they and the next broker of a profile share."""
    while _being_closed:
        wait([_being_closed.pop()])


@functools.cache
def _closing_brokers() -> ThreadPoolExecutor:
    """Return a pool of one thread, which ends with the interpreter: to start one each time outlasts a reset."""
    return ThreadPoolExecutor(1, thread_name_prefix='aiida-temp-closes-broker')


def _close_broker(broker: Any) -> None:
    with suppress(FutureTimeoutError):
        broker.close()
