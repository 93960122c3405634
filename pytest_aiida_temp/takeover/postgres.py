"""What stands for a PostgreSQL cluster where the profile that is made of it is ephemeral."""

from __future__ import annotations

from typing import Any
from uuid import uuid4


class NoPostgresError(AttributeError):
    """A test needs a real PostgreSQL server."""


class NoPostgres:
    """A cluster that gives the parameters of databases without starting a server or making them."""

    def create_database(
        self,
        database_name: str | None = None,
        database_username: str | None = None,
        database_password: str | None = None,
    ) -> dict[str, Any]:
        """Return parameters as aiida-core's cluster does; the host is one that cannot exist."""
        return {
            'database_engine': 'postgresql_psycopg',
            'database_name': database_name or str(uuid4()),
            'database_username': database_username or 'guest',
            'database_password': database_password or 'guest',
            'database_hostname': 'not-started.invalid',
            'database_port': 5432,
        }

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        raise NoPostgresError(
            f'postgres_cluster.{name}: no PostgreSQL server is started with --aiida-temp. Mark the test with '
            "@pytest.mark.aiida_temp(profile=False) to run it on the suite's own fixtures."
        )
