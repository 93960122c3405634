"""The profile is emptied in the body of a test, by a suite that gets or creates the same computer all the time."""

import pytest
from aiida.common.exceptions import NotExistent
from aiida.orm import Computer

pytest_plugins = 'aiida.tools.pytest_fixtures'


@pytest.fixture
def generate_computer():
    def factory(label='localhost'):
        try:
            computer = Computer.collection.get(label=label, hostname='localhost')
        except NotExistent:
            computer = Computer(label, 'localhost', '', 'core.local', 'core.direct', '/tmp').store()
        computer.configure(safe_interval=0.0)
        return computer

    return factory
