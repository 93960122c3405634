"""How our storage is configured, made, refused, shared, closed, opened again and got rid of."""

from __future__ import annotations

import gc
import io
import logging
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy
from aiida import orm
from aiida.common import exceptions
from aiida.manage import get_manager
from aiida.manage.configuration import Profile
from aiida.orm.entities import Collection, EntityTypes
from pydantic import BaseModel

from pytest_aiida_temp.storage import SandboxShaRepositoryBackend, SqliteTempBackend, database

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_aiida_temp import TempProfile


@pytest.fixture
def own_profile(tmp_path: Path, profile: TempProfile) -> Profile:
    """A profile that is not loaded, with a storage of its own to break, in a folder that is not there yet."""
    return SqliteTempBackend.create_profile('own', filepath=tmp_path / 'storage')


def execute(storage: SqliteTempBackend, statement: str) -> None:
    with storage.get_session().get_bind().engine.begin() as connection:
        connection.execute(sqlalchemy.text(statement))


# Configuration


def test_all_versions_of_aiida_find_the_same_model_of_the_configuration() -> None:
    model = SqliteTempBackend.CliModel

    assert model is SqliteTempBackend.Model is SqliteTempBackend.Configuration
    assert issubclass(model, BaseModel)
    assert list(model.model_fields) == ['filepath']
    assert model.model_fields['filepath'].title
    assert model.model_fields['filepath'].description


def test_the_folder_is_a_new_temporary_one_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))

    first, second = SqliteTempBackend.CliModel().filepath, SqliteTempBackend.CliModel().filepath

    assert first != second
    assert sorted(map(str, tmp_path.iterdir())) == sorted([first, second])


def test_a_profile_is_ready_to_be_used_and_in_no_configuration(tmp_path: Path) -> None:
    profile = SqliteTempBackend.create_profile(
        'name', 'me@here', {'caching.default_enabled': True}, debug=False, filepath=tmp_path
    )

    assert isinstance(profile, Profile)
    assert (profile.name, profile.default_user_email, profile.is_test_profile) == ('name', 'me@here', True)
    assert profile.options == {'caching.default_enabled': True}
    assert profile.storage_backend == 'aiida_temp.sqlite'
    assert profile.storage_cls is SqliteTempBackend
    assert profile.storage_config['filepath'] == str(tmp_path)
    assert SqliteTempBackend.cli_exposed is False


def test_a_storage_starts_with_the_default_user_and_a_sandbox_in_its_folder(own_profile: Profile) -> None:
    storage = SqliteTempBackend(own_profile)

    assert storage.default_user.email == own_profile.default_user_email
    repository = storage.get_repository()
    assert isinstance(repository, SandboxShaRepositoryBackend)
    assert Path(repository.sandbox.abspath).parent == Path(own_profile.storage_config['filepath'])
    assert 'open' in str(storage)
    storage.close()
    assert 'closed' in str(storage)


def test_debug_logs_every_statement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger('sqlalchemy.engine.Engine'), 'handlers', [caplog.handler])
    storage = SqliteTempBackend(SqliteTempBackend.create_profile(debug=True, filepath=tmp_path / 'storage'))

    storage.set_global_variable('variable', 1)

    assert any('INSERT INTO db_dbsetting' in record.getMessage() for record in caplog.records)
    storage.close()


# Schema


def test_a_storage_is_initialised_once_unless_reset(own_profile: Profile) -> None:
    assert SqliteTempBackend.version_profile(own_profile) is None
    with pytest.raises(exceptions.StorageMigrationError, match='uninitialised'):
        SqliteTempBackend.migrate(own_profile)

    assert SqliteTempBackend.initialise(own_profile) is True
    storage = SqliteTempBackend(own_profile)
    storage.set_global_variable('variable', 1)
    storage.close()

    assert SqliteTempBackend.initialise(own_profile) is False
    assert SqliteTempBackend(own_profile).get_global_variable('variable') == 1
    assert SqliteTempBackend.initialise(own_profile, reset=True) is True
    renewed = SqliteTempBackend(own_profile)
    assert renewed.version() == SqliteTempBackend.version_head() == SqliteTempBackend.version_profile(own_profile)
    with pytest.raises(KeyError):
        renewed.get_global_variable('variable')
    renewed.delete()


