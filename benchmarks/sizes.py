"""How much is measured, in a full and in a quick run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """The sizes of one run.

    :param rounds: how often each side of a comparison has its turn.
    :param calls: of what is measured, in one turn; what takes long is called less often.
    :param resets: of the long row of resets.
    :param queried: nodes that a query returns.
    :param grouped: nodes that are added to a group.
    :param base: nodes below a checkpoint.
    :param files: objects in the repository below a checkpoint.
    :param changed: rows of the base that are changed, and a tenth of that.
    :param archived: nodes in an archive.
    :param tests: in the generated test file.
    :param suites: how often that file is run on each side.
    :param starts: of pytest, on each side.
    :param at_once: run both sides of that file at the same time.
    :param seconds: the time that the whole run may take, if there is a limit.
    """

    rounds: int
    calls: int
    resets: int
    queried: int
    grouped: int
    base: int
    files: int
    changed: int
    archived: int
    tests: int
    suites: int
    starts: int
    at_once: bool = False
    seconds: float | None = None


FULL = Sizes(
    rounds=15,
    calls=20,
    resets=10_000,
    queried=10_000,
    grouped=1_000,
    base=100_000,
    files=10_000,
    changed=1_000,
    archived=1_000,
    tests=1_000,
    suites=3,
    starts=40,
)
QUICK = Sizes(
    rounds=3,
    calls=5,
    resets=1_000,
    queried=300,
    grouped=100,
    base=5_000,
    files=500,
    changed=500,
    archived=300,
    tests=30,
    suites=1,
    starts=3,
    at_once=True,
    seconds=30,
)
