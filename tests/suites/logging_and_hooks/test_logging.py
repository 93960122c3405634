import pytest
from aiida import orm
from nodes import EXPECTED, storage


@pytest.mark.parametrize('number', range(3))
def test_handler_is_there_each_time(aiida_profile_clean, number):
    assert storage() == EXPECTED
    node = orm.CalcJobNode().store()
    node.logger.error('of the node')
    assert [log.message for log in orm.Log.collection.get_logs_for(node)] == ['of the node']


@pytest.mark.regression
def test_regression():
    raise AssertionError
