"""Checkpoints of the repository."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from files import files, put

from pytest_aiida_temp.storage import SandboxShaRepositoryBackend
from pytest_aiida_temp.storage.repository import CHUNK


def test_a_restore_takes_away_what_was_added_and_brings_back_what_was_deleted(
    repository: SandboxShaRepositoryBackend,
) -> None:
    kept, deleted = put(repository, b'kept'), put(repository, b'deleted')
    checkpoint = repository.checkpoint()

    for _ in range(2):
        put(repository, b'added')
        repository.delete_objects([deleted])
        repository.delete_objects([put(repository, b'added and deleted')])
        assert not repository.has_object(deleted)
        repository.restore(checkpoint)
        assert files(repository) == sorted([kept, deleted])
        assert repository.get_object_content(deleted) == b'deleted'


def test_an_object_deleted_and_put_again_is_there_after_a_restore(repository: SandboxShaRepositoryBackend) -> None:
    key = put(repository, b'content')
    checkpoint = repository.checkpoint()

    repository.delete_objects([key])
    assert put(repository, b'content') == key
    repository.restore(checkpoint)

    assert files(repository) == [key]


def test_a_restore_returns_past_later_checkpoints(repository: SandboxShaRepositoryBackend) -> None:
    first = put(repository, b'first')
    outer = repository.checkpoint()
    second = put(repository, b'second')
    inner = repository.checkpoint()
    put(repository, b'third')
    repository.delete_objects([first, second])

    repository.restore(inner, keep=False)
    assert files(repository) == sorted([first, second])
    repository.restore(outer)
    assert files(repository) == [first]
    with pytest.raises((KeyError, ValueError, IndexError)):
        repository.restore(inner)


@pytest.mark.parametrize('content', [b'content', bytes(CHUNK + 1)], ids=['small', 'large'])
def test_two_threads_put_back_at_once_what_was_deleted_since_a_checkpoint(
    repository: SandboxShaRepositoryBackend, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    key = put(repository, content)
    checkpoint = repository.checkpoint()
    repository.delete_objects([key])
    together, replace = threading.Barrier(2), os.replace

    def replace_together(*paths: str) -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait(0.2)
        replace(*paths)

    monkeypatch.setattr('os.replace', replace_together)
    with ThreadPoolExecutor(2) as executor:
        assert list(executor.map(lambda _: put(repository, content), range(2))) == [key, key]
    monkeypatch.undo()
    assert repository.get_object_content(key) == content
    repository.restore(checkpoint)

    assert files(repository) == [key]


def test_clearing_is_undone_by_a_restore(repository: SandboxShaRepositoryBackend) -> None:
    key = put(repository, b'content')
    checkpoint = repository.checkpoint()
    put(repository, b'added')

    repository.clear()
    assert list(repository.list_objects()) == []
    put(repository, b'after')
    repository.restore(checkpoint)

    assert files(repository) == [key]


def test_maintain_leaves_what_a_checkpoint_needs(repository: SandboxShaRepositoryBackend) -> None:
    key = put(repository, b'content')
    checkpoint = repository.checkpoint()
    repository.delete_objects([key])

    repository.maintain(live=False)
    repository.restore(checkpoint)

    assert repository.get_object_content(key) == b'content'


def test_what_a_late_fixture_put_is_not_taken_for_what_the_test_put_too(
    repository: SandboxShaRepositoryBackend,
) -> None:
    into, between = repository.checkpoint(), repository.checkpoint()
    key = put(repository, b'of the test')
    outer = repository.checkpoint()
    wider, inner = repository.insert(between), repository.checkpoint()
    put(repository, b'of the test')

    repository.hand_over(inner, wider)
    repository.hand_over(outer, into)
    assert files(repository) == [key]
    repository.restore(wider)

    assert files(repository) == []


def test_what_was_put_again_and_then_deleted_is_there_at_the_checkpoint_before(
    repository: SandboxShaRepositoryBackend,
) -> None:
    key = put(repository, b'content')
    into, between = repository.checkpoint(), repository.checkpoint()
    repository.delete_objects([key])
    late, inner = repository.checkpoint(), repository.checkpoint()
    put(repository, b'content')
    repository.hand_over(inner, late)
    repository.delete_objects([key])

    repository.hand_over(late, into)
    assert files(repository) != [key]
    repository.restore(between)

    assert files(repository) == [key]
