"""What it costs supervisord that the command follows a rolling restart; a part of bench.manners."""

from __future__ import annotations

import http.client
import statistics
import xmlrpc.client
from functools import partial
from typing import Any

from bench.lab import Lab, LabError, UnixConnection
from bench.sleepers import LONGEST, minfds, program, supervisord
from bench.watched import spent
from supervisor_restarter.client.client import Client

ROUNDS = 5
FUTURE = 10**9  # a version that no restart reaches
# Each is STARTING for a second, so that it takes some ten seconds.
OPTIONS = {'max_unavailable': '10%', 'scout': 0, 'timeout': 0}


class Counting(xmlrpc.client.Transport):
    """A connection to supervisord, which counts the answers and their bytes."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self.answers = self.bytes = 0

    def make_connection(self, host: object) -> UnixConnection:
        return UnixConnection(self._path, LONGEST)

    def parse_response(self, response: http.client.HTTPResponse) -> Any:
        self.answers += 1
        self.bytes += int(response.headers['Content-Length'])
        return super().parse_response(response)


class Forgetful(Client):
    """Is sent everything with each look, as from a server that knows nothing else."""

    def _noted(self, restart: Any) -> Any:
        noted = super()._noted(restart)
        self._known = None
        return noted


FOLLOWERS = {'nobody': None, 'everything': Forgetful, 'changes': Client}


def followed(count: int = 500) -> None:
    """Restarts in turns: followed by nobody, by one who is sent everything, by one who is sent what
    has changed.
    """
    found: dict[str, list[tuple[float, float, int, float]]] = {name: [] for name in FOLLOWERS}
    with Lab(program('web', count, startsecs=1), minfds=minfds(count)) as lab:
        lab.wait_running('web', count, 120)
        pid, restarter = supervisord(lab), lab.rpc(LONGEST).restarter
        for number in range(ROUNDS):
            for name in sorted(FOLLOWERS, reverse=bool(number % 2)):
                before, transport = spent(pid), Counting(str(lab.dir / 'sock'))
                proxy = xmlrpc.client.ServerProxy('http://localhost', transport=transport)
                id = restarter.startRestart('web', OPTIONS)
                kind = FOLLOWERS[name]
                if kind is not None:
                    list(kind(partial(getattr, proxy, 'restarter'), 'the lab').follow(id))
                restart = restarter.waitRestart(id, FUTURE, int(LONGEST), FUTURE)
                if restart['state'] != 'succeeded':
                    raise LabError(f'restart {id} {restart["state"]}')
                row = restart['duration'], spent(pid) - before, transport.answers, transport.bytes
                found[name].append(row)
    for name, rows in found.items():
        seconds, busy, answers, size = (statistics.median(column) for column in zip(*rows))
        print(
            f'is sent: {name:<10}  {seconds:5.2f} s, {busy:5.0f} ms of processor '
            f'({busy / seconds / 10:2.0f} %), {answers:2.0f} answers, {size / 1000:6.0f} kB'
        )
    for name in ('everything', 'changes'):
        more = [one[1] - other[1] for one, other in zip(found[name], found['nobody'])]
        print(f'{name}: {statistics.median(more):.0f} ms more than with nobody, in pairs')
