"""Flags, ini settings and marker arguments, validated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, StrictBool, ValidationError

Scope = Literal['function', 'class', 'module', 'package', 'session']
SCOPES: tuple[str, ...] = get_args(Scope)

Told = Literal['auto', 'always', 'never']
Recorded = Literal['failed', 'all']
_ALLOWED: dict[str, tuple[str, ...]] = {
    'reset': SCOPES,
    'report': get_args(Told),
    'artifacts_for': get_args(Recorded),
}

MARKER = 'aiida_temp'


class InvalidOptionError(ValueError):
    """An option or marker argument that cannot be used; the message says what to write instead."""


@dataclass(frozen=True)
class Given:
    """A value as the user wrote it.

    :param origin: where, as it should be named in an error.
    """

    value: Any
    origin: str


class Settings(BaseModel):
    """What holds for a whole run.

    :param enabled: every test runs on the ephemeral profile.
    :param reset: the scope after which storage is reset, where a marker does not say.
    :param strict: a test fails that leaves behind what a reset cannot undo or should not have to.
    :param report: whether the report of a failing test has a section on the storage.
    :param artifacts: the folder in which tests leave files.
    :param artifacts_for: which tests do.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    enabled: StrictBool = False
    reset: Scope = 'function'
    strict: StrictBool = False
    report: Told = 'auto'
    artifacts: Path | None = None
    artifacts_for: Recorded = 'failed'


class MarkerArguments(BaseModel):
    """The arguments of ``@pytest.mark.aiida_temp``.

    :param reset: the scope after which storage is reset, ``True`` for that of the run, ``False`` for never.
    :param profile: whether the test runs on the ephemeral profile; if not, on the suite's own fixtures.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    reset: StrictBool | Scope = True
    profile: StrictBool = True

    def scope(self, default: str) -> str | None:
        """Return the scope after which storage is reset, or ``None`` for never.

        :param default: what ``True`` stands for where no marker narrows it.
        """
        if self.reset is True:
            return default
        return self.reset or None


def read_settings(given: Mapping[str, Given]) -> Settings:
    """Return the settings of a run.

    :param given: by name of the field; what is missing takes its default.
    :raises InvalidOptionError: naming the value, where it was given and what is allowed.
    """
    try:
        return Settings(**{name: option.value for name, option in given.items()})
    except ValidationError as exception:
        name = str(exception.errors()[0]['loc'][0])
        option = given[name]
        allowed = f'one of {", ".join(_ALLOWED[name])}' if name in _ALLOWED else 'true or false'
        raise InvalidOptionError(f'{option.origin}: {option.value!r} is not allowed; it must be {allowed}.') from None


def read_marker(args: Iterable[Any], kwargs: Mapping[str, Any]) -> MarkerArguments:
    """Return the arguments of a marker.

    :raises InvalidOptionError: for positional arguments, unknown names and values that are not allowed.
    """
    allowed = ', '.join(f'{name}=' for name in MarkerArguments.model_fields)
    if args:
        values = ', '.join(map(repr, args))
        raise InvalidOptionError(f'@pytest.mark.{MARKER}({values}): arguments go by keyword; allowed: {allowed}.')
    try:
        return MarkerArguments(**kwargs)
    except ValidationError as exception:
        error = exception.errors()[0]
    name = str(error['loc'][0])
    call = f'@pytest.mark.{MARKER}({name}={kwargs[name]!r})'
    if error['type'] == 'extra_forbidden':
        raise InvalidOptionError(f'{call}: there is no argument {name!r}; allowed: {allowed}.')
    others = f' or one of {", ".join(map(repr, SCOPES))}' if name == 'reset' else ''
    values = f'True, False{others}' if others else 'True or False'
    raise InvalidOptionError(f'{call}: the value is not allowed; {name} must be {values}.')
