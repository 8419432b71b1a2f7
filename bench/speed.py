"""How fast supervisors restart all their processes, side by side: make bench, or python -m
bench.speed [--rounds N]

The same workers on the same machine, restarted in turns by this plugin, by supervisorctl, circus,
runit, s6 and pm2, and by a bare loop around posix_spawn, below which nobody can get. What is
measured is what the workers themselves write down (bench.peers.worker), and how long the command
takes. Each way of restarting, with the same number of workers:

    last new   seconds from the moment the command is given until the last new worker runs
    down       seconds that a worker was down, on average: from the end of the old one to the start of the new one
    returned   seconds until the command has ended, or the call was answered; startsecs=1 is part of it with Supervisor
    peak       the most memory that the supervisor's own processes have had, in MiB (bench.peers.base.Peer.peak)

The first round warms up and is not counted; figures are medians of the others. What takes longer
than SLOW_SECONDS in the first round is not repeated, and that round counts.

Writes docs/speed.json and docs/speed.svg and, where all of COUNTS were measured, the table of
docs/performance.md (bench.speed_page).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from bench import chart, page_tables, speed_page
from bench.demo import interrupt
from bench.lab import LabError
from bench.peers import aims, worker
from bench.peers.base import Peer, Place, Way, sweep
from bench.peers.supervisors import ROOT, find

ROUNDS = 3
COUNTS = [32, 200, 500]
MILLISECONDS = [0, 500]  # that a worker takes to stop
DRAWN = (200, 500)  # the count and milliseconds that the picture shows
SHOWN = ('supervisorctl restart web:*', 'supervisorctl_restart_group web')
# runit and s6 start a service at most once a second; to supervisord it must be RUNNING
SETTLE_SECONDS = 1.5
SLOW_SECONDS = 15.0
STARTS = 5  # how often a command's own start is measured
DESCRIPTORS = 8192  # pm2 and supervisord need some thousands for 500 workers
DOCS = ROOT / 'docs'


class Figures(NamedTuple):
    """One restart of all workers, or the medians of several; peak in MiB, the others in seconds."""

    last_new: float
    down: float
    returned: float
    peak: float = 0.0


class Row(NamedTuple):
    """One way in one setting."""

    workers: int
    milliseconds: int
    way: str
    role: str
    figures: Figures


def figures_of(notes: Iterable[worker.Note], count: int, began: float, ended: float) -> Figures:
    """What the workers wrote in one restart, in figures. LabError if not every one was stopped and
    started once.
    """
    at = {what: [note.at for note in notes if note.what == what] for what in 'TES'}
    if {what: len(moments) for what, moments in at.items()} != {'T': count, 'E': count, 'S': count}:
        raise LabError(
            f'not {count} times told to stop, ended and started: '
            f'{", ".join(str(len(moments)) for moments in at.values())}'
        )
    # Who replaced whom does not matter to the mean, and not every supervisor keeps the names.
    return Figures(
        max(at['S']) - began, statistics.fmean(at['S']) - statistics.fmean(at['E']), ended - began
    )


def median(rounds: list[Figures], peak: float = 0.0) -> Figures:
    """The median of each figure."""
    return Figures(*(statistics.median(values) for values in zip(*rounds)))._replace(peak=peak)


def measure(peer: Peer, way: Way) -> tuple[Figures, chart.Course]:
    """Restart the workers of the peer once."""
    # supervisord's loop sleeps up to a second: a restart must not always meet it at the same moment
    # of that.
    time.sleep(random.uniform(0.2, 1.2))
    mark, began = worker.size(peer.place.file), time.monotonic()
    way.restart()
    ended = time.monotonic()
    notes = peer.wait_started(peer.place.workers, mark)
    try:
        figures = figures_of(notes, peer.place.workers, began, ended)
    except LabError as error:
        raise LabError(f'{way.name}: {error}') from None
    return figures, chart.Course(way.name, notes, began, ended)


class Setting:
    """All supervisors with so many workers each, that take so long to stop."""

    def __init__(self, folder: Path, count: int, milliseconds: int) -> None:
        self.folder, self.count, self.milliseconds = folder, count, milliseconds
        self.peers: list[Peer] = []
        self.courses: list[chart.Course] = []  # of the first round that counts, for the picture

    def open(self, kinds: list[type[Peer]]) -> None:
        """Start them all; then none does anything until its turn."""
        for kind in kinds:
            place = Place(
                self.folder / kind.__name__.lower(),
                self.folder / 'worker',
                self.count,
                self.milliseconds,
            )
            place.dir.mkdir()
            self.peers.append(kind(place))
            self.peers[-1].open()
        time.sleep(SETTLE_SECONDS)
        for peer in self.peers:
            peer.halt()

    def close(self) -> None:
        """End them all, and remove what they wrote."""
        for peer in self.peers:
            with contextlib.suppress(ProcessLookupError):
                peer.close()
            sweep(peer.place.dir)
        self.peers = []

    def rounds(self, number: int) -> list[Row]:
        """Measure all ways in turns, so many times."""
        ways = [(peer, way) for peer in self.peers for way in peer.ways()]
        found: list[list[Figures]] = [[] for _ in ways]
        for turn in range(number + 1):
            for index in random.sample(range(len(ways)), len(ways)):
                peer, way = ways[index]
                if found[index] and found[index][0].last_new > SLOW_SECONDS:
                    continue
                with going(peer):
                    figures, course = measure(peer, way)
                if turn or figures.last_new > SLOW_SECONDS:
                    found[index].append(figures)
                if turn == 1:
                    self.courses.append(course)
        return [
            Row(self.count, self.milliseconds, way.name, way.role, median(figures, peer.peak()))
            for (peer, way), figures in zip(ways, found)
        ]

    def starts(self) -> dict[str, float]:
        """The seconds that each way's command takes to do nothing, by the way's name."""
        found = {}
        for peer in self.peers:
            for way in peer.ways():
                if way.empty is not None:
                    with going(peer):
                        found[way.name] = statistics.median(timed(way.empty) for _ in range(STARTS))
        return found


def companies(kinds: list[type[Peer]]) -> list[list[type[Peer]]]:
    """Who runs at the same time: first all that take turns, then one after the other those that
    must be alone.
    """
    return [[kind for kind in kinds if not kind.alone], *([kind] for kind in kinds if kind.alone)]


@contextlib.contextmanager
def going(peer: Peer) -> Any:
    """While the block runs, so does the supervisor."""
    peer.go_on()
    try:
        yield
    finally:
        peer.halt()


def timed(call: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    began = time.monotonic()
    call()
    return time.monotonic() - began


def show(rows: list[Row]) -> None:
    """Print the table of one setting."""
    floor = next(row.figures.last_new for row in rows if row.role == 'floor')
    stops = f'{rows[0].milliseconds} ms to stop' if rows[0].milliseconds else 'stop at once'
    print(
        f'\n{f"{rows[0].workers} workers, {stops}":<40}{"last new":>9}{"/ floor":>9}{"down":>9}{"returned":>9}'
        f'{"peak MiB":>9}'
    )
    for row in rows:
        one = row.figures
        print(
            f'{row.way:<40}{one.last_new:>9.3f}{one.last_new / floor:>9.2f}{one.down:>9.4f}{one.returned:>9.3f}'
            f'{one.peak:>9.1f}',
            flush=True,
        )


def document(
    rows: list[Row], starts: dict[str, float], versions: dict[str, str], rounds: int
) -> dict[str, Any]:
    """The content of speed.json."""
    return {
        'repeat': f'make bench ROUNDS={rounds}',
        'date': date.today().isoformat(),
        'versions': versions,
        'cores': os.cpu_count(),
        'rounds': rounds,
        'meaning': 'medians; last_new: seconds to the last new process; down: mean seconds down; returned: seconds to '
        "the command's return; peak: MiB; start_up: seconds that the command takes to do nothing",
        'start_up': {way: round(seconds, 4) for way, seconds in starts.items()},
        'results': [
            {
                **row._asdict(),
                'figures': {name: round(value, 4) for name, value in row.figures._asdict().items()},
            }
            for row in rows
        ],
        'aims': [{**aim._asdict(), 'met': aim.met} for aim in aims.judge(rows, starts)],
    }


def drawing(
    courses: list[chart.Course], rows: list[Row], versions: dict[str, str], rounds: int
) -> str:
    """The content of speed.svg, of the rows of one setting."""
    kinds = {'floor': 'old', 'peer': 'stopping', 'command': 'new', 'rpc': 'new'}
    bars = [
        chart.Bar(row.way, kinds[row.role], row.figures.last_new)
        for row in rows
        if row.role in kinds
    ]
    stops = (
        f'which take {rows[0].milliseconds} ms to stop'
        if rows[0].milliseconds
        else 'which stop at once'
    )
    foot = [
        ', '.join(f'{name} {version}' for name, version in versions.items())
        + f'; {os.cpu_count()} cores.',
        f'Above: one restart by the command, from the moment it is given; below: medians of {rounds}. '
        'Times are written down by the workers themselves.',
    ]
    shown = sorted(
        (course for course in courses if course.way in SHOWN),
        key=lambda course: SHOWN.index(course.way),
    )
    return chart.draw(shown, bars, f'Restarting {rows[0].workers} processes {stops}', foot)


def measure_all(folder: Path, counts: list[int], rounds: int) -> int:
    """Everything that this file is for. Returns the exit status."""
    found = list(find())
    versions = {
        'python': platform.python_version(),
        **{name: version for name, version, _ in found if version},
    }
    print(
        f'Restarting {counts} workers, rounds: {rounds}, {os.cpu_count()} cores; '
        + ', '.join(f'{name} {version}' for name, version in versions.items()),
        flush=True,
    )
    worker.build(folder / 'worker')
    rows: list[Row] = []
    courses, drawn = list[chart.Course](), DRAWN
    starts: dict[str, float] = {}
    for count in counts:
        for milliseconds in MILLISECONDS:
            with tempfile.TemporaryDirectory(dir=folder) as inner:
                os.link(folder / 'worker', Path(inner, 'worker'))
                setting = Setting(Path(inner), count, milliseconds)
                for kinds in companies([kind for _, _, kind in found]):
                    try:
                        setting.open(kinds)
                        if (count, milliseconds) == (counts[0], MILLISECONDS[0]):
                            starts.update(setting.starts())
                        rows += setting.rounds(rounds)
                    finally:
                        setting.close()
            show([row for row in rows if (row.workers, row.milliseconds) == (count, milliseconds)])
            if (count, milliseconds) == DRAWN or not courses:
                courses, drawn = setting.courses, (count, milliseconds)
    print('\nThe commands alone, doing nothing (seconds):')
    for way, seconds in starts.items():
        print(f'{way:<40}{seconds:>9.3f}')
    print('\nAims:')
    for aim in aims.judge(rows, starts):
        print(
            f'{"met   " if aim.met else "MISSED"}  {aim.text}: {aim.value:.3f}, aim {aim.limit:.3f}'
        )
    DOCS.mkdir(exist_ok=True)
    found_all = document(rows, starts, versions, rounds)
    (DOCS / 'speed.json').write_text(json.dumps(found_all, indent=1) + '\n', encoding='utf-8')
    if counts == COUNTS:
        page_tables.fill(speed_page.table(found_all))
    rows = [row for row in rows if (row.workers, row.milliseconds) == drawn]
    (DOCS / 'speed.svg').write_text(drawing(courses, rows, versions, rounds), encoding='utf-8')
    print('\nWritten: docs/speed.json, docs/speed.svg')
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog='python -m bench.speed')
    parser.add_argument(
        '--rounds', type=int, default=ROUNDS, help='restarts of each kind (default: %(default)s)'
    )
    parser.add_argument('--counts', type=int, nargs='+', default=COUNTS, help='how many workers')
    given = parser.parse_args()
    if given.rounds < 1 or not all(1 <= count <= 999 for count in given.counts):
        parser.error('at least one round, and from 1 to 999 workers')
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return in_a_folder('speed', lambda folder: measure_all(folder, given.counts, given.rounds))


def in_a_folder(name: str, measure: Callable[[Path], int]) -> int:
    """Measure in a folder that is there for so long. The exit status; where it ends early, a line on
    stderr says why.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        # Directly below /tmp: the paths of sockets must be short.
        with tempfile.TemporaryDirectory(prefix='restarter-', dir='/tmp') as folder:
            return measure(Path(folder))
    except LabError as error:
        print(f'{name}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'{name}: interrupted', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
