"""Restarts by Ansible: this collection's module beside community.general.supervisorctl.

    make ansible-bench, or python -m bench.fleet [--rounds N]

One real supervisord with 32 processes of one group, one host (connection: local), and one
ansible-core that plays all tasks in turns: plain restarts, check mode, a changed configuration, and
the same play once more although nothing has changed. What is told apart is in CASES.

    task       seconds of the tasks, as Ansible times them
    play       seconds of the whole ansible-playbook
    started    processes started, from the beginning of the play until all are ready again
    lowest     the fewest processes that were ready at any moment of that
    changed    whether a task said so

Started and ready are told by the processes themselves: each appends a line to one file when it starts,
when it is ready, and when it is told to stop. The order of the lines is that of the events.

Figures are medians. Writes docs/fleet.json, and prints the table that docs/fleet.md shows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import supervisor.options

import supervisor_restarter
from bench.demo import interrupt
from bench.lab import Lab, LabError, script

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / 'docs' / 'fleet.json'
ENVIRONMENT = ROOT / '.envs' / 'ansible-community'
ROUNDS = 3
PROCESSES = 32
SETTLE_SECONDS = 60.0  # for all processes to be running and ready
PLAY_SECONDS = 300.0

STARTING, STOPPING = 0.5, 0.3  # seconds until a worker is ready, and until it has stopped
WORKER = f"""\
trap 'echo "T $1" >> notes; kill $!; sleep {STOPPING}; exit 0' TERM
echo "S $1" >> notes
sleep {STARTING} & wait $!
echo "R $1" >> notes
while :; do sleep 60 & wait $!; done
"""
# startsecs is 1 unless it is set: supervisorctl waits for that, too.
PROGRAMS = f"""\
[program:web]
command=/bin/sh worker %(process_num)02d
directory=%(here)s
process_name=%(process_num)02d
numprocs={PROCESSES}
environment=RELEASE="0"
"""

COMMUNITY = {
    'community.general.supervisorctl': {
        'name': 'web:',
        'state': 'restarted',
        'config': '{{ conf }}',
        'supervisorctl_path': '{{ supervisorctl }}',
    }
}
UPDATE = {'ansible.builtin.command': '{{ supervisorctl }} -c {{ conf }} update'}


def ours(**options: object) -> dict[str, Any]:
    """A task of this collection's module."""
    given = {'name': 'web', 'state': 'restarted', 'config': '{{ conf }}', **options}
    return {'supervisor.restarter.processes': given}


class Case(NamedTuple):
    """What is played. situation and play are its names in the table.

    release: whether the configuration has changed before; check: whether it is played under --check.
    """

    situation: str
    play: str
    tasks: list[dict[str, Any]]
    release: bool = False
    check: bool = False


CASES = [
    Case('restart', 'community.general', [COMMUNITY]),
    Case('restart', 'supervisor.restarter', [ours()]),
    Case('restart', 'supervisor.restarter, `max_unavailable: 25%`', [ours(max_unavailable='25%')]),
    Case('restart', 'supervisor.restarter, `max_unavailable: 1`', [ours(max_unavailable=1)]),
    Case('changed configuration, check mode', 'community.general', [COMMUNITY], True, True),
    Case('changed configuration, check mode', 'supervisor.restarter', [ours()], True, True),
    Case('changed configuration', 'community.general', [COMMUNITY], True),
    Case(
        'changed configuration',
        '`supervisorctl update`, then supervisor.restarter with `newer_than`',
        [UPDATE, ours(newer_than='{{ conf }}')],
        True,
    ),
    Case('played again, nothing has changed', 'community.general', [COMMUNITY]),
    Case(
        'played again, nothing has changed',
        'supervisor.restarter with `newer_than`',
        [ours(newer_than='{{ conf }}')],
    ),
]


class Figures(NamedTuple):
    """One play, or the medians of several; times in seconds."""

    task: float
    play: float
    started: float
    lowest: float
    changed: bool
    ok: int  # tasks that did not fail


class Row(NamedTuple):
    """One case."""

    situation: str
    play: str
    figures: Figures


