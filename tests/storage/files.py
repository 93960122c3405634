"""What tests of the repository do with files."""

from __future__ import annotations

import io
from pathlib import Path

from pytest_aiida_temp.storage import SandboxShaRepositoryBackend


def put(repository: SandboxShaRepositoryBackend, content: bytes) -> str:
    return repository.put_object_from_filelike(io.BytesIO(content))


def files(repository: SandboxShaRepositoryBackend) -> list[str]:
    """Return everything in the sandbox, objects or not."""
    return sorted(path.name for path in Path(repository.sandbox.abspath).iterdir())
