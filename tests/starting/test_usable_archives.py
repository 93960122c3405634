"""Which archives tests can start from, where they are looked for, and on workers."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest


def test_paths_go_from_the_test_file_and_then_from_the_rootdir(suite: pytest.Pytester) -> None:
    folder = suite.mkpydir('inner')
    (folder / 'own').symlink_to(suite.path / 'data')
    text = """
        import pathlib, pytest
        from helpers import values

        @pytest.mark.aiida_temp(archive='own/10.aiida')
        def test_beside(): assert values() == [10]

        @pytest.mark.aiida_temp(archive=pathlib.Path('data/20.aiida'))
        def test_root(): assert values() == [20]
    """
    (folder / 'test_inner.py').write_text(
        '\n'.join(line.removeprefix(' ' * 8) for line in text.splitlines()), encoding='utf-8'
    )
    suite.makeini('[pytest]\npythonpath = .')

    suite.runpytest_inprocess().assert_outcomes(passed=2)


def test_an_old_archive_is_migrated_once_into_the_cache_of_pytest(suite: pytest.Pytester) -> None:
    with (
        zipfile.ZipFile(suite.path / 'data' / '10.aiida') as source,
        zipfile.ZipFile(suite.path / 'old.aiida', 'w') as copy,
    ):
        for name in source.namelist():
            content = source.read(name)
            if name == 'metadata.json':
                content = json.dumps({**json.loads(content), 'export_version': 'main_0000'}).encode()
            copy.writestr(name, content)
    suite.makepyfile("""
        import pytest
        from helpers import values

        @pytest.mark.aiida_temp(archive='old.aiida')
        def test_old(): assert values() == [10]
    """)

    written = []
    for _ in range(2):
        suite.runpytest_inprocess().assert_outcomes(passed=1)
        (path,) = (suite.path / '.pytest_cache' / 'd' / 'aiida-temp').iterdir()
        written.append((path.name, path.stat().st_mtime_ns))
    suite.runpytest_inprocess('-p', 'no:cacheprovider').assert_outcomes(passed=1)

    assert written[0] == written[1]
    assert re.fullmatch('[0-9a-f]{64}-main_[0-9]+.aiida', written[0][0])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ("archive='data/none.aiida'", "*(archive='data/none.aiida'): there is no such file: looked for *none.aiida.*"),
        (
            "archive='test_it.py'",
            "*(archive='test_it.py'): */test_it.py is not an AiiDA archive: *verdi archive create*",
        ),
        ("archive='data'", "*(archive='data'): */data is a folder: give the path of an archive *"),
        ("archive='new.aiida'", '*new.aiida has version main_9999 *Install a newer aiida-core, or make *'),
        (
            "archive=['data/10.aiida', 'data/conflict.aiida']",
            '*/10.aiida and */conflict.aiida conflict: the node with uuid * has another extras in each. Export *',
        ),
        ('archive=[]', '*(archive=[[]]): the value is not allowed; archive must be the path of an AiiDA archive*'),
        (
            'archive=3',
            '*(archive=3): the value is not allowed; archive must be the path of an AiiDA archive, or a list*',
        ),
        ("archive=''", "*(archive=''): the value is not allowed; archive must be the path of an AiiDA archive*"),
        ("archive='data/10.aiida', reset=False", '*(reset=False, archive=...): *leave out reset=False*'),
        ("archive='data/10.aiida', profile=False", '*(profile=False, archive=...): archive is for the ephemeral *'),
    ],
)
def test_an_archive_that_cannot_be_used_ends_the_run_before_the_first_test(
    suite: pytest.Pytester, archives: Path, arguments: str, message: str
) -> None:
    with zipfile.ZipFile(suite.path / 'new.aiida', 'w') as new:
        new.writestr('metadata.json', json.dumps({'export_version': 'main_9999'}))
    suite.makepyfile(
        test_it=f'import pytest\ndef test_ahead(): print("executed")\n'
        f'@pytest.mark.aiida_temp({arguments})\ndef test_it(): pass'
    )

    result = suite.runpytest_inprocess('-s')

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f'ERROR: test_it.py::test_it: {message}'])
    assert 'executed' not in result.stdout.str()


@pytest.mark.long  # it starts workers
def test_workers_of_xdist_start_from_archives_too(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        import pytest
        from helpers import values

        @pytest.mark.aiida_temp(archive='data/10.aiida')
        @pytest.mark.parametrize('number', range(4))
        def test_it(number): assert values() == [10]
    """)

    suite.runpytest_subprocess('-n', '2').assert_outcomes(passed=4)
