import subprocess
import sys
from pathlib import Path

from aiida import orm
from aiida.cmdline.commands.cmd_node import verdi_node
from command import main, store_node
from nodes import EXPECTED, count, storage


def test_help():
    command = [sys.executable, str(Path(__file__).parent / 'command.py'), 'store', '--help']
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 'Store a node.' in result.stdout


def test_store(run_cli_command, aiida_profile):
    pk = run_cli_command(store_node)
    assert orm.load_node(int(pk)).value == 4
    assert storage() == EXPECTED


def test_verdi(run_cli_command, aiida_profile_clean):
    node = orm.Int(5).store()
    assert node.uuid in run_cli_command(verdi_node, ['show', str(node.pk)])
    assert run_cli_command(main, ['store'], env={'AIIDA_PROFILE': aiida_profile_clean.name})
    assert count() == 2
