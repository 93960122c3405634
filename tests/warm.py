"""Interpreters that have AiiDA imported when they begin: forks of one process, which spend no seconds on that."""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import pytest

_TEST = """
from aiida import orm

def test_it():
    orm.Group('group').store().add_nodes(orm.SinglefileData.from_string('content').store())
    orm.QueryBuilder().append(orm.Node, project='label').order_by({orm.Node: 'id'}).all(flat=True)
    assert orm.QueryBuilder().append(orm.Node).count() == 1
"""
_LEFT_OUT = ('cacheprovider', 'randomly', 'asyncio', 'hypothesispytest', 'rerunfailures')  # the last starts a thread
_FLAGS = ['--aiida-temp', *(f'-pno:{name}' for name in _LEFT_OUT)]


class Interpreter:
    """One that was started, as ``subprocess.Popen`` would have it.

    :param status: the pipe to which it writes its exit status when it ends.
    """

    def __init__(self, arguments: Sequence[str], pid: int, status: int) -> None:
        self.args, self.pid, self._status = arguments, pid, status
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status if it has ended, which is -9 if it did not come to write one."""
        return self._read(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status when it has ended."""
        returncode = self._read(timeout)
        if returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _read(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            written = os.read(self._status, 1)
            os.close(self._status)
            self.returncode = written[0] if written else -signal.SIGKILL
        return self.returncode


class Warm:
    """The process that is forked, which has one thread only."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno())]
            environment = {**os.environ, 'OPENBLAS_NUM_THREADS': '1'}  # NumPy starts threads when it is imported
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment)

    def start(
        self,
        arguments: Sequence[str],
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        environment: dict[str, str] | None = None,
        new_session: bool = False,
    ) -> Interpreter:
        """Start one in the folder of this process.

        :param arguments: what follows ``python``: a file, or what ``-m`` or ``-c`` has; and arguments.
        :param environment: that of this process by default.
        """
        environment = dict(os.environ) if environment is None else environment
        body = json.dumps([arguments, os.getcwd(), environment, new_session]).encode()
        status, their_status = os.pipe()
        head = len(body).to_bytes(4, 'big')
        socket.send_fds(self._socket, [head], [stdin, stdout, stderr, their_status])
        self._socket.sendall(body)
        os.close(their_status)
        return Interpreter(arguments, int.from_bytes(_receive(self._socket, 4), 'big'), status)

    def popen(
        self, command: Sequence[str], *, stdin: int, stdout: BinaryIO, stderr: int, **settings: Any
    ) -> Interpreter:
        """Start one as ``subprocess.Popen`` does, for a command whose output goes to a file."""
        assert (stdin, stderr) == (subprocess.DEVNULL, subprocess.STDOUT)
        environment, new_session = settings.pop('env'), settings.pop('start_new_session')
        assert not settings
        with open(os.devnull, 'rb') as nothing:
            return self.start(
                command[1:],
                stdin=nothing.fileno(),
                stdout=stdout.fileno(),
                stderr=stdout.fileno(),
                environment=environment,
                new_session=new_session,
            )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run one to its end, and return exit status and output."""
        output, their_output = os.pipe()
        with open(os.devnull, 'rb') as nothing, os.fdopen(output, encoding='utf-8') as lines:
            started = self.start(arguments, stdin=nothing.fileno(), stdout=their_output, stderr=their_output)
            os.close(their_output)
            text = lines.read()
        return started.wait(60), text

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b''
    while len(received) < size:
        received += connection.recv(size - len(received))
    return received


def _wait(*_: Any) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _serve(connection: socket.socket) -> tuple[list[Any], list[int]]:
    """Fork for each request, and return it in the fork, with the descriptors of files."""
    signal.signal(signal.SIGCHLD, _wait)
    while True:
        head, files, *_ = socket.recv_fds(connection, 4, 4)
        if not head:
            sys.exit()
        request = json.loads(_receive(connection, int.from_bytes(head, 'big')))
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            connection.close()
            return request, files
        connection.sendall(pid.to_bytes(4, 'big'))
        for file in files:
            os.close(file)


def _prepare(folder: str, environment: dict[str, str], new_session: bool, files: list[int]) -> None:
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if new_session:
        os.setsid()


def _execute(arguments: list[str]) -> None:
    if arguments[0] == '-m':
        sys.path[0], sys.argv = os.getcwd(), arguments[1:]
        runpy.run_module(arguments[1], run_name='__main__', alter_sys=True)
    elif '-c' in arguments:
        sys.path[0], sys.argv = '', ['-c']
        exec(arguments[arguments.index('-c') + 1], {'__name__': '__main__'})
    else:
        sys.path[0], sys.argv = os.path.dirname(os.path.abspath(arguments[0])), arguments
        runpy.run_path(arguments[0], run_name='__main__')


def _warm_up() -> None:
    """Run a test, so that AiiDA, pytest and its plugins are imported, and what SQLAlchemy makes once is made."""
    with TemporaryDirectory() as folder, open(os.devnull, 'w', encoding='utf-8') as nothing, redirect_stdout(nothing):
        path = Path(folder, 'test_it.py')
        path.write_text(_TEST, encoding='utf-8')
        status = pytest.main(
            [str(path), '--rootdir', folder, '-c', os.devnull, '--basetemp', f'{folder}/temp', *_FLAGS]
        )
    assert status == 0


def main() -> None:
    """Serve, and be the interpreter that was asked for."""
    _warm_up()
    gc.freeze()  # else pytest, when it ends, looks for garbage in all that was inherited
    (arguments, *settings), (*files, status) = _serve(socket.socket(fileno=int(sys.argv[1])))
    ended_with = 1
    atexit.register(lambda: os.write(status, bytes([ended_with])))
    _prepare(*settings, files)
    try:
        _execute(arguments)
        ended_with = 0
    except SystemExit as exit_:
        ended_with = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
        raise


if __name__ == '__main__':
    main()
