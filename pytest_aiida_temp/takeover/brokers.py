"""Message brokers of ephemeral profiles: used where they are there, started only where they are used."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NamedTuple

RABBITMQ = 'core.rabbitmq'
ZEROMQ = 'core.zeromq'
TIMEOUT = 1.0
"""Seconds to wait for a server to accept a connection."""

LOCAL_RABBITMQ = {
    'broker_protocol': 'amqp',
    'broker_username': 'guest',
    'broker_password': 'guest',
    'broker_host': '127.0.0.1',
    'broker_port': 5672,
    'broker_virtual_host': '',
}


class Broker(NamedTuple):
    """An entry point of a broker and its configuration."""

    backend: str | None
    config: dict[str, Any] | None


def reachable_broker(backend: str | None, config: dict[str, Any] | None, warn: Callable[[str], None]) -> Broker:
    """Return a broker as it was asked for, or none where it is a server that does not answer.

    :param warn: called with what to tell the user then.
    :raises ValueError: for a broker that has no default configuration, as aiida-core's factory does.
    """
    if backend in ('rabbitmq', RABBITMQ):
        config = {**LOCAL_RABBITMQ, **(config or {})}
        address = config['broker_host'], int(config['broker_port'])
        try:
            socket.create_connection(address, timeout=TIMEOUT).close()
        except OSError as exception:
            warn(
                f'There is no RabbitMQ at {address[0]}:{address[1]} ({exception}): the profile has no broker, so '
                'processes can be run, but not submitted.'
            )
            return Broker(None, None)
        return Broker(RABBITMQ, config)
    if backend not in (None, ZEROMQ) and config is None:
        raise ValueError(f'Unsupported broker backend: {backend}')
    return Broker(backend, config)


@contextmanager
def started_when_used(service: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    """Start the service of the loaded profile's broker when AiiDA's manager is first asked for the broker."""
    from aiida.manage import get_manager

    manager: Any = get_manager()
    get_broker = manager.get_broker
    with ExitStack() as running:

        def start_and_get_broker() -> Any:
            del manager.get_broker
            running.enter_context(service())
            return get_broker()

        manager.get_broker = start_and_get_broker
        try:
            yield
        finally:
            vars(manager).pop('get_broker', None)
