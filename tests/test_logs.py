"""AiiDA's logging while a further profile is loaded: as AiiDA itself configures it, but mostly without doing so."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_aiida_temp import temp_profile

if TYPE_CHECKING:
    from pytest_aiida_temp import TempProfile


@pytest.fixture
def outer() -> Iterator[TempProfile]:
    with temp_profile(name='outer') as profile:
        yield profile


def further(outer: TempProfile, name: str = 'inner', **settings: Any) -> AbstractContextManager[TempProfile]:
    from pytest_aiida_temp.loading import further_profile

    return further_profile(outer.configuration, Path(outer.configuration.dirpath) / name, name, **settings)


def described(logger: logging.Logger) -> tuple[Any, ...]:
    def formatter(handler: Any) -> Any:
        return handler.formatter and (type(handler.formatter), handler.formatter._fmt, handler.formatter.datefmt)

    handlers = [
        {
            'type': type(handler),
            'formatter': formatter(handler),
            'is_to_stderr': type(handler) is logging.StreamHandler and handler.stream is sys.stderr,
            **{name: vars(handler).get(name) for name in ('_name', 'level', 'baseFilename', 'maxBytes', 'backupCount')},
        }
        for handler in logger.handlers
        if not type(handler).__module__.startswith('_pytest')
    ]
    return logger.level, logger.propagate, handlers


def all_described() -> dict[str, Any]:
    from aiida.common import log

    return {name: described(logging.getLogger(name)) for name in log.get_logging_config()['loggers']}


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, outer: TempProfile) -> list[Any]:
    """A list that grows by one each time AiiDA configures logging."""
    from aiida.common import log

    calls: list[Any] = []
    original = log.configure_logging
    monkeypatch.setattr(log, 'configure_logging', lambda *args, **kwargs: (calls.append(1), original(*args, **kwargs)))
    return calls


def test_logging_of_a_further_profile_is_as_aiida_configures_it(outer: TempProfile, configured: list[Any]) -> None:
    from aiida.manage import get_manager

    before = all_described()
    with further(outer):
        found = all_described()
        assert configured == []
        get_manager().reset_profile_storage()
        get_manager().get_profile_storage()

        assert found == all_described()
        assert configured == [1]
    assert all_described() == before
    assert len(before['aiida'][2]) >= 2


def test_what_somebody_else_configured_is_not_taken_for_it(outer: TempProfile, configured: list[Any]) -> None:
    from aiida.common import log
    from aiida.manage import get_manager

    log.configure_logging()  # as AiiDA does for a profile whose storage is not in use
    log.AIIDA_LOGGER.handlers[0].setLevel(logging.CRITICAL)
    with further(outer):
        found = all_described()
        assert configured == [1]
        get_manager().reset_profile_storage()
        get_manager().get_profile_storage()

        assert found == all_described()


def test_options_for_logging_of_a_further_profile_hold_for_it(outer: TempProfile, configured: list[Any]) -> None:
    level = logging.getLogger('aiida').level
    with further(outer, options={'logging.aiida_loglevel': 'CRITICAL'}):
        assert logging.getLogger('aiida').level == logging.CRITICAL
        assert configured == [1]
        with further(outer, 'innermost'):
            assert logging.getLogger('aiida').level == level
        assert logging.getLogger('aiida').level == logging.CRITICAL
    assert logging.getLogger('aiida').level == level


def test_logs_of_processes_go_to_the_profile_they_are_in(
    outer: TempProfile, configured: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    from aiida import orm

    def logs(message: str) -> list[str]:
        node = orm.CalcJobNode().store()
        node.logger.error(message)
        return [entry.message for entry in orm.Log.collection.find()]

    assert logs('of outer') == ['of outer']
    with further(outer):
        assert logs('of inner') == ['of inner']
        assert 'of inner' in capsys.readouterr().err
        with further(outer, 'innermost'):
            assert logs('of innermost') == ['of innermost']
        assert logs('of inner again') == ['of inner', 'of inner again']
    assert logs('of outer again') == ['of outer', 'of outer again']
    assert configured == []
    files = {path.name: path.read_text() for path in Path(outer.configuration.dirpath).rglob('aiida-*.log')}
    if files:  # which earlier versions of aiida-core do not write
        assert {name: text.count('[ERROR]') for name, text in files.items()} == {
            'aiida-outer.log': 2,
            'aiida-inner.log': 2,
            'aiida-innermost.log': 1,
        }


def test_the_manager_is_as_after_aiida_loaded_the_profile(outer: TempProfile) -> None:
    from aiida.manage import get_manager

    def state() -> dict[str, Any]:
        return {name: value for name, value in vars(get_manager()).items() if name != 'logger'}

    with further(outer) as inner:
        found = state()
        get_manager().unload_profile()
        get_manager().load_profile(inner)
        storage = get_manager().get_profile_storage()

        assert found == state()
        assert found['_profile'] is inner
        assert found['_profile_storage'] is storage
