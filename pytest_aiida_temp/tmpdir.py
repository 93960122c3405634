"""A folder inside pytest's own temporary folder, also before pytest has made that.

With ``--aiida-temp`` AiiDA's configuration has to be there before the first conftest is imported, while pytest makes
its temporary folder later, in ``pytest_configure``. So it is made here in the same way and handed over then. Whatever
a killed run leaves behind lies where pytest looks for what to prune.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

import pytest

PREFIX = 'aiida-temp-'
_VARIABLE = 'PYTEST_AIIDA_TEMP_BASETEMP'
_early = pytest.StashKey[pytest.TempPathFactory]()


def make_folder(config: pytest.Config) -> Path:
    """Return a new folder, at any time of the run."""
    factory = getattr(config, '_tmp_path_factory', None) or _early_factory(config)
    if factory is None:
        return Path(mkdtemp(prefix=PREFIX, dir=os.environ[_VARIABLE]))
    return factory.mktemp(PREFIX)


def _early_factory(config: pytest.Config) -> pytest.TempPathFactory | None:
    """Return the factory to be handed over, or ``None`` in a worker of xdist.

    The controller tells workers its temporary folder, but only after their conftests are imported.
    """
    if 'PYTEST_XDIST_WORKER' in os.environ and os.path.isdir(os.environ.get(_VARIABLE, '')):
        return None
    if _early not in config.stash:
        parsed: Any = SimpleNamespace(option=config.known_args_namespace, trace=config.trace, getini=config.getini)
        config.stash[_early] = pytest.TempPathFactory.from_config(parsed, _ispytest=True)
    return config.stash[_early]


def hand_over(config: pytest.Config) -> None:
    """Make pytest use the temporary folder that was made early, and tell it to the workers of xdist."""
    factory: Any = getattr(config, '_tmp_path_factory', None)
    early: Any = config.stash.get(_early, None)
    if factory is None or early is None:
        return
    factory._basetemp = early.getbasetemp()
    os.environ[_VARIABLE] = str(early.getbasetemp())
    config.add_cleanup(_forget)


def _forget() -> None:
    os.environ.pop(_VARIABLE, None)
