"""What a run prints about itself, and what it adds to the report of a failure."""

from __future__ import annotations

import sqlite3
from importlib.metadata import version

import pytest

HEADER = f'aiida-temp: aiida-core {version("aiida-core")}, SQLite {sqlite3.sqlite_version}, reset after each '
SECTION = 'AiiDA node of an earlier test'


@pytest.fixture
def two_tests(pytester: pytest.Pytester) -> pytest.Pytester:
    """Pytester with two tests that use the fixture."""
    pytester.makepyfile("""
        import pytest

        @pytest.mark.parametrize('number', [1, 2])
        def test_one(aiida_temp_profile, number):
            pass
    """)
    return pytester


@pytest.mark.parametrize('scope', ['function', 'module'])
def test_the_header_names_versions_and_scope_under_the_flag(two_tests: pytest.Pytester, scope: str) -> None:
    result = two_tests.runpytest_inprocess('--aiida-temp', f'--aiida-temp-reset={scope}')

    assert result.stdout.lines.count(HEADER + scope) == 1


def test_the_header_says_where_files_are_when_verbose(two_tests: pytest.Pytester) -> None:
    result = two_tests.runpytest_inprocess('--aiida-temp', '-v')

    result.stdout.fnmatch_lines([f'{HEADER}function', 'aiida-temp: files in *aiida-temp-*'])


def test_there_is_no_header_without_the_flag(two_tests: pytest.Pytester) -> None:
    result = two_tests.runpytest_inprocess('-v')

    assert HEADER not in result.stdout.str()
    assert 'aiida-temp: files in' not in result.stdout.str()


@pytest.mark.parametrize(
    ('args', 'has_header', 'has_summary'),
    [((), True, True), (('-q',), False, False), (('--no-header',), False, True), (('--no-header', '-q'), False, False)],
)
def test_header_and_summary_respect_what_pytest_is_told(
    two_tests: pytest.Pytester, args: tuple[str, ...], has_header: bool, has_summary: bool
) -> None:
    output = two_tests.runpytest_inprocess('--aiida-temp', *args).stdout.str()

    assert (HEADER in output) is has_header
    assert ('aiida-temp: 2 resets in ' in output) is has_summary
    assert output.count('aiida-temp: ') == has_header + has_summary


def test_the_summary_counts_resets_and_their_time(two_tests: pytest.Pytester) -> None:
    result = two_tests.runpytest_inprocess()

    result.stdout.re_match_lines([r'aiida-temp: 2 resets in 0\.\d{3} s, \d+\.\d% of the run$'])


def test_the_summary_speaks_of_one_reset(two_tests: pytest.Pytester) -> None:
    result = two_tests.runpytest_inprocess('--aiida-temp-reset=module')

    result.stdout.re_match_lines([r'aiida-temp: 1 reset in 0\.\d{3} s, '])


def test_nothing_is_printed_when_the_plugin_is_not_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile('def test_one(): pass')

    result = pytester.runpytest_inprocess('-v')

    result.assert_outcomes(passed=1)
    assert 'aiida-temp: ' not in result.stdout.str()


FAILURES = """
    import pytest
    from aiida import orm

    kept = {}

    def test_stores(aiida_temp_profile):
        kept['node'] = orm.Int(1).store()
        kept['uuid'] = kept['node'].uuid
        for number in range(4):
            kept['pk'] = orm.Int(number).store().pk

    @pytest.mark.parametrize('number', [1, 2])
    def test_in_between(aiida_temp_profile, number):
        pass

    def test_fails(aiida_temp_profile):
        own = orm.Int(1).store()
        STATEMENT
"""


def failed_report(pytester: pytest.Pytester, statement: str) -> pytest.TestReport:
    """Return the report of a test in which the statement fails."""
    pytester.makepyfile(test_a=FAILURES.replace('STATEMENT', statement))
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=3, failed=1)
    [report] = [
        report
        for report in result.reprec.getreports('pytest_runtest_logreport')
        if report.failed  # type: ignore[attr-defined]
    ]
    return report


@pytest.mark.parametrize(
    ('statement', 'error'),
    [
        ('orm.load_node(kept["pk"])', 'NotExistent'),
        ('orm.load_node(kept["uuid"])', 'NotExistent'),
        ('orm.load_node(pk=kept["pk"])', 'NotExistent'),
        ('orm.Int.collection.get(id=kept["pk"])', 'NotExistent'),
        ('kept["node"].base.extras.set("key", 1)', 'InvalidRequestError'),
        ('kept["node"].value', 'Error'),
    ],
)
def test_a_failure_over_a_node_of_an_earlier_test_names_that_test(
    pytester: pytest.Pytester, statement: str, error: str
) -> None:
    report = failed_report(pytester, statement)

    assert error in report.longreprtext
    text = dict(report.sections)[SECTION]
    assert 'It was stored by test_a.py::test_stores.' in text
    assert 'The storage was reset when that test had ended (3 resets ago)' in text


@pytest.mark.parametrize(
    'statement',
    [
        'orm.load_node(987654)',
        'orm.load_node("no-such-label")',
        'orm.load_group("no-such-label")',
        'orm.load_computer("no-such-label")',
        'orm.QueryBuilder().append(orm.Group, filters={"label": "none"}).one()',
        'orm.QueryBuilder().append(orm.Int, filters={"attributes.value": kept["pk"]}).one()',
        'orm.load_group(kept["pk"])',
        'orm.Int.collection.delete(own.pk); orm.load_node(own.uuid)',
        'orm.Int.collection.delete(own.pk); orm.load_node(1)',
        'raise ValueError(kept["uuid"])',
        'assert kept["uuid"] is None',
    ],
)
def test_other_failures_are_left_as_they_are(pytester: pytest.Pytester, statement: str) -> None:
    report = failed_report(pytester, statement)

    assert SECTION not in dict(report.sections)


def test_a_failure_in_set_up_is_explained_as_well(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from aiida import orm

        kept = []

        def test_stores(aiida_temp_profile):
            kept.append(orm.Int(1).store().uuid)

        @pytest.fixture
        def node(aiida_temp_profile):
            return orm.load_node(kept[0])

        def test_fails(node):
            pass
    """)

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f'*{SECTION}*', '*It was stored by *::test_stores.'])
