"""What a restart costs everybody else: python -m bench.manners [fair] [quiet] [watched] [followed]

fair      while 500 processes restart, another client asks supervisor.getState() again and again, and a process
          writes a line every 20 ms: how long the client waits for an answer, and how long no line is read
quiet     how much of a processor supervisord uses while a restart waits, for a process that takes 10 s to stop and
          for a probe that is not answered; and without any restart, with the plugin and without
followed  what it costs that the command follows a rolling restart of 500 processes: sent everything with each
          look, sent what has changed, and nobody there, in turns
watched   what open pages cost: of supervisord's processor while 500 processes are idle, and while they restart,
          with ten pages and without, in turns; and one answer with everything, and one with all metrics
"""

from __future__ import annotations

import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from bench.followed import followed
from bench.lab import Lab
from bench.sleepers import LONGEST, minfds, program, supervisord, wait_restart
from bench.watched import watched

TICKS_PER_SECOND = os.sysconf('SC_CLK_TCK')
PAUSE = 0.002  # seconds between two questions of the other client
LOOK = 8.0  # seconds for which supervisord's use of the processor is watched


def used(pid: int) -> float:
    """Seconds of processor time that the process has used."""
    with open(f'/proc/{pid}/stat') as stat:
        fields = stat.read().rpartition(') ')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


class Asking(threading.Thread):
    """Another client: how long each of its questions takes, in milliseconds."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(daemon=True)
        self._server = lab.rpc()
        self.over = threading.Event()
        self.took: list[float] = []

    def clear(self) -> None:
        self.took.clear()

    def run(self) -> None:
        while not self.over.wait(PAUSE):
            begun = time.monotonic()
            self._server.supervisor.getState()
            self.took.append(1000 * (time.monotonic() - begun))


class Reading(threading.Thread):
    """What of a process's output supervisord has written to its log: how long it grows by nothing,
    in milliseconds.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path = path
        self.over = threading.Event()
        self.longest = 0.0

    def clear(self) -> None:
        self.longest = 0.0

    def run(self) -> None:
        size, grown = 0, time.monotonic()
        while not self.over.wait(PAUSE):
            now, found = time.monotonic(), self._path.stat().st_size
            self.longest = max(self.longest, 1000 * (now - grown))
            if found != size:
                size, grown = found, now


def fair(count: int = 500) -> None:
    chatter = program(
        'talk',
        1,
        '/bin/sh -c "while :; do echo a line; sleep 0.02; done"',
        stdout_logfile='%(here)s/talk',
    )
    with Lab(chatter + program('web', count), minfds=minfds(count)) as lab:
        lab.wait_running('web', count, 60)
        asking, reading, restarter = Asking(lab), Reading(lab.dir / 'talk'), lab.rpc(LONGEST)
        asking.start()
        reading.start()
        for when in ('idle', 'restarting'):
            asking.clear()
            reading.clear()
            begun = time.monotonic()
            for _ in range(3):
                time.sleep(1) if when == 'idle' else wait_restart(restarter, 'web')
            seconds = (time.monotonic() - begun) / 3
            took = sorted(asking.took)
            print(
                f'{when:<12} {len(took):5} answers, milliseconds: median {statistics.median(took):.1f}, '
                f'99th percentile {took[int(len(took) * 0.99)]:.1f}, longest {took[-1]:.1f}; '
                f'no line for {reading.longest:.0f}'
            )
        for thread in (asking, reading):
            thread.over.set()
            thread.join()
        print(f'(a restart of {count}: {seconds:.2f} s)')


def busy(pid: int) -> float:
    """The percentage of a processor that the process uses."""
    begun, before = time.monotonic(), used(pid)
    time.sleep(LOOK)
    return 100 * (used(pid) - before) / (time.monotonic() - begun)


def quiet() -> None:
    probed = {'environment': 'RESTARTER_READY="tcp://127.0.0.1:1"'}
    slow = '/bin/sh -c "trap : TERM; while :; do sleep 1000 & wait $!; done"'
    with Lab(
        program('slow', 1, slow, stopwaitsecs=12, killasgroup='true')
        + program('probed', 1, **probed)
    ) as lab:
        lab.wait_running('slow', 1, 20)
        pid = supervisord(lab)
        print(f'no restart, with the plugin     {busy(pid):5.2f} %')
        for group, what in (
            ('slow', 'a stop that takes 10 s'),
            ('probed', 'a probe without answer'),
        ):
            id = lab.rpc().restarter.startRestart(group, {'ready_timeout': 30})
            time.sleep(0.5)
            print(f'{what:<31} {busy(pid):5.2f} %')
            lab.rpc().restarter.cancelRestart(id)
    with Lab(program('slow', 1, slow, killasgroup='true'), interface=False) as lab:
        lab.wait_running('slow', 1, 20)
        print(f'no restart, without the plugin  {busy(supervisord(lab)):5.2f} %')


PARTS: dict[str, Callable[[], None]] = {
    'fair': fair,
    'quiet': quiet,
    'watched': watched,
    'followed': followed,
}


def main(*wanted: str) -> int:
    if not set(wanted) <= set(PARTS):
        print(f'usage: python -m bench.manners [{"] [".join(PARTS)}]', file=sys.stderr)
        return 2
    now, python = f'{datetime.now():%Y-%m-%d}', sys.version.split()[0]
    print(f'{now}, Python {python}, {os.cpu_count()} processors')
    for name, part in PARTS.items():
        if not wanted or name in wanted:
            print(f'\n{name}')
            part()
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
