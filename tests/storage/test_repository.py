"""The repository: a sandbox of files whose keys are the sha256 of their content."""

from __future__ import annotations

import hashlib
import io
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from files import files, put

from pytest_aiida_temp.storage import SandboxShaRepositoryBackend
from pytest_aiida_temp.storage.repository import CHUNK

UNKNOWN = hashlib.sha256(b'unknown').hexdigest()
MALFORMED = ['', '../x', '/etc/passwd', 'x' * 64, UNKNOWN[:-1], UNKNOWN.upper(), f'../{UNKNOWN}', f'{UNKNOWN}\n', '.']


class Stream(io.RawIOBase):
    """A stream of chunks that cannot be rewound."""

    mode = 'rb'

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        return next(self._chunks, b'')


# Objects


def test_the_key_is_the_sha256_of_the_content(repository: SandboxShaRepositoryBackend) -> None:
    key = put(repository, b'content')

    assert key == hashlib.sha256(b'content').hexdigest()
    assert repository.key_format == 'sha256'
    assert repository.get_object_content(key) == b'content'
    assert repository.get_object_hash(key) == key


@pytest.mark.parametrize('size', [0, 1, 1024**2 - 1, 1024**2, 1024**2 + 1, 3 * 1024**2])
def test_content_of_any_size_comes_back(repository: SandboxShaRepositoryBackend, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b'x' * (size % 256)

    key = put(repository, content)

    assert key == hashlib.sha256(content).hexdigest()
    assert repository.get_object_content(key) == content
    assert files(repository) == [key]


def test_the_same_content_is_one_object(repository: SandboxShaRepositoryBackend, tmp_path: Path) -> None:
    (tmp_path / 'file').write_bytes(b'content')

    keys = {
        put(repository, b'content'),
        put(repository, b'content'),
        repository.put_object_from_file(tmp_path / 'file'),
    }

    assert files(repository) == list(repository.list_objects()) == list(keys)


def test_a_stream_is_read_from_where_it_stands(repository: SandboxShaRepositoryBackend) -> None:
    stream = io.BytesIO(b'not this, content')
    stream.seek(len(b'not this, '))

    assert repository.get_object_content(repository.put_object_from_filelike(stream)) == b'content'


@pytest.mark.parametrize('stream', [io.StringIO('text'), 'text', b'bytes', None], ids=type)
def test_what_is_not_a_stream_of_bytes_is_a_type_error(repository: SandboxShaRepositoryBackend, stream: Any) -> None:
    with pytest.raises(TypeError, match='byte'):
        repository.put_object_from_filelike(stream)

    assert files(repository) == []


def test_a_text_file_is_a_type_error(repository: SandboxShaRepositoryBackend, tmp_path: Path) -> None:
    (tmp_path / 'file').touch()

    with open(tmp_path / 'file') as stream, pytest.raises(TypeError, match='byte'):
        repository.put_object_from_filelike(stream)  # type: ignore[arg-type]


def test_a_large_stream_that_cannot_be_rewound_takes_little_memory(repository: SandboxShaRepositoryBackend) -> None:
    chunk = bytes(1024**2)
    stream = Stream(chunk for _ in range(50))

    tracemalloc.start()
    key = repository.put_object_from_filelike(stream)  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 5 * len(chunk)
    assert key == hashlib.sha256(bytes(50 * 1024**2)).hexdigest()
    assert (Path(repository.sandbox.abspath) / key).stat().st_size == 50 * 1024**2


@pytest.mark.parametrize('before', [0, 1, 3])
def test_a_stream_that_raises_leaves_nothing_behind(repository: SandboxShaRepositoryBackend, before: int) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(before):
            yield b'chunk'
        raise OSError('broken')

    with pytest.raises(OSError, match='broken'):
        repository.put_object_from_filelike(Stream(chunks()))  # type: ignore[arg-type]

    assert files(repository) == []


# Keys that are not there


def uses(repository: SandboxShaRepositoryBackend, key: str) -> dict[str, Callable[[], Any]]:
    return {
        'open': lambda: repository.open(key).__enter__(),
        'get_object_content': lambda: repository.get_object_content(key),
        'get_object_hash': lambda: repository.get_object_hash(key),
        'iter_object_streams': lambda: list(repository.iter_object_streams([key])),
        'delete_object': lambda: repository.delete_object(key),
        'delete_objects': lambda: repository.delete_objects([key]),
    }


@pytest.mark.parametrize('key', [UNKNOWN, *MALFORMED])
def test_a_key_that_is_not_there_is_a_file_not_found_error(repository: SandboxShaRepositoryBackend, key: str) -> None:
    there = put(repository, b'content')

    for name, use in uses(repository, key).items():
        with pytest.raises(FileNotFoundError):
            pytest.fail(f'{name} gave {use()!r}')

    assert not repository.has_object(key)
    assert repository.has_objects([key, there]) == [False, True]
    assert files(repository) == [there]


def test_a_malformed_key_touches_no_file(repository: SandboxShaRepositoryBackend, tmp_path: Path) -> None:
    sandbox = Path(repository.sandbox.abspath)
    (sandbox.parent / 'x').write_bytes(b'outside')
    (sandbox.parent / UNKNOWN).write_bytes(b'outside')
    (tmp_path / UNKNOWN).write_bytes(b'outside')

    for key in ('../x', f'../{UNKNOWN}', str(tmp_path / UNKNOWN), str(sandbox.parent / 'x')):
        for use in uses(repository, key).values():
            with pytest.raises(ValueError, match='key'):
                use()
        assert not repository.has_object(key)

    assert [path.read_bytes() for path in sorted(tmp_path.rglob('*')) if path.is_file()] == [b'outside'] * 3


# Reading, listing, deleting


def test_objects_are_streamed_in_the_order_asked_for(repository: SandboxShaRepositoryBackend) -> None:
    first, second = put(repository, b'first'), put(repository, b'second')

    found = [(key, handle.read()) for key, handle in repository.iter_object_streams([second, first, second])]

    assert found == [(second, b'second'), (first, b'first'), (second, b'second')]


def test_an_open_object_cannot_be_written_to(repository: SandboxShaRepositoryBackend) -> None:
    handle: BinaryIO
    with repository.open(put(repository, b'content')) as handle:
        assert not handle.writable()
        assert handle.read(3) == b'con'
    assert handle.closed


def test_objects_are_deleted_all_or_none(repository: SandboxShaRepositoryBackend) -> None:
    first, second, third = (put(repository, content) for content in (b'1', b'2', b'3'))

    with pytest.raises(FileNotFoundError, match=UNKNOWN):
        repository.delete_objects([first, UNKNOWN])
    with pytest.raises(FileNotFoundError):
        repository.delete_objects([first, '../x'])
    assert sorted(repository.list_objects()) == sorted([first, second, third])

    repository.delete_objects([first, second, first])
    assert list(repository.list_objects()) == [third]


def test_info_counts_objects_and_adds_their_size_up(repository: SandboxShaRepositoryBackend) -> None:
    put(repository, bytes(1024**2))
    put(repository, bytes(1024**2 * 2))

    assert repository.get_info() == {'SHA-hash algorithm': 'sha256', 'objects': {'count': 2}}
    assert repository.get_info(detailed=True)['Size (MB)'] == {'total_size': 3.0}


def test_maintain_removes_unfinished_objects_if_nobody_else_may_be_writing(
    repository: SandboxShaRepositoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('os.replace', lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        put(repository, bytes(CHUNK + 1))
    monkeypatch.undo()
    key = put(repository, b'content')
    (unfinished,) = set(files(repository)) - {key}

    assert list(repository.list_objects()) == [key]
    repository.maintain(live=True)
    repository.maintain(live=False, dry_run=True)
    assert unfinished in files(repository)

    repository.maintain(live=False)
    assert files(repository) == [key]


def test_erase_removes_the_sandbox_and_can_be_repeated(repository: SandboxShaRepositoryBackend, tmp_path: Path) -> None:
    put(repository, b'content')

    repository.erase()
    repository.erase()

    assert not repository.is_initialised
    assert list((tmp_path / 'folder').iterdir()) == []
    assert repository.get_object_content(put(repository, b'again')) == b'again'


def test_four_threads_put_the_same_content(repository: SandboxShaRepositoryBackend) -> None:
    contents = [bytes([number]) * 1024 for number in range(100)]
    before = sorted(put(repository, content) for content in contents[:50])
    checkpoint = repository.checkpoint()
    repository.delete_objects(before)
    together = threading.Barrier(4)

    def put_all(_: int) -> None:
        together.wait()
        for content in contents:
            assert repository.get_object_content(put(repository, content)) == content

    with ThreadPoolExecutor(4) as executor:
        assert list(executor.map(put_all, range(4))) == [None] * 4

    assert files(repository) == sorted(hashlib.sha256(content).hexdigest() for content in contents)
    repository.restore(checkpoint)
    assert files(repository) == before
