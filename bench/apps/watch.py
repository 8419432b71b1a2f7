"""Which workers serve, looked at from outside every few milliseconds: neither supervisord nor the
plugin is asked.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench.lab import LOG_LINE

SAMPLE_SECONDS = 0.01
HEALTH_SECONDS = 1.0  # for one worker to answer

# When (seconds on the monotonic clock), and whether the worker is ready from then on.
Changes = list[tuple[float, bool]]
Probe = Callable[[int], bool]


class Watch:
    """Samples each of the workers 0 to count-1 with `probe` until closed, each in a thread of its
    own.
    """

    def __init__(self, count: int, probe: Probe) -> None:
        self.changes: list[Changes] = [[] for _ in range(count)]
        self._probe = probe
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._look, args=(worker,)) for worker in range(count)
        ]

    def __enter__(self) -> Watch:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def ready(self) -> int:
        """How many workers are ready now."""
        return sum(bool(changes) and changes[-1][1] for changes in self.changes)

    def _look(self, worker: int) -> None:
        changes = self.changes[worker]
        while True:
            ready = self._probe(worker)
            if not changes or changes[-1][1] != ready:
                changes.append((time.monotonic(), ready))
            if self._stop.wait(SAMPLE_SECONDS):
                return


def answers_health(first_port: int) -> Probe:
    """Whether the worker answers GET /health on its port, first_port + worker, on a new connection."""

    def probe(worker: int) -> bool:
        try:
            with socket.create_connection(
                ('127.0.0.1', first_port + worker), HEALTH_SECONDS
            ) as connection:
                connection.sendall(
                    b'GET /health HTTP/1.1\r\nHost: watch\r\nConnection: close\r\n\r\n'
                )
                return connection.recv(100).startswith(b'HTTP/1.1 200 ')
        except OSError:
            return False

    return probe


def accepts(log: Path, descriptor: int = 0) -> Probe:
    """Whether a process of that name takes connections from the socket that is its descriptor of
    that number: the socket that it shares with the others, or its own on a port that they share.

    A client cannot ask one of them by itself, but the kernel knows: the worker's event loop waits
    for that socket. The pids come from supervisord's log. In a surge, two may do so: any counts.
    """
    pids = Pids(log)
    polled: dict[int, str] = {}  # by pid: the file that tells what its event loop waits for

    def waits(pid: int) -> bool:
        try:
            if pid not in polled:
                polled[pid] = event_loop(pid)
            inode = os.stat(f'/proc/{pid}/fd/{descriptor}').st_ino
            return f' ino:{inode:x} ' in Path(polled[pid]).read_text()
        except OSError:
            return False  # it has no event loop yet, or has exited

    return lambda worker: any(map(waits, pids.get(f'{worker:02d}')))


def event_loop(pid: int) -> str:
    """The file below /proc that lists what the process's epoll descriptor watches. OSError if it
    has none.
    """
    for descriptor in os.listdir(f'/proc/{pid}/fd'):
        if os.readlink(f'/proc/{pid}/fd/{descriptor}') == 'anon_inode:[eventpoll]':
            return f'/proc/{pid}/fdinfo/{descriptor}'
    raise FileNotFoundError


class Pids:
    """The pids of processes by their name, as supervisord has logged them so far. For several
    threads.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = 0  # so many bytes, whole lines
        self._pids: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> list[int]:
        """All pids that processes of that name have had, the newest first."""
        with self._lock:
            with self._log.open('rb') as file:
                file.seek(self._read)
                lines, end, _ = file.read().rpartition(b'\n')
            self._read += len(lines) + len(end)
            for match in filter(
                None, map(LOG_LINE.match, lines.decode('utf-8', 'replace').split('\n'))
            ):
                if match['come']:
                    self._pids.setdefault(match['come'], []).insert(0, int(match['pid']))
            return list(self._pids.get(name, ()))


def lowest(changes: list[Changes], start: float, end: float) -> int:
    """The fewest workers that were ready from start to end, for two samples at least.

    Each change is seen up to a sample late: that one worker went just before another came may be an
    illusion.
    """
    moments = sorted(
        {start, end, *(at for worker in changes for at, _ in worker if start < at < end)}
    )
    for count in range(len(changes)):
        lasted = 0.0
        for moment, following in zip(moments, moments[1:]):
            few = sum(ready_at(worker, moment) for worker in changes) <= count
            lasted = lasted + following - moment if few else 0.0
            if lasted >= 2 * SAMPLE_SECONDS:
                return count
    return len(changes)


def ready_at(changes: Changes, moment: float) -> bool:
    """Whether the worker was ready at that moment."""
    return next((ready for at, ready in reversed(changes) if at <= moment), False)


def spans(changes: Changes, start: float, end: float) -> list[tuple[float, float]]:
    """From when to when the worker was ready, within start to end."""
    found = []
    for (at, ready), (until, _) in zip(changes, [*changes[1:], (end, False)]):
        if ready and max(at, start) < min(until, end):
            found.append((max(at, start), min(until, end)))
    return found
