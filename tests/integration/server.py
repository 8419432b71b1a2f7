"""A real supervisord for one test: any configuration, any way of starting it, and what can be asked
of it.
"""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from bench.lab import Lab, poke, polls, script
from tests.chaos.proc import children

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name('worker.py')
SECONDS = 60.0  # the deadline of every wait; far more than anything here takes
CONNECTED = '03'  # of /proc/net/unix


def worker(*arguments: str) -> str:
    """The command of a worker that misbehaves as told; see worker.py and Server.wait_workers."""
    return ' '.join(
        [sys.executable, '-S', '-E', str(WORKER), '--touch', '%(here)s/workers', *arguments]
    )


# A worker that stops when the test says so, with Server.let_stop(): whatever has to happen while it
# is stopping happens however slow the machine is.
HELD = worker('--hold', '%(here)s/may-stop')


def program(
    name: str = 'web',
    command: str = '/bin/sleep 1000',
    count: int = 1,
    kind: str = 'program',
    **settings: object,
) -> str:
    """A [program:x] section; startsecs is 0 unless set, so that tests need not wait for it."""
    settings = {'startsecs': 0, 'stopwaitsecs': 10, **settings}
    lines = [f'[{kind}:{name}]', f'command={command}']
    if count > 1:
        lines += [f'numprocs={count}', 'process_name=%(process_num)d']
    return '\n'.join([*lines, *(f'{key}={value}' for key, value in settings.items()), '', ''])


def held(name: str = 'web', count: int = 1, **settings: object) -> str:
    """A [program:x] section of HELD workers, which are not killed before they are let to stop."""
    return program(name, **{'command': HELD, 'count': count, 'stopwaitsecs': 600, **settings})  # type: ignore[arg-type]


