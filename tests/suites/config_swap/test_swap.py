import json
from pathlib import Path

import pytest
from aiida import load_profile, orm
from aiida.manage import configuration, get_manager
from nodes import EXPECTED, count, storage, store


@pytest.fixture(scope='module')
def uuid(aiida_profile):
    return orm.Int(5).store().uuid


@pytest.fixture
def stored_before(uuid, aiida_profile):
    return orm.Int(6).store().uuid


@pytest.mark.parametrize('number', range(2))
def test_empty(uuid, empty_config, number):
    assert empty_config.profiles == []
    assert get_manager().get_profile() is None


@pytest.fixture
def looked_at_after(stored_before):
    """Looks when the configuration is back."""
    yield
    assert orm.load_node(stored_before).value == 6


def test_data_is_back_with_the_configuration(looked_at_after, empty_config):
    assert get_manager().get_profile() is None


def test_after_the_swap(uuid, aiida_profile):
    assert storage() == EXPECTED
    assert get_manager().get_profile().name == aiida_profile.name
    assert orm.load_node(uuid).value == 5


def test_unload_and_load_by_name(stored_before, aiida_profile):
    before = count()
    get_manager().unload_profile()
    load_profile(aiida_profile.name)
    assert count() == before
    assert orm.load_node(stored_before).value == 6
    assert get_manager().get_profile().name == aiida_profile.name


def test_load_without_a_name(uuid, aiida_profile):
    assert load_profile().name == aiida_profile.name
    assert orm.load_node(uuid).value == 5


def test_isolated(isolated_config, aiida_profile):
    isolated_config.set_option('caching.default_enabled', True)
    isolated_config.store()
    content = json.loads(Path(isolated_config.filepath).read_text())
    assert content['options'] == {'caching.default_enabled': True}
    assert content['default_profile'] == aiida_profile.name
    assert configuration.get_config() is isolated_config
    assert store() > 0


def test_context(uuid, aiida_profile):
    with configuration.profile_context(aiida_profile.name, allow_switch=True) as profile:
        assert profile.name == aiida_profile.name
        assert orm.load_node(uuid).value == 5
    assert configuration.get_config_option('caching.default_enabled') is False
