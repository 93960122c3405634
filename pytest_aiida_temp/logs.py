"""AiiDA's logging as it was: loading a profile and running ``verdi`` configure it anew, for the whole process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiida.common import log

_FLAGS = ('CLI_ACTIVE', 'CLI_LOG_LEVEL')


@dataclass(frozen=True)
class _Logger:
    handlers: tuple[logging.Handler, ...]
    level: int
    propagate: bool


class LoggingState:
    """The configuration of the loggers that AiiDA configures, and what ``verdi`` notes about itself."""

    def __init__(self) -> None:
        self._flags = {name: getattr(log, name) for name in _FLAGS}
        self._disabled = logging.root.manager.disable
        self._loggers = {name: self._read(logging.getLogger(name)) for name in log.get_logging_config()['loggers']}

    @staticmethod
    def _read(logger: logging.Logger) -> _Logger:
        return _Logger(tuple(logger.handlers), logger.level, logger.propagate)

    def is_intact(self) -> bool:
        """Return whether nothing configured AiiDA's logging anew.

        A handler that somebody added, or a level they set, is theirs.
        """
        if any(getattr(log, name) != value for name, value in self._flags.items()):
            return False
        there = log.AIIDA_LOGGER.handlers
        return all(handler in there for handler in self._loggers[log.AIIDA_LOGGER.name].handlers)

    def restore(self) -> None:
        """Put flags, handlers and levels back; handlers that came since are closed."""
        for name, value in self._flags.items():
            setattr(log, name, value)
        logging.disable(self._disabled)
        kept = {handler for state in self._loggers.values() for handler in state.handlers}
        for name, state in self._loggers.items():
            logger = logging.getLogger(name)
            for handler in set(logger.handlers) - kept:
                handler.close()
            logger.handlers[:] = state.handlers
            logger.setLevel(state.level)
            logger.propagate = state.propagate


@contextmanager
def configured_later() -> Iterator[None]:
    """Keep AiiDA from configuring logging in the body, for where it is configured or put back right after it.

    Each time takes as long as all else that loading a profile does.
    """
    before: Any = log.configure_logging
    log.configure_logging = lambda *_, **__: None
    try:
        yield
    finally:
        log.configure_logging = before
