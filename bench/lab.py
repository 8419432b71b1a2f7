"""A supervisord of one's own: started in a temporary directory, watched through its log, and
removed without a trace.

    with Lab(programs='[program:web]\\n...') as lab:
        lab.wait_running('web', count=32, seconds=30)
        mark = lab.log_size()
        restart = [script('supervisorctl'), '-c', str(lab.conf), 'restart', 'web:*']
        subprocess.run(restart, timeout=60, check=True)
        print(downtimes(lab.log_text(mark)))
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

# A busy machine does not reach these.
START_SECONDS = 60.0  # for supervisord to answer its first call
CALL_SECONDS = 60.0  # for one XML-RPC call
# For supervisord to stop all processes and exit; twice the default stopwaitsecs.
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05  # between two looks at a condition, at most
FIRST_POLL_SECONDS = 0.005  # most conditions hold soon

CONF = """\
[unix_http_server]
file=%(here)s/sock

[supervisord]
nodaemon=true
logfile=%(here)s/supervisord.log
logfile_maxbytes=0
pidfile=%(here)s/supervisord.pid
childlogdir=%(here)s
minfds={minfds}

[supervisorctl]
serverurl=unix://%(here)s/sock

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

"""
RESTARTER = """\
[rpcinterface:restarter]
supervisor.rpcinterface_factory = supervisor_restarter:make_rpcinterface

"""
# For supervisorctl; supervisord passes over it.
CTLPLUGIN = """\
[ctlplugin:restarter]
supervisor.ctl_factory = supervisor_restarter:make_ctlplugin

"""

# 2026-01-31 23:59:59,123 INFO stopped: 07 (terminated by SIGTERM)
# 2026-01-31 23:59:59,125 INFO spawned: '07' with pid 4711
LOG_LINE = re.compile(
    r'^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) \w+ '
    r"(?:(?:stopped|exited): (?P<gone>\S+) \(|spawned: '(?P<come>[^']+)' with pid (?P<pid>\d+))"
)


class LabError(Exception):
    """The measurement cannot go on; the text says why."""


class Lab:
    """A running supervisord.

    programs: the configuration's [program:x] and other sections. Names of processes should differ
    between groups, as supervisord's log gives them without the group.
    minfds: supervisord's setting of that name; three descriptors per process are needed.
    interface: whether it has the restarter interface.
    tree: the directory whose supervisor_restarter it runs; None: the one that is installed here.
    """

    def supervisord(self) -> list[str]:
        """The command that starts it, without its options."""
        command = [script('supervisord')]
        return command if self._tree is None else ['env', f'PYTHONPATH={self._tree}', *command]

    def __init__(
        self, programs: str, minfds: int = 1024, interface: bool = True, tree: Path | None = None
    ) -> None:
        self._tree = tree
        self._text = CONF.format(minfds=minfds) + (RESTARTER if interface else '') + programs
        self._process: subprocess.Popen[bytes] | None = None
        self._dir: Path | None = None

    def __enter__(self) -> Lab:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def dir(self) -> Path:
        """The temporary directory: configuration, socket and logs."""
        if self._dir is None:
            raise LabError('the lab is not open')
        return self._dir

    @property
    def conf(self) -> Path:
        """The configuration file, for supervisorctl -c."""
        return self.dir / 'conf'

    @property
    def log(self) -> Path:
        """supervisord's own log."""
        return self.dir / 'supervisord.log'

    def rpc(self, seconds: float = CALL_SECONDS) -> Any:
        """A new connection to supervisord: `lab.rpc().supervisor.getState()`. One per thread.

        seconds: how long a call may take.
        """
        transport = _UnixTransport(str(self.dir / 'sock'), seconds)
        return xmlrpc.client.ServerProxy('http://localhost', transport=transport)

    def states(self, group: str) -> dict[str, str]:
        """The state of each process of the group by its name: {'07': 'RUNNING'}."""
        return {
            info['name']: info['statename']
            for info in self.rpc().supervisor.getAllProcessInfo()
            if info['group'] == group
        }

    def wait_running(self, group: str, count: int, seconds: float) -> None:
        """Wait until all `count` processes of the group are RUNNING, for so many seconds at most."""
        self.wait_until(
            lambda: list(self.states(group).values()) == ['RUNNING'] * count,
            seconds,
            f'{count} running processes of {group}',
        )

    def wait_until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until the condition holds; while supervisord cannot be reached it does not.

        LabError with `what` after so many seconds, or as soon as supervisord has ended.
        """
        deadline = time.monotonic() + seconds
        pauses = polls()
        while not _holds(condition):
            if self._process is None or self._process.poll() is not None:
                raise LabError(f'supervisord ended while waiting for {what}:\n{self._last_words()}')
            if time.monotonic() > deadline:
                raise LabError(f'no {what} within {seconds:g} s:\n{self._last_words()}')
            time.sleep(next(pauses))

    def log_size(self) -> int:
        """The log's length in bytes: a mark from which log_text can read on."""
        return self.log.stat().st_size

    def log_text(self, start: int = 0) -> str:
        """What supervisord has logged since the mark `start`."""
        with self.log.open('rb') as file:
            file.seek(start)
            return file.read().decode('utf-8', 'replace')

    def close(self) -> None:
        """End supervisord and its processes and remove the directory. A Ctrl-C in between waits
        until that is done.
        """
        with _signals_held():
            if self._process is not None:
                _end(self._process, self.dir / 'sock')
                self._process = None
            if self._dir is not None:
                if self.log.exists():
                    _kill_orphans(self.log_text())
                shutil.rmtree(self._dir, ignore_errors=True)
                self._dir = None

    def _start(self) -> None:
        # No signal may come between the creation of a thing and the moment close() knows of it.
        with _signals_held() as mask:
            self._dir = Path(tempfile.mkdtemp(prefix='restarter-', dir=short_tempdir()))
            self.conf.write_text(self._text, encoding='utf-8')
            with (self.dir / 'stderr').open('wb') as stderr:
                self._process = subprocess.Popen(
                    [*self.supervisord(), '-c', str(self.conf)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    start_new_session=True,  # a terminal's Ctrl-C is for us; we end supervisord
                    preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, mask),
                )
        self.wait_until(self._answers, START_SECONDS, 'answer from supervisord')

    def _answers(self) -> bool:
        return bool(self.rpc().supervisor.getState()['statename'] == 'RUNNING')

    def _last_words(self) -> str:
        """The end of what supervisord said, on stderr and in its log."""
        files = [self.dir / 'stderr', self.log]
        lines = [
            line
            for file in files
            if file.exists()
            for line in file.read_text(encoding='utf-8', errors='replace').splitlines()[-10:]
        ]
        return '\n'.join(lines)


