"""aiida-core's own fixtures, served from the ephemeral profile under ``--aiida-temp``."""
