import pytest
from nodes import EXPECTED, storage, store


def test_storage(aiida_profile):
    assert storage() == EXPECTED == aiida_profile.storage_backend


def test_names_no_fixture():
    assert store() > 0


@pytest.mark.usefixtures('aiida_profile_clean', 'chdir_tmp_path')
def test_clean(tmp_path):
    assert store() == 1


def test_clean_in_the_signature(aiida_profile_clean, aiida_profile):
    assert aiida_profile_clean is aiida_profile
    assert store() == 1
