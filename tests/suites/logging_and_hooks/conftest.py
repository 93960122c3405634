"""Autouse fixtures take the handler off AiiDA's logger, and look at the request; hooks skip tests."""

import logging

import pytest

pytest_plugins = ['aiida.tools.pytest_fixtures', 'pytester']


def pytest_configure(config):
    config.addinivalue_line('markers', 'regression: compares with stored results')


def pytest_collection_modifyitems(items):
    for item in items:
        if 'regression' in item.keywords:
            item.add_marker(pytest.mark.skip(reason='not available'))


@pytest.fixture(autouse=True)
def configure_aiida_loggers(caplog):
    caplog.set_level(logging.CRITICAL, logger='aiida.export')
    logger = logging.getLogger('aiida')
    handler = [handler for handler in logger.handlers if isinstance(handler, logging.StreamHandler)][0]  # noqa: RUF015
    logger.removeHandler(handler)
    yield
    logger.addHandler(handler)


@pytest.fixture(autouse=True)
def skip_if(request):
    if request.node.get_closest_marker('regression'):
        pytest.skip('not available')
