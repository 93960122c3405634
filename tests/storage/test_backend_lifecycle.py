"""How our storage is configured, made, refused, shared, closed and opened again."""

from __future__ import annotations

import gc
import io
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy
from aiida import orm
from aiida.common import exceptions
from aiida.manage import get_manager
from aiida.manage.configuration import Profile
from pydantic import BaseModel

from pytest_aiida_temp.storage import SandboxShaRepositoryBackend, SqliteTempBackend, database

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_aiida_temp import TempProfile


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