class Controller:
    """ansible-playbook with a home of its own, and the host that it plays for."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.home = lab.dir / 'controller'
        self.home.mkdir()
        (self.home / 'ansible.cfg').touch()  # or the user's own would be read
        variables = {
            'ansible_connection': 'local',
            'ansible_python_interpreter': sys.executable,
            'conf': str(lab.conf),
            'supervisorctl': script('supervisorctl'),
        }
        hosts = {'all': {'hosts': {'host': variables}}}
        (self.home / 'hosts.yml').write_text(json.dumps(hosts), encoding='utf-8')

    def play(self, case: Case) -> dict[str, Any]:
        """Play it. Gives what Ansible says of it. LabError if a task failed."""
        playbook = self.home / 'play.yml'
        tasks = [{'name': next(iter(task)), **task} for task in case.tasks]
        text = json.dumps([{'hosts': 'all', 'gather_facts': False, 'tasks': tasks}])
        playbook.write_text(text, encoding='utf-8')
        command = [
            str(ENVIRONMENT / 'bin' / 'ansible-playbook'),
            '-i',
            str(self.home / 'hosts.yml'),
        ]
        kept = {name: value for name, value in os.environ.items() if name[:8] != 'ANSIBLE_'}
        try:
            done = subprocess.run(
                [*command, *(['--check'] if case.check else []), str(playbook)],
                cwd=self.home,
                env={
                    **kept,
                    'LC_ALL': 'C.UTF-8',
                    'ANSIBLE_HOME': str(self.home / 'ansible'),
                    'ANSIBLE_REMOTE_TEMP': str(self.home / 'remote'),
                    'ANSIBLE_CONFIG': str(self.home / 'ansible.cfg'),
                    'ANSIBLE_COLLECTIONS_PATH': str(ENVIRONMENT / 'collections'),
                    'ANSIBLE_STDOUT_CALLBACK': 'ansible.posix.json',
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PLAY_SECONDS,
            )
        except FileNotFoundError:
            raise LabError(f'no {command[0]}; `make ansible-bench` makes it') from None
        except subprocess.TimeoutExpired:
            raise LabError(f'{case.play}: no end of the play in {PLAY_SECONDS:g} s') from None
        if done.returncode != 0:
            raise LabError(f'{case.situation}, {case.play}:\n{done.stdout}{done.stderr}')
        told: dict[str, Any] = json.loads(done.stdout[done.stdout.index('{') :])
        return told


class Group:
    """The 32 processes, and what they have written down."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.notes = lab.dir / 'notes'
        self.releases = 0

    def begin(self) -> None:
        """Start them: the configuration is written, and the worker is where it leads to."""
        (self.lab.dir / 'worker').write_text(WORKER, encoding='utf-8')
        (self.lab.dir / 'notes').touch()
        self.lab.conf.write_text(
            self.lab.conf.read_text(encoding='utf-8') + PROGRAMS, encoding='utf-8'
        )
        self.update()

    def change(self) -> None:
        """Change the configuration on disk: each process's environment."""
        old, self.releases = self.releases, self.releases + 1
        text = self.lab.conf.read_text(encoding='utf-8')
        new = text.replace(f'RELEASE="{old}"', f'RELEASE="{self.releases}"')
        self.lab.conf.write_text(new, encoding='utf-8')

    def update(self) -> None:
        """Have supervisord take in its configuration, if nobody has, and wait until all are ready."""
        command = [script('supervisorctl'), '-c', str(self.lab.conf), 'update']
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=SETTLE_SECONDS)
        self.settle()

    def settle(self) -> None:
        """Wait until all are running and ready."""
        self.lab.wait_running('web', PROCESSES, SETTLE_SECONDS)
        self.lab.wait_until(
            lambda: ready(self.read()) == PROCESSES, SETTLE_SECONDS, f'{PROCESSES} ready processes'
        )

    def read(self, start: int = 0) -> list[str]:
        """The notes after so many."""
        return self.notes.read_text(encoding='ascii').splitlines()[start:]


def ready(notes: list[str]) -> int:
    """How many are ready, by the last note of each."""
    last = {name: what for what, name in map(str.split, notes)}
    return sum(what == 'R' for what in last.values())


def lowest_ready(notes: list[str], processes: int) -> int:
    """The fewest that were ready at any moment, of so many which were at first."""
    away: set[str] = set()
    most = 0
    for what, name in map(str.split, notes):
        if what == 'R':
            away.discard(name)
        else:
            away.add(name)
        most = max(most, len(away))
    return processes - most


def figures_of(told: dict[str, Any], notes: list[str], seconds: float) -> Figures:
    """One play, from what Ansible and the processes said of it."""
    tasks = [task for play in told['plays'] for task in play['tasks']]
    times = [
        [
            datetime.fromisoformat(task['task']['duration'][end].rstrip('Z'))
            for end in ('start', 'end')
        ]
        for task in tasks
    ]
    [stats] = told['stats'].values()
    return Figures(
        sum((end - start).total_seconds() for start, end in times),
        seconds,
        sum(note.startswith('S') for note in notes),
        lowest_ready(notes, PROCESSES),
        stats['changed'] > 0,
        stats['ok'],
    )


