"""What is run in place of aiida-core's fixtures, each with the behaviour that aiida-core documents for it.

The contract is that of ``aiida.tools.pytest_fixtures``, and of the deprecated module
``aiida.manage.tests.pytest_fixtures``, of the installed version. Each function takes the isolation, the function that
it replaces and what that asks for.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .brokers import reachable_broker, started_when_used
from .postgres import NoPostgres

if TYPE_CHECKING:
    from aiida.manage.configuration.config import Config
    from aiida.manage.configuration.profile import Profile

    from ..isolation import Isolation
    from ..profile import TempProfile

MODULE = 'aiida.tools.pytest_fixtures'
DEPRECATED_MODULE = 'aiida.manage.tests.pytest_fixtures'

STORAGES = ('core.sqlite_dos', 'core.psql_dos', 'core.sqlite_temp')
"""The storages in whose place the ephemeral one is used. Any other is the subject of a test, such as an archive."""

LEFT_ALONE = {
    'aiida_manager': 'AiiDA has one manager',
    'aiida_config_tmp': 'made with `aiida_config_factory`',
    'aiida_profile_tmp': 'made with `aiida_profile_factory`',
    'aiida_profile_clean': 'calls `reset_storage()` or `clear_profile()` of the profile',
    'aiida_profile_clean_class': 'calls `reset_storage()` or `clear_profile()` of the profile',
    'clear_database': 'calls `clear_profile()` of the profile',
    'clear_database_after_test': 'calls `clear_profile()` of the profile',
    'clear_database_before_test': 'calls `clear_profile()` of the profile',
    'clear_database_before_test_class': 'calls `clear_profile()` of the profile',
    'config_psql_dos': 'made with `postgres_cluster`',
    'config_sqlite_dos': 'makes an empty folder',
    'aiida_computer': 'stores a computer, as the installed version labels it',
    'aiida_computer_local': 'stores a computer, as the installed version labels it',
    'aiida_computer_ssh': 'stores a computer, as the installed version labels it',
    'aiida_computer_ssh_async': 'stores a computer, as the installed version labels it',
    'aiida_localhost': 'stores a computer, as the installed version labels it',
    'aiida_code': 'stores a code',
    'aiida_code_installed': 'stores a code',
    'aiida_local_code_factory': 'stores a code',
    'ssh_key': 'writes a key to a temporary folder',
    'entry_points': 'patches the entry points of the process',
    'stopped_daemon_client': 'there is no daemon to stop',
    'submit_and_await': 'asks for `started_daemon_client`',
    'run_aiida_broker_service_for_profile': 'starts a broker, which needs no storage',
    'aiida_caplog': 'changes the logging of the process',
    'temp_dir': 'makes a temporary folder',
    'temporary_event_loop': 'changes the event loop of the process',
}
"""Fixtures that work as they are, and why."""


def is_of_aiida(function: Any) -> bool:
    """Return whether a function is one of aiida-core's fixtures."""
    module = getattr(function, '__module__', None) or ''
    return module == DEPRECATED_MODULE or module.startswith(MODULE)


def replacement(function: Any) -> Callable[..., Any] | None:
    """Return what is to be run in place of a fixture of aiida-core's, or ``None`` if it works as it is."""
    deprecated = SERVED_FOR_DEPRECATED if function.__module__ == DEPRECATED_MODULE else {}
    return deprecated.get(function.__name__) or SERVED.get(function.__name__)


def config_in_use(isolation: Isolation, original: Any, **_: Any) -> Config:
    """Return the configuration that the ephemeral profile is in."""
    from aiida.manage.configuration import get_config

    return get_config()


def config_factory(isolation: Isolation, original: Any, **_: Any) -> Callable[[Path], AbstractContextManager[Any]]:
    """Return aiida-core's factory, except that the user's own configuration is not looked at."""
    from ..environment import configuration_folder

    @contextmanager
    def factory(dirpath: Path) -> Iterator[Any]:
        with configuration_folder(Path(dirpath)) as configuration:
            yield configuration.config

    return factory


def profile(isolation: Isolation, original: Any, *, aiida_config: Any, **_: Any) -> Iterator[TempProfile]:
    """Yield the run's own profile, or another one if the suite has a configuration of its own."""
    own = isolation.start()
    if aiida_config is getattr(own, 'configuration', aiida_config):
        yield own
    else:
        with isolation.further_profile(_further(isolation, aiida_config, secrets.token_hex(16))) as made:
            yield made


