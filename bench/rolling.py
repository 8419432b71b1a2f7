"""What a restart does to the clients of real servers: `make rolling`, or python -m bench.rolling
[--rounds N]

Four uvicorn workers in one group serve eight clients that ask without pause, while the group is
restarted: by supervisorctl, by supervisorctl_restart_group all at once, and with --rolling; and while
it gets a new configuration, another variable in its environment: by supervisorctl update, and by
supervisorctl_restart_group --apply. Twice:

    proxy    behind HAProxy (or nginx, where that is what is installed), each worker on a port of its own, ready when
             it answers GET /health
    socket   as an [fcgi-program:x] on one shared socket, the clients connect to it directly; ready when the worker
             says READY=1, since that socket accepts connections whether a worker is there or not

Requests are counted by the clients (bench.load), which workers serve is watched from outside
(bench.apps.watch). Writes docs/rolling.json, docs/rolling.svg and, of its left column, what is SMALL,
docs/rolling-small.svg.

No restart can help this: a uvicorn that stops closes a connection that it has accepted but not read
from yet, in about one of thirty stops here (github.com/Kludex/uvicorn/issues/2757). HAProxy asks
another worker then (apps/haproxy.cfg); a client on the shared socket sees a reset and has to ask
again itself.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
import xmlrpc.client
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import supervisor.options

from bench.apps import picture, proxy, watch
from bench.demo import interrupt
from bench.lab import Lab, LabError, downtimes, script
from bench.load import Request, ask

WORKERS = 4
CONNECTIONS = 8
HEADING = f'Restarting {WORKERS} uvicorn workers while {CONNECTIONS} clients keep asking'
WAIT_SECONDS = 60.0  # for all workers to be ready, and for each command
LEAD_SECONDS = 1.0  # of load before the restart, and after it
# of load from the restart's start, at least: so that the short ones can be compared with the long
LOAD_SECONDS = 8.0
ROUNDS = 3

ROOT = Path(__file__).parent.parent
DOCS = ROOT / 'docs'


class Way(NamedTuple):
    """A command that restarts the group. changed: after the group's configuration has changed."""

    command: list[str]
    changed: bool = False

    @property
    def name(self) -> str:
        """How the table and the picture call it."""
        return ('new configuration: ' if self.changed else '') + ' '.join(self.command)


WAYS = [
    Way(['supervisorctl', 'restart', 'web:*']),
    Way(['supervisorctl_restart_group', 'web']),
    Way(['supervisorctl_restart_group', '--rolling', 'web']),
    Way(['supervisorctl', 'update'], changed=True),
    Way(['supervisorctl_restart_group', '--apply'], changed=True),
]
SMALL = [way.name for way in WAYS if way.command != ['supervisorctl_restart_group', 'web']]

# Everything that is not given here has Supervisor's default: startsecs=1, stopsignal=TERM,
# stopwaitsecs=10.
WORKER = """\
process_name=%(process_num)02d
numprocs={workers}
directory={root}
command={uvicorn} bench.apps.web:app --loop asyncio --http h11 --no-access-log --log-level warning {listen}
environment=RESTARTER_READY="{ready}"
"""
CHANGED = 'environment=RELEASE="2",'


class Setting(NamedTuple):
    """How the workers are reached."""

    programs: str  # their sections of supervisord's configuration
    port: int  # where the clients connect
    probe: Callable[[Lab], watch.Probe]  # whether a worker is ready
    open: Callable[[Lab], None]  # called when the workers are ready, before there are clients


class Figures(NamedTuple):
    """What the clients saw of one restart, or of several."""

    requests: int
    refused: int  # connections, by the kernel
    failed: dict[str, int]  # other failures, by their kind
    lowest_ready: int  # the fewest workers ready at a time
    longest_gap: float  # seconds between two good answers
    seconds: float  # the restart: the command from start to exit


