"""How our storage is closed, deleted and got rid of."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiida import orm
from aiida.common import exceptions
from aiida.manage.configuration import Profile
from aiida.orm.entities import Collection, EntityTypes

from pytest_aiida_temp.storage import SqliteTempBackend

if TYPE_CHECKING:
    from collections.abc import Callable


def closed_uses(storage: SqliteTempBackend) -> dict[str, Callable[[], Any]]:
    return {
        'get_session': storage.get_session,
        'transaction': lambda: storage.transaction().__enter__(),
        'in_transaction': lambda: storage.in_transaction,
        '_clear': storage._clear,
        'users': lambda: storage.users.create(email='a@b').store(),
        'nodes': lambda: storage.nodes.get(1),
        'query': storage.query,
        'default_user': lambda: storage.default_user,
        'bulk_insert': lambda: storage.bulk_insert(EntityTypes.USER, [{'email': 'a@b'}], allow_defaults=True),
        'bulk_update': lambda: storage.bulk_update(EntityTypes.USER, [{'id': 1, 'email': 'a@b'}]),
        'delete_nodes_and_connections': lambda: storage.delete_nodes_and_connections([1]),
        'get_repository': storage.get_repository,
        'get_global_variable': lambda: storage.get_global_variable('a'),
        'set_global_variable': lambda: storage.set_global_variable('a', 1),
        'get_info': storage.get_info,
        'maintain': storage.maintain,
        'version': storage.version,
        'checkpoint': storage.checkpoint,
    }


def test_every_use_of_a_closed_storage_is_refused(own_profile: Profile, tmp_path: Path) -> None:
    storage = SqliteTempBackend(own_profile)
    assert storage.default_user is not None
    storage.close()
    storage.close()

    results = {}
    for name, use in closed_uses(storage).items():
        try:
            results[name] = use()
        except Exception as exception:
            results[name] = type(exception)

    assert storage.is_closed
    assert results == dict.fromkeys(closed_uses(storage), exceptions.ClosedStorage)
    assert list(tmp_path.iterdir()) == []


def test_delete_leaves_nothing_whoever_has_it_open(own_profile: Profile, tmp_path: Path) -> None:
    SqliteTempBackend.initialise(own_profile)
    first, second = SqliteTempBackend(own_profile), SqliteTempBackend(own_profile)
    first.get_repository().put_object_from_filelike(io.BytesIO(b'content'))

    first.delete()
    first.delete()

    assert first.is_closed
    assert second.is_closed
    assert SqliteTempBackend.version_profile(own_profile) is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_before_is_kept(tmp_path: Path) -> None:
    (tmp_path / 'other').touch()
    storage = SqliteTempBackend(SqliteTempBackend.create_profile(filepath=tmp_path))

    storage.delete()

    assert [path.name for path in tmp_path.iterdir()] == ['other']


def test_a_storage_that_nobody_refers_to_is_gone(own_profile: Profile, tmp_path: Path) -> None:
    storage = SqliteTempBackend(own_profile)
    node = orm.Int(1, user=storage.default_user, backend=storage).store()
    assert list(tmp_path.iterdir())

    del node, storage
    Collection.get_cached.cache_clear()
    gc.collect()

    assert list(tmp_path.iterdir()) == []


def test_a_profile_that_nobody_refers_to_takes_its_initialised_storage_along(tmp_path: Path) -> None:
    profile = SqliteTempBackend.create_profile(filepath=tmp_path / 'storage')
    SqliteTempBackend.initialise(profile)
    assert list(tmp_path.iterdir())

    del profile
    gc.collect()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_nothing_is_left_when_the_interpreter_ends_and_a_fork_takes_nothing_away(tmp_path: Path) -> None:
    code = """
        import io, os
        from pytest_aiida_temp.environment import import_module
        SqliteTempBackend = import_module('pytest_aiida_temp.storage').SqliteTempBackend
        storage = SqliteTempBackend(SqliteTempBackend.create_profile())
        key = storage.get_repository().put_object_from_filelike(io.BytesIO(b'content'))
        child = os.fork()
        if child == 0:
            raise SystemExit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(storage.get_repository().get_object_content(key).decode(), len(os.listdir(os.environ['TMPDIR'])))
    """
    (tmp_path / 'home').mkdir()
    (tmp_path / 'tmp').mkdir()
    environment = {**os.environ, 'TMPDIR': str(tmp_path / 'tmp'), 'HOME': str(tmp_path / 'home')}
    environment.pop('AIIDA_PATH', None)

    done = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code)], env=environment, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout.split()) == (0, ['content', '1']), done.stderr
    assert [path for path in tmp_path.rglob('*') if path.is_file()] == []
    assert list((tmp_path / 'tmp').iterdir()) == []
    assert list((tmp_path / 'home').iterdir()) == []
