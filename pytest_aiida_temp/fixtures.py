"""The fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .isolation import isolation_of

if TYPE_CHECKING:
    from .factory import ProfileFactory
    from .profile import TempProfile


@pytest.fixture
def aiida_temp_profile(request: pytest.FixtureRequest) -> TempProfile:
    """A loaded AiiDA profile in memory that is empty when the test starts.

    For what a fixture of wider scope stores, use ``aiida_temp_session`` there. Not for tests that start a daemon or
    any other process that has to see the data: it is in the memory of this process.
    """
    return isolation_of(request.config).profile_for(request.node)


@pytest.fixture(scope='session')
def aiida_temp_session(request: pytest.FixtureRequest) -> TempProfile:
    """The profile of ``aiida_temp_profile``, for fixtures of wider scope that store data.

    What such a fixture stores is there until its scope ends; each test starts from it.
    """
    return isolation_of(request.config).join()


@pytest.fixture
def aiida_temp_profile_factory(request: pytest.FixtureRequest) -> ProfileFactory:
    """Makes further AiiDA profiles in memory: ``with aiida_temp_profile_factory() as profile:``.

    For a test that needs more than one, such as of an archive that goes from one to another. Else use
    ``aiida_temp_profile``, which is there already.
    """
    from .factory import ProfileFactory

    isolation = isolation_of(request.config)
    isolation.profile_for(request.node)
    return ProfileFactory(isolation)
