"""The hooks of pytest. Nothing of AiiDA, SQLAlchemy or pydantic is imported before it is used."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from . import configure, debugger, markers, summary
from .artifacts.starting import tell_worker
from .artifacts.witness import witness_of
from .fixtures import aiida_temp_profile, aiida_temp_profile_factory, aiida_temp_session
from .isolation import isolation_of

if TYPE_CHECKING:
    from _pytest.fixtures import FixtureDef, SubRequest
    from _pytest.terminal import TerminalReporter

__all__ = ('aiida_temp_profile', 'aiida_temp_profile_factory', 'aiida_temp_session')


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flags and ini settings."""
    configure.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Load the profile ahead of the first conftest, if the whole run is to use it."""
    configure.start(early_config)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the options, whichever way the plugin was loaded."""
    configure.configure(config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check all markers before the first test runs."""
    with configure.shown_by_controller(config, items):
        markers.read_markers(config, items)
        configure.check_loaded_profile(config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Prepare storage before anything is set up."""
    isolation_of(item.config).begin(item)
    witness_of(item.config).begin(item)


@pytest.hookimpl(specname='pytest_runtest_setup', trylast=True)
def pytest_runtest_set_up(item: pytest.Item) -> None:
    """Take the test's checkpoint when all is set up, and as a part of that: the time of the call is the test's own."""
    isolation_of(item.config).set_up(item)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_fixture_setup(fixturedef: FixtureDef[Any], request: SubRequest) -> Generator[None, Any, None]:
    """Take the checkpoint of a scope before its first fixture runs."""
    with isolation_of(request.config).fixture(fixturedef, request) as failed:
        outcome = yield
        if outcome.excinfo is not None:
            failed.append(outcome.excinfo[1])


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Finish with a test after all of it was torn down."""
    isolation_of(item.config).starting.next_item = nextitem
    with witness_of(item.config).watching(item, nextitem):
        yield
    isolation_of(item.config).end(item)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Say where a stale node comes from, and what is in the storage."""
    outcome = yield
    if call.excinfo is not None:
        summary.explain(isolation_of(item.config), item, call.excinfo.value, outcome.get_result())
    witness_of(item.config).attend(item, outcome.get_result())


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_exception_interact(node: Any) -> Generator[None]:
    """Reset what was kept for the debugger."""
    yield
    isolation_of(node.config).put_off.finish()


def pytest_enter_pdb(config: pytest.Config) -> None:
    """Give the debugger the profile."""
    debugger.enter(config)


def pytest_leave_pdb(config: pytest.Config) -> None:
    """Take it away again."""
    debugger.leave(config)


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Say in AiiDA's words what differs between two nodes."""
    if 'aiida.orm' not in sys.modules:
        return None
    from .explanations import explain_comparison

    return explain_comparison(op, left, right)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Note when the run began."""
    session.config.stash[summary.began] = time.perf_counter()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Reset what no debugger was opened for, and hand the figures of a worker of xdist to the controller."""
    isolation_of(session.config).put_off.finish()
    summary.send(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Let a worker of xdist write to the same folder."""
    tell_worker(node.config, node.workerinput)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the figures of a worker of xdist to those of the run."""
    summary.receive(node.config, getattr(node, 'workeroutput', {}))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name versions and reset scope when the whole run uses the profile."""
    return summary.header(config)


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """Print how many resets there were and what they took."""
    summary.write_durations(terminalreporter, config)
    for line in summary.lines(config):
        terminalreporter.write_line(line)
