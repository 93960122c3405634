"""Pytester for tests of the plugin."""

from __future__ import annotations

import functools
import gc
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest import pytester as implementation
from click.testing import CliRunner, Result
from warm import Warm

from pytest_aiida_temp.environment import import_module

pytest_plugins = ['pytester']
collect_ignore = ['suites']  # of other packages, as it were: `test_suites.py` runs them

_OF_OUTER_RUN = ('AIIDA_PATH', 'PYTEST_ADDOPTS', 'PYTEST_AIIDA_TEMP', 'PYTEST_XDIST')
_OF_CI = ('CI', 'BUILD_NUMBER')  # with which pytest prints its summary in full

_NODES = '''
    """For the tests inside."""

    def store():
        """Store a node, and return how many there are then."""
        from aiida import orm

        orm.Int(1).store()
        return count()

    def count():
        """Return how many nodes there are."""
        from aiida import orm

        return orm.QueryBuilder().append(orm.Node).count()
'''


def pytest_collection_finish() -> None:
    """Leave AiiDA, SQLAlchemy and all tests out of the search for garbage, which takes a fifth of the time else."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session')
def warm() -> Iterator[Warm]:
    """What starts interpreters that need not import AiiDA."""
    if not hasattr(os, 'fork'):
        pytest.skip('this system cannot fork, and starting interpreters anew takes too long')
    with closing(Warm()) as warm:
        yield warm


@pytest.fixture
def compare(pytester: pytest.Pytester, warm: Warm, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run ``python -m pytest_aiida_temp compare`` in this process, whose runs need not import AiiDA."""
    from pytest_aiida_temp.__main__ import main
    from pytest_aiida_temp.comparison import compare

    monkeypatch.setattr(compare, 'subprocess', SimpleNamespace(**{**vars(subprocess), 'Popen': warm.popen}))
    return lambda *arguments: CliRunner().invoke(main, ['compare', *arguments])


class _Distribution:
    """An installed distribution, of which everything is read once.

    pytest reads all that are installed whenever it begins, which is a third of the time of a run in process.
    """

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        setattr(self, name, value)
        return value


@functools.cache
def _distributions() -> list[_Distribution]:
    return [_Distribution(distribution) for distribution in metadata.distributions()]


@pytest.fixture
def _shared_imports(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Import AiiDA and keep what in-process runs import, except their own modules: it cannot be imported twice."""
    import_module('pytest_aiida_temp.profile')
    import_module('importlib_metadata')  # AiiDA's; once imported, it is what finds pytest's plugins
    distributions = _distributions()
    monkeypatch.setattr(metadata, 'distributions', lambda: iter(distributions))
    snapshot, folder = implementation.SysModulesSnapshot, str(tmp_path_factory.getbasetemp())

    def is_kept(name: str) -> bool:
        return not str(getattr(sys.modules[name], '__file__', None)).startswith(folder)

    monkeypatch.setattr(implementation, 'SysModulesSnapshot', lambda preserve: snapshot(is_kept))


@pytest.fixture
def pytester(
    _shared_imports: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.Pytester]:
    """Pytester that knows nothing of the outer run, with no profile loaded, its own folder as the home folder.

    Tests in it can use ``from nodes import store, count``.
    """
    from aiida.manage import get_manager

    for name in list(os.environ):
        if name.startswith(_OF_OUTER_RUN) or name in _OF_CI:
            monkeypatch.delenv(name)
    # The order inside is part of what is tested; pytest-asyncio warns of a setting; Hypothesis takes a second to end.
    monkeypatch.setenv('PYTEST_ADDOPTS', '-p no:randomly -p no:asyncio -p no:hypothesispytest')
    monkeypatch.setattr(sys, 'breakpointhook', sys.__breakpointhook__)  # debugpy takes it, which Jupyter imports
    pytester.makepyfile(nodes=_NODES)
    before = get_manager().get_profile()
    get_manager().unload_profile()
    yield pytester
    get_manager().unload_profile()
    if before:
        get_manager().load_profile(before)


@pytest.fixture
def counts(pytester: pytest.Pytester) -> Callable[..., list[int]]:
    """Run five tests that store a node each, in their order, and return how many nodes each one found then.

    The first two are in one class, the third in another class of the same module, the fourth in another module of
    the same package, the last in another package.
    """

    def run(head: str, *args: str, fixture: str = '') -> list[int]:
        """Run with the line ``head`` in each module, the arguments ``args``, and each test asking for ``fixture``."""
        test = f'    def test_{{}}(self{", " if fixture else ""}{fixture}):\n        print("nodes:", store())\n'
        begin = f'import pytest\nfrom nodes import store\n{head}\n'
        one, two, three = (test.format(name) for name in ('one', 'two', 'three'))
        for name, text in {
            'p1/test_m1': f'{begin}class TestA:\n{one}{two}class TestB:\n{three}',
            'p1/test_m2': f'{begin}class TestA:\n{one}',
            'p2/test_m3': f'{begin}class TestA:\n{one}',
        }.items():
            package = pytester.path / name.split('/', maxsplit=1)[0]
            package.mkdir(exist_ok=True)
            (package / '__init__.py').touch()
            (pytester.path / f'{name}.py').write_text(text, encoding='utf-8')
        pytester.makeconftest('')  # so that its folder is on the path
        result = pytester.runpytest_inprocess('-s', *args)
        result.assert_outcomes(passed=5)
        return [int(number) for number in re.findall('nodes: ([0-9]+)', result.stdout.str())]

    return run
