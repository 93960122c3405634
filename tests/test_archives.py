"""Archives that go into a profile and come out of it."""

from __future__ import annotations

import json
import logging
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from pytest_aiida_temp import temp_profile
from pytest_aiida_temp.archives import ArchiveError
from pytest_aiida_temp.environment import import_module

import_module('aiida.orm')  # so that no `~/.aiida` is made
files = import_module('pytest_aiida_temp.archives.files')
conflicts = import_module('pytest_aiida_temp.archives.conflicts')
archive_format = import_module('pytest_aiida_temp.archives.format')


@pytest.fixture(scope='module')
def module_profile() -> Iterator[Any]:
    with temp_profile() as profile:
        yield profile


@pytest.fixture
def profile(module_profile) -> Iterator[Any]:
    module_profile.reset()
    yield module_profile
    module_profile.reset()


def store_everything() -> str:
    """Store one of each kind of entity and return the uuid of a node."""
    from aiida import orm
    from aiida.common.links import LinkType

    computer = orm.Computer('cluster', 'host', transport_type='core.local', scheduler_type='core.direct').store()
    node = orm.SinglefileData(BytesIO(b'content')).store()
    process = orm.CalcJobNode(computer=computer)
    process.base.links.add_incoming(node, LinkType.INPUT_CALC, 'file')
    process.store().seal()
    node.base.comments.add('a comment')
    node.base.extras.set('colour', 'red')
    orm.Group('files').store().add_nodes(node)
    return node.uuid


