"""When the section is there, what it counts, and that the outcome of a test is its own whatever happens."""

from __future__ import annotations

import re
import shutil

import pytest

from pytest_aiida_temp.artifacts.section import MOST_LINES, TITLE


def _sections(result: pytest.RunResult) -> list[tuple[str, str]]:
    reports = result.reprec.getreports('pytest_runtest_logreport')  # type: ignore[attr-defined]
    return [section for report in reports for section in report.sections]


def sections(result: pytest.RunResult) -> dict[str, str]:
    """Return the first line of the section in each failing report, by name of the test and phase."""
    reports = result.reprec.getreports('pytest_runtest_logreport')  # type: ignore[attr-defined]
    return {
        f'{report.nodeid.rpartition("::")[2]} {report.when}': content.splitlines()[0]
        for report in reports
        for title, content in report.sections
        if title == TITLE
    }


def told(stored: int, found: int, more: str = '') -> str:
    """Return the line on a test that stores and finds so many nodes."""
    nodes = [f'{number} node{"" if number == 1 else "s"}' for number in (stored, found)]
    return f'This test stored {nodes[0]}, 0 groups, 0 computers. It found {nodes[1]}, 0 groups, 0 computers{more}.'


def test_counts_tell_what_a_test_stored_from_what_it_found(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from aiida import orm
        from nodes import store

        @pytest.fixture(scope='module')
        def two(aiida_temp_session):
            return [orm.Int(1).store(), orm.Int(2).store()]

        def test_found(two, aiida_temp_profile):
            store()
            assert 0

        def test_deletes(two, aiida_temp_profile):
            orm.Node.collection.delete(two[0].pk)
            store()
            assert 0

        def test_empties(two, aiida_temp_profile):
            aiida_temp_profile.reset()
            store()
            assert 0

        @pytest.mark.aiida_temp(reset='class')
        class TestShares:
            def test_first(self, two):
                store()
                assert 0

            def test_second(self, two):
                store()
                store()
                assert 0

        @pytest.mark.aiida_temp(reset=False)
        class TestLeaves:
            def test_third(self, two):
                store()
                assert 0

            def test_fourth(self, two):
                store()
                store()
                assert 0

        @pytest.fixture(scope='class')
        def fails(two):
            store()
            raise RuntimeError

        class TestFails:
            def test_set_up(self, fails, aiida_temp_profile):
                pass
    """)

    found = sections(pytester.runpytest_inprocess())

    assert found == {
        'test_found call': told(1, 2),
        'test_deletes call': told(1, 2, ' (of which it deleted 1 node)'),
        'test_empties call': told(1, 2, ' (of which it deleted 2 nodes)'),
        'test_first call': told(1, 2),
        'test_second call': told(2, 3),
        'test_third call': told(1, 2),
        'test_fourth call': told(2, 3),
        'test_set_up setup': told(1, 2),
    }


def test_it_is_taken_when_a_finalizer_fails_before_anything_is_reset(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import unittest
        import pytest
        from nodes import count, store

        @pytest.fixture(scope='module')
        def wide(aiida_temp_session):
            store()
            yield
            raise RuntimeError

        @pytest.fixture
        def early(aiida_temp_profile):
            yield
            store()

        @pytest.fixture
        def fails(early):
            yield
            raise RuntimeError

        def test_fixture(fails):
            store()

        def test_node(request, aiida_temp_profile):
            store()
            request.node.addfinalizer(lambda: 1 / 0)

        def test_both(fails):
            store()
            assert 0

        @pytest.mark.aiida_temp
        class TestCase(unittest.TestCase):
            def tearDown(self):
                store()
                assert 0

            def test_unittest(self):
                store()

        def test_strict(aiida_temp_profile, monkeypatch):
            store()
            __import__('os').environ['AIIDA_X'] = 'left behind'

        def test_wide(wide, aiida_temp_profile, monkeypatch):
            monkeypatch.delenv('AIIDA_X')
            store()
    """)

    result = pytester.runpytest_inprocess('--aiida-temp-strict')

    assert sections(result) == {
        'test_fixture teardown': told(1, 0),
        'test_node teardown': told(1, 0),
        'test_both call': told(1, 0),
        'test_both teardown': told(1, 0),
        'test_unittest call': told(2, 0),
        'test_strict teardown': told(1, 0),
        'test_wide teardown': told(1, 0),
    }


