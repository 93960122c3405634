import pytest
from aiida import orm
from nodes import EXPECTED, storage

pytestmark = pytest.mark.usefixtures('family')


@pytest.fixture(scope='module')
def entities(request):
    return [orm.Int(n).store() for n in range(3)] + [orm.Group(label=request.module.__name__).store()]


def test_storage():
    assert storage() == EXPECTED


@pytest.mark.parametrize('number', range(3))
def test_entity_by_pk_and_uuid(entities, number):
    assert orm.load_node(entities[number].pk).value == number
    assert orm.load_node(str(entities[number].uuid)[:13]).value == number


def test_group(entities):
    assert orm.load_group(__name__).pk == entities[-1].pk
    assert orm.load_group('family').count() == 3


def test_factory(generate_structure):
    node = generate_structure().store()
    assert orm.load_node(node.pk)['value'] == 1
