import pytest
from aiida import orm
from aiida.manage import get_config, get_manager
from nodes import EXPECTED, storage, store


@pytest.mark.parametrize('number', range(2))
def test_profile(aiida_profile, aiida_config, number):
    assert storage() == EXPECTED
    assert get_manager().get_profile().name == aiida_profile.name == 'of-the-suite'
    assert get_config() is aiida_config
    assert get_config().get_option('runner.poll.interval') == 1
    get_manager().get_profile().set_option('runner.poll.interval', 2)
    assert orm.User.collection.get_default().email == 'me@localhost'


@pytest.mark.parametrize('number', range(2))
def test_clean(aiida_profile_clean, number):
    assert store() == 1


def test_of_a_test(aiida_profile_tmp, aiida_profile):
    assert get_manager().get_profile() is aiida_profile_tmp is not aiida_profile
    assert orm.User.collection.get_default().email == 'me@localhost'
    assert store() == 1


def test_after(aiida_profile, aiida_config):
    assert get_config().dirpath == aiida_config.dirpath
    assert get_manager().get_profile().name == 'of-the-suite'
