"""The marker ``aiida_temp``."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        ('', [1, 1, 1, 1, 1]),
        ('reset=True', [1, 1, 1, 1, 1]),
        ('reset="function"', [1, 1, 1, 1, 1]),
        ('reset="class"', [1, 2, 1, 1, 1]),
        ('reset="module"', [1, 2, 3, 1, 1]),
        ('reset="package"', [1, 2, 3, 4, 1]),
        ('reset="session"', [1, 2, 3, 4, 5]),
        ('reset=False', [1, 2, 3, 4, 5]),
    ],
)
def test_storage_is_reset_when_the_marked_scope_ends(
    counts: Callable[..., list[int]], arguments: str, expected: list[int]
) -> None:
    assert counts(f'pytestmark = pytest.mark.aiida_temp({arguments})') == expected


def test_a_marked_test_runs_on_the_profile_without_naming_a_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_a="""
        import pytest
        from aiida.manage import get_manager
        from nodes import store

        def test_unmarked():
            assert get_manager().get_profile() is None

        @pytest.mark.aiida_temp
        def test_marked():
            assert get_manager().get_profile().name == 'aiida-temp'
            assert store() == 1

        @pytest.mark.aiida_temp
        class TestMarked:
            def test_one(self):
                assert store() == 1

            def test_two(self):
                assert store() == 1
        """,
        test_b="""
        import pytest
        from nodes import store

        pytestmark = [pytest.mark.aiida_temp]

        def test_one():
            assert store() == 1

        def test_two():
            assert store() == 1
        """,
    )

    pytester.runpytest_inprocess('--strict-markers').assert_outcomes(passed=6)


def test_the_closest_marker_wins(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from nodes import store

        pytestmark = pytest.mark.aiida_temp(reset='module')

        def test_module():
            assert store() == 1

        @pytest.mark.aiida_temp(reset='class')
        class TestClass:
            def test_shares(self):
                assert store() == 2

            @pytest.mark.aiida_temp(reset=True)
            def test_is_undone(self):
                assert store() == 3

            def test_shares_with_the_first_only(self):
                assert store() == 3

        def test_class_was_undone():
            assert store() == 2
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=5)


def test_a_marker_that_says_nothing_of_reset_leaves_it_to_the_wider_one(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from nodes import store

        @pytest.mark.aiida_temp(reset='class')
        class TestClass:
            @pytest.mark.aiida_temp
            def test_one(self):
                assert store() == 1

            def test_two(self):
                assert store() == 2
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=2)


def test_a_test_that_resets_starts_fresh_after_tests_that_do_not(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from nodes import store

        @pytest.mark.aiida_temp(reset=False)
        @pytest.mark.parametrize('nodes', [1, 2])
        def test_leaves_its_nodes(nodes):
            assert store() == nodes

        def test_starts_fresh(aiida_temp_profile):
            assert store() == 1

        @pytest.mark.aiida_temp(reset=False)
        def test_finds_nothing_of_before():
            assert store() == 1
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=4)


INVALID = [
    ('scope="class"', ["scope='class'", "no argument 'scope'", 'allowed: reset=, profile=']),
    ('reset="test"', ["reset='test'", "'function', 'class', 'module', 'package', 'session'"]),
    ('reset=None', ['reset=None', "'function', 'class', 'module', 'package', 'session'"]),
    ('reset=1', ['reset=1', 'True, False']),
    ('reset=["class"]', ["reset=['class']", 'True, False']),
    ('"class"', ["('class')", 'keyword', 'allowed: reset=, profile=']),
    ('reset=True, rest=1', ['rest=1', "no argument 'rest'"]),
]


@pytest.mark.parametrize(('arguments', 'words'), INVALID)
def test_a_wrong_argument_ends_the_run_before_the_first_test(
    pytester: pytest.Pytester, arguments: str, words: list[str]
) -> None:
    pytester.makepyfile(f"""
        import pytest

        def test_first():
            print('a test has run')

        @pytest.mark.aiida_temp({arguments})
        def test_marked():
            print('a test has run')
    """)

    result = pytester.runpytest_inprocess('-s')

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert 'a test has run' not in result.stdout.str()
    error = result.stderr.str()
    assert 'ERROR: test_a_wrong_argument_ends_the_run_before_the_first_test.py::test_marked:' in error
    assert [word for word in words if word not in error] == []
    assert 'Traceback' not in error


@pytest.mark.parametrize('args', [('-k', 'other'), ('-m', 'not aiida_temp'), ('--collect-only',)])
def test_a_wrong_argument_is_found_also_where_the_test_would_not_run(
    pytester: pytest.Pytester, args: tuple[str, ...]
) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.aiida_temp(reset='test')
        def test_marked():
            pass

        def test_other():
            pass
    """)

    result = pytester.runpytest_inprocess(*args)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*::test_marked: @pytest.mark.aiida_temp(reset='test'): the value is not allowed*"])


def test_a_wrong_marker_is_found_under_a_right_one(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        pytestmark = pytest.mark.aiida_temp(reset='test')

        @pytest.mark.aiida_temp(reset='class')
        def test_marked():
            pass
    """)

    result = pytester.runpytest_inprocess()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*aiida_temp(reset='test')*"])


@pytest.mark.long
def test_a_wrong_argument_is_visible_at_the_end_of_a_parallel_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.aiida_temp(reset='test')
        def test_marked():
            print('a test has run')

        def test_other():
            pass
    """)

    result = pytester.runpytest_subprocess('-n', '2', timeout=60)

    assert result.ret not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    output = result.stdout.str() + result.stderr.str()
    assert "test_marked: @pytest.mark.aiida_temp(reset='test'): the value is not allowed" in output
    assert ' passed' not in output


def test_pytest_lists_the_marker(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess('--markers')

    result.stdout.fnmatch_lines(['@pytest.mark.aiida_temp(reset=True, profile=True, archive=None, options=None): *'])
