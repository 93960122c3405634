"""Test modules import single deprecated fixtures that a plugin gives already."""

pytest_plugins = ['aiida.manage.tests.pytest_fixtures']
