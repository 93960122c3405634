"""AiiDA's process-wide state: where it looks for its configuration, and which one it has loaded.

Importing AiiDA creates the configuration folder it is to use, ``~/.aiida`` unless ``AIIDA_PATH`` says otherwise, so
this module imports AiiDA only once that variable is set. What differs between versions of aiida-core is here too.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiida.manage.configuration.config import Config
    from aiida.manage.configuration.profile import Profile

VARIABLE = 'AIIDA_PATH'
FOLDER_NAME = '.aiida'
MINIMUM_AIIDA_VERSION = '2.6'


class UnsupportedVersionError(RuntimeError):
    """The installed aiida-core is too old."""


def check_aiida_version() -> None:
    """Refuse an aiida-core that is too old, without importing it.

    :raises UnsupportedVersionError: with what is installed and what to do.
    """
    from packaging.version import Version  # what pytest itself depends on

    installed = installed_aiida_version()
    if Version(installed).release < Version(MINIMUM_AIIDA_VERSION).release:
        raise UnsupportedVersionError(
            f'pytest-aiida-temp needs aiida-core {MINIMUM_AIIDA_VERSION} or later, but {installed} is installed: '
            f"pip install 'aiida-core>={MINIMUM_AIIDA_VERSION}'"
        )


@functools.cache
def installed_aiida_version() -> str:
    """Return the version of aiida-core, which is read from its metadata, a long text."""
    from importlib.metadata import version

    return version('aiida-core')


def loaded_profile_name() -> str | None:
    """Return the name of the profile that is loaded, without importing AiiDA."""
    module = sys.modules.get('aiida.manage.manager')
    manager = getattr(module, 'MANAGER', None)
    profile = manager.get_profile() if manager else None
    return profile.name if profile else None


class ActiveConfiguration:
    """The configuration that AiiDA uses at one moment, to be used again.

    Nothing here looks at the folder it refers to, which may be the user's own.
    """

    def __init__(self, variable: str | None, folder: Path, config: Config | None) -> None:
        self._variable = variable
        self._folder = folder
        self.config = config
        self._settings = _Settings()

    @classmethod
    def current(cls) -> ActiveConfiguration:
        """Return the one that is in use."""
        from aiida.manage import configuration

        return cls(os.environ.get(VARIABLE), _Settings().get(), configuration.CONFIG)

    @classmethod
    def of(cls, config: Config) -> ActiveConfiguration:
        """Return what is in use when a configuration is."""
        current = cls.current()
        return current if current.config is config else cls(str(config.dirpath), Path(config.dirpath), config)

    def use(self) -> None:
        """Put the variable, AiiDA's idea of its folder and the loaded configuration back."""
        from aiida.manage import configuration

        if os.environ.get(VARIABLE) != self._variable:
            _set_variable(self._variable)
        if self._settings.get() != self._folder:
            self._settings.set(self._folder)
        configuration.CONFIG = self.config


@contextmanager
def configuration_folder(folder: Path) -> Iterator[ActiveConfiguration]:
    """Make AiiDA use a new configuration in ``folder``, and give back after it what was in use before."""
    target = folder / FOLDER_NAME
    target.mkdir(parents=True, exist_ok=True)
    variable = os.environ.get(VARIABLE)
    was_imported = 'aiida.manage.configuration' in sys.modules
    _set_variable(str(target) if not was_imported else variable)
    try:
        importlib.import_module('aiida.manage.configuration.settings')
    finally:
        _set_variable(variable)
    from aiida.manage import configuration

    before = ActiveConfiguration.current() if was_imported else ActiveConfiguration(variable, _chosen_folder(), None)
    try:
        _set_variable(str(target))
        _Settings().create(target)
        configuration.CONFIG = None
        configuration.get_config(create=True)
        yield ActiveConfiguration.current()
    finally:
        before.use()


def store(config: Config) -> None:
    """Write a configuration to its file, without the backup that AiiDA keeps of each state before a change."""
    from aiida.manage.configuration.settings import DEFAULT_CONFIG_INDENT_SIZE

    text = json.dumps(config.dictionary, indent=DEFAULT_CONFIG_INDENT_SIZE)
    descriptor, incoming = tempfile.mkstemp(dir=config.dirpath)  # for this user only, as AiiDA has it
    with open(descriptor, 'w', encoding='utf-8') as file:
        file.write(text)
    os.replace(incoming, config.filepath)


def load(profile: Profile) -> None:
    """Make a profile AiiDA's loaded one, as its manager does, but leave logging as it is."""
    from aiida.manage import get_manager

    manager = get_manager()
    manager.unload_profile()
    manager._profile = profile
    manager.check_version()
    getattr(manager, '_setup_event_loop_in_ipython', lambda: None)()  # in later versions


def open_storage() -> None:
    """Open the storage of the loaded profile, as AiiDA's manager does, but leave logging as it is."""
    from aiida.manage import get_manager
    from aiida.manage.profile_access import ProfileAccessManager

    manager = get_manager()
    profile: Any = manager.get_profile()
    ProfileAccessManager(profile).request_access()
    manager._profile_storage = profile.storage_cls(profile)


def log_file_of(profile: Profile, config: Any) -> str | None:
    """Return the path of the file that AiiDA's log of a profile goes to; earlier versions have none."""
    paths = config.filepaths(profile) if hasattr(config, 'filepaths') else {}
    path: str | None = paths.get('profile', {}).get('log')
    return path


def _set_variable(value: str | None) -> None:
    if value is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = value


def _chosen_folder() -> Path:
    """Return the folder that AiiDA chooses by itself."""
    return _Settings().from_variable()


def import_module(name: str) -> ModuleType:
    """Import a module that imports AiiDA without creating or choosing a configuration folder by that."""
    if 'aiida' in sys.modules:
        return importlib.import_module(name)
    with TemporaryDirectory(prefix='aiida-temp-') as folder, configuration_folder(Path(folder)):
        return importlib.import_module(name)


class _Settings:
    """AiiDA's record of its configuration folder, in the form that the installed version has."""

    def __init__(self) -> None:
        from aiida.manage.configuration import settings

        self._module: Any = settings
        self._class: Any = getattr(settings, 'AiiDAConfigDir', None)  # from 2.7

    def get(self) -> Path:
        if self._class:
            folder: Path = self._class.get()
            return folder
        return Path(self._module.AIIDA_CONFIG_FOLDER)

    def create(self, folder: Path) -> None:
        """Set the folder and create what AiiDA keeps in it."""
        if self._class:
            self._class.set(folder)
        else:
            self._module.set_configuration_directory(folder)

    def set(self, folder: Path) -> None:
        """Set the folder without touching it."""
        if self._class:
            self._class._glb_aiida_config_folder = folder
            return
        module = self._module
        module.AIIDA_CONFIG_FOLDER = folder
        module.DAEMON_DIR = folder / module.DEFAULT_DAEMON_DIR_NAME
        module.DAEMON_LOG_DIR = module.DAEMON_DIR / module.DEFAULT_DAEMON_LOG_DIR_NAME
        module.ACCESS_CONTROL_DIR = folder / module.DEFAULT_ACCESS_CONTROL_DIR_NAME

    def from_variable(self) -> Path:
        """Return the folder that AiiDA would choose now."""
        if self._class:
            folder = self._module._get_configuration_directory_from_envvar()
        else:
            folder = self._module.get_configuration_directory_from_envvar()
        return folder or Path(self._module.DEFAULT_AIIDA_PATH).expanduser() / FOLDER_NAME
