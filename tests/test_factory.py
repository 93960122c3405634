"""Further profiles within a test."""

from __future__ import annotations

import pytest


def test_a_further_profile_is_loaded_for_a_block_with_storage_and_name_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from aiida import orm
        from aiida.manage import get_config, get_manager
        from nodes import count, store

        def names():
            return sorted(get_config().profile_names)

        def test_nested(aiida_temp_profile, aiida_temp_profile_factory, tmp_path):
            kept = orm.Int(1).store()
            with aiida_temp_profile_factory() as first:
                assert count() == 0
                node = orm.SinglefileData.from_string('first').store()
                options = {'caching.default_enabled': True}
                with aiida_temp_profile_factory('named', email='a@b.cd', options=options) as inner:
                    assert get_manager().get_profile() is inner
                    assert names() == ['aiida-temp', 'aiida-temp-1', 'named']
                    assert get_config().default_profile_name == 'named'
                    assert len({p.storage_config['filepath'] for p in (first, inner, aiida_temp_profile)}) == 3
                    assert inner.storage.get_repository().list_objects() == []
                    assert orm.User.collection.get_default().email == 'a@b.cd'
                    assert inner.options['caching.default_enabled'] is True
                    assert store() == 1
                    inner.reset()
                    assert count() == 0
                assert get_manager().get_profile() is first
                path = aiida_temp_profile.export(tmp_path / 'outer.aiida')
                with pytest.raises(ValueError, match='exists already'):
                    aiida_temp_profile.export(path)
                assert get_manager().get_profile() is first
                first.load_archive(path)
                assert orm.QueryBuilder().append(orm.Int, project='attributes.value').all(flat=True) == [1]
                assert node.get_content() == 'first'
                assert count() == 2
            assert get_manager().get_profile() is aiida_temp_profile
            assert names() == ['aiida-temp']
            assert get_config().default_profile_name == 'aiida-temp'
            assert kept.value == 1
            assert count() == 1

        def test_error(aiida_temp_profile_factory):
            own = get_manager().get_profile()
            with pytest.raises(ZeroDivisionError):
                with aiida_temp_profile_factory():
                    with aiida_temp_profile_factory():
                        store()
                        1 / 0
            assert get_manager().get_profile() is own
            assert names() == ['aiida-temp']
            assert count() == 0

        def test_never_left(aiida_temp_profile_factory):
            aiida_temp_profile_factory().__enter__()
            store()

        def test_after(aiida_temp_profile):
            assert names() == ['aiida-temp']
            assert get_manager().get_profile() is aiida_temp_profile
            assert count() == 0

        def test_bad_input(aiida_temp_profile_factory):
            with pytest.raises(ValueError, match="'aiida-temp' exists already .*: choose another name"):
                with aiida_temp_profile_factory('aiida-temp'):
                    pass
            for name in ('', 3):
                with pytest.raises(ValueError, match='cannot be the name of a profile'):
                    aiida_temp_profile_factory(name)
            with pytest.raises(ValueError, match="AiiDA has no option 'caching': did you mean"):
                aiida_temp_profile_factory(options={'caching': True})
            assert names() == ['aiida-temp']

        @pytest.fixture
        def of_a_fixture(aiida_temp_profile_factory):
            with aiida_temp_profile_factory() as profile:
                yield profile

        def test_runs_on_it(of_a_fixture):
            assert get_manager().get_profile() is of_a_fixture
            store()
    """)

    for flags in ((), ('--aiida-temp',)):
        pytester.runpytest_inprocess(*flags).assert_outcomes(passed=6)
