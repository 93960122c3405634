import pytest
from aiida import orm
from aiida.common.exceptions import NotExistent
from nodes import EXPECTED, count, storage, store


def test_first(generate_computer):
    assert storage() == EXPECTED
    assert generate_computer().pk == generate_computer().pk
    store()


def test_reset(aiida_profile, generate_computer):
    generate_computer()
    aiida_profile.reset_storage()
    with pytest.raises(NotExistent):
        orm.load_computer('localhost')
    assert generate_computer().is_configured
    assert count() == 0


def test_aiida_localhost_is_got_or_created(generate_computer, aiida_localhost):
    assert aiida_localhost.label.startswith('localhost')
    assert generate_computer().is_stored


@pytest.mark.parametrize('number', range(2))
def test_user_is_there_after_reset(aiida_profile, number):
    aiida_profile.reset_storage()
    assert [user.email for user in orm.User.collection.all()] == [aiida_profile.default_user_email]
    assert store() == 1
