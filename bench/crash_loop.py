"""A release that comes up and dies: `make crashloop`, or python -m bench.crash_loop [PROBE ...]

Five gunicorns behind nginx serve clients while a rolling restart brings a new release, which either
is imported for three seconds and then fails, or serves for three seconds and then dies
(bench/apps/recipes/release.py). With each probe the restart must end with status 1 after one
process, or two, and no client may notice: the old ones go on.

Exit status 0: so it was; 1: it was not, or gunicorn or nginx is missing.
"""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from bench import recipe_page, recipes
from bench.demo import interrupt
from bench.lab import Lab, LabError, script, short_tempdir
from bench.recipe_page import Recipe
from bench.recipe_site import Site
from bench.recipes import Failed, Trial
from bench.rolling import load

PROCESSES = 5
MOST_REACHED = 2
CONNECTIONS = 4
PAUSE_SECONDS = 0.02
SERVE_SECONDS = 1.0  # for one of them to answer
COMMAND_SECONDS = 120.0  # for the restart
AFTER_SECONDS = 8.0  # of load after it: what is ready when the command ends may die later
RELEASES = {'fails': '3 s of imports, then it fails', 'dies': 'serves for 3 s, then it dies'}
TRIAL = Trial('crash-loop', 'crash loop', 'web', PROCESSES, needs=('nginx',))

UNIX, PORT = 'unix:/run/app/web%(process_num)d.sock', '127.0.0.1:80%(process_num)02d'
# What gunicorn binds, and RESTARTER_READY.
PROBES = {
    'unix': (UNIX, 'unix:///run/app/web%(process_num)d.sock'),
    'tcp': (PORT, f'tcp://{PORT}'),
    'notify': (UNIX, 'notify'),
    'http': (PORT, f'http://{PORT}/'),
    'http+unix': (UNIX, 'http+unix:///run/app/web%(process_num)d.sock:/'),
}
SECTION = """\
[program:web]
command=/srv/app/venv/bin/gunicorn --bind {bind} --workers 1 release:app
process_name=%(process_num)d
numprocs={processes}
directory=/srv/app
environment=IMPORT_SECONDS="0.2",RESTARTER_READY="{ready}"
autorestart=true
stopwaitsecs=40
killasgroup=true
"""


class Outcome(NamedTuple):
    """What a restart to the bad release did."""

    status: int  # of the command
    reached: int  # processes that were taken down
    requests: int
    failed: dict[str, int]  # by their kind
    slowest: float  # seconds, of a request that was answered
    seconds: float  # the restart
    said: str  # the command's last line

    def good(self) -> bool:
        return self.status == 1 and 1 <= self.reached <= MOST_REACHED and not self.failed


def recipe(probe: str) -> Recipe:
    """The group behind nginx, as a recipe."""
    bind, ready = PROBES[probe]
    servers = ''.join(
        f'server {bind % {"process_num": number}} max_fails=0; ' for number in range(PROCESSES)
    )
    files = {
        '/etc/nginx/conf.d/upstream.conf': f'upstream app {{ {servers}}}\n',
        '/srv/app/release': 'good\n',
    }
    return Recipe(TRIAL.title, SECTION.format(bind=bind, ready=ready, processes=PROCESSES), files)


def measure(probe: str, release: str, page: dict[str, Recipe]) -> Outcome:
    """Restart the group to this release, in a supervisord of its own."""
    with tempfile.TemporaryDirectory(prefix='crash-', dir=short_tempdir()) as directory:
        site = Site(Path(directory), recipe(probe), page['nginx'])
        with Lab(site.sections) as lab:
            lab.wait_until(
                lambda: recipes.ready(lab, TRIAL, site) and all_serve(site, probe),
                recipes.WAIT_SECONDS,
                f'{PROCESSES} gunicorns that serve',
            )
            (site.directory / 'app' / 'release').write_text(release)
            with load(site.front, CONNECTIONS, PAUSE_SECONDS) as requests:
                began = time.monotonic()
                done = subprocess.run(
                    [
                        script('supervisorctl_restart_group'),
                        '-c',
                        str(lab.conf),
                        '--rolling',
                        'web',
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=COMMAND_SECONDS,
                )
                seconds = time.monotonic() - began
                time.sleep(AFTER_SECONDS)
            restarts = lab.rpc().restarter
            known = restarts.listRestarts()
            if not known:
                raise LabError(f'the restart was refused: {done.stdout}')
            struct = restarts.getRestart(known[0]['id'])
    reached = sum(process['phase'] != 'skipped' for process in struct['processes'])
    kinds = Counter(request.kind for request in requests)
    slowest = max(
        (request.end - request.start for request in requests if request.kind == 'ok'), default=0.0
    )
    return Outcome(
        done.returncode,
        reached,
        len(requests),
        {kind: kinds[kind] for kind in kinds if kind != 'ok'},
        slowest,
        seconds,
        done.stdout.strip().rpartition('\n')[2],
    )


def all_serve(site: Site, probe: str) -> bool:
    """Whether each of the gunicorns answers: a restart begins with those that are not ready,
    however many there are.
    """
    for number in range(PROCESSES):
        bind = site.moved(PROBES[probe][0]) % {'process_num': number}
        family = socket.AF_UNIX if bind.startswith('unix:') else socket.AF_INET
        host, _, port = bind.partition(':')
        with socket.socket(family) as connection:
            connection.settimeout(SERVE_SECONDS)
            try:
                connection.connect(port if family == socket.AF_UNIX else (host, int(port)))
                connection.sendall(
                    b'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
                )
                if not connection.recv(100).startswith(b'HTTP/1.1 200 '):
                    return False
            except OSError:
                return False
    return True


def show(probe: str, outcome: Outcome) -> None:
    """Print a line of the table, and what the command said where it should have said something
    else.
    """
    print(
        f'{probe:<10}{outcome.status:>7}{outcome.reached:>9}{outcome.requests:>10}{sum(outcome.failed.values()):>8}'
        f'{outcome.slowest:>9.2f}{outcome.seconds:>9.2f}  {"ok" if outcome.good() else "FAILED"}'
    )
    if not outcome.good():
        kinds = ', '.join(f'{count} {kind}' for kind, count in outcome.failed.items())
        print(f'    {outcome.said}\n    failed requests: {kinds or "none"}')
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog='python -m bench.crash_loop')
    parser.add_argument(
        'probes', nargs='*', metavar='PROBE', help=f'{", ".join(PROBES)} (default: all)'
    )
    probes = parser.parse_args().probes or list(PROBES)
    for probe in set(probes) - set(PROBES):
        parser.error(f'no probe {probe!r}; there are: {", ".join(PROBES)}')
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    reason = recipes.missing(TRIAL)
    if reason:
        print(f'crash loop: {reason}', file=sys.stderr)
        return 1
    page = recipe_page.read(recipe_page.PAGE.read_text(encoding='utf-8'))
    good = []
    try:
        for release, meaning in RELEASES.items():
            print(
                f'\n{PROCESSES} gunicorns behind nginx, {CONNECTIONS} clients, --rolling; new release: {meaning}\n'
                f'{"probe":<10}{"status":>7}{"reached":>9}{"requests":>10}{"failed":>8}{"slowest":>9}{"seconds":>9}',
                flush=True,
            )
            for probe in probes:
                outcome = measure(probe, release, page)
                show(probe, outcome)
                good.append(outcome.good())
    except (Failed, LabError, subprocess.TimeoutExpired) as error:
        print(f'crash loop: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('crash loop: interrupted', file=sys.stderr)
        return 130
    return 0 if all(good) else 1


if __name__ == '__main__':
    sys.exit(main())
