"""Shows how to test a parser on an output that is written by hand, without running a code. Neither the calculation nor
the parser needs an installed entry point.
"""

from __future__ import annotations

import io
from typing import Any

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import CalcJob, ExitCode
from aiida.parsers import Parser

OUTPUT = """\
step  energy/eV
1     -12.25
2     -12.75
converged after 2 steps
"""


class EnergyCalculation(CalcJob):
    """The calculation that the output is of."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.output('energy', valid_type=orm.Float, help='Energy of the last step in eV.')
        spec.exit_code(300, 'ERROR_NO_OUTPUT', message='The file energy.out was not retrieved.')
        spec.exit_code(301, 'ERROR_NOT_CONVERGED', message='The calculation did not converge.')


class EnergyParser(Parser):
    """Reads the energy of the last step."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        if 'energy.out' not in self.retrieved.base.repository.list_object_names():
            return self.exit_codes.ERROR_NO_OUTPUT
        *steps, last = self.retrieved.base.repository.get_object_content('energy.out').splitlines()
        if not last.startswith('converged'):
            return self.exit_codes.ERROR_NOT_CONVERGED
        self.out('energy', orm.Float(float(steps[-1].split()[1])))
        return None


def finished_calculation(computer: orm.Computer, **files: str) -> orm.CalcJobNode:
    """Return a stored calculation that retrieved files with this content."""
    node = orm.CalcJobNode(computer=computer, process_type=EnergyCalculation.build_process_type()).store()
    retrieved = orm.FolderData()
    for name, content in files.items():
        retrieved.base.repository.put_object_from_filelike(io.BytesIO(content.encode()), f'{name}.out')
    retrieved.base.links.add_incoming(node, LinkType.CREATE, link_label='retrieved')
    retrieved.store()
    return node


def test_reads_the_last_energy(localhost: orm.Computer) -> None:
    node = finished_calculation(localhost, energy=OUTPUT)

    results, parsing = EnergyParser.parse_from_node(node)

    assert parsing.is_finished_ok
    assert results['energy'].value == -12.75
    assert results['energy'].is_stored


@pytest.mark.parametrize(
    ('files', 'status'),
    [({}, 300), ({'energy': OUTPUT.split('converged', maxsplit=1)[0]}, 301)],
    ids=['no output', 'not converged'],
)
def test_says_what_is_wrong(localhost: orm.Computer, files: dict[str, str], status: int) -> None:
    node = finished_calculation(localhost, **files)

    results, parsing = EnergyParser.parse_from_node(node)

    assert parsing.exit_status == status
    assert 'energy' not in results
