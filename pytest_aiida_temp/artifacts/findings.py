"""What a storage holds at one moment: counts, processes, their reports, log messages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aiida import orm
from aiida.cmdline.utils.common import get_calcjob_report, get_process_function_report, get_workchain_report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..storage.since import Since
    from ..storage.view import StorageView

MOST_PROCESSES = 500
"""How many are looked at, the latest ones."""

MOST_LOGS = 50
KINDS = {'node': 'db_dbnode', 'group': 'db_dbgroup', 'computer': 'db_dbcomputer'}
_PATHS = ('$.process_label', '$.process_state', '$.exit_status', '$.exit_message', '$.exception')

# In SQL, as AiiDA's query builder takes milliseconds for each statement that it builds.
_PROCESSES = (
    f'SELECT id, node_type, {", ".join(f"json_extract(attributes, {path!r})" for path in _PATHS)} FROM db_dbnode '
    "WHERE node_type LIKE 'process.%' ORDER BY id DESC LIMIT ?"
)
_CALLS = "SELECT input_id, output_id FROM db_dblink WHERE type IN ('call_calc', 'call_work')"
_LOGS = 'SELECT dbnode_id, levelname, message FROM db_dblog ORDER BY id DESC LIMIT ?'
_ENDED = ('finished', 'excepted', 'killed')
_HEADS = ('Traceback (most recent', 'During handling of the above', 'The above exception was the direct')


@dataclass
class Process:
    """A process, and where it is in the tree of those that called it.

    :param depth: how many processes are above it.
    """

    pk: int
    label: str
    state: str | None
    exit_status: int | None
    message: str
    caller: int | None = None
    depth: int = 0

    @property
    def name(self) -> str:
        """Label and primary key."""
        return f'{self.label}<{self.pk}>'

    @property
    def is_ok(self) -> bool:
        """Whether it finished with exit status zero."""
        return self.state == 'finished' and self.exit_status == 0

    @property
    def has_run(self) -> bool:
        """Whether it was run, rather than made by hand as the node of a process, for a parser say."""
        return self.state is not None

    @property
    def has_ended(self) -> bool:
        """Whether it will not go on."""
        return self.state in _ENDED

    def __str__(self) -> str:
        status = '' if self.exit_status is None else f' [{self.exit_status}]'
        message = f': {self.message}' if self.message else ''
        return f'{self.name} {self.state.capitalize() if self.state else "was not run"}{status}{message}'


@dataclass(frozen=True)
class LogMessage:
    """One entry of a process' log."""

    node: int
    level: str
    text: str

    def __str__(self) -> str:
        return f'{self.level} of <{self.node}>: {self.text}'


class Findings:
    """What a view of a storage shows.

    :param since: what became of each table since the test began.
    """

    def __init__(self, view: StorageView, since: dict[str, Since]) -> None:
        self.view = view
        self._nodes: dict[int, Any] = {}
        self._since = {kind: since[table] for kind, table in KINDS.items()}

    @property
    def stored_nodes(self) -> list[int]:
        """The nodes that the test stored."""
        return self._since['node'].stored

    @property
    def has_stored(self) -> bool:
        """Whether the test stored anything that is counted."""
        return any(since.stored for since in self._since.values())

    def counts(self) -> str:
        """Return how much the test stored, and found, in one line."""
        stored = ', '.join(_plural(len(since.stored), kind) for kind, since in self._since.items())
        found = ', '.join(_plural(since.found, kind) for kind, since in self._since.items())
        deleted = [_plural(since.deleted, kind) for kind, since in self._since.items() if since.deleted]
        less = f' (of which it deleted {", ".join(deleted)})' if deleted else ''
        return f'This test stored {stored}. It found {found}{less}.'

    @cached_property
    def processes(self) -> list[Process]:
        """The processes, each followed by those it called."""
        rows = self.view.raw.execute(_PROCESSES, (MOST_PROCESSES,)).fetchall()
        found = {row[0]: _process(*row) for row in reversed(rows)}
        for caller, called in self.view.raw.execute(_CALLS).fetchall():
            if caller in found and called in found:
                found[called].caller = caller
        return list(_in_order(found))

    @cached_property
    def failed(self) -> list[Process]:
        """The processes that failed or have not ended, those first that others failed of."""
        failed = (process for process in self.processes if process.has_run and not process.is_ok)
        return sorted(failed, key=lambda process: (-process.depth, process.pk))

    def node(self, process: Process) -> Any:
        """Return the node of a process."""
        if process.pk not in self._nodes:
            self._nodes[process.pk] = orm.Node.get_collection(self.view).get(id=process.pk)
        return self._nodes[process.pk]

    def report(self, process: Process) -> str:
        """Return what ``verdi process report`` shows."""
        node = self.node(process)
        if isinstance(node, orm.CalcJobNode):
            return str(get_calcjob_report(node))
        if isinstance(node, orm.WorkChainNode):
            return str(get_workchain_report(node, 'REPORT'))
        return str(get_process_function_report(node))

    def scheduler_errors(self, process: Process) -> str:
        """Return the scheduler's standard error of a calculation job, nothing for other processes."""
        node = self.node(process)
        return (node.get_scheduler_stderr() or '') if isinstance(node, orm.CalcJobNode) else ''

    @cached_property
    def logs(self) -> list[LogMessage]:
        """The last log messages, in the order in which they came."""
        return [LogMessage(*row) for row in reversed(self.view.raw.execute(_LOGS, (MOST_LOGS,)).fetchall())]


def _plural(count: int, kind: str) -> str:
    return f'{count} {kind}{"" if count == 1 else "s"}'


def _process(pk: int, node_type: str, *attributes: Any) -> Process:
    label, state, status, message, error = attributes
    text = ' '.join((message or _exception(error or '')).split())
    return Process(pk, label or node_type.rstrip('.').rpartition('.')[-1], state, status, text)


def _exception(text: str) -> str:
    """Return type and message from what Python prints of an exception, and of those that led to it before that."""
    lines = text.splitlines()
    begin = max((n + 1 for n, line in enumerate(lines) if line.startswith(_HEADS)), default=0)
    message = (n for n, line in enumerate(lines) if n >= begin and line.strip() and not line.startswith(' '))
    return '\n'.join(lines[next(message, begin) :])


def _in_order(found: dict[int, Process]) -> Iterator[Process]:
    called: dict[int | None, list[Process]] = {}
    for process in found.values():
        called.setdefault(process.caller, []).append(process)
    waiting = [(process, 0) for process in reversed(called.get(None, []))]
    while waiting:
        process, process.depth = waiting.pop()
        yield process
        waiting.extend((other, process.depth + 1) for other in reversed(called.get(process.pk, [])))
