from nodes import EXPECTED, count, storage, store


def test_storage(aiida_profile_clean):
    assert storage() == EXPECTED
    assert store() == 1


class TestDatabase:
    def test_parameters(self, database):
        assert database['database_username'] == 'someone'
        assert {'database_hostname', 'database_port', 'database_password', 'database_name'} <= set(database)

    def test_profile_of_it(self, aiida_config, aiida_profile_factory, database, config_psql_dos):
        settings = {**config_psql_dos(database_name='further'), 'database_username': 'guest'}
        with aiida_profile_factory(
            aiida_config, storage_backend='core.psql_dos', storage_config=settings, name='further'
        ) as profile:
            assert store() == 1
            profile.reset_storage()
            assert count() == 0
        assert storage() == EXPECTED