def test_a_schema_that_is_not_the_latest_is_refused(own_profile: Profile) -> None:
    storage = SqliteTempBackend(own_profile)
    execute(storage, "UPDATE alembic_version SET version_num = 'main_0000'")

    with pytest.raises(exceptions.IncompatibleStorageSchema, match='main_0000'):
        SqliteTempBackend(own_profile)
    with pytest.raises(exceptions.StorageMigrationError, match='main_0000'):
        SqliteTempBackend.migrate(own_profile)
    storage.close()


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda storage: execute(storage, 'DELETE FROM alembic_version'), 'version'),
        (lambda storage: execute(storage, 'DROP TABLE alembic_version'), 'version'),
        (lambda storage: execute(storage, 'DROP TABLE db_dblink'), 'db_dblink'),
        (lambda storage: shutil.rmtree(storage.get_repository().sandbox.abspath), 'sandbox'),
    ],
    ids=['no version', 'no version table', 'no links', 'no sandbox'],
)
def test_a_damaged_storage_is_refused(
    own_profile: Profile, damage: Callable[[SqliteTempBackend], None], message: str
) -> None:
    storage = SqliteTempBackend(own_profile)
    damage(storage)

    with pytest.raises(exceptions.CorruptStorage, match=message):
        SqliteTempBackend(own_profile)
    storage.close()


# Unreachable storages


@pytest.mark.parametrize('name', ['file', 'file/below'])
def test_a_path_that_cannot_be_a_folder_is_unreachable(tmp_path: Path, name: str) -> None:
    (tmp_path / 'file').touch()
    profile = SqliteTempBackend.create_profile(filepath=tmp_path / name)

    with pytest.raises(exceptions.UnreachableStorage, match='file'):
        SqliteTempBackend(profile)
    with pytest.raises(exceptions.UnreachableStorage, match='file'):
        SqliteTempBackend.initialise(profile)
    assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_a_sqlite_that_is_too_old_is_named(
    own_profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, 'MINIMUM_SQLITE_VERSION', (99, 0, 0))

    with pytest.raises(exceptions.UnreachableStorage, match=r'99\.0\.0'):
        SqliteTempBackend(own_profile)
    gc.collect()
    assert list(tmp_path.rglob('*')) == []


def test_the_storage_of_another_process_is_refused(own_profile: Profile, tmp_path: Path) -> None:
    own_profile.storage_config['owner'] = os.getppid()

    for use in (SqliteTempBackend, SqliteTempBackend.initialise, SqliteTempBackend.version_profile):
        with pytest.raises(exceptions.UnreachableStorage, match=str(os.getppid())):
            use(own_profile)
    assert list(tmp_path.iterdir()) == []


# Several backends and opening again


def test_a_second_backend_of_a_profile_shares_its_contents(profile: TempProfile) -> None:
    second = SqliteTempBackend(profile)
    node = orm.SinglefileData(io.BytesIO(b'content')).store()

    (found,) = orm.QueryBuilder(second).append(orm.SinglefileData).all(flat=True)
    assert found.get_content(mode='rb') == b'content'
    found.label = 'changed'
    second.close()

    assert node.label == 'changed'
    assert not profile.storage.is_closed


def test_contents_live_as_long_as_one_backend_is_open(own_profile: Profile, tmp_path: Path) -> None:
    first, second = SqliteTempBackend(own_profile), SqliteTempBackend(own_profile)
    first.set_global_variable('variable', 1)

    first.close()
    assert second.get_global_variable('variable') == 1

    second.close()
    assert list(tmp_path.iterdir()) == []


def test_nodes_are_usable_again_when_their_storage_was_closed_and_opened(profile: TempProfile) -> None:
    node, group = orm.SinglefileData(io.BytesIO(b'content')).store(), orm.Group('group').store()
    group.add_nodes(node)
    pk, uuid = node.pk, node.uuid

    profile.storage.close()
    get_manager().unload_profile()
    profile.load()

    assert (node.pk, node.uuid, node.get_content(mode='rb')) == (pk, uuid, b'content')
    node.base.extras.set('key', 'value')
    assert orm.load_node(uuid).base.extras.get('key') == 'value'
    assert [member.pk for member in group.nodes] == [pk]
    assert orm.Int(1, user=node.user).store().is_stored


# The end


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
