"""The recipes of docs/recipes.md with the real servers: `make recipes`, or python -m bench.recipes
[NAME ...]

Each recipe's section and files are taken from the page, moved to a temporary directory and to free
ports, and run in a supervisord of their own. Then the group is restarted as the page says, while
clients ask (bench.load) or tasks are queued (bench/apps/recipes/feed.py). A recipe is ok if the
command ended with status 0, no request failed, no task was lost, and every process has a new pid
(or, where a signal was sent, the same). Some are restarted once more, new before old (--max-surge):
then no process may have been down, and old workers have to have finished their long tasks.

Exit status 0: all ok or left out, with the reason; 1: one failed; 2: bad usage.
"""

from __future__ import annotations

import argparse
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench import recipe_page
from bench.demo import interrupt
from bench.lab import Lab, LabError, short_tempdir
from bench.load import ask
from bench.recipe_page import Recipe
from bench.recipe_site import ENVIRONMENT, USER, Site, find
from bench.rolling import load, run

WAIT_SECONDS = 60.0
LEAD_SECONDS = 1.0  # of load before the restart, and after it
CONNECTIONS = 2
PAUSE_SECONDS = 0.02  # of a client between two requests: the load is light


class Trial(NamedTuple):
    """How a recipe is tried."""

    name: str  # on the command line
    title: str  # its heading on the page
    group: str
    processes: int
    # or 'celery', 'rq': tasks of that queue; 'jobs': those the workers find themselves
    load: str = 'requests'
    needs: tuple[str, ...] = ()
    method: str = ''  # signal:NAME: no restart
    tries: int = 1  # of a client, where there is no proxy that asks again
    surge: str = ''  # max_surge: new before old
    task_seconds: float = 0.5
    feed_seconds: float = 0.1  # from one task to the next


TRIALS = [
    Trial('gunicorn', 'gunicorn behind nginx', 'web', 3, needs=('nginx',)),
    Trial('uvicorn', 'uvicorn behind nginx', 'web', 3, needs=('nginx',)),
    Trial('haproxy', 'uvicorn drained by HAProxy', 'web', 4, needs=('haproxy',)),
    Trial('uvicorn-fd', 'uvicorn on one shared socket', 'web', 3, tries=3),
    Trial('uvicorn-fd-surge', 'uvicorn on one shared socket', 'web', 3, tries=3, surge='1'),
    Trial('node', 'node', 'web', 3, needs=('node', 'nginx')),
    Trial('celery', 'celery', 'celery', 2, 'celery', needs=('redis-server',)),
    Trial('rq', 'rq', 'rq', 2, 'rq', needs=('redis-server',)),
    *(
        Trial(
            f'{queue}-surge',
            queue,
            queue,
            2,
            queue,
            needs=('redis-server',),
            surge='100%',
            task_seconds=4.0,
            feed_seconds=0.5,
        )
        for queue in ('celery', 'rq')
    ),
    Trial('php-fpm', 'php-fpm', 'php', 1, needs=('php-fpm', 'nginx'), method='signal:USR2'),
    Trial('nginx', 'nginx', 'nginx', 1, needs=('nginx',), method='signal:HUP'),
    Trial('shell', 'A shell script', 'jobs', 2, 'jobs', needs=('systemd-notify',)),
]
# What is not on PyPI, and the Debian package that has it.
PACKAGES = {
    'nginx': 'nginx',
    'haproxy': 'haproxy',
    'node': 'nodejs',
    'redis-server': 'redis-server',
    'php-fpm': 'php-fpm',
    'systemd-notify': 'systemd',
}


class Failed(Exception):
    """The recipe does not do what the page says; the text says how."""


def missing(trial: Trial) -> str:
    """Why the recipe cannot be tried here, '' if it can."""
    if (
        os.geteuid() == 0
        and 'nginx' in trial.needs
        and USER not in (entry.pw_name for entry in pwd.getpwall())
    ):
        return f'no user {USER} (try it as an ordinary user)'
    absent = [name for name in trial.needs if not find(name)]
    packages = ' '.join(PACKAGES[name] for name in absent)
    return f'{", ".join(absent)} missing (Debian, Ubuntu: apt install {packages})' if absent else ''


