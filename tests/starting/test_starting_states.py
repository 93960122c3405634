"""Archives as the state that tests start from."""

from __future__ import annotations

import pytest

MODULE = 'import pytest\nfrom nodes import store, count\nfrom aiida import orm\nfrom helpers import values\n'


def test_tests_start_from_the_archives_they_name_in_any_order(suite: pytest.Pytester) -> None:
    suite.makepyfile(f"""
        {MODULE.replace(chr(10), chr(10) + '        ')}
        TEN = pytest.mark.aiida_temp(archive='data/10.aiida')

        @TEN
        def test_first():
            node = orm.QueryBuilder().append(orm.Int).one()[0]
            assert node.base.repository.get_object_content('file.txt') == '10'
            node.base.extras.set('colour', 'blue')
            orm.Int(1).store()

        @TEN
        def test_same():
            assert values() == [10]
            assert 'colour' not in orm.QueryBuilder().append(orm.Int).one()[0].base.extras.all

        @pytest.mark.aiida_temp(archive=['data/20.aiida'])
        def test_other():
            assert values() == [20]

        @pytest.mark.aiida_temp(archive=('data/10.aiida', 'data/20.aiida'))
        def test_both():
            assert values() == [10, 20]

        @pytest.mark.aiida_temp
        def test_none(aiida_temp_profile):
            assert values() == []
            assert list(aiida_temp_profile.storage.get_repository().list_objects()) == []

        def test_without_the_profile():
            pass

        @TEN
        def test_again():
            assert values() == [10]
            assert orm.QueryBuilder().append(orm.Int).one()[0].base.repository.get_object_content('file.txt') == '10'

        @pytest.mark.aiida_temp(archive='data/30.aiida')
        def test_third(aiida_temp_profile):
            assert values() == [30]
            aiida_temp_profile.reset()
            assert values() == []

        @pytest.mark.aiida_temp(archive='data/30.aiida')
        def test_third_again():
            assert values() == [30]
            orm.load_node(orm.QueryBuilder().append(orm.Int).one()[0].pk)
    """)

    suite.runpytest_inprocess().assert_outcomes(passed=9)
    suite.runpytest_inprocess('--aiida-temp').assert_outcomes(passed=9)
    suite.runpytest_inprocess('-p', 'randomly', '-p', 'no:cacheprovider').assert_outcomes(passed=9)


def test_a_second_test_finds_the_primary_keys_of_the_first(suite: pytest.Pytester) -> None:
    suite.makepyfile(f"""
        {MODULE.replace(chr(10), chr(10) + '        ')}
        pytestmark = pytest.mark.aiida_temp
        TEN = pytest.mark.aiida_temp(archive='data/10.aiida')

        @TEN
        def test_first():
            assert orm.QueryBuilder().append(orm.Int, project='id').all(flat=True) == [1]
            assert orm.Int(1).store().pk == 2

        def test_between():
            assert orm.Int(1).store().pk == 1

        @TEN
        def test_second():
            assert orm.QueryBuilder().append(orm.Int, project='id').all(flat=True) == [1]
            assert orm.Int(1).store().pk == 2
    """)

    suite.runpytest_inprocess().assert_outcomes(passed=3)


def test_each_archive_is_imported_once_a_process(suite: pytest.Pytester) -> None:
    suite.makeconftest("""
        import pytest

        @pytest.fixture(scope='session', autouse=True)
        def imports():
            from pytest_aiida_temp.archives import transfer

            imported, real = [], transfer.import_archive
            transfer.import_archive = lambda path, **kwargs: imported.append(path.name) or real(path, **kwargs)
            yield imported
            transfer.import_archive = real
            print('imported:', *imported)
    """)
    text = f"""{MODULE}
@pytest.mark.aiida_temp(archive='data/10.aiida')
def test_ten(): assert values() == [10]

@pytest.mark.aiida_temp(archive='data/20.aiida')
def test_twenty(): assert values() == [20]

@pytest.mark.aiida_temp(archive='data/10.aiida')
def test_ten_again(): assert values() == [10]
"""
    suite.makepyfile(test_a=text, test_b=text)

    result = suite.runpytest_inprocess('-s', '--aiida-temp')

    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(['*imported: 10.aiida 20.aiida'])


def test_neighbours_share_what_was_read_and_pay_a_reset(suite: pytest.Pytester) -> None:
    suite.makeconftest("""
        import pytest
        from pytest_aiida_temp.archives import starting

        added = []
        real = starting.StartingStates._add
        starting.StartingStates._add = lambda self, profile, state: (
            added.append(state.archives[0].path.name), real(self, profile, state)
        )

        def pytest_unconfigure():
            starting.StartingStates._add = real
            print('added:', *added)

        @pytest.fixture(scope='module')
        def wide(aiida_temp_session):
            from aiida import orm
            return orm.Int(1).store()
    """)
    ten = "@pytest.mark.aiida_temp(archive='data/10.aiida')\n"
    suite.makepyfile(
        test_a=f'{MODULE}{ten}def test_one(): store()\n{ten}def test_two(): assert values() == [10]\n',
        test_b=f'{MODULE}{ten}def test_three(): assert values() == [10]\n'
        f'{ten}def test_four(wide): assert values() == [1, 10]\n{ten}def test_five(wide): assert values() == [1, 10]\n',
    )

    result = suite.runpytest_inprocess('-s')

    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(['*added: 10.aiida 10.aiida'])


