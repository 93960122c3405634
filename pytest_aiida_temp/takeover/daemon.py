"""The client of a daemon that cannot be: it would be another process, which cannot see the storage."""

from __future__ import annotations

from typing import Any, NoReturn

from aiida.engine.daemon.client import DaemonClient, DaemonException
from aiida.manage.configuration.profile import Profile

from .brokers import LOCAL_RABBITMQ, RABBITMQ

MESSAGE = (
    'A daemon is another process, which cannot see the ephemeral profile in the memory of this one. Mark the test with '
    "@pytest.mark.aiida_temp(profile=False) to run it on the suite's own fixtures, or run the process in this one: "
    'aiida.engine.run() in place of submit().'
)


class NoDaemonClient(DaemonClient):
    """A client of a profile whose daemon does not run.

    :param profile: an ephemeral one, with or without a broker.
    """

    def __init__(self, profile: Profile) -> None:
        # aiida-core up to 2.8 refuses a profile without a broker.
        control = {'backend': RABBITMQ, 'config': LOCAL_RABBITMQ}
        super().__init__(Profile(profile.name, {**profile.dictionary, 'process_control': control}))
        self._profile = profile

    def start_daemon(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse.

        :raises ~aiida.engine.daemon.client.DaemonException: always, saying why.
        """
        raise DaemonException(MESSAGE)

    restart_daemon = start_daemon