def profile_factory(isolation: Isolation, original: Any, **requested: Any) -> Any:
    """Return aiida-core's factory, whose profiles are ephemeral where their storage is one that keeps nodes."""

    @contextmanager
    def factory(
        config: Any,
        *,
        storage_backend: str = 'core.sqlite_dos',
        storage_config: dict[str, Any] | None = None,
        broker_backend: str | None = None,
        broker_config: dict[str, Any] | None = None,
        name: str | None = None,
        email: str = 'test@localhost',
    ) -> Iterator[Profile]:
        name = name or secrets.token_hex(16)
        context: AbstractContextManager[Any]
        if storage_backend in STORAGES:
            broker = reachable_broker(broker_backend, broker_config, isolation.warn)
            context = isolation.further_profile(_further(isolation, config, name, email=email, broker=broker))
        else:
            context = original(**requested)(
                config,
                storage_backend=storage_backend,
                storage_config=storage_config,
                broker_backend=broker_backend,
                broker_config=broker_config,
                name=name,
                email=email,
            )
        with context as made:
            yield made

    return factory


def _further(isolation: Isolation, config: Any, name: str, **settings: Any) -> AbstractContextManager[TempProfile]:
    from ..loading import further_profile

    own = isolation.profile.name if isolation.profile else None
    return further_profile(config, Path(config.dirpath) / name / 'storage', name, in_place_of=own, **settings)


def no_postgres(isolation: Isolation, original: Any, **_: Any) -> NoPostgres:
    """Return what stands for a PostgreSQL cluster, as the profile made of it does not use one."""
    return NoPostgres()


def no_daemon_client(isolation: Isolation, original: Any, aiida_profile: Any, **_: Any) -> Iterator[Any]:
    """Yield a client whose daemon does not run and cannot be started, or the real one of a profile on disk."""
    from ..profile import TempProfile
    from .daemon import NoDaemonClient

    if isinstance(aiida_profile, TempProfile):
        yield NoDaemonClient(aiida_profile)
    else:
        yield from original(aiida_profile)


def no_daemon(isolation: Isolation, original: Any, daemon_client: Any, **_: Any) -> Iterator[Any]:
    """Fail, as another process cannot see the storage."""
    from .daemon import MESSAGE, NoDaemonClient

    if isinstance(daemon_client, NoDaemonClient):
        pytest.fail(MESSAGE, pytrace=False)
    yield from original(daemon_client)


def broker_service(
    isolation: Isolation, original: Any, aiida_profile: Any, run_aiida_broker_service_for_profile: Any
) -> Iterator[None]:
    """Start the broker service when a test first asks for the broker, not for a run in which none does."""
    if aiida_profile.process_control_backend != 'core.zeromq':
        yield
        return
    with started_when_used(lambda: run_aiida_broker_service_for_profile(aiida_profile)):
        yield


# The deprecated fixtures


def no_test_profile(isolation: Isolation, original: Any, **_: Any) -> None:
    """Return no name of a profile that is there already, which would be the user's own."""


def profile_to_clear(isolation: Isolation, original: Any, **_: Any) -> TempProfile:
    """Return the run's own profile, with the method that the deprecated one has."""
    return _with_clear_profile(isolation.start())


def deprecated_profile_factory(
    isolation: Isolation, original: Any, aiida_instance: Any, **requested: Any
) -> Callable[..., Any]:
    """Return the deprecated factory, whose profiles are ephemeral where their storage is one that keeps nodes."""

    def factory(custom_configuration: dict[str, Any] | None = None) -> Any:
        custom = custom_configuration or {}
        if custom.get('storage', {}).get('backend', STORAGES[0]) not in STORAGES:
            return original(aiida_instance=aiida_instance, **requested)(custom_configuration)
        control = custom.get('process_control', {})
        further = _further(
            isolation,
            aiida_instance,
            secrets.token_hex(16),
            email=custom.get('default_user_email', 'test@aiida.local'),
            broker=reachable_broker(control.get('backend'), control.get('config'), isolation.warn),
            options=custom.get('options'),
        )
        return _with_clear_profile(isolation.enter_profile(further))

    return factory


def _with_clear_profile(profile: Any) -> TempProfile:
    profile.clear_profile = profile.reset_storage
    made: TempProfile = profile
    return made


SERVED: dict[str, Callable[..., Any]] = {
    'aiida_config': config_in_use,
    'aiida_config_factory': config_factory,
    'aiida_profile': profile,
    'aiida_profile_factory': profile_factory,
    'postgres_cluster': no_postgres,
    'daemon_client': no_daemon_client,
    'started_daemon_client': no_daemon,
    'run_aiida_broker_service': broker_service,
}
SERVED_FOR_DEPRECATED: dict[str, Callable[..., Any]] = {
    'aiida_instance': config_in_use,
    'aiida_profile': profile_to_clear,
    'aiida_profile_factory': deprecated_profile_factory,
    'aiida_test_profile': no_test_profile,
}
