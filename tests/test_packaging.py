"""What is built from the source holds what it should."""

from __future__ import annotations

import configparser
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from pathlib import Path

import hatchling.build
import pytest
from trove_classifiers import classifiers

ROOT = Path(__file__).parents[1]
SOURCE = ['pyproject.toml', 'README.md', 'CHANGELOG.md', 'LICENSE', 'pytest_aiida_temp', 'tests']


@pytest.fixture(scope='module')
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked sdist that is built from a copy of the source."""
    folder = tmp_path_factory.mktemp('sdist')
    for name in SOURCE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)  # type: ignore[operator]
    with _inside(folder):
        name = hatchling.build.build_sdist('dist')
    with tarfile.open(folder / 'dist' / name) as archive:
        archive.extraction_filter = getattr(tarfile, 'data_filter', None)  # earlier Pythons have none
        archive.extractall(folder / 'unpacked')
    [unpacked] = (folder / 'unpacked').iterdir()
    return unpacked


@pytest.fixture(scope='module')
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel that is built from the sdist."""
    folder = tmp_path_factory.mktemp('wheel')
    with _inside(sdist):
        name = hatchling.build.build_wheel(str(folder))
    with zipfile.ZipFile(folder / name) as archive:
        yield archive


@pytest.fixture
def metadata(wheel: zipfile.ZipFile) -> Message:
    """The metadata in the wheel."""
    return message_from_string(_read(wheel, '.dist-info/METADATA'))


class _inside:  # noqa: N801
    """Work inside a folder; ``contextlib.chdir`` came with Python 3.11."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        self._before = Path.cwd()
        os.chdir(self._folder)

    def __exit__(self, *_: object) -> None:
        os.chdir(self._before)


def _read(wheel: zipfile.ZipFile, end: str) -> str:
    [name] = [name for name in wheel.namelist() if name.endswith(end)]
    return wheel.read(name).decode()


def _modules(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.glob('pytest_aiida_temp/**/*.py')}


def test_the_sdist_holds_the_source_and_the_tests(sdist: Path) -> None:
    assert [name for name in SOURCE if not (sdist / name).exists()] == []
    assert _modules(sdist) == _modules(ROOT)
    assert (sdist / 'tests' / 'conftest.py').exists()
    assert list(sdist.rglob('*.pyc')) == []


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())

    assert {name for name in names if name.endswith('.py')} == _modules(ROOT)
    assert 'pytest_aiida_temp/py.typed' in names
    assert {name.split('/')[0].split('-')[0] for name in names} == {'pytest_aiida_temp'}


def test_the_wheel_holds_the_licence(wheel: zipfile.ZipFile, metadata: Message) -> None:
    assert _read(wheel, '.dist-info/licenses/LICENSE') == (ROOT / 'LICENSE').read_text(encoding='utf-8')
    assert (metadata['License-Expression'], metadata.get_all('License-File')) == ('MIT', ['LICENSE'])


def test_the_entry_points_are_those_of_pytest_and_aiida(wheel: zipfile.ZipFile) -> None:
    parser = configparser.ConfigParser(delimiters='=')
    parser.read_string(_read(wheel, '.dist-info/entry_points.txt'))

    assert {section: dict(parser[section]) for section in parser.sections()} == {
        'pytest11': {'aiida_temp': 'pytest_aiida_temp.plugin'},
        'aiida.storage': {'aiida_temp.sqlite': 'pytest_aiida_temp.storage:SqliteTempBackend'},
    }


def test_the_metadata_is_right(metadata: Message) -> None:
    import pytest_aiida_temp

    found = metadata.get_all('Classifier') or []

    assert (metadata['Name'], metadata['Version']) == ('pytest-aiida-temp', pytest_aiida_temp.__version__)
    assert set(found) - classifiers == set()
    assert {'Framework :: Pytest', 'Framework :: AiiDA', 'Typing :: Typed'} <= set(found)
    assert not any(classifier.startswith('License ::') for classifier in found)  # there is License-Expression
    assert metadata['Requires-Python'] == '>=3.10'
    required = {line for line in metadata.get_all('Requires-Dist') or [] if 'extra' not in line}
    assert required == {'aiida-core>=2.6', 'pytest>=7', 'sqlalchemy>=2', 'pydantic>=2'}
    assert metadata.get_payload() == (ROOT / 'README.md').read_text(encoding='utf-8')
