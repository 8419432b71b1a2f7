"""What a supervisord with many processes costs besides, with the plugin as it was and as it is, in
turns; a part of bench.flat.

answer    getRestart of a restart of all processes: milliseconds of supervisord's processor
asked     another client asks supervisor.getState() while all processes restart: milliseconds it waits
rolling   a rolling restart, 10 % at once, each process with a tcp probe: percent of a processor
idle      no restart: milliseconds of processor per second
"""

from __future__ import annotations

import random
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from bench.flat_figures import AFTER, AS_BEFORE, BEFORE, Cost, paired, percentile
from bench.lab import LabError
from bench.manners import Asking
from bench.peers import worker
from bench.peers.base import WAIT_SECONDS
from bench.peers.trees import Many
from bench.sleepers import program, wait_restart
from bench.speed import SETTLE_SECONDS, Setting, going
from bench.watched import spent

ANSWERS = 10  # of getRestart, of which the cost is the mean
LOOK = 8.0  # seconds for which an idle supervisord is watched
Options = dict[str, object]
ROLLING: Options = {'max_unavailable': '10%', 'scout': 0}

LISTENER = r"""
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (argc != 2)
        return 2;
    at.sin_port = htons(atoi(argv[1]));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 16) != 0)
        return 1;
    for (;;)
        close(accept(fd, NULL, NULL));
}
"""


class Quick(Many):
    """Processes that are ready as soon as they are spawned: a restart is work from end to end."""

    def program(self) -> str:
        return program('web', self.place.workers, autostart='false')

    def rpc(self) -> Any:
        """A new connection."""
        assert self.lab is not None
        return self.lab.rpc(WAIT_SECONDS)


class Probed(Quick):
    """Processes that are ready when they listen on their port."""

    def program(self) -> str:
        listener, ports = self.place.dir / 'listener', free_ports(self.place.workers)
        worker.build(listener, LISTENER)
        return (
            f'[program:web]\ncommand={listener} %(process_num)d\nprocess_name=w%(process_num)d\n'
            f'numprocs={self.place.workers}\nnumprocs_start={ports}\nstartsecs=1\nautostart=false\n'
            'environment=RESTARTER_READY="tcp://127.0.0.1:%(process_num)d"\n'
        )


def free_ports(count: int) -> int:
    """The first of so many ports in a row that are free, below the kernel's own range."""
    for first in random.sample(range(10000, 32000 - count), 100):
        try:
            for port in range(first, first + count):
                socket.create_server(('127.0.0.1', port)).close()
        except OSError:
            continue
        return first
    raise LabError(f'no {count} free ports in a row')


def answer(peer: Quick) -> float:
    """Milliseconds of processor for one getRestart."""
    restarter, pid = peer.rpc().restarter, peer.root()
    id = restarter.listRestarts()[0]['id']
    before = spent(pid)
    for _ in range(ANSWERS):
        if len(restarter.getRestart(id)['processes']) != peer.place.workers:
            raise LabError(f'restart {id} has not all processes')
    return (spent(pid) - before) / ANSWERS


def asked(peer: Quick, options: Options | None = None) -> list[float]:
    """Milliseconds that another client waited for each of its answers during one restart."""
    assert peer.lab is not None
    asking = Asking(peer.lab)
    asking.start()
    wait_restart(peer.rpc(), 'web', **options or {})
    asking.over.set()
    asking.join()
    return asking.took


def rolling(peer: Quick) -> float:
    """Percent of a processor during one rolling restart."""
    pid, server = peer.root(), peer.rpc()
    began, before = time.monotonic(), spent(pid)
    wait_restart(server, 'web', **ROLLING)
    return (spent(pid) - before) / (time.monotonic() - began) / 10


def idle(peer: Quick) -> float:
    """Milliseconds of processor per second."""
    pid = peer.root()
    time.sleep(SETTLE_SECONDS)  # for what it has missed while it was halted
    began, before = time.monotonic(), spent(pid)
    time.sleep(LOOK)
    return (spent(pid) - before) / (time.monotonic() - began)


def in_turns(
    setting: Setting, measure: Callable[[Quick], Any], rounds: int
) -> dict[str, list[Any]]:
    """What is measured of each supervisord in each round, by its name."""
    found: dict[str, list[Any]] = {BEFORE: [], AFTER: []}
    for _ in range(rounds):
        for peer in random.sample(setting.peers, len(setting.peers)):
            assert isinstance(peer, Quick)
            with going(peer):
                found[type(peer).__name__].append(measure(peer))
    return found


def costs_of_answers(setting: Setting, rounds: int) -> Iterator[Cost]:
    """What a restart costs those who ask, and idleness. The setting is of Quick."""
    in_turns(setting, asked, 1)  # warms up
    count = setting.count
    waits = in_turns(setting, asked, rounds)
    yield cost(
        'answer', f'getRestart of {count}: ms of processor', in_turns(setting, answer, rounds), 15.0
    )
    yield from waiting('asked', f'{count} restart: another client waits, ms', waits)
    found = in_turns(setting, idle, rounds)
    yield cost('idle', f'{count} are idle: ms of processor per second', found)._replace(
        most=AS_BEFORE
    )


def costs_of_rolling(setting: Setting, rounds: int) -> Iterator[Cost]:
    """What a rolling restart with probes costs. The setting is of Probed."""
    in_turns(setting, asked, 1)  # all at once; warms up
    what = f'{setting.count} restart rolling, with probes:'
    yield cost('rolling', f'{what} % of a core', in_turns(setting, rolling, rounds), 25.0)
    waits = in_turns(setting, partial(asked, options=ROLLING), 1)
    yield from waiting('asked_rolling', f'{what} another client waits, ms', waits)


def cost(key: str, words: str, found: dict[str, list[float]], limit: float | None = None) -> Cost:
    """Medians, and the ratio in pairs."""
    before, after = found[BEFORE], found[AFTER]
    ratio = paired(after, before)
    return Cost(key, words, statistics.median(before), statistics.median(after), ratio, limit)


def waiting(key: str, words: str, found: dict[str, list[list[float]]]) -> Iterator[Cost]:
    """Of the answers of all rounds together: the median, and the 99th percentile, which has a limit."""
    all_of = {who: [took for one in rounds for took in one] for who, rounds in found.items()}
    for share, limit in ((0.5, None), (0.99, 50.0)):
        before, after = (percentile(all_of[who], share) for who in (BEFORE, AFTER))
        name = f'p{100 * share:g}'
        yield Cost(f'{key}_{name}', f'{words}, {name}', before, after, after / before, limit)