def test_it_is_taken_before_one_instance_of_a_wide_fixture_goes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from nodes import count, store

        @pytest.fixture(scope='module', params=[1, 2, 3])
        def wide(request, aiida_temp_session):
            store()
            store()
            yield
            raise RuntimeError

        def test_it(wide, aiida_temp_profile):
            store()
    """)

    result = pytester.runpytest_inprocess('--aiida-temp-report=always')

    assert sections(result) == {'test_it[2] setup': told(0, 2), 'test_it[3] teardown': told(2, 0)}


STATES = """
    import threading
    import pytest
    from aiida import orm
    from aiida.manage import get_manager
    from nodes import count, store
    from sqlalchemy.exc import IntegrityError

    @pytest.fixture
    def transaction(aiida_temp_profile):
        with aiida_temp_profile.storage.transaction():
            yield
            print('still', count())

    def test_open_transaction(transaction):
        store()
        assert 0

    def test_session_that_refuses(aiida_temp_profile):
        store()
        row = orm.Int(2).store().backend_entity.bare_model
        aiida_temp_profile.storage.transaction().__enter__()
        session = aiida_temp_profile.storage.get_session()
        session.add(type(row)(uuid=row.uuid, user_id=row.user_id, node_type=row.node_type))
        with pytest.raises(IntegrityError):
            session.flush()
        count()

    def test_result_that_is_half_read(aiida_temp_profile, request):
        store()
        store()
        result = aiida_temp_profile.storage.get_session().raw.execute('SELECT id FROM db_dbnode')
        request.addfinalizer(result.close)
        result.fetchone()
        assert 0

    def test_unloaded(aiida_temp_profile):
        store()
        get_manager().unload_profile()
        assert 0

    def test_another_thread_holds_the_storage(aiida_temp_profile, request):
        inside, end = threading.Event(), threading.Event()

        def hold():
            with aiida_temp_profile.storage.transaction():
                store()
                inside.set()
                end.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        request.addfinalizer(thread.join)
        request.addfinalizer(end.set)
        inside.wait(30)
        assert 0

    def test_after(aiida_temp_profile):
        assert store() == 1
"""


def test_any_state_of_the_storage_will_do(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(STATES)

    result = pytester.runpytest_inprocess('--aiida-temp-artifacts=out')

    result.assert_outcomes(passed=1, failed=5)
    assert sections(result) == {
        'test_open_transaction call': told(1, 0),
        'test_session_that_refuses call': told(2, 0),
        'test_result_that_is_half_read call': told(2, 0),
        'test_unloaded call': told(1, 0),
    }
    result.stdout.fnmatch_lines(['E*PendingRollbackError*'])
    assert 'still 1' in result.stdout.str()
    assert len(list(pytester.path.glob('out/*/storage.aiida'))) == 4
    result.stdout.fnmatch_lines(
        ['*test_another_thread_holds_the_storage leaves less behind than it should: *database is locked*']
    )


def test_nothing_is_changed_by_it(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import logging
        import pytest
        from aiida import orm
        from aiida.common import progress_reporter
        from aiida.manage import get_manager

        def state(profile):
            storage = profile.storage
            raw = storage.get_session().raw
            tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            loggers = {name: (logger.level, logger.handlers[:]) for name, logger in
                       logging.root.manager.loggerDict.items() if isinstance(logger, logging.Logger)}
            return {
                'rows': {name: raw.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables},
                'transaction': raw.in_transaction,
                'settings': [raw.execute(f'PRAGMA {name}').fetchall() for name in ('query_only', 'busy_timeout')],
                'changes': raw.total_changes,
                'session': [len(storage.get_session().identity_map), storage.in_transaction],
                'files': sorted(storage.get_repository().list_objects()),
                'loggers': {name: loggers[name] for name in loggers if name.startswith('aiida')},
                'profile': [get_manager().get_profile(), get_manager().get_profile_storage()],
                'progress': progress_reporter.get_progress_reporter(),
            }

        @pytest.hookimpl(tryfirst=True, hookwrapper=True)
        def pytest_runtest_makereport(item, call):
            before = state(item.funcargs['aiida_temp_profile']) if call.when == 'call' else None
            yield
            if before:
                after = state(item.funcargs['aiida_temp_profile'])
                print('differ:', [name for name in before if before[name] != after[name]])
    """)
    pytester.makepyfile("""
        import io
        import pytest
        from aiida import orm

        @pytest.fixture(params=[False, True])
        def transaction(request, aiida_temp_profile):
            if not request.param:
                yield
                return
            with aiida_temp_profile.storage.transaction():
                yield

        def test_it(transaction, aiida_temp_profile):
            node = orm.SinglefileData(io.BytesIO(b'content'), filename='a').store()
            orm.Group('group').store().add_nodes(node)
            node.label = 'changed'
            assert 0
    """)

    result = pytester.runpytest_inprocess('--aiida-temp-artifacts=out', '-s')

    result.assert_outcomes(failed=2)
    assert re.findall('differ: .*', result.stdout.str()) == ['differ: []'] * 2
    assert 'rchiv' not in result.stdout.str().partition('test session starts')[2].partition('FAILURES')[0]
    assert 'rchiv' not in result.stderr.str()
    assert len(list(pytester.path.glob('out/*/storage.aiida'))) == 2


