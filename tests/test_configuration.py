"""The user's own configuration is neither read, changed nor created, and all is as before at the end."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

NEWER = {
    'CONFIG_VERSION': {'CURRENT': 999, 'OLDEST_COMPATIBLE': 999},
    'default_profile': 'production',
    'profiles': {
        'production': {'PROFILE_UUID': '5d3b1e7c1a0a4a5c8a6c6d2b6d0e9f11', 'storage': {'backend': 'core.new'}}
    },
    'options': {},
}
"""A configuration that a newer AiiDA has written, so that reading it fails."""

AUDITED = """
    import os
    import sys

    folder = os.path.join(os.environ['HOME'], '.aiida')
    accesses = []

    def note(event, args):
        for arg in args:
            if isinstance(arg, (str, bytes, os.PathLike)) and os.fsdecode(arg).startswith(folder):
                accesses.append((event, os.fsdecode(arg)))

    sys.addaudithook(note)
    os.environ.pop('PYTEST_CURRENT_TEST', None)
    variables = dict(os.environ)
    {run}

    from pytest_aiida_temp.environment import loaded_profile_name
    print('accesses:', accesses)
    print('changed variables:', dict(set(os.environ.items()) ^ set(variables.items())))
    print('profile:', loaded_profile_name())

    from aiida.manage import configuration
    from aiida.manage.configuration import settings
    in_use = settings.AiiDAConfigDir.get() if hasattr(settings, 'AiiDAConfigDir') else settings.AIIDA_CONFIG_FOLDER
    print('folder as before:', str(in_use) == folder)
    print('configuration:', configuration.CONFIG)
"""
AS_BEFORE = [
    'accesses: []',
    'changed variables: {}',
    'profile: None',
    'folder as before: True',
    'configuration: None',
]

TESTS = """
    from nodes import store

    def verdi(*args):
        from aiida.cmdline.commands.cmd_verdi import verdi
        from click.testing import CliRunner
        result = CliRunner().invoke(verdi, args)
        assert result.exit_code == 0, result.output
        return result.output

    def test_configuration(aiida_temp_profile):
        from aiida.manage import get_config
        assert get_config().profile_names == ['aiida-temp']
        assert store() == 1

    def test_verdi(aiida_temp_profile):
        store()
        assert 'aiida-temp' in verdi('profile', 'list')
        assert 'test@localhost' in verdi('user', 'list')
        assert 'Int' in verdi('node', 'show', '1')
        assert 'entities' in verdi('storage', 'info')
        verdi('config', 'set', 'caching.default_enabled', 'true')
        verdi('computer', 'setup', '-n', '-L', 'label', '-H', 'host', '-T', 'core.local', '-S', 'core.direct')
        assert 'label' in verdi('computer', 'list', '-a')

    def test_after_verdi(aiida_temp_profile):
        assert 'label' not in verdi('computer', 'list', '-a')
        assert store() == 1
"""


@pytest.fixture
def home(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with the configuration of a user."""
    home = pytester.mkdir('home')
    monkeypatch.setenv('HOME', str(home))
    for name, content in {
        'config.json': json.dumps(NEWER),
        'access/production/123.pid': 'verdi',
        'daemon/log/aiida-production.log': 'started',
        'repository/production/container/config.json': '{}',
    }.items():
        path = home / '.aiida' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding='utf-8')
    return home


def read(home: Path) -> dict[str, tuple[int, bytes]]:
    """Return times of change and contents of all that there is below a folder."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b'') for path in home.rglob('*')
    }


def run_audited(pytester: pytest.Pytester, run: str) -> pytest.RunResult:
    """Run the line of code ``run`` in a process that notes what of the user's configuration is opened or listed."""
    pytester.makepyfile(audited=AUDITED.format(run=run))
    return pytester.run(sys.executable, 'audited.py')


def test_the_flag_does_not_touch_the_users_configuration(pytester: pytest.Pytester, home: Path) -> None:
    pytester.makeconftest("""
        from aiida import load_profile
        from aiida.manage import get_config

        assert load_profile().name == 'aiida-temp'
        assert get_config().profile_names == ['aiida-temp']
    """)
    pytester.makepyfile(f"""
    from aiida import orm
    from aiida.plugins import DataFactory

    AT_MODULE_LEVEL = DataFactory('core.int')(1), orm.QueryBuilder().append(orm.Node).count()
    {TESTS}
    def test_without_the_fixture():
        assert store() == 1
    """)
    before = read(home)

    result = run_audited(pytester, 'import pytest; pytest.main(["--aiida-temp"])')

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines_random(AS_BEFORE)
    assert read(home) == before