class Server(Lab):
    """A running supervisord; after the test its log must hold no traceback.

    programs: sections of the configuration. restarter: lines for [rpcinterface:restarter]; `scout`
    is 0 unless set. extra: more sections, such as an [inet_http_server].
    """

    interface = True  # whether it has the restarter interface

    def __init__(self, programs: str, restarter: str = '', extra: str = '') -> None:
        super().__init__('', interface=self.interface)
        if self.interface and 'scout' not in restarter:
            restarter += '\nscout=0'  # tests that are not about it need not wait for it
        self._text = self._text.rstrip() + f'\n{restarter}\n\n{extra}\n{programs}'
        self._threads: list[Call] = []

    def __enter__(self) -> Server:
        super().__enter__()
        return self

    @property
    def pid(self) -> int:
        """The pid of supervisord."""
        return self.process.pid

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """supervisord itself."""
        assert self._process is not None
        return self._process

    # -- asking ------------------------------------------------------------------------------

    def proxy(self) -> Any:
        """A connection as supervisorctl makes it, without a time limit of its own."""
        return xmlrpc.client.ServerProxy(
            'http://127.0.0.1', SupervisorTransport(None, None, f'unix://{self.dir}/sock')
        )

    @property
    def restarter(self) -> Any:
        """The interface under test, on a new connection."""
        return self.proxy().restarter

    def info(self, name: str) -> dict[str, Any]:
        """Supervisor's own getProcessInfo."""
        info: dict[str, Any] = self.rpc().supervisor.getProcessInfo(name)
        return info

    def pids(self, group: str = 'web') -> dict[str, int]:
        """The pid of each process of the group by its name."""
        return {
            info['name']: info['pid']
            for info in self.rpc().supervisor.getAllProcessInfo()
            if info['group'] == group
        }

    def state(self, name: str) -> str:
        """The state of one process, such as 'RUNNING'."""
        return str(self.info(name)['statename'])

    def fault(self, call: Callable[[], object]) -> xmlrpc.client.Fault:
        """The fault that the call ends with."""
        try:
            result = call()
        except xmlrpc.client.Fault as fault:
            return fault
        raise AssertionError(f'no fault but {result!r}')

    def in_background(self, call: Callable[[], object]) -> Call:
        """Begin the call in a thread; .result() waits for it."""
        self._threads.append(Call(call))
        return self._threads[-1]

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run supervisorctl to its end."""
        return subprocess.run(
            [script('supervisorctl'), '-c', str(self.conf), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def begin_ctl(self, *arguments: str) -> subprocess.Popen[str]:
        """Start supervisorctl and do not wait; its output, with that for errors, comes as .stdout."""
        usual = {key: value for key, value in os.environ.items() if key != 'PYTHONUNBUFFERED'}
        return subprocess.Popen(
            [script('supervisorctl'), '-c', str(self.conf), *arguments],
            text=True,
            env=usual,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def let_stop(self) -> None:
        """Let HELD workers stop, those that are told to now and all later ones."""
        (self.dir / 'may-stop').touch()

    def descriptors(self) -> int:
        """How many descriptors supervisord has open, apart from clients' connections to its unix
        socket.

        It closes those in its own time after the client has.
        """
        path = str(self.dir / 'sock')  # which is a link to the one that it is bound to, sock.<pid>
        rows = [line.split() for line in Path('/proc/net/unix').read_text().splitlines()]
        connections = {
            f'socket:[{row[6]}]'
            for row in rows
            if row[5] == CONNECTED and ''.join(row[7:]).startswith(path)
        }
        found = 0
        for descriptor in Path(f'/proc/{self.pid}/fd').iterdir():
            try:
                found += os.readlink(descriptor) not in connections
            except OSError:
                pass  # it has just been closed
        return found

    # -- waiting -----------------------------------------------------------------------------

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until the condition holds."""
        self.wait_until(condition, SECONDS, what)

    def wait_state(self, group: str = 'web', *states: str) -> None:
        """Wait until every process of the group is in one of the states (default: RUNNING)."""
        wanted = set(states or ['RUNNING'])

        def reached() -> bool:
            found = set(self.states(group).values())
            return bool(found) and found <= wanted

        self.wait(reached, f'{group} in {wanted}')

    def wait_workers(self, group: str = 'web', *states: str) -> None:
        """Wait until every process of the group is RUNNING (or in `states`) and, being a worker,
        has set itself up.
        """
        self.wait_state(group, *states)
        pids = {str(pid) for pid in self.pids(group).values()}
        self.wait(lambda: pids <= set((self.dir / 'workers').read_text().split()), 'workers')

    def wait_call(self, method: str, mark: int = 0) -> None:
        """Wait until supervisord, a Telling one, has got a call of this method ('stopProcess')
        since the mark.
        """
        self.wait(
            lambda: f'XML-RPC method called: supervisor.{method}()' in self.log_text(mark),
            f'call of {method}',
        )

    def wait_phase(self, id: str, *phases: str) -> dict[str, Any]:
        """Wait until some process of the restart is in one of the phases; the restart then."""
        found: dict[str, Any] = {}

        def seen() -> bool:
            found.update(self.rpc().restarter.getRestart(id))
            return any(process['phase'] in phases for process in found['processes'])

        self.wait(seen, f'a process in {phases}')
        return found

    def wait_finished(self, id: str) -> dict[str, Any]:
        """Wait until the restart is over; the restart then."""
        found: dict[str, Any] = {}

        def over() -> bool:
            found.update(self.rpc().restarter.getRestart(id))
            return bool(found['finished_at'])

        self.wait(over, f'an end of restart {id}')
        return found

    def only_restart(self) -> str:
        """The id of the one restart there is; waits for it."""
        self.wait(lambda: len(self.rpc().restarter.listRestarts()) == 1, 'one restart')
        return str(self.rpc().restarter.listRestarts()[0]['id'])

    # -- ending ------------------------------------------------------------------------------

    def check_log(self) -> None:
        """supervisord met with nothing unexpected, and left nothing undone that it noticed."""
        text = self.log_text()
        assert 'Traceback' not in text, text
        assert 'uncaptured' not in text, text

    def close(self) -> None:
        if self._process is not None:
            self.let_stop()
            wait_for_exec(self._process.pid)
        super().close()
        for thread in self._threads:
            thread.join(SECONDS)


class Telling(Server):
    """A supervisord that tells in its log which methods are called; see wait_call."""

    def __init__(self, programs: str, restarter: str = '', extra: str = '') -> None:
        super().__init__(programs, restarter, extra)
        self._text = self._text.replace('nodaemon=true', 'nodaemon=true\nloglevel=trace')


