"""Doctests start from fresh storage, each docstring and each page."""

from __future__ import annotations

import pytest


def test_each_doctest_starts_fresh(pytester: pytest.Pytester) -> None:
    doctest = """
        >>> from nodes import store
        >>> store()
        1
        >>> store()
        2
    """
    pytester.makefile('.rst', guide=doctest, manual=doctest)
    pytester.makepyfile(
        module=f'''
        """Some module.
        {doctest}
        """

        class Class:
            """Some class.
            {doctest}
            """

            def method(self):
                """Do something.
                {doctest}
                """
        ''',
        test_it="""
        from nodes import store

        def test_it():
            assert store() == 1
        """,
    )

    result = pytester.runpytest_inprocess('--aiida-temp', '--doctest-modules', '--doctest-glob=*.rst')

    result.assert_outcomes(passed=6)


def test_doctests_may_ask_for_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import pytest
        from nodes import store

        @pytest.fixture(scope='session')
        def of_session(aiida_temp_session):
            return store()
    """)
    pytester.makefile(
        '.rst',
        a=">>> profile = getfixture('aiida_temp_profile')\n>>> from nodes import store\n>>> store()\n1\n",
        b=">>> getfixture('aiida_temp_profile').reset()\n>>> getfixture('of_session')\n1\n",
        c=">>> profile = getfixture('aiida_temp_profile')\n>>> from nodes import store\n>>> store()\n2\n",
    )

    pytester.runpytest_inprocess('--doctest-glob=*.rst').assert_outcomes(passed=3)


def test_the_report_of_a_doctest_says_where_a_stale_node_comes_from(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        module='''
        kept = []

        def stores():
            """
            >>> from aiida import orm
            >>> kept.append(orm.Int(1).store())
            """

        def uses():
            """
            >>> kept[0].base.extras.set('a', 1)
            """
        '''
    )

    result = pytester.runpytest_inprocess('--aiida-temp', '--doctest-modules')

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(['*AiiDA node of an earlier test*', 'It was stored by module.py::module.stores.'])