def measure(case: Case, group: Group, controller: Controller) -> Figures:
    """Play the case once, on a group that is running and ready, and leave it so."""
    if case.release:
        group.change()
    mark = len(group.read())
    began = time.monotonic()
    told = controller.play(case)
    seconds = time.monotonic() - began
    group.settle()
    found = figures_of(told, group.read(mark), seconds)
    group.update()
    return found


def median(rounds: list[Figures]) -> Figures:
    """The median of each figure. LabError if the rounds disagree on what is no measurement."""
    said = {(one.changed, one.ok) for one in rounds}
    if len(said) != 1:
        raise LabError(f'the rounds disagree: {said}')
    task, play, started, lowest = (statistics.median(values) for values in list(zip(*rounds))[:4])
    return Figures(task, play, started, lowest, *said.pop())


def table(results: list[dict[str, Any]]) -> list[str]:
    """The lines of docs/fleet.md's table, from the results in fleet.json."""
    lines = [
        '| situation | collection | seconds | of the whole play | processes started | ready at least '
        '| changed | tasks ok |',
        '|---|---|---|---|---|---|---|---|',
    ]
    before = ''
    for row in results:
        one = row['figures']
        situation = row['situation'] if row['situation'] != before else ''
        before = row['situation']
        lines.append(
            f'| {situation} | {row["play"]} | {one["task"]:.1f} | {one["play"]:.1f} | {one["started"]:g} '
            f'| {one["lowest"]:g} of {PROCESSES} | {"yes" if one["changed"] else "no"} | {one["ok"]} |'
        )
    return lines


def document(rows: list[Row], versions: dict[str, str], rounds: int) -> dict[str, Any]:
    """The content of fleet.json."""
    return {
        'repeat': f'make ansible-bench ROUNDS={rounds}',
        'date': date.today().isoformat(),
        'versions': versions,
        'cores': os.cpu_count(),
        'rounds': rounds,
        'meaning': f'medians; {PROCESSES} processes, which are ready {STARTING} s after their start and end '
        f'{STOPPING} s after SIGTERM, startsecs 1; task and play: seconds of the tasks and of the whole '
        'ansible-playbook; started: processes started; lowest: the fewest that were ready; ok: tasks that did not fail',
        'results': [
            {
                **row._asdict(),
                'figures': {
                    name: round(value, 2) if isinstance(value, float) else value
                    for name, value in row.figures._asdict().items()
                },
            }
            for row in rows
        ],
    }


def versions() -> dict[str, str]:
    """Of everything that has a part in it."""
    asked = 'from importlib.metadata import version; print(version("ansible-core"))'
    python = ENVIRONMENT / 'bin' / 'python'
    core = subprocess.run([python, '-c', asked], stdout=subprocess.PIPE, text=True, check=True)
    [manifest] = ENVIRONMENT.glob(
        'lib/*/site-packages/ansible_collections/community/general/MANIFEST.json'
    )
    community = json.loads(manifest.read_text(encoding='utf-8'))['collection_info']['version']
    return {
        'python': platform.python_version(),
        'supervisor': supervisor.options.VERSION,
        'supervisor-restarter': supervisor_restarter.__version__,
        'ansible-core': core.stdout.strip(),
        'community.general': community,
    }


def measure_all(rounds: int) -> list[Row]:
    """All cases in turns, so many times."""
    found: list[list[Figures]] = [[] for _ in CASES]
    with Lab('') as lab:
        group, controller = Group(lab), Controller(lab)
        group.begin()
        for number in range(rounds):
            for case, figures in zip(CASES, found):
                figures.append(measure(case, group, controller))
                print(number + 1, case.situation, case.play, *figures[-1], sep='; ', flush=True)
    return [Row(case.situation, case.play, median(one)) for case, one in zip(CASES, found)]


def main() -> int:
    parser = argparse.ArgumentParser(prog='python -m bench.fleet')
    parser.add_argument(
        '--rounds', type=int, default=ROUNDS, help='plays of each kind (default: %(default)s)'
    )
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error('at least one round')
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        used = versions()
        print(', '.join(f'{name} {version}' for name, version in used.items()), flush=True)
        results = document(measure_all(given.rounds), used, given.rounds)
    except LabError as error:
        print(f'fleet: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('fleet: interrupted', file=sys.stderr)
        return 130
    RESULTS.write_text(json.dumps(results, indent=1) + '\n', encoding='utf-8')
    print('\n'.join(['', *table(results['results']), '', 'Written: docs/fleet.json']))
    return 0


if __name__ == '__main__':
    sys.exit(main())
