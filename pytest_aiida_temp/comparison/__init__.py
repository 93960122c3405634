"""A suite run on its own fixtures and with ``--aiida-temp``, and told apart."""
