"""Shows a fixture that several test files of a plugin share. It uses the ephemeral profile, so a test that names it
needs no other fixture or marker."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiida import orm

from pytest_aiida_temp import TempProfile


@pytest.fixture
def localhost(aiida_temp_profile: TempProfile, tmp_path: Path) -> orm.Computer:
    """This machine as a computer that runs jobs at once, below the temporary folder of the test."""
    computer = orm.Computer(
        label='localhost',
        hostname='localhost',
        transport_type='core.local',
        scheduler_type='core.direct',
        workdir=str(tmp_path),
    ).store()
    computer.set_minimum_job_poll_interval(0)
    computer.set_default_mpiprocs_per_machine(1)
    computer.configure(safe_interval=0, use_login_shell=False)
    return computer
