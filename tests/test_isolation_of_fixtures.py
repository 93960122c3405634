"""What fixtures of wider scope store is there for as long as they live, as they stored it."""

from __future__ import annotations

import pytest


def test_data_of_each_scope_lives_as_long_as_its_fixture(pytester: pytest.Pytester) -> None:
    module = """
        import pytest
        from nodes import count, store

        @pytest.fixture(scope='module')
        def of_module(of_session):
            return store()

        @pytest.fixture(scope='class')
        def of_class(of_module):
            return store()

        @pytest.fixture
        def of_function(of_class):
            return store()

        class TestOne:
            @pytest.mark.parametrize('n', range(2))
            def test_one(self, of_function, aiida_temp_profile, n):
                assert of_function == 4
                assert store() == 5

            def test_two(self, of_class, aiida_temp_profile):
                assert store() == 4

        class TestTwo:
            def test_one(self, of_function, aiida_temp_profile):
                assert of_function == 4
                assert store() == 5

            def test_two(self, aiida_temp_profile):
                assert store() == 4

        def test_three(of_module, aiida_temp_profile):
            assert store() == 3

        def test_four(of_function, aiida_temp_profile):
            assert store() == 5
    """
    pytester.makeconftest("""
        import pytest

        @pytest.fixture(scope='session')
        def of_session(aiida_temp_session):
            from nodes import store
            return store()
    """)
    pytester.makepyfile(test_a=module, test_b=module)

    pytester.runpytest_inprocess().assert_outcomes(passed=14)


@pytest.fixture
def suite_with_data(pytester: pytest.Pytester) -> pytest.Pytester:
    """Pytester with a fixture ``data`` of module scope, a group of two nodes, and a check that all is as it made it."""
    pytester.makeconftest("""
        import pytest

        @pytest.fixture(scope='module')
        def data(aiida_temp_session):
            from aiida import orm
            group = orm.Group('label', description='as made').store()
            group.add_nodes([orm.SinglefileData.from_string(f'{n}').store() for n in range(2)])
            return group, list(group.nodes)
    """)
    pytester.makepyfile(
        checks="""
        from aiida import orm

        def check(group, nodes):
            assert (group.label, group.description, group.count()) == ('label', 'as made', 2)
            assert [node.pk for node in group.nodes] == [1, 2]
            assert [node.get_content() for node in nodes] == ['0', '1']
            assert ['seen' in node.base.extras.all for node in nodes] == [False, False]
            assert orm.QueryBuilder().append(orm.Node).count() == 2

        def load():
            group = orm.load_group('label')
            return group, list(group.nodes)
        """
    )
    return pytester


def test_what_a_test_changes_of_wider_data_is_put_back(suite_with_data: pytest.Pytester) -> None:
    suite_with_data.makepyfile("""
        from aiida import orm
        from checks import check, load

        def test_changes_the_group(data, aiida_temp_profile):
            group, nodes = data
            group.label = 'other'
            group.description = 'changed'
            group.remove_nodes(nodes[0])

        def test_finds_the_group_as_it_was(data, aiida_temp_profile):
            check(*data)

        def test_changes_a_node(data, aiida_temp_profile):
            data[1][1].base.extras.set('seen', True)
            data[1][1].label = 'changed'

        def test_finds_the_node_as_it_was(data, aiida_temp_profile):
            check(*data)
            check(*load())
            assert orm.Int(1).store().pk == 3
    """)

    suite_with_data.runpytest_inprocess().assert_outcomes(passed=4)


DELETES = """
        from aiida import orm
        from aiida.tools import delete_nodes
        from checks import check, load

        def test_deletes_nodes(data, aiida_temp_profile):
            delete_nodes([node.pk for node in data[1]], dry_run=False)
            aiida_temp_profile.storage.maintain(full=False)
            assert orm.QueryBuilder().append(orm.Node).count() == 0

        def test_finds_nodes(data, aiida_temp_profile):
            check({found})

        def test_deletes_the_group(data, aiida_temp_profile):
            orm.Group.collection.delete(data[0].pk)
            assert orm.QueryBuilder().append(orm.Group).count() == 0

        def test_finds_the_group(data, aiida_temp_profile):
            check({found})

        def test_empties_the_storage(data, aiida_temp_profile):
            aiida_temp_profile.reset_storage()
            assert orm.QueryBuilder().append(orm.Node).count() == 0

        def test_finds_all_of_it(data, aiida_temp_profile):
            check({found})
"""


def test_what_a_test_deletes_of_wider_data_is_put_back(suite_with_data: pytest.Pytester) -> None:
    suite_with_data.makepyfile(DELETES.format(found='*load()'))

    suite_with_data.runpytest_inprocess().assert_outcomes(passed=6)


def test_objects_that_a_wide_fixture_holds_stay_usable_where_a_test_deletes_them(
    suite_with_data: pytest.Pytester,
) -> None:
    suite_with_data.makepyfile(DELETES.format(found='*data'))

    suite_with_data.runpytest_inprocess().assert_outcomes(passed=6)


def test_pks_of_a_test_do_not_depend_on_what_ran_before(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from aiida import orm

        @pytest.fixture(scope='session', autouse=True)
        def data(aiida_temp_session):
            return [orm.Int(n).store() for n in range(3)]

        @pytest.mark.parametrize('number', [1, 7, 2])
        def test_one(number, aiida_temp_profile):
            assert [orm.Int(n).store().pk for n in range(number)] == [4 + n for n in range(number)]
            assert orm.Group('label').store().pk == 1
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=3)


