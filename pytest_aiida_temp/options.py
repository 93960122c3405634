"""Flags, ini settings and marker arguments, validated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, field_validator

Scope = Literal['function', 'class', 'module', 'package', 'session']
SCOPES: tuple[str, ...] = get_args(Scope)

Told = Literal['auto', 'always', 'never']
Recorded = Literal['failed', 'all']
_ALLOWED_SETTINGS = {
    'reset': f'one of {", ".join(SCOPES)}',
    'report': f'one of {", ".join(get_args(Told))}',
    'artifacts_for': f'one of {", ".join(get_args(Recorded))}',
    'durations': 'a number of tests to list, or 0 for all of them',
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
    :param durations: how many tests to list by what they asked of the storage, 0 for all, ``None`` for no list.
    :param report: whether the report of a failing test has a section on the storage.
    :param artifacts: the folder in which tests leave files.
    :param artifacts_for: which tests do.
    :param debug: each query is asked by a kept statement and by one built anew, and a difference is an error.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    enabled: StrictBool = False
    reset: Scope = 'function'
    strict: StrictBool = False
    durations: int | None = Field(default=None, ge=0)
    report: Told = 'auto'
    artifacts: Path | None = None
    artifacts_for: Recorded = 'failed'
    debug: StrictBool = False


class MarkerArguments(BaseModel):
    """The arguments of ``@pytest.mark.aiida_temp``.

    :param reset: the scope after which storage is reset, ``True`` for that of the run, ``False`` for never.
    :param profile: whether the test runs on the ephemeral profile; if not, on the suite's own fixtures.
    :param archive: a path or a list of paths of archives that the test starts from.
    :param options: values of AiiDA's options by name, set for the test.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    reset: StrictBool | Scope = True
    profile: StrictBool = True
    archive: tuple[str, ...] = ()
    options: dict[str, Any] = {}

    @field_validator('archive', mode='before')
    @classmethod
    def _as_paths(cls, value: Any) -> tuple[str, ...]:
        paths = value if isinstance(value, (list, tuple)) else [value]
        if not paths or not all(path and isinstance(path, (str, PathLike)) for path in paths):
            raise ValueError
        return tuple(map(fspath, paths))

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
        allowed = _ALLOWED_SETTINGS.get(name, 'true or false')
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
        arguments = MarkerArguments(**kwargs)
    except ValidationError as exception:
        error = exception.errors()[0]
    else:
        _check_combination(arguments, kwargs)
        return arguments
    name = str(error['loc'][0])
    call = f'@pytest.mark.{MARKER}({name}={kwargs[name]!r})'
    if error['type'] == 'extra_forbidden':
        raise InvalidOptionError(f'{call}: there is no argument {name!r}; allowed: {allowed}.')
    raise InvalidOptionError(f'{call}: the value is not allowed; {name} must be {_ALLOWED[name]}.')


_ALLOWED = {
    'reset': f'True, False or one of {", ".join(map(repr, SCOPES))}',
    'profile': 'True or False',
    'archive': 'the path of an AiiDA archive, or a list of paths',
    'options': "a dictionary of AiiDA's options, such as {'caching.default_enabled': True}",
}


def _check_combination(arguments: MarkerArguments, kwargs: Mapping[str, Any]) -> None:
    """Refuse arguments that exclude each other."""
    needy = [name for name in ('archive', 'options') if kwargs.get(name)]
    if needy and not arguments.profile:
        raise InvalidOptionError(
            f'@pytest.mark.{MARKER}(profile=False, {needy[0]}=...): {needy[0]} is for the ephemeral profile; leave one '
            'of them out.'
        )
    if arguments.archive and arguments.reset is False:
        raise InvalidOptionError(
            f'@pytest.mark.{MARKER}(reset=False, archive=...): what a test starts from an archive is undone after it; '
            "leave out reset=False, or give a scope whose tests share it, such as reset='class', where the archive is "
            'given.'
        )
