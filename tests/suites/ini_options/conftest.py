"""Strict options, and functions and files of other names than pytest expects."""

pytest_plugins = ['aiida.tools.pytest_fixtures']
