"""Queries of a run that are asked in two ways."""

from __future__ import annotations

import pytest

from pytest_aiida_temp.query_checks import QueryChecks

TESTS = """
    import pytest
    from aiida import orm
    from pytest_aiida_temp.storage import query

    def labelled(label):
        return orm.QueryBuilder().append(orm.Node, filters={'label': label}).count()

    @pytest.mark.parametrize('number', range(2))
    def test_same(aiida_temp_profile, number, caplog):
        orm.Int(1, label='a').store()
        assert [labelled(label) for label in 'abab'] == [1, 0, 1, 0]
        assert not caplog.records

    def test_further_profile(aiida_temp_profile_factory):
        with aiida_temp_profile_factory() as profile:
            assert [labelled(label) for label in 'abc'] == [0, 0, 0]

    def test_other(aiida_temp_profile, monkeypatch):
        assert labelled('') == 0
        monkeypatch.setattr(query.Statement, 'bind', lambda self, values: {})
        orm.Int(1).store()
        assert labelled('') == 1
"""


@pytest.mark.parametrize(
    ('ini', 'flags'),
    [
        ('', ('--aiida-temp-debug',)),
        ('', ('--aiida-temp-debug', '--aiida-temp', '-q')),
        ('aiida_temp_debug = true', ()),
        pytest.param('aiida_temp_debug = true', ('-n', '1'), marks=pytest.mark.long),
    ],
)
def test_a_query_with_different_outcomes_fails_a_test_and_is_counted(
    pytester: pytest.Pytester, ini: str, flags: tuple[str, ...]
) -> None:
    pytester.makeini(f'[pytest]\n{ini}')
    pytester.makepyfile(TESTS)
    run = pytester.runpytest_subprocess if '-n' in flags else pytester.runpytest_inprocess

    result = run(*flags)

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            'E *QueryMismatchError: kept: 0, built: 1, query: {*',
            'aiida-temp: * queries asked in two ways, 1 with different outcomes',
        ]
    )
    [asked] = [int(line.split()[1]) for line in result.stdout.lines if line.endswith('different outcomes')]
    assert asked >= 3 + 4 + 1 + 2


def test_queries_are_asked_once_unless_a_run_is_to_ask_them_in_two_ways(pytester: pytest.Pytester) -> None:
    pytester.makeini('[pytest]\naiida_temp_debug = true')
    pytester.makepyfile(TESTS)

    result = pytester.runpytest_inprocess('--no-aiida-temp-debug')

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(['E *assert 0 == 1'])
    result.stdout.no_fnmatch_line('*in two ways*')


@pytest.mark.parametrize(('asked', 'said'), [(0, '0 queries asked '), (1, '1 query asked '), (2, '2 queries asked ')])
def test_what_is_printed(asked: int, said: str) -> None:
    checks = QueryChecks()
    checks.add(asked, 0)

    assert str(checks) == f'{said}in two ways, 0 with different outcomes'
