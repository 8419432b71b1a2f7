"""What a drain and a surge spare clients that never ask twice: a part of `make rolling`, or
python -m bench.unnoticed [--rounds N]

uvicorn workers (bench.apps.web) are restarted while eight clients ask without pause, none of whom
asks again. Four ways to be reached:

    drained    four workers behind HAProxy, which never asks another worker either; half of the clients
               keep their connection. Restarted one after the other, without hooks and with those of
               docs/recipes.md: RESTARTER_BEFORE_STOP has HAProxy drain the worker, RESTARTER_AFTER_READY
               has it take the worker back
    reuse      four workers that listen on one port (SO_REUSEPORT), by supervisorctl, by a surge, and by a surge
               to a release that does not start
    fcgi       four workers on one shared socket, by a surge
    one        a single worker, by supervisorctl and by a surge

Writes docs/unnoticed.json and docs/unnoticed.svg.

A surge on a port that several sockets share refuses nobody. But connections that wait in the queue of
a socket when that is closed are reset: the kernel has dealt them out before. One shared socket has
one queue, HAProxy is told beforehand.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import supervisor.options

from bench import recipe_page, rolling
from bench.apps import picture, proxy, reuse, watch
from bench.lab import Lab, LabError, script
from bench.load import ask
from bench.recipes import pids
from bench.rolling import CONNECTIONS, DOCS, ROOT, WAIT_SECONDS, WORKERS, Figures

HEADING = (
    f'Restarting uvicorn workers while {CONNECTIONS} clients keep asking, none of whom asks twice'
)
STOCK = 'supervisorctl restart web:*'
ROLLING = 'supervisorctl_restart_group --rolling web'
SURGE = 'supervisorctl_restart_group --max-surge 1 web'

PROGRAM = """\
[{kind}:web]
process_name=%(process_num)02d
numprocs={workers}
directory={root}
command={command}
environment=BROKEN="%(here)s/broken",{environment}
"""
# As in the recipe; HAProxy calls the workers web0 and so on.
HOOKS = (
    ',RESTARTER_BEFORE_STOP="{python} %(here)s/lb.py drain web%(process_num)d"'
    ',RESTARTER_AFTER_READY="{python} %(here)s/lb.py ready web%(process_num)d"'
)


class Setting(NamedTuple):
    """How the workers are reached, and what is before them."""

    programs: str  # their section of supervisord's configuration, and others
    port: int  # where the clients connect
    workers: int
    probe: Callable[[Lab], watch.Probe]  # whether a worker is ready
    open: Callable[[Lab], None] = lambda lab: None  # called when they are ready
    kept: int = 0  # of the clients: how many keep their connection


class Case(NamedTuple):
    """One panel of the picture."""

    title: str  # of the setting
    note: str  # what distinguishes it from others that give the same command
    command: str
    setting: Callable[[], Setting]
    broken: bool = False  # the new release does not start

    @property
    def way(self) -> str:
        """How the table and the picture call it."""
        return f'{self.note}: {self.command}' if self.note else self.command


def section(
    kind: str, command: str, environment: str, workers: int = WORKERS, lines: str = ''
) -> str:
    """The section of the workers."""
    return (
        PROGRAM.format(
            kind=kind,
            workers=workers,
            root=str(ROOT).replace('%', '%%'),
            command=command,
            environment=environment,
        )
        + lines
    )


def drained(hooks: bool) -> Setting:
    """One port for each worker, and before them HAProxy with the files of the recipe."""
    ports = rolling.free_ports()
    front, listen = 100 * ports + 99, f'{ports}%(process_num)02d'
    uvicorn = proxy.quoted(Path(script('uvicorn')))
    python = str(script('python')).replace('%', '%%')
    programs = section(
        'program',
        f'{uvicorn} bench.apps.web:app --loop asyncio --http h11 --no-access-log '
        f'--log-level warning --timeout-keep-alive 90 --host 127.0.0.1 --port {listen}',
        f'RESTARTER_READY="http://127.0.0.1:{listen}/health"'
        + (HOOKS.format(python=python) if hooks else ''),
    )
    haproxy = proxy.find(('haproxy',))
    if haproxy is None:
        raise LabError('HAProxy is missing')
    programs += f'{proxy.SECTION}command={haproxy.command} -db -f %(here)s/haproxy.cfg\n'

    def open_site(lab: Lab) -> None:
        recipe_page.write_haproxy(lab.dir, {':8080': f':{front}', ':80': f':{ports}'})
        lab.rpc().supervisor.startProcess('proxy')
        lab.wait_until(
            lambda: ask('127.0.0.1', front)[0] == 'ok', WAIT_SECONDS, 'answer from HAProxy'
        )

    probe = watch.answers_health(100 * ports)
    return Setting(programs, front, WORKERS, lambda lab: probe, open_site, CONNECTIONS // 2)


def reusing(workers: int = WORKERS) -> Setting:
    """One port, on which each worker has a socket of its own."""
    port = 100 * rolling.free_ports([0])
    python = proxy.quoted(Path(script('python')))
    programs = section(
        'program',
        f'{python} -m bench.apps.reuse {port}',
        'RESTARTER_READY="notify",RESTARTER_SURGE="yes"',
        workers,
    )
    return Setting(programs, port, workers, lambda lab: watch.accepts(lab.log, reuse.DESCRIPTOR))


def sharing() -> Setting:
    """One socket for all workers, which supervisord opens."""
    before = rolling.sharing()
    return Setting(before.programs, before.port, WORKERS, before.probe)


CASES = [
    *(
        Case('behind HAProxy, which asks no other worker (retries 0)', note, ROLLING, setting)
        for note, setting in (
            ('no hooks', lambda: drained(hooks=False)),
            ('hooks', lambda: drained(hooks=True)),
        )
    ),
    Case('on one port, SO_REUSEPORT', '', STOCK, reusing),
    Case('on one port, SO_REUSEPORT', '', SURGE, reusing),
    Case('on one port, SO_REUSEPORT', 'broken', SURGE, reusing, broken=True),
    Case('a single worker, SO_REUSEPORT', '', STOCK, lambda: reusing(1)),
    Case('a single worker, SO_REUSEPORT', '', SURGE, lambda: reusing(1)),
    Case('on one shared socket, [fcgi-program:web]', '', SURGE, sharing),
]


def measure(case: Case) -> tuple[Figures, picture.Course]:
    """Restart the group in this way while the clients ask, in a supervisord of its own."""
    setting = case.setting()
    with Lab(setting.programs) as lab, watch.Watch(setting.workers, setting.probe(lab)) as seen:

        def all_ready() -> None:
            lab.wait_until(
                lambda: seen.ready() == setting.workers, WAIT_SECONDS, 'workers that serve'
            )

        all_ready()
        lab.wait_running('web', setting.workers, WAIT_SECONDS)
        setting.open(lab)
        if case.broken:
            (lab.dir / 'broken').touch()
        before = pids(lab, 'web')
        with rolling.load(setting.port, kept=setting.kept) as requests:
            time.sleep(rolling.LEAD_SECONDS)
            began = time.monotonic()
            run(lab, case)
            ended = time.monotonic()
            all_ready()
            check_pids(case, before, pids(lab, 'web'))
            time.sleep(max(rolling.LEAD_SECONDS, began + rolling.LOAD_SECONDS - time.monotonic()))
    lowest = watch.lowest(seen.changes, began, time.monotonic())
    figures = rolling.figures_of(requests, lowest, ended - began)
    return figures, picture.Course(requests, seen.changes, began, ended)


def run(lab: Lab, case: Case) -> None:
    """Run the command; to restart to a broken release must fail."""
    try:
        rolling.run(lab, case.command.split())
    except LabError:
        if not case.broken:
            raise
    else:
        if case.broken:
            raise LabError(f'{case.way}: succeeded')


def check_pids(case: Case, before: dict[str, int], after: dict[str, int]) -> None:
    """All processes are new, or, after a broken release, none."""
    same = {name for name, pid in before.items() if after.get(name) == pid}
    if set(before) != set(after) or same != (set(before) if case.broken else set()):
        raise LabError(f'{case.way}: not the processes that should run now: {before}, {after}')


def results(rounds: int) -> Iterator[picture.Row]:
    """Measure all cases that can be measured here, print them, and give each with the course of the
    round of which the seconds are the median.
    """
    title = ''
    for case in CASES:
        if 'HAProxy' in case.title and proxy.find(('haproxy',)) is None:
            print(f'{case.way}: not measured, HAProxy is missing (Debian: apt install haproxy)')
            continue
        if case.title != title:
            title = case.title
            rolling.head(title)
        found = [measure(case) for _ in range(rounds)]
        figures = rolling.together([figures for figures, _ in found])
        rolling.show(case.way, figures)
        found.sort(key=lambda one: one[0].seconds)
        yield picture.Row(title, case.way, figures._asdict(), found[rounds // 2][1])


def drawing(rows: list[picture.Row], rounds: int) -> str:
    """The content of unnoticed.svg."""
    foot = [
        f'Supervisor {supervisor.options.VERSION}, uvicorn {metadata.version("uvicorn")}, Python '
        f'{platform.python_version()}, {os.cpu_count()} cores. gap: the longest time between two good answers.',
        f'Behind HAProxy {CONNECTIONS // 2} of the clients keep their connection; elsewhere each request has its own.',
        'reset: a connection that waited in the queue of a socket that was closed, or that uvicorn had accepted and '
        'not read from yet.',
    ]
    if rounds > 1:
        foot.append(
            f'Figures of {rounds} rounds: requests added up, the worst of ready and gap, the median of seconds; '
            'the round in the middle is drawn.'
        )
    return picture.draw(rows, HEADING, foot, columns=2)


def main() -> int:
    rounds = rolling.begin('python -m bench.unnoticed')
    try:
        rows = list(results(rounds))
    except LabError as error:
        print(f'unnoticed: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('unnoticed: interrupted', file=sys.stderr)
        return 130
    document = rolling.document(rows, rounds)
    (DOCS / 'unnoticed.json').write_text(json.dumps(document, indent=2) + '\n', encoding='utf-8')
    (DOCS / 'unnoticed.svg').write_text(drawing(rows, rounds), encoding='utf-8')
    print('\nWritten: docs/unnoticed.json, docs/unnoticed.svg')
    return 0


if __name__ == '__main__':
    sys.exit(main())
