"""Processes are instantiated with a runner, run by it, and as jobs on the computer of the suite."""

import asyncio

import pytest
from aiida.common.exceptions import NotExistent
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.orm import InstalledCode, load_code
from aiida.plugins import CalculationFactory

pytest_plugins = ['aiida.tools.pytest_fixtures']


@pytest.fixture(scope='session', autouse=True)
def clean_asyncio_tasks():
    yield
    asyncio.run(asyncio.sleep(0))


@pytest.fixture
def fixture_localhost(aiida_localhost):
    aiida_localhost.set_default_mpiprocs_per_machine(1)
    return aiida_localhost


@pytest.fixture
def fixture_code(fixture_localhost):
    def factory(entry_point):
        label = f'test.{entry_point}'
        try:
            return load_code(label)
        except NotExistent:
            return InstalledCode(
                label=label,
                computer=fixture_localhost,
                filepath_executable='/bin/bash',
                default_calc_job_plugin=entry_point,
            )

    return factory


@pytest.fixture
def generate_calc_job(tmp_path):
    def factory(entry_point, inputs):
        from aiida.common.folders import Folder

        runner = get_manager().get_runner()
        process = instantiate_process(runner, CalculationFactory(entry_point), **inputs)
        return process.prepare_for_submission(Folder(tmp_path))

    return factory
