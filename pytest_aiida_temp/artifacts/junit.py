"""The section on the storage as ``<system-out>`` of a test case in JUnit's XML."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any
from xml.etree import ElementTree

import pytest

from .section import TITLE

TAG = 'system-out'


class SystemOut:
    """Adds sections to the test cases before pytest writes its XML file.

    pytest fills ``<system-out>`` only where ``junit_logging`` says so, and then with what was captured.

    :param xml: pytest's plugin that writes the file.
    """

    def __init__(self, xml: Any) -> None:
        self._xml = xml
        self._told: list[tuple[Any, str]] = []

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None]:
        """Note to which test case a section belongs, while that can still be found.

        pytest makes a test case of its own for a failed tear-down, where the test had failed before.
        """
        found = [content for title, content in report.sections if title == TITLE] if report.failed else []
        reporter = self._xml.node_reporter(report) if found else None
        number = len(self._xml.node_reporters_ordered)
        yield
        latest = self._xml.node_reporters_ordered[number:] or [reporter]
        self._told += [(latest[-1], f'{TITLE}\n{content}\n') for content in found]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Add all sections."""
        for reporter, text in self._told:
            has_ended = not hasattr(reporter, 'nodes')
            nodes = reporter.to_xml() if has_ended else reporter.nodes
            element = next((node for node in nodes if node.tag == TAG), None)
            if element is None:
                element = ElementTree.Element(TAG)
                nodes.append(element)
            element.text = f'{element.text or ""}{text}'


def register(config: pytest.Config) -> None:
    """Do so in this run, which is to write such a file."""
    from _pytest.junitxml import xml_key

    xml = config.stash.get(xml_key, None)
    if xml is not None:
        config.pluginmanager.register(SystemOut(xml), 'aiida_temp_junit')
