"""The whole configuration is swapped and put back, the profile then loaded by its name."""

import copy
import os
from pathlib import Path

import pytest
from aiida.manage import configuration, get_manager
from aiida.manage.configuration import settings

pytest_plugins = 'aiida.tools.pytest_fixtures'


def use_folder(folder):
    if hasattr(settings, 'AiiDAConfigDir'):
        settings.AiiDAConfigDir.set(folder)
    else:  # aiida-core 2.6
        settings.set_configuration_directory(folder)


@pytest.fixture
def empty_config(tmp_path):
    current = configuration.CONFIG
    current_profile = configuration.get_profile()
    variable = os.environ.get('AIIDA_PATH')
    get_manager().unload_profile()
    os.environ['AIIDA_PATH'] = str(tmp_path / 'config')
    use_folder(tmp_path / 'config')
    configuration.CONFIG = configuration.load_config(create=True)
    yield configuration.CONFIG
    if variable is None:
        os.environ.pop('AIIDA_PATH', None)
    else:
        os.environ['AIIDA_PATH'] = variable
    use_folder(Path(current.dirpath))
    configuration.CONFIG = current
    if current_profile:
        get_manager().load_profile(current_profile.name, allow_switch=True)


@pytest.fixture
def isolated_config(monkeypatch):
    """A copy of the configuration that can be changed."""
    monkeypatch.setattr(configuration.config.Config, '_backup', lambda *args, **kwargs: None)
    current = configuration.CONFIG
    configuration.CONFIG = copy.deepcopy(current)
    configuration.CONFIG.set_default_profile(configuration.get_profile().name, overwrite=True)
    yield configuration.CONFIG
    configuration.CONFIG = current
    configuration.CONFIG.store()
