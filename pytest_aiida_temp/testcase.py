"""Test cases of :mod:`unittest` on an ephemeral profile."""

from __future__ import annotations

import sys
import unittest
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .loading import temp_profile

if TYPE_CHECKING:
    from .profile import TempProfile


class TempProfileTestCase(unittest.TestCase):
    """A test case whose tests run on an ephemeral profile, and each find it as ``setUpClass()`` has left it.

    It is for ``python -m unittest``, and works in the same way where pytest runs it. A class that has its own
    ``setUpClass()`` calls ``super().setUpClass()`` there first.
    """

    profile: ClassVar[TempProfile]
    """The loaded profile."""

    archive: ClassVar[str | PathLike[str] | list[str | PathLike[str]]] = []
    """A path or a list of paths of archives that the tests start from, relative to the file of the class."""

    @classmethod
    def setUpClass(cls) -> None:
        """Load the profile and the archives, until all tests of the class have run.

        :raises ~pytest_aiida_temp.archives.ArchiveError: if there is no such archive, or it cannot be read.
        """
        super().setUpClass()
        with ExitStack() as stack:
            cls.profile = _loaded_profile() or stack.enter_context(temp_profile())
            stack.enter_context(cls.profile.rollback())
            folder = Path(getattr(sys.modules[cls.__module__], '__file__', None) or '.').parent
            for path in cls.archive if isinstance(cls.archive, list) else [cls.archive]:
                cls.profile.load_archive(folder / path)
            stack.callback(delattr, cls, 'profile')
            cls.addClassCleanup(stack.pop_all().close)

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test, and undo what it did together with its ``setUp()`` and ``tearDown()``."""
        if not hasattr(type(self), 'profile'):  # it is to be skipped, or `setUpClass()` was not called
            return super().run(result)
        with self.profile.rollback():
            return super().run(result)

    def __getattr__(self, name: str) -> Any:
        if name == 'profile':
            raise AttributeError(
                f'{type(self).__qualname__} has no profile: its setUpClass() has to call super().setUpClass() first.'
            )
        raise AttributeError(f'{type(self).__name__!r} object has no attribute {name!r}')


def _loaded_profile() -> TempProfile | None:
    """Return the profile that pytest runs all tests on, if it does."""
    manager = getattr(sys.modules.get('aiida.manage.manager'), 'MANAGER', None)
    profile = manager.get_profile() if manager else None
    module = sys.modules.get('pytest_aiida_temp.profile')
    is_ours = module is not None and isinstance(profile, module.TempProfile)
    return profile if is_ours else None
