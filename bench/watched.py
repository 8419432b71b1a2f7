"""What open pages and metrics cost supervisord; a part of bench.manners."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.lab import Lab, LabError, UnixConnection
from bench.sleepers import LONGEST, minfds, program, supervisord, wait_restart

OPEN = 26.0  # seconds for which an idle page is looked at; its question waits for 25 s
PAIRS = 5  # restarts with pages and without
ANSWERS = 30  # of which the cost is the mean


def watched(count: int = 500) -> None:
    """All of it."""
    with Lab(program('web', count), minfds=minfds(count)) as lab:
        lab.wait_running('web', count, 60)
        pid = supervisord(lab)
        wait_restart(lab.rpc(LONGEST), 'web')
        for pages in (0, 1, 10, 0, 1, 10):
            with OpenPages(lab, pages):
                print(f'idle, open pages: {pages:2}   {rate(pid):5.2f} ms per second')
        for max_unavailable in ('100%', '10%'):
            beside(lab, pid, max_unavailable)
    each = count // 10
    programs = [program(name, each) for name in 'abcdefghij']
    with Lab(''.join(programs), minfds=minfds(count)) as lab:
        lab.wait_running('j', each, 60)
        answers(lab, supervisord(lab))


class OpenPages:
    """So many open pages, in a process of their own. told: what they say in the end."""

    def __init__(self, lab: Lab, count: int) -> None:
        self._command = [
            *(sys.executable, '-m', 'bench.open_pages'),
            str(lab.dir / 'sock'),
            str(count),
        ]
        self.told: dict[str, Any] = {}

    def __enter__(self) -> OpenPages:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != 'open\n':
            raise LabError('the pages had no answer')
        return self

    def __exit__(self, *error: object) -> None:
        said, _ = self._process.communicate(timeout=LONGEST)
        if error[0] is None:
            self.told = json.loads(said)


def spent(pid: int) -> float:
    """Milliseconds for which processors have worked for the process, exactly."""
    threads = Path(f'/proc/{pid}/task').glob('*/schedstat')
    return sum(int(schedstat.read_text().split()[0]) for schedstat in threads) / 1e6


def rate(pid: int) -> float:
    """Milliseconds of processor per second."""
    time.sleep(1)  # for what opening the pages has cost
    begun, before = time.monotonic(), spent(pid)
    time.sleep(OPEN)
    return (spent(pid) - before) / (time.monotonic() - begun)


def beside(lab: Lab, pid: int, max_unavailable: str) -> None:
    """Restarts with ten open pages and without, in turns."""
    found: dict[int, list[tuple[float, float]]] = {0: [], 10: []}
    told: list[dict[str, Any]] = []
    server = lab.rpc(LONGEST)
    for pair in range(PAIRS):
        for pages in (0, 10) if pair % 2 else (10, 0):
            with OpenPages(lab, pages) as open_pages:
                before = spent(pid)
                wait_restart(server, 'web', max_unavailable=max_unavailable, scout=0)
                busy = spent(pid) - before
                restart = server.restarter.listRestarts()[0]
                found[pages].append((restart['duration'], busy))
                time.sleep(1)  # for the pages to see the end
            if open_pages.told['ended'] != [[restart['id']]] * pages:
                raise LabError(f'a page has not seen the end: {open_pages.told}')
            told += [open_pages.told] if pages else []
    for pages, pairs in found.items():
        seconds, busy = (statistics.median(column) for column in zip(*pairs))
        print(
            f'restart, {max_unavailable} at once, open pages: {pages:2}   {seconds:.2f} s, {busy:.0f} ms of processor'
        )
    slower = [100 * (one[0] / other[0] - 1) for one, other in zip(found[10], found[0])]
    print(f'slower, in pairs: median {statistics.median(slower):+.1f} %')
    answers, size = (
        statistics.median(sum(one[key]) / 10 for one in told) for key in ('answers', 'bytes')
    )
    print(f'each page: {answers:.0f} answers, {size / 1000:.0f} kB')


def answers(lab: Lab, pid: int) -> None:
    """What one answer costs, asked for on a connection that stays open."""
    connection = UnixConnection(str(lab.dir / 'sock'), LONGEST)

    def fetched(path: str) -> int:
        connection.request('GET', path)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise LabError(f'{path}: {response.status} {body!r}')
        return len(body)

    for path in ('/restarter/state', '/restarter/metrics'):
        before = spent(pid)
        size = fetched(path)
        first = spent(pid) - before
        before = spent(pid)
        for _ in range(ANSWERS):
            size = fetched(path)
        each = (spent(pid) - before) / ANSWERS
        print(
            f'{path:<19} {size / 1000:5.0f} kB, {each:.1f} ms of processor; the first {first:.0f}'
        )
