"""The real ``verdi`` on the ephemeral profile, in the process of the test."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest

from pytest_aiida_temp import temp_profile
from pytest_aiida_temp.environment import import_module

import_module('aiida.orm')  # so that no `~/.aiida` is made

Verdi = Callable[..., str]


@pytest.fixture(scope='module')
def module_profile() -> Iterator[object]:
    with temp_profile() as profile:
        yield profile


@pytest.fixture
def verdi(module_profile) -> Verdi:
    """Run a command, and return what it printed."""
    from aiida.cmdline.commands.cmd_verdi import verdi as command
    from click.testing import CliRunner

    def run(*args: str) -> str:
        result = CliRunner().invoke(command, args)
        assert result.exit_code == 0, result.output
        return result.output

    module_profile.reset()
    return run


def test_storage_info_counts_entities_and_files(verdi: Verdi) -> None:
    from aiida import orm

    orm.SinglefileData(io.BytesIO(b'content')).store()

    lines = [line.strip() for line in verdi('storage', 'info').splitlines()]

    assert lines[lines.index('Nodes:') + 1] == 'count: 1'
    assert lines[lines.index('objects:') + 1] == 'count: 1'


def test_storage_version_is_the_latest(verdi: Verdi, module_profile) -> None:
    assert module_profile.storage.version_head() in verdi('storage', 'version')


def test_storage_maintain_removes_files_that_no_node_refers_to(verdi: Verdi, module_profile) -> None:
    repository = module_profile.storage.get_repository()
    key = repository.put_object_from_filelike(io.BytesIO(b'of no node'))

    assert 'Would delete 1' in verdi('storage', 'maintain', '--dry-run')
    assert repository.has_object(key)

    verdi('storage', 'maintain', '--force')

    assert not repository.has_object(key)


def test_node_delete_deletes_node_and_links(verdi: Verdi) -> None:
    from aiida import orm
    from aiida.engine import calcfunction

    @calcfunction
    def double(number):
        return number * 2

    number = orm.Int(1).store()
    double(number)

    verdi('node', 'delete', '--force', str(number.pk))

    assert orm.QueryBuilder().append(orm.Node).count() == 0


def test_process_and_group_commands_show_what_is_stored(verdi: Verdi) -> None:
    from aiida import orm
    from aiida.engine import calcfunction

    @calcfunction
    def triple(number):
        return number * 3

    triple(orm.Int(1))
    orm.Group('numbers').store()

    assert 'triple' in verdi('process', 'list', '--all')
    assert 'numbers' in verdi('group', 'list')


def test_archive_goes_out_and_comes_in(verdi: Verdi, module_profile, tmp_path) -> None:
    from aiida import orm

    node = orm.SinglefileData(io.BytesIO(b'content')).store()
    uuid = node.uuid
    verdi('archive', 'create', '--all', str(tmp_path / 'all.aiida'))
    module_profile.reset()

    verdi('archive', 'import', str(tmp_path / 'all.aiida'))

    assert orm.load_node(uuid).get_content() == 'content'