SOME = """
    import pytest
    from aiida.engine import calcfunction, run
    from nodes import store

    def test_plain():
        assert 0

    def test_empty(aiida_temp_profile):
        assert 0

    def test_stores(aiida_temp_profile):
        store()
        assert 0

    @pytest.mark.aiida_temp(profile=False)
    def test_kept_off():
        assert 0

    @pytest.mark.xfail(strict=True, reason='passes, which counts as a failure')
    def test_passes_against_expectation(aiida_temp_profile):
        store()

    @pytest.mark.xfail(reason='fails, which counts as no failure')
    def test_expected(aiida_temp_profile):
        store()
        assert 0

    def test_skipped(aiida_temp_profile):
        store()
        pytest.skip()

    def test_passes(aiida_temp_profile):
        store()
"""
STORING = ['test_stores call', 'test_passes_against_expectation call']


@pytest.mark.parametrize(
    ('args', 'expected'),
    [
        ([], STORING),
        (['--aiida-temp-report=auto', '-p', 'no:logging'], STORING),
        (['--aiida-temp-report=always'], ['test_empty call', *STORING]),
        (['--aiida-temp-report=always', '--aiida-temp'], ['test_plain call', 'test_empty call', *STORING]),
        (['--aiida-temp-report=never'], []),
    ],
    ids=' '.join,
)
def test_which_reports_have_it(pytester: pytest.Pytester, args: list[str], expected: list[str]) -> None:
    pytester.makepyfile(SOME)

    result = pytester.runpytest_inprocess(*args)

    result.assert_outcomes(failed=5, passed=1, xfailed=1, skipped=1)
    assert list(sections(result)) == expected


@pytest.mark.parametrize(
    ('args', 'expected'),
    [
        ([], ['test_empty', 'test_passes_against_expectation', 'test_stores']),
        (
            ['--aiida-temp-artifacts-for=all', '--aiida-temp-report=never'],
            ['test_empty', 'test_expected', 'test_passes', 'test_passes_against_expectation', 'test_stores'],
        ),
    ],
)
def test_which_tests_leave_files(pytester: pytest.Pytester, args: list[str], expected: list[str]) -> None:
    pytester.makepyfile(SOME)

    result = pytester.runpytest_inprocess('--aiida-temp-artifacts=out', *args)

    result.assert_outcomes(failed=5, passed=1, xfailed=1, skipped=1)
    names = [path.parent.name for path in sorted(pytester.path.glob('out/*/storage.aiida'))]
    assert sorted(name.rpartition('--')[2].rpartition('-')[0] for name in names) == expected