def attempt(trial: Trial, recipes: dict[str, Recipe]) -> str:
    """Run the recipe and restart it. Returns what was seen; Failed or LabError if it is not what
    the page says.
    """
    with tempfile.TemporaryDirectory(prefix='recipe-', dir=short_tempdir()) as directory:
        site = site_of(trial, Path(directory), recipes)
        with Lab(site.sections) as lab:
            lab.wait_until(lambda: ready(lab, trial, site), WAIT_SECONDS, f'start of {trial.group}')
            before = pids(lab, trial.group)
            with LOADS[trial.load](trial, site, lab) as seen:
                time.sleep(LEAD_SECONDS)
                began = time.monotonic()
                run(lab, way(trial))
                seconds = time.monotonic() - began
                time.sleep(LEAD_SECONDS)
            after = pids(lab, trial.group)
            if trial.surge:
                seen.append(check_surge(trial, lab))
    if trial.method and after != before:
        raise Failed(f'the pid changed: {before}, {after}')
    if not trial.method and set(before.values()) & set(after.values()):
        raise Failed(f'not all pids are new: {before}, {after}')
    done = 'reloaded' if trial.method else 'restarted'
    return f'{trial.processes} {done} in {seconds:.1f} s, {", ".join(seen)}'


def check_surge(trial: Trial, lab: Lab) -> str:
    """How long old processes went on; Failed if one was down, or had no time for its tasks."""
    interface = lab.rpc().restarter
    restart = interface.getRestart(interface.listRestarts()[-1]['id'])
    if any(one['action'] != 'surge' or one['down_seconds'] for one in restart['processes']):
        raise Failed(f'not new before old: {restart["processes"]}')
    longest = max(one['stop_seconds'] for one in restart['processes'])
    if trial.load != 'requests' and longest < trial.task_seconds / 4:
        raise Failed(f'old workers were gone after {longest:.1f} s')
    return f'none was down, old ones went on for up to {longest:.1f} s'


def site_of(trial: Trial, directory: Path, recipes: dict[str, Recipe]) -> Site:
    """The recipe in this directory, with what it needs beside it."""
    proxy = recipes['nginx'] if 'nginx' in trial.needs and trial.group != 'nginx' else None
    beside = ('redis-server' in trial.needs, 'haproxy' in trial.needs)
    return Site(directory, recipes[trial.title], proxy, *beside, trial.task_seconds)


def way(trial: Trial) -> list[str]:
    """The command that restarts the group."""
    how = ['--method', trial.method] if trial.method else ['--rolling']
    how = ['--max-surge', trial.surge] if trial.surge else how
    return ['supervisorctl_restart_group', *how, trial.group]


def ready(lab: Lab, trial: Trial, site: Site) -> bool:
    """Whether everything runs, and the front answers or the workers take tasks."""
    infos = lab.rpc().supervisor.getAllProcessInfo()
    if any(info['statename'] in ('FATAL', 'EXITED') for info in infos):
        raise Failed('does not start: ' + last_words(lab))
    return all(info['statename'] == 'RUNNING' for info in infos) and (
        trial.load != 'requests' or ask('127.0.0.1', site.front)[0] == 'ok'
    )


def pids(lab: Lab, group: str) -> dict[str, int]:
    """The pid of each process of the group."""
    return {
        info['name']: info['pid']
        for info in lab.rpc().supervisor.getAllProcessInfo()
        if info['group'] == group
    }


def last_words(lab: Lab) -> str:
    """The last line that a program wrote, or of supervisord's log."""
    texts = [
        path.read_text(encoding='utf-8', errors='replace').strip()
        for path in lab.dir.glob('*-std*---*')
    ]
    return next((text.splitlines()[-1] for text in texts if text), lab.log_text().splitlines()[-1])


