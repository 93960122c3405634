from aiida import load_profile, orm
from aiida.manage import get_config, get_manager
from nodes import EXPECTED, storage
from settings_of_package import CONFIG, DEFAULT

HAS_PROFILE = get_config().default_profile_name is not None


def test_storage(aiida_profile):
    assert DEFAULT is False
    assert CONFIG.dirpath
    assert storage() == EXPECTED


def test_load_profile_without_a_name(aiida_profile):
    node = orm.Int(1).store()
    assert load_profile().name == aiida_profile.name == get_manager().get_profile().name
    assert orm.load_node(node.pk).value == 1


if __name__ == '__main__':
    load_profile()
