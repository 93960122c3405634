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


def test_a_command_gives_its_output_and_its_exit_code(module_profile) -> None:
    from aiida import orm

    module_profile.reset()
    node = orm.Int(5).store()

    output, exit_code = module_profile.verdi('node', 'show', node.pk)

    assert exit_code == 0
    assert node.uuid in output
    assert module_profile.verdi('process', 'list').exit_code == 0


def test_a_command_that_fails_says_so_in_output_and_exit_code(module_profile) -> None:
    unknown = module_profile.verdi('nodes')
    missing = module_profile.verdi('node', 'show', 99999)

    assert unknown.exit_code == 2
    assert 'is not a verdi command' in unknown.output
    assert missing.exit_code != 0
    assert 'no Node found with ID<99999>' in missing.output


def test_an_exception_of_a_command_is_in_its_output(module_profile, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args, **kwargs):
        raise ZeroDivisionError('of the command')

    monkeypatch.setattr(type(module_profile.storage), 'get_info', fail)

    output, exit_code = module_profile.verdi('storage', 'info')

    assert exit_code == 1
    assert 'Traceback' in output
    assert 'ZeroDivisionError: of the command' in output


def test_a_command_can_be_answered(module_profile) -> None:
    from aiida import orm

    module_profile.reset()
    node = orm.Int(5).store()

    assert module_profile.verdi('node', 'delete', node.pk, input='n\n').exit_code == 1
    assert orm.QueryBuilder().append(orm.Int).count() == 1
    assert module_profile.verdi('node', 'delete', node.pk, input='y\n').exit_code == 0
    assert orm.QueryBuilder().append(orm.Int).count() == 0


def test_a_command_leaves_logging_and_progress_bars_as_they_were(module_profile) -> None:
    from aiida.common import log
    from aiida.common.progress_reporter import get_progress_reporter

    module_profile.reset()  # what commands of other tests have left
    before = (log.CLI_ACTIVE, list(log.AIIDA_LOGGER.handlers), get_progress_reporter())

    module_profile.verdi('archive', 'create', '--all', '--dry-run', 'all.aiida')

    assert (log.CLI_ACTIVE, list(log.AIIDA_LOGGER.handlers), get_progress_reporter()) == before
    assert module_profile.logging.is_intact()


def test_a_command_runs_on_its_profile_also_while_another_one_is_loaded(module_profile) -> None:
    from aiida import orm
    from aiida.manage import get_manager

    module_profile.reset()
    orm.Group('mine').store()
    with temp_profile(name='other') as other:
        assert 'mine' in module_profile.verdi('group', 'list').output
        assert get_manager().get_profile() is other
        assert 'mine' not in other.verdi('group', 'list').output
        assert 'other' in other.verdi('status').output