def test_set_up_in_the_style_of_xunit_counts_as_a_fixture_of_its_scope(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import unittest
        import pytest
        from nodes import count, store

        pytestmark = pytest.mark.aiida_temp

        def setup_module():
            assert store() == 1

        def teardown_module():
            assert store() == 2

        def setup_function():
            assert store() == 2

        @pytest.mark.parametrize('n', range(2))
        def test_function(n):
            assert store() == 3

        class TestClass:
            @classmethod
            def setup_class(cls):
                assert store() == 2

            def setup_method(self):
                assert store() == 3

            def teardown_method(self):
                assert store() == 5

            @classmethod
            def teardown_class(cls):
                assert store() == 3

            @pytest.mark.parametrize('n', range(2))
            def test_method(self, n):
                assert store() == 4

        class TestCase(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                assert store() == 2

            def setUp(self):
                assert store() == 3

            def tearDown(self):
                assert store() == 5

            @classmethod
            def tearDownClass(cls):
                assert store() == 3

            def test_one(self):
                assert store() == 4

            def test_two(self):
                assert store() == 4
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=6)


@pytest.mark.parametrize('scope', ['function', 'class', 'module', 'session'])
def test_each_parameter_of_a_fixture_starts_without_the_data_of_the_others(
    pytester: pytest.Pytester, scope: str
) -> None:
    pytester.makepyfile(f"""
        import pytest
        from nodes import count, store

        @pytest.fixture(scope={scope!r}, params=[1, 2, 3])
        def data(request, aiida_temp_session):
            return [store() for _ in range(request.param)]

        class TestClass:
            def test_one(self, data, aiida_temp_profile):
                assert data == list(range(1, len(data) + 1))
                assert store() == len(data) + 1

            def test_two(self, data, aiida_temp_profile):
                assert store() == len(data) + 1
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=6)


def test_what_one_instance_of_a_wide_fixture_deleted_is_back_with_its_files_although_they_were_cleared_since(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("""
        import io
        import pytest
        from aiida import orm
        from aiida.tools import delete_nodes
        from nodes import count

        @pytest.fixture(scope='session')
        def base(aiida_temp_session):
            return orm.SinglefileData(io.BytesIO(b'content')).store()

        @pytest.fixture(scope='module', params=['deletes', 'leaves'])
        def instance(request, base, aiida_temp_session):
            if request.param == 'deletes':
                delete_nodes([base.pk], dry_run=False)
            return request.param

        @pytest.fixture(scope='module')
        def cleared(aiida_temp_session):
            aiida_temp_session.reset()

        def test_of_instance(instance, cleared, base, aiida_temp_profile):
            if instance == 'deletes':
                assert count() == 0
            else:
                assert base.get_content(mode='rb') == b'content'
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=2)


def test_a_wide_fixture_that_fails_to_finish_takes_its_data_with_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_a="""
        import pytest
        from nodes import count, store

        @pytest.fixture(scope='module')
        def data(aiida_temp_session):
            store()
            yield
            store()
            raise RuntimeError

        def test_one(data, aiida_temp_profile):
            assert store() == 2
        """,
        test_b="""
        from nodes import count, store

        def test_two(aiida_temp_profile):
            assert store() == 1
        """,
    )

    pytester.runpytest_inprocess().assert_outcomes(passed=2, errors=1)


def test_a_finalizer_sees_the_data_that_its_fixture_saw(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import pytest
        from nodes import count, store

        def fixture_of(scope, before, *needed):
            def fixture(request, aiida_temp_session):
                for name in needed:
                    request.getfixturevalue(name)
                assert count() == before
                store()
                yield
                assert count() == before + 1

            return pytest.fixture(fixture, scope=scope, name=f'of_{scope}')

        of_session = fixture_of('session', 0)
        of_module = fixture_of('module', 1, 'of_session')
        of_class = fixture_of('class', 2, 'of_module')
        of_function = fixture_of('function', 3, 'of_class')
    """)
    pytester.makepyfile("""
        import unittest
        import pytest
        from nodes import count, store

        class TestOne:
            def test_one(self, of_function, aiida_temp_profile):
                store()
                from aiida import orm
                from aiida.tools import delete_nodes
                delete_nodes([orm.QueryBuilder().append(orm.Node, project='id').first(flat=True)], dry_run=False)

            def test_two(self, of_class, aiida_temp_profile):
                assert store() == 4

        @pytest.mark.aiida_temp
        class TestCase(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                cls.addClassCleanup(cls.clean_up, store())

            @classmethod
            def clean_up(cls, before):
                assert count() == before

            def setUp(self):
                self.addCleanup(self.clean_up_test, store())

            def clean_up_test(self, before):
                assert count() == before + 1

            def test_one(self):
                store()

            def test_two(self):
                store()
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=4)


def test_a_node_of_a_wide_fixture_is_the_input_of_a_process_in_each_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from aiida import orm
        from aiida.engine import calcfunction

        @calcfunction
        def double(number):
            return number * 2

        @pytest.fixture(scope='module')
        def number(aiida_temp_session):
            return orm.Int(4).store()

        @pytest.mark.parametrize('attempt', range(3))
        def test_double(number, aiida_temp_profile, attempt):
            assert number.base.links.get_outgoing().all() == []
            result, process = double.run_get_node(number)
            assert (result.value, process.pk, result.pk) == (8, 2, 3)
            assert process.inputs.number.pk == number.pk
            assert [link.node.pk for link in number.base.links.get_outgoing()] == [process.pk]
            number.base.extras.set('used', True)
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=3)