class Daemon(Server):
    """A supervisord that daemonizes itself, as most do in production."""

    def __init__(self, programs: str, restarter: str = '', extra: str = '') -> None:
        super().__init__(programs, restarter, extra)
        self._text = self._text.replace('nodaemon=true', 'nodaemon=false')

    @property
    def pid(self) -> int:
        """The pid of the daemon itself."""
        return int((self.dir / 'supervisord.pid').read_text())

    def _start(self) -> None:
        with_process = Lab._start
        try:
            with_process(self)
        finally:
            self._process = None  # the one that was started has handed over to the daemon

    def wait_until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        for pause in polls():
            try:
                if condition():
                    return
            except (OSError, xmlrpc.client.Error):
                pass  # not up yet
            assert time.monotonic() < deadline, f'no {what} within {seconds} s'
            time.sleep(pause)

    def close(self) -> None:
        if self._dir is not None and (self.dir / 'supervisord.pid').exists():
            pid = self.pid
            wait_for_exec(pid)
            os.kill(pid, signal.SIGTERM)

            def over() -> bool:
                poke(self.dir / 'sock')
                return not Path(f'/proc/{pid}').exists()

            self.wait_until(over, SECONDS, 'end of the daemon')
        super().close()


def wait_for_exec(supervisord: int) -> None:
    """Wait until every child of supervisord has become its program.

    One that gets its SIGTERM before would live on until its SIGKILL, and the end of the test with
    it.
    """

    def command(pid: str | int) -> bytes:
        return Path(f'/proc/{pid}/cmdline').read_bytes()

    deadline = time.monotonic() + SECONDS
    try:
        for child in children(supervisord):
            while command(child) == command(supervisord) and time.monotonic() < deadline:
                time.sleep(0.005)
    except OSError:
        pass  # one of them is gone, or the kernel does not tell children


@contextmanager
def shared(
    programs: str, restarter: str = '', extra: str = '', kind: type[Server] = Server
) -> Iterator[Any]:
    """A server for a fixture that lives longer than one test; its log is checked at the end."""
    server = kind(programs, restarter, extra)
    with server:
        yield server
        server.check_log()


def lines_of(file: Path) -> list[str]:
    """The lines of a text file that somebody is writing; one that is not complete yet is left out."""
    text = file.read_text(encoding='utf-8', errors='replace') if file.exists() else ''
    return text[: text.rfind('\n') + 1].splitlines()


_reserved: list[socket.socket] = []  # for as long as this process lives


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free, and that no other test gets.

    It is below those that the kernel gives to clients, and reserved by an abstract unix socket of
    its number.
    """
    while True:
        port = random.SystemRandom().randrange(10_000, 30_000)
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f'\0supervisor-restarter-test-port-{port}')
            with socket.socket() as probe:
                probe.bind(('127.0.0.1', port))
        except OSError:
            lock.close()
        else:
            _reserved.append(lock)
            return port


class Call(threading.Thread):
    """A call in the background."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._result: object = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:
            self._error = error

    def result(self) -> Any:
        """What the call returned, or raised."""
        self.join(SECONDS)
        assert not self.is_alive(), 'the call was not answered'
        if self._error is not None:
            raise self._error
        return self._result


class RudeClient:
    """A client that sends a call and does not wait for the answer, unless it is asked for it."""

    def __init__(self, server: Server, method: str = '', *arguments: Any) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        self._socket.connect(str(server.dir / 'sock'))
        if method:
            self.call(method, *arguments)

    def call(self, method: str, *arguments: Any) -> None:
        """Send the call."""
        body = xmlrpc.client.dumps(arguments, method).encode()
        self._socket.sendall(
            b'POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n'
            b'Content-Length: %d\r\n\r\n%s' % (len(body), body)
        )

    def answer(self) -> Any:
        """The answer to the call, or the fault it raises."""
        response = http.client.HTTPResponse(self._socket)
        response.begin()
        return xmlrpc.client.loads(response.read())[0][0]

    def hang_up(self) -> None:
        """Close the connection, with the answer outstanding or not."""
        self._socket.close()
