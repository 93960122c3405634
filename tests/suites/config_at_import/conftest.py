"""AiiDA's configuration is read while modules are imported, ahead of all fixtures. One has to exist."""

pytest_plugins = ['aiida.tools.pytest_fixtures']
