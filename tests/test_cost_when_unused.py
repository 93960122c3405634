"""A run that does not use the plugin does not pay for it."""

from __future__ import annotations

import sys

import pytest

HEAVY = {'aiida', 'sqlalchemy', 'pydantic', 'plumpy', 'click', 'numpy'}


def test_importing_the_package_and_its_plugin_imports_nothing_heavy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        imports=f"""
        import sys
        import pytest_aiida_temp
        import pytest_aiida_temp.plugin
        from pytest_aiida_temp import temp_profile

        print(dir(pytest_aiida_temp))
        print('heavy:', {HEAVY} & set(sys.modules))
        """
    )

    result = pytester.run(sys.executable, 'imports.py')

    result.stdout.fnmatch_lines(["*'TempProfile'*'temp_profile'*", 'heavy: set()'])


def test_a_run_that_does_not_use_the_plugin_imports_nothing_heavy(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(f"""
        import sys

        def pytest_unconfigure(config):
            print('heavy:', {HEAVY} & set(sys.modules))
    """)
    pytester.makepyfile("""
        import pytest

        @pytest.fixture(scope='module')
        def resource():
            yield 1

        class TestClass:
            def test_passes(self, resource, tmp_path):
                pass

        def test_fails():
            raise RuntimeError
    """)

    result = pytester.runpytest_subprocess('-p', 'no:hypothesispytest', '-s')

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(['heavy: set()'])
    assert not (pytester.path / '.aiida').exists()
