"""The files of calculation jobs that failed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida import orm

if TYPE_CHECKING:
    from .findings import Findings

RETRIEVED, SANDBOX = 'retrieved', 'sandbox'


def write_files(findings: Findings, folder: Path) -> Iterable[str]:
    """Copy what calculation jobs were sent off with, and what was retrieved of them, each to its own folder.

    Those that succeeded are left out; nodes that a test made by hand, for a parser say, are not.

    :returns: what went wrong.
    """
    for process in findings.processes:
        if process.is_ok:
            continue
        node = findings.node(process)
        if isinstance(node, orm.CalcJobNode):
            target = folder / f'calcjob-{process.pk}'
            for name, source in {SANDBOX: node, RETRIEVED: _retrieved(node)}.items():
                if source is not None and source.base.repository.list_object_names():
                    try:
                        source.base.repository.copy_tree(target / name)
                    except Exception as exception:
                        yield f'files of {process.name} could not be copied: {exception!r}'


def _retrieved(node: Any) -> Any:
    outgoing = node.base.links.get_outgoing(link_label_filter='retrieved').all_nodes()
    return next((found for found in outgoing if isinstance(found, orm.FolderData)), None)