def behind(before: proxy.Proxy) -> Setting:
    """One port for each worker, and the proxy before them."""
    ports = free_ports()
    front = 100 * ports + 99
    listen = f'{ports}%(process_num)02d'
    programs = worker(
        'program', f'--host 127.0.0.1 --port {listen}', f'http://127.0.0.1:{listen}/health'
    )

    def start_proxy(lab: Lab) -> None:
        before.prepare(lab.dir, front, ports)
        try:
            lab.rpc().supervisor.startProcess('proxy')
        except xmlrpc.client.Fault:
            raise LabError(
                f'{before.name} does not start:\n{(lab.dir / "proxy.log").read_text()}'
            ) from None
        lab.wait_until(
            lambda: ask('127.0.0.1', front)[0] == 'ok', WAIT_SECONDS, 'answer from the proxy'
        )

    return Setting(
        programs + before.program(front, ports),
        front,
        lambda lab: watch.answers_health(100 * ports),
        start_proxy,
    )


def sharing() -> Setting:
    """One socket for all workers, which supervisord opens."""
    with socket.create_server(('127.0.0.1', 0)) as probe:
        port = probe.getsockname()[1]
    programs = worker('fcgi-program', '--fd 0', 'notify') + f'socket=tcp://127.0.0.1:{port}\n'
    return Setting(programs, port, lambda lab: watch.accepts(lab.log), lambda lab: None)


def worker(kind: str, listen: str, ready: str) -> str:
    """The section of the workers."""
    return f'[{kind}:web]\n' + WORKER.format(
        workers=WORKERS,
        root=str(ROOT).replace('%', '%%'),
        uvicorn=proxy.quoted(Path(script('uvicorn'))),
        listen=listen,
        ready=ready,
    )


def free_ports(endings: Iterable[int] = (*range(WORKERS), 99)) -> int:
    """A number below the kernel's own range of ports: with each of these two digits after it, a
    port that is free.
    """
    for ports in random.sample(range(150, 320), 100):
        try:
            for number in endings:
                socket.create_server(('127.0.0.1', 100 * ports + number)).close()
        except OSError:
            continue
        return ports
    raise LabError('no free ports from 15000 to 32000')


def measure(setting: Setting, way: Way) -> tuple[Figures, picture.Course]:
    """Restart the group in this way while the clients ask, in a supervisord of its own."""
    with Lab(setting.programs) as lab, watch.Watch(WORKERS, setting.probe(lab)) as seen:

        def all_ready() -> None:
            lab.wait_until(
                lambda: seen.ready() == WORKERS, WAIT_SECONDS, f'{WORKERS} workers that serve'
            )

        all_ready()
        lab.wait_running('web', WORKERS, WAIT_SECONDS)
        setting.open(lab)
        if way.changed:
            text = lab.conf.read_text(encoding='utf-8')
            text = re.sub('^environment=(?=RESTARTER_READY)', CHANGED, text, flags=re.MULTILINE)
            lab.conf.write_text(text, encoding='utf-8')
        with load(setting.port) as requests:
            time.sleep(LEAD_SECONDS)
            mark, began = lab.log_size(), time.monotonic()
            run(lab, way.command)
            ended = time.monotonic()
            all_ready()
            if len(downtimes(lab.log_text(mark))) != WORKERS:
                raise LabError(f'{way.name} did not restart {WORKERS} processes')
            time.sleep(max(LEAD_SECONDS, began + LOAD_SECONDS - time.monotonic()))
    figures = figures_of(
        requests, watch.lowest(seen.changes, began, time.monotonic()), ended - began
    )
    return figures, picture.Course(requests, seen.changes, began, ended)


