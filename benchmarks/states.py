"""Archives as starting states, archives in mid-test, and further profiles."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from aiida.manage.configuration import get_config
from aiida.orm import Int
from aiida.tools.pytest_fixtures import aiida_profile_factory
from click.testing import CliRunner

from pytest_aiida_temp.archives.contents import Contents
from pytest_aiida_temp.archives.files import read
from pytest_aiida_temp.archives.silence import quiet
from pytest_aiida_temp.archives.state import StartingState
from pytest_aiida_temp.environment import ActiveConfiguration
from pytest_aiida_temp.frames import Frames
from pytest_aiida_temp.isolation import Resets
from pytest_aiida_temp.loading import further_profile

from .measurement import Measurement, block, medians
from .nodes import insert_nodes
from .profiles import OpenProfile, Profiles
from .rows import Bound, Outcome, Row
from .sizes import Sizes

_numbers = count()


def measurements(profiles: Profiles, sizes: Sizes) -> list[Measurement]:
    """Return what fills the rows on archives and further profiles."""
    nodes = f'an archive with {sizes.archived:,} nodes'
    return [
        Measurement(
            [
                Row(f'second use of {nodes} in a row, against an import', Bound('ratio', 1 / 100)),
                Row(f'second use of {nodes} after a test without it, against an import', Bound('ratio', 1 / 10)),
            ],
            lambda: _second_use(profiles.ours, sizes),
        ),
        Measurement(
            [Row(f'load_archive() of {nodes}, against `verdi archive import`', Bound('ratio', 1.0))],
            lambda: _loading(profiles.ours, sizes),
        ),
        Measurement(
            [
                Row(
                    'a further profile, made and given back, against aiida_profile_tmp',
                    Bound('ratio', 1 / 10),
                )
            ],
            lambda: _further(profiles.ours, sizes),
        ),
    ]


class _Test:
    """What stands for a test of pytest: it is in no scope but its own."""

    def listchain(self) -> list[_Test]:
        return [self]

    def addfinalizer(self, finalizer: Callable[[], None]) -> None:
        """Do nothing: the test's frames are left by hand."""


@contextmanager
def _archive(profile: Any, nodes: int) -> Iterator[Path]:
    with TemporaryDirectory(prefix='aiida-temp-benchmarks-') as folder:
        with profile.rollback():
            insert_nodes(profile.storage, nodes)
            path = profile.export(Path(folder) / 'nodes.aiida')
        yield path


def _second_use(ours: OpenProfile, sizes: Sizes) -> list[Outcome]:
    with ours.active() as profile, _archive(profile, sizes.archived) as path:
        archive = read(path, path.parent)
        contents = Contents(path.parent)
        frames = Frames(profile, Resets(), lambda _: None)

        def use(kept: bool) -> float:
            """Return what a test pays for its archive and its reset, but not for the node that it stores."""
            test = _Test()
            began = time.perf_counter()
            frames.start_from([StartingState(test, (archive,))], contents.add_to)
            frames.ensure(test, leave_by_itself=False)
            set_up = time.perf_counter()
            Int(1).store()
            stored = time.perf_counter()
            frames.leave(test)
            frames.end_content(test, lambda *_: kept)
            return time.perf_counter() - stored + set_up - began

        def import_again() -> None:
            with profile.rollback():
                profile.load_archive(path)

        def in_a_row() -> float:
            use(kept=True)
            seconds = median(use(kept=True) for _ in range(sizes.calls))
            use(kept=False)
            return seconds

        use(kept=False)
        again, elsewhere, next_to_it = medians(
            [lambda: block(import_again, 1, warm_up=False), lambda: use(kept=False), in_a_row], sizes.rounds
        )
        frames.return_to_base()
        contents.close()
    return [(next_to_it, again), (elsewhere, again)]


def _loading(ours: OpenProfile, sizes: Sizes) -> list[Outcome]:
    from aiida.cmdline.commands.cmd_verdi import verdi

    with ours.active() as profile, _archive(profile, sizes.archived) as path:

        def load() -> None:
            with profile.rollback():
                profile.load_archive(path)

        def run_verdi() -> None:
            with profile.rollback(), quiet():
                result = CliRunner().invoke(
                    verdi, ['--profile', profile.name, 'archive', 'import', '--no-import-group', str(path)]
                )
                assert result.exit_code == 0, result.output

        configuration = ActiveConfiguration.current()
        ActiveConfiguration.of(profile.configuration).use()  # where `verdi` looks for the profile
        try:
            loading, importing = medians(
                [lambda: block(load, 1, warm_up=False), lambda: block(run_verdi, 1, warm_up=False)], sizes.rounds
            )
        finally:
            configuration.use()
    return [(loading, importing)]


def _further(ours: OpenProfile, sizes: Sizes) -> list[Outcome]:
    factory = inspect.unwrap(aiida_profile_factory)()

    def time_of(make: Callable[[], AbstractContextManager[Any]]) -> float:
        def use() -> None:
            with make():
                pass

        with ours.active():
            return block(use, 1)

    def own() -> AbstractContextManager[Any]:
        name = f'further-{next(_numbers)}'
        config = get_config()
        return further_profile(config, Path(config.dirpath) / name, name)

    made, theirs = medians([lambda: time_of(own), lambda: time_of(lambda: factory(get_config()))], sizes.rounds)
    return [(made, theirs)]