def database_of(path: Path, folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of an archive by table."""
    with zipfile.ZipFile(path) as content:
        connection = sqlite3.connect(content.extract('db.sqlite3', folder / path.stem))
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = {name: connection.execute(f'SELECT * FROM {name} ORDER BY 1').fetchall() for name in names}
    connection.close()
    return rows


def with_metadata(path: Path, target: Path, **changes: Any) -> Path:
    """Write a copy of an archive whose metadata say something else."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, 'w') as copy:
        for name in source.namelist():
            content = source.read(name)
            if name == 'metadata.json':
                content = json.dumps({**json.loads(content), **changes}).encode()
            copy.writestr(name, content)
    return target


def at_version(path: Path, target: Path, version: str) -> Path:
    """Write a copy of an archive in the latest version, in an earlier one whose tables are the same but for keys."""
    return with_metadata(path, target, export_version=version)


@pytest.fixture(scope='module')
def archive(module_profile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of an archive of all kinds of entities."""
    with module_profile.rollback():
        store_everything()
        path: Path = module_profile.export(tmp_path_factory.mktemp('archives') / 'all.aiida')
    return path


def test_what_was_exported_comes_back(profile, tmp_path: Path) -> None:
    from aiida import orm

    uuid = store_everything()
    path = profile.export(tmp_path / 'all.aiida')
    profile.reset()

    profile.load_archive(str(path))

    node = orm.load_node(uuid)
    assert node.get_content() == 'content'
    assert node.base.extras.get('colour') == 'red'
    assert [comment.content for comment in node.base.comments.all()] == ['a comment']
    assert [group.label for group in orm.QueryBuilder().append(orm.Group).all(flat=True)] == ['files']
    assert orm.load_computer('cluster').hostname == 'host'


def test_archives_are_read_as_aiida_core_reads_them(archive: Path) -> None:
    from aiida import orm
    from aiida.tools.archive.abstract import get_format

    kinds = [orm.Node, orm.Group, orm.Computer, orm.User, orm.Comment, orm.Log]

    def read(of_archives: Any) -> list[Any]:
        with of_archives.open(archive, 'r') as reader:
            backend = reader.get_backend()
            queries = [orm.QueryBuilder(backend=backend).append(kind, project=['**'], tag='one') for kind in kinds]
            joined = orm.QueryBuilder(backend=backend).append(orm.Node, project=['uuid', 'attributes'], tag='node')
            joined.append(orm.Group, with_node='node', project=['label', 'time'])
            entities = orm.QueryBuilder(backend=backend).append(orm.Node, project='*').order_by({orm.Node: 'id'})
            return [
                [query.dict(batch_size=size) for query in (*queries, joined) for size in (1, 100)],
                [(type(node), node.uuid, node.base.attributes.all) for (node,) in entities.iterall()],
                [row['one']['id'] for row in queries[0].iterdict(batch_size=1)],
            ]

    found = read(archive_format.ArchiveFormat())

    assert found == read(get_format())
    assert len(found[2]) == 2


def test_an_export_is_what_verdi_archive_writes(profile, tmp_path: Path) -> None:
    from aiida.cmdline.commands.cmd_verdi import verdi
    from click.testing import CliRunner

    store_everything()

    ours = profile.export(tmp_path / 'ours.aiida')
    result = CliRunner().invoke(verdi, ['archive', 'create', '--all', str(tmp_path / 'theirs.aiida')])

    assert result.exit_code == 0, result.output
    assert database_of(ours, tmp_path) == database_of(tmp_path / 'theirs.aiida', tmp_path)
    files = []
    for path in (ours, tmp_path / 'theirs.aiida'):
        with zipfile.ZipFile(path) as content:
            assert content.testzip() is None
            infos = [info for info in content.infolist() if info.filename.startswith('repo/')]
            keys = json.loads(content.read('metadata.json')).keys()
        files.append(([(info.filename, info.CRC, info.compress_type) for info in infos], keys))
    assert files[0] == files[1]
    assert len(files[0][0]) == 1


def test_some_entities_are_exported_with_what_they_were_made_from(profile, tmp_path: Path) -> None:
    from aiida import orm

    kept, left = orm.Int(1).store(), orm.Int(2).store()
    path = profile.export(tmp_path / 'one.aiida', [kept])
    profile.reset()

    profile.load_archive(path)

    assert orm.QueryBuilder().append(orm.Node, project='uuid').all(flat=True) == [kept.uuid] != [left.uuid]


def test_nothing_is_reported_of_an_import_or_export(profile, archive: Path, tmp_path: Path, capfd, caplog) -> None:
    profile.load_archive(archive)
    profile.export(tmp_path / 'again.aiida')

    assert capfd.readouterr() == ('', '')
    assert caplog.messages == []
    assert logging.getLogger('aiida.export').level == logging.NOTSET


def test_an_export_does_not_overwrite(profile, archive: Path) -> None:
    before = archive.read_bytes()

    with pytest.raises(ArchiveError, match=r'all\.aiida exists already: remove it, or choose another path'):
        profile.export(archive)

    assert archive.read_bytes() == before


def test_an_export_takes_stored_entities_of_the_profile(profile, tmp_path: Path) -> None:
    from aiida import orm

    node, other = orm.Int(1).store(), orm.Int(2)
    with temp_profile(name='another'):
        foreign = orm.Int(3).store()
    for entities, message in (
        (node, 'entities=<Int.*>: give a list of nodes, groups, computers and users'),
        (3, 'entities=3: give a list of nodes'),
        ([node, node.pk], '1 cannot be exported: give nodes, groups'),
        ([node, other], r'<Int.*> cannot be exported, as it is not stored: call its `store\(\)` first'),
        ([foreign], "a Int in `entities` is not in the profile 'aiida-temp', but in 'another': export it from there"),
    ):
        with pytest.raises(ArchiveError, match=message):
            profile.export(tmp_path / 'some.aiida', entities)

    assert list(tmp_path.iterdir()) == []


def test_an_export_needs_a_folder(profile, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match='cannot be written: there is no folder'):
        profile.export(tmp_path / 'nowhere' / 'all.aiida')


Damage = Callable[[Path], Path]


def no_database(path: Path) -> Path:
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(path.with_name('no-db.aiida'), 'w') as copy:
        copy.writestr('metadata.json', source.read('metadata.json'))
    return path.with_name('no-db.aiida')


def text(path: Path) -> Path:
    path.with_name('text.aiida').write_text('no archive')
    return path.with_name('text.aiida')


DAMAGES: list[tuple[Damage, str]] = [
    (lambda path: path.with_name('missing.aiida'), 'missing.aiida does not exist: give the path of an archive'),
    (lambda path: path.parent, 'is a folder: give the path of an archive'),
    (text, 'text.aiida is not an AiiDA archive: .* Make one with `verdi archive create`'),
    (no_database, 'no-db.aiida is not an AiiDA archive: it has no database'),
    (
        lambda path: with_metadata(path, path.with_name('new.aiida'), export_version='main_9999'),
        'new.aiida has version main_9999 of the archive format, which aiida-core .* does not know; its latest '
        'is main_.*Install a newer aiida-core, or make the archive anew',
    ),
    (
        lambda path: with_metadata(path, path.with_name('ancient.aiida'), export_version='0.3'),
        'ancient.aiida has version 0.3 of the archive format, which aiida-core 2 cannot migrate',
    ),
    (
        lambda path: with_metadata(path, path.with_name('wrong.aiida'), export_version='0.9'),
        'wrong.aiida cannot be migrated from version 0.9 of the archive format to main_.*: .*make the archive anew',
    ),
]


@pytest.mark.parametrize(('damage', 'message'), DAMAGES)
def test_an_archive_that_cannot_be_read_is_named_with_the_cure(
    profile, archive: Path, damage: Damage, message: str
) -> None:
    path = damage(archive)

    with pytest.raises(ArchiveError, match=message):
        profile.load_archive(path)


def test_an_old_archive_is_migrated_and_left_as_it_is(profile, archive: Path, tmp_path: Path) -> None:
    from aiida import orm

    old = at_version(archive, tmp_path / 'old.aiida', 'main_0000')
    before = old.read_bytes()

    profile.load_archive(old)

    assert orm.QueryBuilder().append(orm.SinglefileData).one()[0].get_content() == 'content'
    assert old.read_bytes() == before


def test_a_migrated_archive_is_kept_by_the_hash_of_its_content(archive: Path, tmp_path: Path) -> None:
    old = at_version(archive, tmp_path / 'old.aiida', 'main_0000')
    kept = tmp_path / 'kept'

    first = files.read(old, kept)
    written = first.file.stat().st_mtime_ns
    again = files.read(old.rename(old.with_name('renamed.aiida')), kept)

    assert first.file == again.file
    assert [path.name for path in kept.iterdir()] == [first.file.name]
    assert again.file.stat().st_mtime_ns == written


def test_archives_conflict_if_they_have_other_content_for_one_node(profile, tmp_path: Path) -> None:
    from aiida import orm

    node = orm.Int(1).store()
    group = orm.Group('numbers').store()
    group.add_nodes(node)
    paths = [profile.export(tmp_path / 'a.aiida')]
    node.base.extras.set('colour', 'red')
    paths.append(profile.export(tmp_path / 'b.aiida'))
    a, b = (files.read(path, tmp_path) for path in paths)

    with pytest.raises(ArchiveError) as caught:
        conflicts.check_conflicts([a, b])

    assert f'b.aiida conflict: the node with uuid {node.uuid} has another extras in each.' in str(caught.value)
    conflicts.check_conflicts([a, a])


def test_archives_that_share_entities_of_equal_content_do_not_conflict(profile, tmp_path: Path) -> None:
    from aiida import orm

    store_everything()
    a = files.read(profile.export(tmp_path / 'a.aiida'), tmp_path)
    orm.Int(1).store()
    b = files.read(profile.export(tmp_path / 'b.aiida'), tmp_path)

    conflicts.check_conflicts([a, b])
