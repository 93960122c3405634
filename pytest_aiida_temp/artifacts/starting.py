"""Make all ready when a run begins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from .witness import Place, Witness, set_witness, witness_of

if TYPE_CHECKING:
    from ..options import Settings

_KEY = 'aiida_temp_artifacts'


def start(config: pytest.Config, settings: Settings) -> Witness:
    """Set the witness of a run.

    :raises pytest.UsageError: if the folder cannot be written to.
    """
    told: dict[str, str] | None = getattr(config, 'workerinput', {}).get(_KEY)
    place = None
    if told is not None:
        place = Place(Path(told['root']), told['run'])
    elif settings.artifacts is not None:
        from .listing import Listing

        _check(settings.artifacts)
        place = Place(settings.artifacts, uuid4().hex)
        config.pluginmanager.register(Listing(place), 'aiida_temp_listing')
    witness = Witness(config, settings, place)
    set_witness(config, witness)
    if getattr(config.option, 'xmlpath', None):
        from .junit import register

        register(config)
    return witness


def tell_worker(config: pytest.Config, workerinput: dict[str, Any]) -> None:
    """Let a worker of xdist write to the same folder."""
    place = witness_of(config).place
    if place is not None:
        workerinput[_KEY] = {'root': str(place.root), 'run': place.run}


def _check(folder: Path) -> None:
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not there.is_dir():
        problem = f'{there} is not a folder'
    elif not os.access(there, os.W_OK | os.X_OK):
        problem = f'{there} cannot be written to'
    else:
        return
    raise pytest.UsageError(
        f'--aiida-temp-artifacts: {str(folder)!r} is not allowed, as {problem}; name another folder.'
    )
