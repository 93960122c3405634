"""AiiDA's configuration options, set for a while."""

from __future__ import annotations

import warnings
from collections import UserDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from aiida.common.exceptions import ConfigurationError
from aiida.common.log import configure_logging
from aiida.manage.configuration.options import get_option_names, parse_option

from .logs import LoggingState

if TYPE_CHECKING:
    from .profile import TempProfile


class OptionError(ValueError):
    """An option that AiiDA does not have, or a value that it does not take; the message says what to do."""


def check(options: Mapping[str, Any]) -> None:
    """Validate options against AiiDA's schema.

    :raises OptionError: for the first one that is wrong.
    """
    if not isinstance(options, Mapping):
        raise OptionError(f"{options!r} is no dictionary of options, such as {{'caching.default_enabled': True}}.")
    known = get_option_names()
    for name, value in options.items():
        if name not in known:
            similar = get_close_matches(str(name), known, n=1, cutoff=0.4)
            hint = f'did you mean {similar[0]!r}? ' if similar else ''
            raise OptionError(f'AiiDA has no option {name!r}: {hint}`verdi config list` prints all of them.')
        try:
            parse_option(name, value)
        except ConfigurationError as exception:
            raise OptionError(
                f'{value!r} is not allowed for the option {name!r}: {exception}. See `verdi config show {name}`.'
            ) from None


class ProfileOptions(UserDict[str, Any]):
    """The options of a profile by name, which can be called to set some of them for a block of code.

    It is a view: what is set here is set in the profile.
    """

    def __init__(self, profile: TempProfile, values: dict[str, Any]) -> None:
        self.data = values
        self._profile = profile

    def __call__(self, options: Mapping[str, Any]) -> Any:
        """Return a context manager that sets options and puts them back.

        :param options: values by name, such as ``{'caching.default_enabled': True}``.
        :raises OptionError: before anything is set, if AiiDA has no such option or does not take the value.
        """
        check(options)
        return _set_meanwhile(self._profile, options)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return deepcopy(self.data, memo)

    def copy(self) -> Any:
        """Return the options as a dictionary."""
        return dict(self.data)


@contextmanager
def _set_meanwhile(profile: TempProfile, options: Mapping[str, Any]) -> Iterator[None]:
    config = profile.configuration
    places = (profile.options.data, config.options)  # those of the profile, and those that are for all profiles alone
    before = [dict(place) for place in places]
    logging = LoggingState() if any(name.startswith('logging.') for name in options) else None
    set_all(profile, options)
    changed = [
        name for place, old in zip(places, before, strict=True) for name in place if place[name] != old.get(name)
    ]
    names = {*options, *changed}  # that AiiDA may have by another name
    profile.options_meanwhile.append(options)
    if logging is not None:
        configure_logging(with_orm=True)
    try:
        yield
    finally:
        profile.options_meanwhile.remove(options)
        for place, old in zip((profile.options.data, config.options), before, strict=True):
            for name in names:
                place.pop(name, None)
            place.update({name: old[name] for name in names if name in old})
        if logging is not None:
            logging.restore()


def set_all(profile: TempProfile, options: Mapping[str, Any]) -> None:
    """Set options for the profile, or for all profiles where AiiDA has them so."""
    for name, value in options.items():
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of a name that a later version has replaced, in a suite for both
            profile.configuration.set_option(name, value, scope=profile.name)
