"""Runs in parallel."""

from __future__ import annotations

import sys

import pytest


def test_a_parallel_run_is_as_isolated_and_as_tidy_as_any(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, root = pytester.mkdir('home'), pytester.mkdir('root')
    monkeypatch.setenv('HOME', str(home))
    monkeypatch.setenv('PYTEST_DEBUG_TEMPROOT', str(root))
    pytester.makepyfile("""
        import os
        from pathlib import Path
        import pytest
        from aiida import orm
        from aiida.manage import get_config
        from nodes import store

        @pytest.mark.parametrize('number', range(6))
        def test_starts_fresh(number):
            assert store() == 1

        @pytest.mark.parametrize('number', range(2))
        def test_files(aiida_temp_profile, number):
            assert os.environ['PYTEST_XDIST_WORKER'] in ('gw0', 'gw1')
            root = os.environ['PYTEST_DEBUG_TEMPROOT']
            assert Path(get_config().dirpath).is_relative_to(root)
            assert Path(aiida_temp_profile.storage_config['filepath']).is_relative_to(root)
            assert orm.SinglefileData.from_string('content').store().pk == 1

        def test_fails():
            raise RuntimeError
    """)

    result = pytester.run(sys.executable, '-m', 'pytest', '-n', '2', '--aiida-temp', timeout=120)

    result.assert_outcomes(passed=8, failed=1)
    assert result.stdout.str().count('aiida-temp: aiida-core ') == 1
    result.stdout.re_match_lines([r'aiida-temp: 9 resets in 0\.\d{3} s, '])
    assert [path.name for path in root.glob('*/*') if not path.is_symlink()] == ['pytest-0']
    assert list(home.iterdir()) == []