def test_marks_on_module_and_class_add_up_and_their_fixtures_find_the_content(suite: pytest.Pytester) -> None:
    suite.makepyfile(f"""
        {MODULE.replace(chr(10), chr(10) + '        ')}
        pytestmark = pytest.mark.aiida_temp(archive='data/10.aiida')

        @pytest.fixture(scope='session')
        def ahead(aiida_temp_session):
            return values()

        @pytest.fixture(scope='module')
        def doubled(ahead, aiida_temp_session):
            assert ahead == []
            assert values() == [10]
            yield orm.Int(2 * orm.QueryBuilder().append(orm.Int).one()[0].value).store()
            assert values() == [10, 20]

        def test_module(doubled):
            assert values() == [10, 20]
            orm.Int(1).store()

        def test_module_again(doubled):
            assert values() == [10, 20]

        @pytest.mark.aiida_temp(archive='data/30.aiida')
        class TestClass:
            @classmethod
            def setup_class(cls):
                assert values() == [10, 20, 30]
                orm.Int(40).store()

            def test_class(self):
                assert values() == [10, 20, 30, 40]

            @pytest.mark.aiida_temp(archive='data/20.aiida')
            def test_all(self):
                assert values() == [10, 20, 20, 30, 40]

        def test_module_after_class(doubled):
            assert values() == [10, 20]

        @pytest.mark.aiida_temp(profile=False)
        def test_outside():
            pass
    """)

    suite.runpytest_inprocess().assert_outcomes(passed=6)


def test_a_fixture_of_wider_scope_can_be_asked_for_late(suite: pytest.Pytester) -> None:
    suite.makeconftest("""
        import pytest
        from aiida import orm

        @pytest.fixture(scope='session')
        def wide(aiida_temp_session):
            return orm.Int(1).store()
    """)
    suite.makepyfile(
        test_a=f"""
        {MODULE.replace(chr(10), chr(10) + '        ')}
        pytestmark = pytest.mark.aiida_temp(archive='data/10.aiida')

        def test_first(): assert values() == [10]

        def test_asks(request):
            orm.Int(2).store()
            assert request.getfixturevalue('wide').value == 1
            assert values() == [1, 2, 10]

        def test_third(): assert values() == [1, 10]
    """,
        test_b=f"""
        {MODULE.replace(chr(10), chr(10) + '        ')}
        pytestmark = pytest.mark.aiida_temp

        def test_without(wide):
            assert values() == [1]
            assert wide.value == 1

        @pytest.mark.aiida_temp(archive='data/20.aiida')
        def test_with(wide):
            assert values() == [1, 20]
    """,
    )

    suite.runpytest_inprocess().assert_outcomes(passed=5)


def test_each_attempt_of_a_test_starts_from_its_archives(suite: pytest.Pytester) -> None:
    pytest.importorskip('pytest_rerunfailures')
    suite.makepyfile(f"""
        {MODULE.replace(chr(10), chr(10) + '        ')}
        attempts = []

        @pytest.mark.aiida_temp(archive='data/10.aiida')
        def test_flaky():
            assert values() == [10]
            orm.Int(1).store()
            attempts.append(1)
            assert len(attempts) == 3

        @pytest.mark.aiida_temp(archive='data/10.aiida')
        def test_next():
            assert values() == [10]
    """)

    suite.runpytest_inprocess('--reruns=3').assert_outcomes(passed=2)


def test_tests_of_a_class_can_share_what_they_started_from(suite: pytest.Pytester) -> None:
    suite.makepyfile(f"""
        {MODULE.replace(chr(10), chr(10) + '        ')}
        @pytest.mark.aiida_temp(archive='data/10.aiida', reset='class')
        class TestShared:
            def test_stores(self):
                orm.Int(1).store()

            def test_finds(self):
                assert values() == [1, 10]

        @pytest.mark.aiida_temp(archive='data/20.aiida')
        class TestNext:
            def test_is_alone(self):
                assert values() == [20]
                orm.Int(1).store()

            def test_is_reset(self):
                assert values() == [20]
    """)

    suite.runpytest_inprocess().assert_outcomes(passed=4)
    suite.runpytest_inprocess('--aiida-temp', '--aiida-temp-reset=module').assert_outcomes(passed=3, failed=1)


def test_a_mark_on_a_test_resets_after_it_whatever_the_scope_of_the_run(suite: pytest.Pytester) -> None:
    suite.makepyfile(f"""
        {MODULE.replace(chr(10), chr(10) + '        ')}
        @pytest.mark.aiida_temp(archive='data/10.aiida')
        def test_first():
            orm.Int(1).store()
            assert values() == [1, 10]

        def test_second():
            assert values() == []
            orm.Int(2).store()

        @pytest.mark.aiida_temp(archive='data/10.aiida')
        def test_third():
            assert values() == [2, 10]

        @pytest.mark.aiida_temp(reset=False)
        def test_fourth():
            assert values() == [2]
    """)

    suite.runpytest_inprocess('--aiida-temp', '--aiida-temp-reset=module').assert_outcomes(passed=4)


def test_what_is_there_already_is_merged_as_in_any_import(suite: pytest.Pytester) -> None:
    suite.makepyfile(f"""
        {MODULE.replace(chr(10), chr(10) + '        ')}
        from pathlib import Path

        @pytest.fixture(scope='module')
        def imported(aiida_temp_session):
            aiida_temp_session.load_archive(Path(__file__).parent / 'data/10.aiida')

        @pytest.mark.aiida_temp(archive=['data/10.aiida', 'data/20.aiida'])
        def test_first(imported):
            assert values() == [10, 20]

        @pytest.mark.aiida_temp(archive=['data/10.aiida', 'data/20.aiida'])
        def test_second(imported):
            assert values() == [10, 20]

        def test_third(imported):
            assert values() == [10]
    """)

    suite.runpytest_inprocess().assert_outcomes(passed=3)
