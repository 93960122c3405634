"""Commands that only print their help run in another process, those that store in this one."""

import pytest
from click.testing import CliRunner

pytest_plugins = ['aiida.tools.pytest_fixtures']


@pytest.fixture
def run_cli_command():
    def run(command, options=(), **kwargs):
        result = CliRunner().invoke(command, options, **kwargs)
        assert result.exit_code == 0, result.output
        return result.output.strip()

    return run