def test_processes_of_a_wide_fixture_are_told_of_though_the_test_stored_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from aiida import orm
        from aiida.engine import calcfunction

        @calcfunction
        def double(number):
            return orm.Int(2 * number.value)

        @pytest.fixture(scope='module')
        def result(aiida_temp_session):
            return double(orm.Int(1))

        def test_it(result, aiida_temp_profile):
            assert result.value == 3
    """)

    result = pytester.runpytest_inprocess()

    assert sections(result) == {'test_it call': told(0, 3)}
    result.stdout.fnmatch_lines(['Processes, 0 of 1 failed:', '  double<2> Finished ?0?'])


def test_it_tells_the_whole_message_of_an_exception_and_nothing_twice(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from aiida import orm
        from aiida.engine import WorkChain, calcfunction, run_get_node

        @calcfunction
        def fail(text):
            try:
                raise KeyError('first')
            except KeyError:
                raise ValueError('no good\\n  in two lines')

        class Talks(WorkChain):
            @classmethod
            def define(cls, spec):
                super().define(spec)
                spec.outline(cls.talk)

            def talk(self):
                for number in range(60):
                    self.report(f'message {number}')
                fail(orm.Str('\\x00 \\x1b[31m "'))

        def test_it(aiida_temp_profile):
            try:
                run_get_node(Talks)
            except ValueError:
                assert 0
    """)

    result = pytester.runpytest_inprocess('--aiida-temp-artifacts=out')

    [section] = [content for title, content in _sections(result) if title == TITLE]
    assert '    fail<3> Excepted: ValueError: no good in two lines' in section.splitlines()
    assert 'Last log messages' not in section
    assert section.splitlines()[-1].startswith('Artefacts: ')
    assert len(section.splitlines()) <= MOST_LINES
    [picture] = pytester.path.glob('out/*/provenance.*')
    assert picture.name == ('provenance.svg' if shutil.which('dot') else 'provenance.dot')


def test_a_node_made_by_hand_for_a_parser_is_no_process_that_failed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import io
        from aiida import orm
        from aiida.common.links import LinkType

        def test_it(aiida_temp_profile):
            node = orm.CalcJobNode(process_type='aiida.calculations:core.arithmetic.add').store()
            retrieved = orm.FolderData()
            retrieved.base.repository.put_object_from_bytes(b'5', 'aiida.out')
            retrieved.base.links.add_incoming(node, LinkType.CREATE, 'retrieved')
            retrieved.store()
            node.logger.error('the parser logs this')
            assert 0

        def test_passes(aiida_temp_profile):
            orm.Int(1).store()
    """)

    result = pytester.runpytest_inprocess('--aiida-temp-artifacts=out', '--aiida-temp-artifacts-for=all')

    [section] = [content for title, content in _sections(result) if title == TITLE]
    assert section.splitlines()[1:-1] == [
        'Processes, 0 of 1 failed, 1 not run:',
        '  CalcJobNode<1> was not run',
        'Last log messages:',
        '  ERROR of <1>: the parser logs this',
    ]
    [found] = pytester.path.glob('out/*/calcjob-1/retrieved/aiida.out')
    assert found.read_text() == '5'
    [report] = pytester.path.glob('out/*test_passes*/report.txt')
    assert TITLE not in report.read_text()


LEFT_TO_THIS_RUN = pytest.mark.filterwarnings('ignore:.* leaves less behind than it should')


@pytest.mark.parametrize(
    'filter_', [[], ['-W', 'error'], pytest.param(['-p', 'no:warnings'], marks=LEFT_TO_THIS_RUN)], ids=str
)
def test_what_goes_wrong_is_a_warning_and_the_outcome_stays(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, filter_: list[str]
) -> None:
    for name in ('write_archive', 'write_picture'):
        monkeypatch.setattr(f'pytest_aiida_temp.artifacts.evidence.{name}', lambda *_: 1 / 0)
    pytester.makepyfile(
        test_it="""
        from nodes import store

        def test_fails(aiida_temp_profile):
            store()
            raise RuntimeError('its own')

        def test_passes(aiida_temp_profile):
            store()
        """
    )

    result = pytester.runpytest_inprocess('--aiida-temp-artifacts=out', '--aiida-temp-artifacts-for=all', *filter_)

    assert {name: result.parseoutcomes().get(name) for name in ('failed', 'passed')} == {'failed': 1, 'passed': 1}
    result.stdout.fnmatch_lines(['E*RuntimeError: its own', '  no storage.aiida: ZeroDivisionError*'])
    if filter_ != ['-p', 'no:warnings']:
        result.stdout.fnmatch_lines(['*test_fails leaves less behind than it should: no storage.aiida: ZeroDivision*'])
    assert len(list(pytester.path.glob('out/*/report.txt'))) == 2
