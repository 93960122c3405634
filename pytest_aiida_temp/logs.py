"""AiiDA's logging as it was: loading a profile and running ``verdi`` configure it anew, for the whole process."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from typing import Any

from aiida.common import log
from aiida.manage import configuration, get_manager


@dataclass(frozen=True)
class _Logger:
    handlers: tuple[logging.Handler, ...]
    level: int
    propagate: bool

    @classmethod
    def of(cls, logger: logging.Logger) -> _Logger:
        return cls(tuple(logger.handlers), logger.level, logger.propagate)


class LoggingState:
    """The configuration of the loggers that AiiDA configures, and what ``verdi`` notes about itself."""

    def __init__(self) -> None:
        self._options = _options()
        self._flags = _flags()
        self._disabled = logging.root.manager.disable
        self._loggers = {name: _Logger.of(logging.getLogger(name)) for name in log.get_logging_config()['loggers']}
        self._of_aiida = frozenset(self._loggers[log.AIIDA_LOGGER.name].handlers)
        handlers = dict.fromkeys(handler for state in self._loggers.values() for handler in state.handlers)
        self._levels = {handler: handler.level for handler in handlers}

    def is_intact(self) -> bool:
        """Return whether nothing configured AiiDA's logging anew.

        A handler that somebody added, or a level they set, is theirs.
        """
        return self._flags == _flags() and self._of_aiida.issubset(log.AIIDA_LOGGER.handlers)

    def suits(self) -> bool:
        """Return whether AiiDA would configure logging for the loaded profile in the same way, but for the files."""
        return self._options == _options() and self._flags == _flags()

    def restore(self) -> None:
        """Put flags, handlers and levels back; handlers that came since are closed."""
        log.CLI_ACTIVE, log.CLI_LOG_LEVEL = self._flags
        if logging.root.manager.disable != self._disabled:
            logging.disable(self._disabled)
        for handler, level in self._levels.items():
            handler.setLevel(level)
        for name, state in self._loggers.items():
            logger = logging.getLogger(name)
            for handler in set(logger.handlers) - set(self._levels):
                handler.close()
            logger.handlers[:] = state.handlers
            if logger.level != state.level:  # as this takes some time with many loggers
                logger.setLevel(state.level)
            logger.propagate = state.propagate


def _flags() -> tuple[Any, ...]:
    return log.CLI_ACTIVE, log.CLI_LOG_LEVEL


def _options() -> dict[str, Any]:
    """Return the options for logging that the loaded profile or the configuration has, rather than AiiDA's defaults."""
    profile = get_manager().get_profile()
    having_options = [having for having in (configuration.CONFIG, profile) if having is not None]
    options = {name: value for having in having_options for name, value in having.options.items()}
    return {name: value for name, value in options.items() if name.startswith('logging.')}


def write_to(path: str | None) -> None:
    """Have AiiDA's loggers write to another log file, if they write to one, and to what is standard error now.

    To configure logging anew takes as long as all else that loading a profile does. The handlers that were there stay
    open, to be restored.
    """
    others: dict[logging.Handler, logging.Handler] = {}
    for name in log.get_logging_config()['loggers']:
        handlers = logging.getLogger(name).handlers
        for handler in set(handlers) - set(others):
            others[handler] = _other(handler, path)
        handlers[:] = [others[handler] for handler in handlers]


def _other(handler: logging.Handler, path: str | None) -> logging.Handler:
    other: logging.Handler
    if path is not None and isinstance(handler, RotatingFileHandler) and handler.baseFilename != os.path.abspath(path):
        other = RotatingFileHandler(
            path, maxBytes=handler.maxBytes, backupCount=handler.backupCount, encoding=handler.encoding
        )
    elif type(handler) is logging.StreamHandler and handler.stream is not sys.stderr:
        other = logging.StreamHandler()
    else:
        return handler
    other.name = handler.name
    other.setLevel(handler.level)
    other.setFormatter(handler.formatter)
    return other
