"""A host of the fleet: a supervisord with its own directory, configuration, workers and releases."""

from __future__ import annotations

import http.client
import random
import socket
import sys
from pathlib import Path
from typing import Any

from tests.integration.server import SECONDS, Server, lines_of, program

SERVE = Path(__file__).with_name('serve.py')
WORKERS = 2
# Seconds in which a release must become ready. A good one on a busy machine needs less than the
# short time by far; tests that wait for a bad one to fail wait as long.
PATIENT, SHORT = 60, 4


class Host(Server):
    """Two workers of the group `web`, each with a port of its own, and the releases 1 and 2.

    Release 2 needs the file shared/database. Where it is missing (equipped=False), a worker of that
    release never becomes ready. telling: the log has each call, see Server.wait_call. more: further
    sections of the configuration.
    """

    def __init__(
        self, name: str, place: Path, equipped: bool = True, telling: bool = False, more: str = ''
    ) -> None:
        self.name = name
        self.app = place / name
        self.connection: dict[str, Any] = {'ansible_connection': 'local'}
        self.ports = free_ports(WORKERS)
        (self.app / 'shared').mkdir(parents=True)
        if equipped:
            self.equip()
        self.release('1')
        self.release('2', needs='database')
        self.switch('1')
        seconds = PATIENT if equipped else SHORT
        super().__init__(self._workers() + more, f'ready_timeout={seconds}')
        if telling:
            self._text = self._text.replace('nodaemon=true', 'nodaemon=true\nloglevel=trace')

    def _workers(self) -> str:
        port = f'{self.port}%(process_num)d'
        return program(
            command=f'{sys.executable} -S -E {SERVE} {port} {self.app}',
            count=WORKERS,
            environment=f'RESTARTER_READY="http://127.0.0.1:{port}/health"',
            stopwaitsecs=60,
        )

    def __enter__(self) -> Host:
        super().__enter__()
        try:
            self.wait(lambda: self.serving() == ['1'] * WORKERS, f'workers of {self.name}')
            self.wait_state()  # a worker may serve before supervisord has taken note
        except BaseException:
            self.close()
            raise
        return self

    # -- the application -----------------------------------------------------------------------

    def release(self, name: str, needs: str = '') -> Path:
        """Make a release; its directory."""
        path = self.app / 'releases' / name
        path.mkdir(parents=True)
        (path / 'needs').write_text(needs)
        return path

    def switch(self, name: str) -> None:
        """Let `current` lead to that release, as a deploy tool does it."""
        new = self.app / 'current.new'
        new.symlink_to(self.app / 'releases' / name)
        new.rename(self.app / 'current')

    def equip(self) -> None:
        """Give it what release 2 needs."""
        (self.app / 'shared' / 'database').touch()

    @property
    def port(self) -> str:
        """What the ports of the workers begin with; the number of the worker follows."""
        return str(self.ports[0] // 10)

    @property
    def conf_d(self) -> Path:
        """The directory of further configuration files; see ConfiguredHost."""
        return self.app / 'conf.d'

    @property
    def hold(self) -> Path:
        """While this file exists, no worker ends."""
        return self.app / 'shared' / 'hold'

    def let_stop(self) -> None:
        self.hold.unlink(missing_ok=True)

    # -- what can be seen ----------------------------------------------------------------------

    def serving(self) -> list[str]:
        """The release that each worker serves, '' where none answers."""
        return [get(port, '/release') for port in self.ports]

    def restarts(self) -> list[dict[str, Any]]:
        """The restarts that this supervisord knows of, newest first."""
        found: list[dict[str, Any]] = self.rpc().restarter.listRestarts()
        return found

    def wait_met(self) -> None:
        """Wait until each worker that there is now has answered a client."""
        pids = {str(pid) for pid in self.pids().values()}
        self.wait(lambda: pids <= set(lines_of(self.app / 'shared' / 'met')), 'a client')

    def touched(self) -> tuple[dict[str, int], int]:
        """The pids, and how many restarts there were: equal before and after where nothing was
        touched.
        """
        return self.pids(), len(self.restarts())

    def variables(self) -> dict[str, Any]:
        """What the inventory says of it."""
        return {
            **self.connection,
            'app': str(self.app),
            'ports': self.port,
            'supervisord_conf': str(self.conf),
            'conf_d': str(self.conf_d),
        }


def get(port: int, path: str) -> str:
    """What is answered to GET on this port of 127.0.0.1, '' where nothing is."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=SECONDS)
    try:
        connection.request('GET', path)
        return connection.getresponse().read().decode().strip()
    except OSError:
        return ''
    finally:
        connection.close()


_reserved: list[socket.socket] = []  # for as long as this process lives


def free_ports(count: int) -> list[int]:
    """So many free ports of 127.0.0.1, the first with a 0 at its end.

    No other test gets them: see tests.integration.server.free_port, which reserves in the same way.
    """
    while True:
        first = 10 * random.SystemRandom().randrange(1000, 3000)
        ports = list(range(first, first + count))
        locks = [socket.socket(socket.AF_UNIX) for _ in ports]
        try:
            for port, lock in zip(ports, locks):
                lock.bind(f'\0supervisor-restarter-test-port-{port}')
                with socket.socket() as probe:
                    probe.bind(('127.0.0.1', port))
        except OSError:
            for lock in locks:
                lock.close()
        else:
            _reserved.extend(locks)
            return ports