def test_the_fixture_does_not_touch_the_users_configuration(pytester: pytest.Pytester, home: Path) -> None:
    pytester.makepyfile(TESTS)
    before = read(home)

    result = run_audited(pytester, 'import pytest; pytest.main([])')

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines_random(AS_BEFORE)
    assert read(home) == before


@pytest.mark.long
def test_a_script_does_not_touch_the_users_configuration(pytester: pytest.Pytester, home: Path) -> None:
    pytester.makepyfile(
        script="""
        from pathlib import Path
        from pytest_aiida_temp import TempProfile, temp_profile

        with temp_profile() as profile:
            from aiida.manage import get_config
            from nodes import store

            assert isinstance(profile, TempProfile)
            assert get_config().profile_names == ['aiida-temp']
            folder = Path(get_config().dirpath)
            print('nodes:', store())
        print('folder is there:', folder.exists())
        """
    )
    before = read(home)

    result = run_audited(pytester, 'import script')

    result.stdout.fnmatch_lines_random(['nodes: 1', 'folder is there: False', *AS_BEFORE])
    assert read(home) == before


CHILD = """
    from aiida import load_profile
    from aiida.common.exceptions import UnreachableStorage
    from aiida.manage import get_config, get_manager

    print(get_config().profile_names)
    load_profile('aiida-temp')
    try:
        get_manager().get_profile_storage()
    except UnreachableStorage as exception:
        print('unreachable:', exception)
"""


@pytest.mark.long
def test_a_process_that_a_test_starts_finds_no_profile_that_it_could_use(pytester: pytest.Pytester, home: Path) -> None:
    pytester.makepyfile(child=CHILD)
    pytester.makepyfile("""
        import subprocess
        import sys

        def test_child(aiida_temp_profile):
            print(subprocess.check_output([sys.executable, 'child.py'], text=True))
    """)
    before = read(home)

    result = pytester.runpytest_inprocess('-s')

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["*[[]'aiida-temp']", "unreachable: *'aiida-temp'*in the memory of process *aiida_temp(profile=False)*"]
    )
    assert read(home) == before


WHERE = """
    from pathlib import Path
    from aiida.manage import get_config

    def test_where(aiida_temp_profile, tmp_path_factory):
        base = tmp_path_factory.getbasetemp()
        assert Path(get_config().dirpath).is_relative_to(base)
        assert Path(aiida_temp_profile.storage_config['filepath']).is_relative_to(base)
        assert Path(aiida_temp_profile.storage.get_repository().sandbox.abspath).is_relative_to(base)
"""


@pytest.mark.parametrize('flag', ['', '--aiida-temp'])
def test_all_files_lie_in_the_one_temporary_folder_of_the_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    root = pytester.mkdir('root')
    monkeypatch.setenv('PYTEST_DEBUG_TEMPROOT', str(root))
    monkeypatch.setattr('tempfile.tempdir', str(pytester.mkdir('other')))
    pytester.makepyfile(WHERE)

    pytester.inline_run(*flag.split()).assertoutcome(passed=1)

    assert [path.name for path in root.glob('*/*') if not path.is_symlink()] == ['pytest-0']
    assert os.listdir(pytester.path / 'other') == []


@pytest.mark.parametrize('flag', ['', '--aiida-temp'])
def test_all_files_lie_in_the_folder_that_the_user_names(pytester: pytest.Pytester, flag: str) -> None:
    pytester.makepyfile(WHERE)

    pytester.runpytest_inprocess('--basetemp=named', *flag.split()).assert_outcomes(passed=1)

    assert [path.name for path in (pytester.path / 'named').glob('aiida-temp-*')] != []


@pytest.mark.long
def test_a_killed_run_leaves_nothing_outside_the_folder_that_pytest_prunes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = pytester.mkdir('temporary')
    monkeypatch.setenv('TMPDIR', str(temporary))
    monkeypatch.delenv('PYTEST_DEBUG_TEMPROOT')  # which pytester sets
    pytester.makepyfile("""
        import io, os, signal

        def test_it():
            from aiida import orm

            orm.SinglefileData(io.BytesIO(b'content')).store()
            os.kill(os.getpid(), signal.SIGKILL)
    """)

    result = pytester.run(sys.executable, '-m', 'pytest', '--aiida-temp')

    assert result.ret == -9
    (left,) = temporary.iterdir()
    assert left.name.startswith('pytest-of-')
    assert len(list(left.rglob('.aiida'))) == 1