@contextmanager
def asking(trial: Trial, site: Site, lab: Lab) -> Iterator[list[str]]:
    """Clients that ask while the block runs; Failed if one did not get its answer."""
    seen: list[str] = []
    with load(site.front, CONNECTIONS, PAUSE_SECONDS, trial.tries) as requests:
        yield seen
    kinds = Counter(request.kind for request in requests)
    if set(kinds) != {'ok'}:
        del kinds['ok']
        raise Failed(f'of {len(requests)} requests failed: {dict(kinds)}')
    if trial.method and requests[0].pid == requests[-1].pid:
        raise Failed('requests are still answered by the old workers')
    seen.append(f'0 of {len(requests)} requests failed')


@contextmanager
def feeding(trial: Trial, site: Site, lab: Lab) -> Iterator[list[str]]:
    """Tasks that come in while the block runs; Failed if one is not done in the end, or done twice."""
    seen: list[str] = []
    python = str(ENVIRONMENT / 'bin' / 'python')
    command = [python, 'feed.py', trial.load, str(trial.feed_seconds)]
    with subprocess.Popen(
        command,
        cwd=site.directory / 'app',
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield seen
            # its standard input ends, and so does it
            said, _ = process.communicate(timeout=WAIT_SECONDS)
        finally:
            process.kill()
    if process.returncode != 0:
        raise LabError(f'feed.py ended with status {process.returncode}')
    count = int(said)
    try:
        lab.wait_until(lambda: len(set(site.lines())) == count, WAIT_SECONDS, 'end of all tasks')
    except LabError:
        raise Failed(f'{count - len(set(site.lines()))} of {count} tasks lost') from None
    twice = len(site.lines()) - count
    if twice:
        raise Failed(f'{twice} of {count} tasks done twice')
    seen.append(f'0 of {count} tasks lost')


@contextmanager
def working(trial: Trial, site: Site, lab: Lab) -> Iterator[list[str]]:
    """Workers that find jobs themselves; Failed if one was begun and not done."""
    seen: list[str] = []
    yield seen
    lab.rpc(WAIT_SECONDS).supervisor.stopProcessGroup(trial.group)
    begun, done = (site.lines().count(word) for word in ('begun', 'done'))
    if begun != done or not done:
        raise Failed(f'{begun - done} of {begun} jobs lost')
    seen.append(f'0 of {begun} jobs lost')


LOADS = {'requests': asking, 'celery': feeding, 'rq': feeding, 'jobs': working}


def tried(trial: Trial, recipes: dict[str, Recipe]) -> bool:
    """Try a recipe and print a line about it; False if it failed."""
    absent = missing(trial)
    try:
        line = f'left out: {absent}' if absent else f'ok: {attempt(trial, recipes)}'
    except (Failed, LabError, subprocess.TimeoutExpired) as error:
        line = f'failed: {error}'
    print(f'{trial.name:<18}{line}', flush=True)
    return not line.startswith('failed')


def main() -> int:
    parser = argparse.ArgumentParser(prog='python -m bench.recipes')
    names = [trial.name for trial in TRIALS]
    parser.add_argument(
        'names', nargs='*', metavar='NAME', help=f'{", ".join(names)} (default: all)'
    )
    wanted = parser.parse_args().names or names
    for name in set(wanted) - set(names):
        parser.error(f'no recipe {name!r}; there are: {", ".join(names)}')
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    if not (ENVIRONMENT / 'bin' / 'gunicorn').exists():
        print(
            'recipes: gunicorn is not installed in .envs/recipes; make recipes installs it',
            file=sys.stderr,
        )
        return 1
    recipes = recipe_page.read(recipe_page.PAGE.read_text(encoding='utf-8'))
    try:
        done = [tried(trial, recipes) for trial in TRIALS if trial.name in wanted]
    except KeyboardInterrupt:
        print('recipes: interrupted', file=sys.stderr)
        return 130
    return 0 if all(done) else 1


if __name__ == '__main__':
    sys.exit(main())