@contextmanager
def load(
    port: int, connections: int = CONNECTIONS, pause: float = 0.0, tries: int = 1, kept: int = 0
) -> Iterator[list[Request]]:
    """Clients that ask while the block runs. What became of their requests is in the list after it.

    pause, tries, kept: as for bench.load.
    """
    requests: list[Request] = []
    command = [
        sys.executable,
        '-m',
        'bench.load',
        '127.0.0.1',
        str(port),
        str(connections),
        str(pause),
        str(tries),
        str(kept),
    ]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None, 'it is a pipe'
            process.stdout.readline()  # all clients ask
            yield requests
        finally:
            # its standard input ends, and so does it
            said, _ = process.communicate(timeout=WAIT_SECONDS)
    requests += [Request(*json.loads(line)) for line in said.splitlines()]
    if process.returncode != 0 or not requests:
        raise LabError(f'the load ended with status {process.returncode}')


def run(lab: Lab, way: list[str]) -> None:
    """Run the command that restarts the group."""
    try:
        done = subprocess.run(
            [script(way[0]), '-c', str(lab.conf), *way[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=WAIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f'{" ".join(way)} has not finished after {WAIT_SECONDS:g} s') from None
    if done.returncode != 0:
        raise LabError(f'{" ".join(way)} ended with status {done.returncode}:\n{done.stdout}')


def figures_of(requests: list[Request], lowest_ready: int, seconds: float) -> Figures:
    """Count the requests of one restart."""
    kinds = Counter(request.kind for request in requests)
    good = sorted(request.end for request in requests if request.kind == 'ok')
    if len(good) < 2:
        raise LabError(f'no good answers: {dict(kinds)}')
    gap = max(later - earlier for earlier, later in zip(good, good[1:]))
    failed = {kind: count for kind, count in kinds.most_common() if kind not in ('ok', 'refused')}
    return Figures(len(requests), kinds['refused'], failed, lowest_ready, gap, seconds)


def together(rounds: list[Figures]) -> Figures:
    """Several restarts as one: counts added up, the worst of lowest_ready and longest_gap, the
    median of seconds.
    """
    failed: Counter[str] = Counter()
    for one in rounds:
        failed.update(one.failed)
    return Figures(
        sum(one.requests for one in rounds),
        sum(one.refused for one in rounds),
        dict(failed),
        min(one.lowest_ready for one in rounds),
        max(one.longest_gap for one in rounds),
        statistics.median(one.seconds for one in rounds),
    )


def head(title: str) -> None:
    """Print the head of a table."""
    print(
        f'\n{title}\n{"":<56}{"requests":>9}{"refused":>9}{"failed":>8}{"ready":>8}{"gap":>9}{"seconds":>9}',
        flush=True,
    )


def show(way: str, figures: Figures) -> None:
    """Print a line of the table, and below it how requests failed."""
    print(
        f'{way:<56}{figures.requests:>9}{figures.refused:>9}{sum(figures.failed.values()):>8}'
        f'{figures.lowest_ready:>8}{figures.longest_gap:>9.2f}{figures.seconds:>9.2f}'
    )
    for kind, count in figures.failed.items():
        print(f'    failed, {kind}: {count}')
    sys.stdout.flush()


def compare(title: str, make: Callable[[], Setting], rounds: int) -> Iterator[picture.Row]:
    """Measure all ways in one setting, print them, and give each with its figures and the course of
    its first round.
    """
    head(title)
    for way in WAYS:
        found = [measure(make(), way) for _ in range(rounds)]
        figures = together([figures for figures, _ in found])
        show(way.name, figures)
        yield picture.Row(title, way.name, figures._asdict(), found[0][1])


def settings() -> Iterator[tuple[str, Callable[[], Setting]]]:
    """Title and maker of each setting that can be measured here; says so of the one that cannot."""
    before = proxy.find()
    if before:
        yield f'behind {before.name}, a port for each worker', lambda: behind(before)
    else:
        print(
            'Neither HAProxy nor nginx is installed (Debian, Ubuntu: apt install haproxy): '
            'nothing is measured behind a proxy.'
        )
    yield 'on one shared socket, [fcgi-program:web]', sharing


def document(rows: list[picture.Row], rounds: int) -> dict[str, Any]:
    """The content of rolling.json."""
    return {
        'repeat': f'make rolling ROUNDS={rounds}',
        'date': date.today().isoformat(),
        'versions': {
            'supervisor': supervisor.options.VERSION,
            'python': platform.python_version(),
            'uvicorn': metadata.version('uvicorn'),
        },
        'workers': WORKERS,
        'connections': CONNECTIONS,
        'rounds': rounds,
        'meaning': 'requests, refused, failed: sum of all rounds; lowest_ready, longest_gap: the worst; '
        'seconds: the median',
        'results': [
            {
                'setting': row.title,
                'way': row.way,
                **{
                    name: round(value, 3) if isinstance(value, float) else value
                    for name, value in row.figures.items()
                },
            }
            for row in rows
        ],
    }


def drawing(rows: list[picture.Row], rounds: int) -> str:
    """The content of rolling.svg."""
    foot = [
        f'Supervisor {supervisor.options.VERSION}, uvicorn {metadata.version("uvicorn")}, Python '
        f'{platform.python_version()}, {os.cpu_count()} cores. gap: the longest time between two good answers.',
        'A uvicorn that stops drops a connection that it has just accepted and not read from yet. '
        'A proxy can ask another worker then; without one it is for the client to ask again.',
    ]
    if rounds > 1:
        foot.insert(
            1,
            f'Figures of {rounds} rounds: requests added up, the worst of ready and gap, the median of '
            'seconds; the first round is drawn.',
        )
    return picture.draw(rows, HEADING, foot)


def small(drawn: str, rounds: int) -> str:
    """The content of rolling-small.svg, from that of rolling.svg."""
    shown = f'Figures of {rounds} rounds; the first is drawn. ' if rounds > 1 else ''
    foot = [
        'gap: the longest time between two good answers.',
        f'{shown}Repeat: make rolling ROUNDS={rounds}',
    ]
    return picture.left_column(drawn, SMALL, HEADING, foot)


def begin(prog: str) -> int:
    """Read the command line of a bench, and have it interrupted by signals. Returns the rounds."""
    parser = argparse.ArgumentParser(prog=prog)
    parser.add_argument(
        '--rounds', type=int, default=ROUNDS, help='restarts of each kind (default: %(default)s)'
    )
    rounds = int(parser.parse_args().rounds)
    if rounds < 1:
        parser.error('--rounds: at least 1')
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    return rounds


def main() -> int:
    rounds = begin('python -m bench.rolling')
    try:
        uvicorn = metadata.version('uvicorn')
        print(
            f'Restarting {WORKERS} uvicorn workers under a load of {CONNECTIONS} connections, rounds: {rounds}. '
            f'Supervisor {supervisor.options.VERSION}, uvicorn {uvicorn}, Python {platform.python_version()}.'
        )
        rows = [row for setting in settings() for row in compare(*setting, rounds)]
    except metadata.PackageNotFoundError:
        print('rolling: uvicorn is not installed; make rolling installs it', file=sys.stderr)
        return 1
    except LabError as error:
        print(f'rolling: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('rolling: interrupted', file=sys.stderr)
        return 130
    DOCS.mkdir(exist_ok=True)
    (DOCS / 'rolling.json').write_text(
        json.dumps(document(rows, rounds), indent=2) + '\n', encoding='utf-8'
    )
    picture_text = drawing(rows, rounds)
    (DOCS / 'rolling.svg').write_text(picture_text, encoding='utf-8')
    (DOCS / 'rolling-small.svg').write_text(small(picture_text, rounds), encoding='utf-8')
    print(
        '\nready: the fewest workers that served at a time; gap: the longest time between two good answers;'
        '\nseconds: the whole command. Written: docs/rolling.json, docs/rolling.svg,\n'
        'docs/rolling-small.svg'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
