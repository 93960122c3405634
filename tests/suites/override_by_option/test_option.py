import pytest
from nodes import EXPECTED, storage, store


@pytest.mark.usefixtures('aiida_profile')
def test_storage():
    assert storage() == EXPECTED


@pytest.mark.usefixtures('aiida_profile_clean')
def test_clean():
    assert store() == 1


@pytest.mark.requires_psql
def test_psql(pytestconfig, aiida_profile):
    assert pytestconfig.getoption('--db-backend') == 'psql'


def test_daemon(aiida_profile, stopped_daemon_client, daemon_client, request):
    assert not stopped_daemon_client.is_daemon_running
    assert daemon_client.profile.name == aiida_profile.name
    assert request.node.get_closest_marker('requires_daemon')
