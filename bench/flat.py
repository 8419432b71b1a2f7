"""Whether a restart stays cheap with many processes, before and after a change: make bench, or
python -m bench.flat [--counts N ...] [--rounds N] [--before COMMIT|DIRECTORY]

The same workers, restarted in turns by three: a bare loop around posix_spawn (the floor),
supervisord with the plugin as it was (--before), and with the plugin as it is here. All three run
during all rounds; those whose turn it is not are halted. For each number of processes:

    last new   seconds from the call to the start of the last new worker, written down by the workers
    / floor    the same as a multiple of the floor's in the same round
    ms each    milliseconds of supervisord's own processor time per process, from the call to its answer
               (/proc/PID/task/*/schedstat), which other work on the machine changes less than seconds
    / before   the same as a multiple of what it was before, in the same round

The first round warms up and is not counted; figures are medians of the others. Then, with
COSTS_AT processes, what else there is to be done (bench.flat_costs).

Writes docs/flat.json, docs/flat.svg and the tables of docs/performance.md (bench.flat_page), if
all of COUNTS were measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import random
import resource
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import supervisor.options

from bench import flat_chart, flat_figures, flat_page, page_tables
from bench.flat_costs import Probed, Quick, costs_of_answers, costs_of_rolling
from bench.flat_figures import AFTER, BEFORE, Cost, Restart, Row
from bench.lab import LabError
from bench.peers import trees, worker
from bench.peers.aims import Aim
from bench.peers.base import Peer, Way
from bench.peers.supervisors import DESCRIPTORS, ROOT, Floor, Plugin
from bench.speed import DOCS, Setting, going, in_a_folder, measure
from bench.watched import spent

COUNTS = [200, 500, 1000, 2000]
COSTS_AT = 500
ROUNDS = 5
BEFORE_COMMIT = '8b906bb'  # the last before supervisord was made to look only at what changes


class Bench:
    """One run: two trees, a folder, and how often. Everything is measured by its methods."""

    def __init__(self, folder: Path, before: Path, rounds: int) -> None:
        self.folder, self.rounds = folder, rounds
        self.trees = {BEFORE: before, AFTER: ROOT}
        worker.build(folder / 'worker')

    def kinds(self, kind: type[trees.Many]) -> list[type[Peer]]:
        """That kind of supervisord with each of the trees."""
        return [trees.of(tree, kind, name) for name, tree in self.trees.items()]

    @contextlib.contextmanager
    def setting(self, count: int, kinds: Iterable[type[Peer]]) -> Iterator[Setting]:
        """So many processes for each kind of supervisor, while the block runs."""
        with tempfile.TemporaryDirectory(dir=self.folder) as inner:
            os.link(self.folder / 'worker', Path(inner, 'worker'))
            setting = Setting(Path(inner), count, 0)
            try:
                setting.open(list(kinds))
                yield setting
            finally:
                setting.close()

    def growth(self, count: int) -> list[Row]:
        """Restarts of so many processes by all three, in turns."""
        with self.setting(count, [Floor, *self.kinds(trees.Many)]) as setting:
            ways = {type(peer).__name__.lower(): (peer, way_of(peer)) for peer in setting.peers}
            found: dict[str, list[Restart]] = {who: [] for who in ways}
            for turn in range(self.rounds + 1):
                for who in random.sample(list(ways), len(ways)):
                    restart = restarted(*ways[who])
                    if turn:
                        found[who].append(restart)
        return flat_figures.rows(count, found)

    def costs(self) -> list[Cost]:
        """What else there is to be done with many processes."""
        found: list[Cost] = []
        for kind, measured in ((Quick, costs_of_answers), (Probed, costs_of_rolling)):
            with self.setting(COSTS_AT, self.kinds(kind)) as setting:
                found += measured(setting, self.rounds)
        return found


def way_of(peer: Peer) -> Way:
    """How it restarts its workers: the plugin by a call from here."""
    return peer.by_rpc() if isinstance(peer, Plugin) else peer.ways()[0]


def restarted(peer: Peer, way: Way) -> Restart:
    """Restart the workers of the peer once."""
    busy = []

    def restart() -> None:
        before = spent(peer.root())
        way.restart()
        busy.append(spent(peer.root()) - before)

    with going(peer):
        figures, _ = measure(peer, way._replace(restart=restart))
    return Restart(figures.last_new, *busy)


def document(
    rows: list[Row], costs: list[Cost], aims: list[Aim], versions: dict[str, str], rounds: int
) -> flat_page.Document:
    """The content of flat.json."""
    return {
        'repeat': f'.envs/4.3.0/bin/python -m bench.flat --rounds {rounds}',
        'date': date.today().isoformat(),
        'versions': versions,
        'cores': os.cpu_count(),
        'rounds': rounds,
        'meaning': 'medians; last_new: seconds to the last new process; of_floor: the same as a multiple of the '
        "floor's, in pairs; each: ms of supervisord's processor per process; of_before: the same as a multiple of "
        'what it was before, in pairs; ratio: after / before, in pairs',
        'restarts': [rounded(row._asdict()) for row in rows],
        'costs': [rounded(cost._asdict()) for cost in costs],
        'aims': [rounded({**aim._asdict(), 'met': aim.met}) for aim in aims],
    }


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Figures as the file has them; without what does not apply."""
    return {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in values.items()
        if value is not None and not (isinstance(value, float) and math.isnan(value))
    }