def downtimes(log: str) -> dict[str, float]:
    """How many seconds each process was down, by its name, read from supervisord's log.

    Down is from the line that says a process has stopped or exited to the one that says it is
    spawned; several such spans are added up. A process that did not come back is a LabError.
    """
    down: dict[str, float] = {}
    gone: dict[str, datetime] = {}
    for match in filter(None, map(LOG_LINE.match, log.splitlines())):
        at = datetime.strptime(match['time'], '%Y-%m-%d %H:%M:%S,%f')
        if match['gone']:
            gone[match['gone']] = at
        elif match['come'] in gone:
            name = match['come']
            down[name] = down.get(name, 0.0) + (at - gone.pop(name)).total_seconds()
    if gone:
        raise LabError(f'did not come back: {", ".join(sorted(gone))}')
    return down


def script(name: str) -> str:
    """The path of a command of this Python environment, such as supervisorctl."""
    path = Path(sysconfig.get_path('scripts')) / name
    if not path.exists():
        raise LabError(f'{name} is not installed for {sys.executable}')
    return str(path)


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except (OSError, http.client.HTTPException):
        return False  # supervisord does not listen yet, or no longer


def polls() -> Iterator[float]:
    """The pauses between looks at a condition, in seconds: short ones first."""
    pause = FIRST_POLL_SECONDS
    while True:
        yield pause
        pause = min(POLL_SECONDS, pause * 1.3)


def poke(path: Path) -> None:
    """Have a supervisord look about: a signal does not end the sleep of its loop, a second at most,
    but a connection to its unix socket does.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        try:
            client.connect(str(path))
        except OSError:
            pass  # it is not there any more, or too busy to sleep


def _end(process: subprocess.Popen[bytes], path: Path) -> None:
    """Have supervisord stop its processes and exit; kill it when it takes too long."""
    process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for pause in polls():
        poke(path)
        try:
            process.wait(pause)
            return
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                process.kill()
                process.wait()
                return


def _kill_orphans(log: str) -> None:
    """Kill what a supervisord that was killed or crashed has left: each process it spawned and did
    not see end.
    """
    alive: dict[str, int] = {}
    for match in filter(None, map(LOG_LINE.match, log.splitlines())):
        if match['gone']:
            alive.pop(match['gone'], None)
        else:
            alive[match['come']] = int(match['pid'])
    for pid in alive.values():
        try:
            os.killpg(pid, signal.SIGKILL)  # supervisord makes each process the leader of a group
        except (ProcessLookupError, PermissionError):
            pass  # it is gone, or the number belongs to someone else by now


def short_tempdir() -> str:
    """Where temporary files go.

    Or /tmp when that is too long for the path of a unix socket (about 100 characters), or has
    characters with a meaning in configuration files.
    """
    usual = tempfile.gettempdir()
    return usual if len(usual) <= 60 and re.fullmatch(r'[-/\w.]+', usual, re.ASCII) else '/tmp'


@contextmanager
def _signals_held() -> Iterator[set[int]]:
    """Let SIGINT, SIGTERM and SIGHUP wait until the block ends. Gives the mask of signals as it was
    before.
    """
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    )
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the unix socket of that path. seconds: how long an answer may take."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__('localhost', timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__()
        self._path = path
        self._seconds = seconds

    def make_connection(self, host: object) -> UnixConnection:
        return UnixConnection(self._path, self._seconds)
