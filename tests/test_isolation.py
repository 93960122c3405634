"""Every test starts from fresh storage, whatever ran before."""

from __future__ import annotations

import pytest


@pytest.fixture
def shuffled(pytester: pytest.Pytester) -> pytest.Pytester:
    """Pytester whose runs take ``--seed`` for the order of tests."""
    pytester.makeconftest("""
        import random

        def pytest_addoption(parser):
            parser.addoption('--seed', type=int, default=0)

        def pytest_collection_modifyitems(config, items):
            random.Random(config.getoption('seed')).shuffle(items)
    """)
    return pytester


@pytest.mark.parametrize('seed', range(4))
def test_the_order_of_tests_makes_no_difference(shuffled: pytest.Pytester, seed: int) -> None:
    shuffled.makepyfile("""
        import unittest
        import pytest
        from aiida import orm
        from nodes import count

        def check():
            assert count() == 0
            assert orm.QueryBuilder().append(orm.Group).count() == 0
            assert [user.email for user in orm.User.collection.all()] == ['test@localhost']
            assert orm.User.collection.get_default().first_name == ''
            node = orm.SinglefileData.from_string('content').store()
            assert (node.pk, node.get_content()) == (1, 'content')
            assert orm.load_node(1).uuid == node.uuid

        def test_fixture(aiida_temp_profile):
            check()

        @pytest.mark.parametrize('nodes', [1, 5])
        def test_fixture_and_more(aiida_temp_profile, nodes):
            check()
            orm.Group('group').store().add_nodes([orm.Int(n).store() for n in range(nodes)])

        @pytest.mark.aiida_temp
        def test_marker():
            check()
            user = orm.User.collection.get_default()
            user.first_name = 'First'
            user.store()
            orm.User('other@localhost').store()

        @pytest.mark.aiida_temp
        class TestMarker(unittest.TestCase):
            def test_deletes(self):
                check()
                from aiida.tools import delete_nodes
                delete_nodes([1], dry_run=False)

            def test_resets(self):
                check()
                from aiida.manage import get_manager
                get_manager().get_profile().reset_storage()
                check()

        def test_asks_for_the_profile_while_it_runs(request):
            profile = request.getfixturevalue('aiida_temp_profile')
            check()
            profile.reset()
            check()

        def test_does_not_use_the_plugin():
            pass
    """)

    shuffled.runpytest_inprocess('--seed', str(seed)).assert_outcomes(passed=8)


def test_under_the_flag_every_test_starts_fresh(shuffled: pytest.Pytester) -> None:
    shuffled.makepyfile("""
        import unittest
        import pytest
        from nodes import count, store

        @pytest.mark.parametrize('number', range(3))
        def test_function(number):
            assert [store(), store()] == [1, 2]

        def test_fixture(aiida_temp_profile):
            assert store() == 1

        class TestCase(unittest.TestCase):
            def test_one(self):
                assert store() == 1

            def test_two(self):
                assert store() == 1

        def square(number):
            '''
            >>> from nodes import store
            >>> store()
            1
            '''
    """)

    shuffled.runpytest_inprocess('--aiida-temp', '--doctest-modules').assert_outcomes(passed=7)


def test_what_a_test_without_the_plugin_stored_is_gone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from nodes import count, store

        def test_with(aiida_temp_profile):
            assert store() == 1

        def test_without():
            store()

        def test_with_again(aiida_temp_profile):
            assert store() == 1
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=3)


def test_what_a_test_without_the_plugin_stored_is_gone_where_wider_fixtures_live(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from nodes import count, store

        @pytest.fixture(scope='module')
        def data(aiida_temp_session):
            return store()

        def test_with(data, aiida_temp_profile):
            assert store() == 2

        def test_without():
            store()

        def test_with_again(data, aiida_temp_profile):
            assert store() == 2
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=3)