def run(folder: Path, counts: list[int], rounds: int, before: str) -> int:
    """Everything that this file is for. Returns the exit status."""
    versions = {
        'before': trees.commit(before) or before,
        'after': trees.commit(),
        'supervisor': supervisor.options.VERSION,
        'python': platform.python_version(),
    }
    print(
        f'Restarting {counts} processes, rounds: {rounds}, {os.cpu_count()} cores; '
        + ', '.join(f'{name} {version}' for name, version in versions.items()),
        flush=True,
    )
    bench = Bench(folder, trees.earlier(before, folder), rounds)
    rows: list[Row] = []
    for count in counts:
        found = bench.growth(count)
        flat_figures.show_rows(found)
        rows += found
    costs = bench.costs()
    flat_figures.show_costs(costs)
    aims = list(flat_figures.judge(rows, costs))
    flat_figures.show_aims(aims)
    if counts != COUNTS:
        print(f'\nNothing is written: that takes all of {COUNTS}.')
        return 0
    write(document(rows, costs, aims, versions, rounds))
    drawn = flat_chart.draw(rows, versions, rounds, os.cpu_count() or 1)
    (DOCS / 'flat.svg').write_text(drawn, encoding='utf-8')
    print('\nWritten: docs/flat.json, docs/flat.svg, tables of docs/performance.md')
    return 0


def write(found: flat_page.Document) -> None:
    """Write flat.json, and its figures into the page."""
    (DOCS / 'flat.json').write_text(json.dumps(found, indent=1) + '\n', encoding='utf-8')
    page_tables.fill(flat_page.tables(found))


def allow_descriptors(count: int) -> None:
    """Let supervisord have as many as so many processes need. LabError if that cannot be."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    needed = DESCRIPTORS * count + 1024
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise LabError(f'{count} processes need {needed} open files; `ulimit -Hn` allows {hard}')
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def main() -> int:
    parser = argparse.ArgumentParser(prog='python -m bench.flat')
    parser.add_argument('--counts', type=int, nargs='+', default=COUNTS, help='how many processes')
    parser.add_argument(
        '--rounds', type=int, default=ROUNDS, help='restarts of each kind (default: %(default)s)'
    )
    parser.add_argument(
        '--before',
        default=BEFORE_COMMIT,
        help='what it is compared with: a commit, or a directory (default: %(default)s)',
    )
    given = parser.parse_args()
    if given.rounds < 1 or not all(1 <= count <= 9999 for count in given.counts):
        parser.error('at least one round, and from 1 to 9999 processes')

    def work(folder: Path) -> int:
        allow_descriptors(max(COSTS_AT, *given.counts))
        return run(folder, given.counts, given.rounds, given.before)

    return in_a_folder('flat', work)


if __name__ == '__main__':
    sys.exit(main())
