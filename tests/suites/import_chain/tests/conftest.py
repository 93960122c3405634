"""Single fixtures are imported by name into the conftest of a folder, and no plugin is loaded."""

from aiida.tools.pytest_fixtures import (  # noqa: F401
    aiida_config,
    aiida_config_factory,
    aiida_profile,
    aiida_profile_clean,
    aiida_profile_factory,
)
