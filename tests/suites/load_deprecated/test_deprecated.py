from aiida import orm
from nodes import EXPECTED, storage


def test_storage(aiida_profile, family):
    assert storage() == EXPECTED
    assert orm.load_group('family').pk == family.pk


def test_code(aiida_local_code_factory, localhost, temp_dir):
    code = aiida_local_code_factory(executable='bash', entry_point='core.arithmetic.add')
    assert code.computer.label == localhost.label
    assert code.computer.get_default_mpiprocs_per_machine() in (1, 2)
    assert code.is_stored


def test_data_of_the_session_is_there(family):
    family.add_nodes(orm.Int(1).store())
    assert orm.QueryBuilder().append(orm.Group, filters={'label': 'family'}).count() == 1
