"""The fixtures are loaded by a list, in which other plugins with fixtures of the same names come before and after."""

pytest_plugins = ['earlier', 'aiida.tools.pytest_fixtures', 'later']
