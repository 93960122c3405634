"""Shows how to call `verdi`, with the commands that plugins add to it, in the process of the test. The command sees the
data of the test and nothing of the profiles of whoever runs it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiida import orm
from aiida.engine import calcfunction

from pytest_aiida_temp import TempProfile


@pytest.fixture
def run_verdi(aiida_temp_profile: TempProfile) -> Callable[..., str]:
    """Runs a command and returns what it prints."""

    def run(*arguments: str) -> str:
        output, exit_code = aiida_temp_profile.verdi(*arguments)
        assert exit_code == 0, output
        return output

    return run


@calcfunction
def double(number: orm.Int) -> orm.Int:
    """Return twice the number."""
    return orm.Int(2 * number.value)


def test_lists_nodes(run_verdi: Callable[..., str]) -> None:
    node = orm.Int(5).store()

    output = run_verdi('node', 'list', '--raw', '--project', 'uuid')

    assert output.split() == [node.uuid]


def test_groups_nodes(run_verdi: Callable[..., str]) -> None:
    node = orm.Int(5).store()

    run_verdi('group', 'create', 'fives')
    run_verdi('group', 'add-nodes', '--force', '--group', 'fives', str(node.pk))

    assert [member.uuid for member in orm.load_group('fives').nodes] == [node.uuid]


def test_shows_a_process(run_verdi: Callable[..., str]) -> None:
    process = double(orm.Int(21)).creator

    output = run_verdi('process', 'show', str(process.pk))

    assert 'Finished [0]' in output
    assert str(process.outputs.result.pk) in output
