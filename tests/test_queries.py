"""SQL statements, counted and grouped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_aiida_temp import temp_profile
from pytest_aiida_temp.environment import import_module

import_module('aiida.orm')  # so that no `~/.aiida` is made


@pytest.fixture(scope='module')
def module_profile() -> Iterator[Any]:
    with temp_profile() as made:
        yield made


@pytest.fixture
def profile(module_profile) -> Iterator[Any]:
    with module_profile.rollback():
        yield module_profile


def test_statements_are_listed_with_tables_time_and_place(profile) -> None:
    from aiida import orm

    orm.Int(1).store()
    with profile.count_queries() as queries:
        orm.QueryBuilder().append(orm.Group, tag='group').append(orm.Int, with_group='group').all()

    (query,) = queries
    assert query.sql.startswith('SELECT ')
    assert set(query.tables) == {'db_dbgroup', 'db_dbgroup_dbnodes', 'db_dbnode'}
    assert 0 < query.seconds == queries.seconds < 1
    assert query.location.startswith(f'{Path(__file__).name}:')


def test_what_is_stored_and_read_is_counted_and_transactions_are_not(profile) -> None:
    from aiida import orm

    with profile.count_queries() as queries:
        node = orm.Int(1).store()
    assert [query.sql.split()[0] for query in queries if query.sql.startswith(('INSERT', 'SAVEPOINT', 'BEGIN'))] == [
        'INSERT'
    ]

    with profile.count_queries() as queries:
        for _ in range(5):
            assert orm.load_node(node.pk).pk == node.pk
    assert [query.tables for query in queries] == [('db_dbnode',)] * 5
    assert len(queries.grouped()) == 1


def test_nothing_is_counted_after_the_block_and_blocks_can_be_nested(profile) -> None:
    from aiida import orm

    def ask() -> None:
        orm.QueryBuilder().append(orm.Int).count()

    with profile.count_queries() as outer:
        ask()
        with profile.count_queries() as inner:
            ask()
        ask()
    ask()

    assert (len(outer), len(inner)) == (3, 1)


def test_statements_of_other_threads_are_counted(profile) -> None:
    from aiida import orm

    with profile.count_queries() as queries:
        thread = threading.Thread(target=lambda: orm.QueryBuilder().append(orm.Int).count())
        thread.start()
        thread.join()

    assert len(queries) == 1


def test_lists_of_values_of_any_length_are_one_group(profile) -> None:
    from pytest_aiida_temp.queries import Queries, Query

    queries = Queries(
        Query(f'SELECT a,\n b FROM db_dbnode WHERE id IN ({values})', ('db_dbnode',), 0.1, 'x.py:1')
        for values in ('?, ?', '?, ?, ?')
    )

    assert list(queries.grouped()) == ['SELECT ... FROM db_dbnode WHERE id IN (?, ...)']


def test_too_many_statements_fail_with_the_statements_grouped(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from aiida import orm
        from nodes import store

        def labels(pks):
            return [orm.load_node(pk).label for pk in pks]

        def test_few(aiida_temp_profile):
            with aiida_temp_profile.assert_max_queries(1) as queries:
                orm.QueryBuilder().append(orm.Int).count()
            assert len(queries) == 1

        def test_many(aiida_temp_profile):
            pks = [orm.Int(number).store().pk for number in range(7)]
            with aiida_temp_profile.assert_max_queries(2):
                labels(pks)
    """)

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines(
        [
            r'E +AssertionError: [0-9]+ SQL statements, at most 2 allowed:',
            r'E +7 x SELECT \.\.\. FROM db_dbnode AS db_dbnode_1 WHERE .* AND db_dbnode_1\.id = \?',
            r'E +db_dbnode; [0-9.]+ ms',
            r'E +7 from test_too_many_statements_fail_with_the_statements_grouped\.py:5',
        ]
    )


def test_an_error_in_the_block_is_the_one_that_is_seen(profile) -> None:
    with pytest.raises(ZeroDivisionError), profile.assert_max_queries(0):
        1 / 0  # noqa: B018


@pytest.mark.parametrize('allowed', [-1, 1.5, '3', None, True])
def test_what_is_no_number_of_statements_is_refused(profile, allowed: Any) -> None:
    with pytest.raises(ValueError, match='is not a number of statements: give a whole number'):
        profile.assert_max_queries(allowed)
