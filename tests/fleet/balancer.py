"""HAProxy before all workers of a fleet, with the lines that docs/fleet.md gives."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from bench.apps.proxy import PATH
from bench.lab import polls
from tests.fleet.host import Host, get
from tests.fleet.play import blocks
from tests.integration.server import SECONDS, free_port

HEAD = """\
frontend site
    mode http
    timeout client 10s
    bind 127.0.0.1:{port}
    default_backend web

"""
GLOBAL = """\
global
    stats socket {socket} level admin

"""


def missing() -> bool:
    """Whether HAProxy is not installed here."""
    return shutil.which('haproxy', path=PATH) is None


class Balancer:
    """HAProxy on a port of its own. Worker 0 of a host is its server `HOST-0`, and so on.

    socket: the path of its runtime socket, None: it has none.
    """

    def __init__(self, fleet: list[Host], place: Path, socket: Path | None = None) -> None:
        self.port = free_port()
        self._fleet = fleet
        self._conf = place / 'haproxy.cfg'
        self._log = place / 'haproxy.log'
        servers = [
            f'    server {host.name}-{number} 127.0.0.1:{port}\n'
            for host in fleet
            for number, port in enumerate(host.ports)
        ]
        own = '' if socket is None else GLOBAL.format(socket=socket)
        text = own + HEAD.format(port=self.port) + blocks()['haproxy.cfg'] + ''.join(servers)
        self._conf.write_text(text)

    def __enter__(self) -> Balancer:
        command = shutil.which('haproxy', path=PATH)
        assert command is not None
        with self._log.open('wb') as output:
            self._process = subprocess.Popen(
                [command, '-db', '-f', str(self._conf)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            self._wait_answers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait(SECONDS)

    def _wait_answers(self) -> None:
        """Ask until each worker has answered."""
        silent = {str(pid) for host in self._fleet for pid in host.pids().values()}
        deadline = time.monotonic() + SECONDS
        for pause in polls():
            silent.discard(get(self.port, '/pid'))
            if not silent:
                return
            said = self._log.read_text(errors='replace')
            assert self._process.poll() is None, said
            assert time.monotonic() < deadline, f'{silent} do not answer\n{said}'
            time.sleep(pause)
