from aiida import orm
from aiida.manage import get_config, get_manager
from nodes import EXPECTED, count, storage, store


def test_other_storage(other_profile, aiida_profile):
    assert storage() == 'suite.other'
    assert type(get_manager().get_profile_storage()).__name__ == 'OtherStorage'
    assert store() == 1
    other_profile.reset_storage()
    assert count() == 0


class TestClass:
    def test_own_configuration(self, profile_of_class):
        assert get_config().profile_names == ['of-the-class']
        assert storage() == EXPECTED
        assert orm.User.collection.get_default().email == 'class@localhost'
        assert store() >= 1

    def test_clean(self, profile_of_class):
        profile_of_class.reset_storage()
        assert count() == 0
        assert get_manager().get_profile() is profile_of_class


def test_after(aiida_profile, aiida_config):
    assert get_manager().get_profile().name == aiida_profile.name
    assert get_config().dirpath == aiida_config.dirpath
    assert storage() == EXPECTED


def test_of_a_test(aiida_profile, aiida_profile_tmp, aiida_config_tmp):
    assert get_config() is aiida_config_tmp
    assert get_manager().get_profile() is aiida_profile_tmp
    assert store() == 1
