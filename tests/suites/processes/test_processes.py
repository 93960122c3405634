import pytest
from aiida import orm
from aiida.engine import run_get_node
from nodes import EXPECTED, storage

ADD = 'core.arithmetic.add'


@pytest.fixture
def inputs(fixture_code):
    return {
        'code': fixture_code(ADD),
        'x': orm.Int(1),
        'y': orm.Int(2),
        'metadata': {'options': {'resources': {'num_machines': 1}}},
    }


@pytest.mark.parametrize('number', range(2))
def test_prepare(generate_calc_job, inputs, number):
    calc_info = generate_calc_job(ADD, inputs)
    assert calc_info.codes_info[0].code_uuid == inputs['code'].uuid
    assert storage() == EXPECTED


def test_job(aiida_profile_clean, inputs, aiida_localhost, aiida_code_installed):
    code = aiida_code_installed(default_calc_job_plugin=ADD, filepath_executable='/bin/bash', computer=aiida_localhost)
    results, node = run_get_node(code.get_builder(), x=orm.Int(1), y=orm.Int(2), metadata=inputs['metadata'])
    assert node.is_finished_ok, node.exit_message
    assert results['sum'] == 3
    assert orm.load_node(node.pk).outputs.retrieved.base.repository.list_object_names()


def test_computer_has_the_same_label(fixture_localhost, aiida_localhost, aiida_computer_local):
    assert fixture_localhost.pk == aiida_localhost.pk
    assert aiida_computer_local(label=aiida_localhost.label).pk == aiida_localhost.pk


def test_entry_points(entry_points, inputs):
    from aiida.calculations.arithmetic.add import ArithmeticAddCalculation

    entry_points.add(ArithmeticAddCalculation, 'aiida.calculations:suite.add')
    node = orm.CalcJobNode(process_type='aiida.calculations:suite.add', computer=inputs['code'].computer).store()
    assert orm.load_node(node.pk).process_class is ArithmeticAddCalculation
