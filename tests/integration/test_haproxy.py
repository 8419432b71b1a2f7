"""A rolling restart behind HAProxy's runtime API, with the hooks of docs/recipes.md: no request fails,
though nobody asks twice, neither HAProxy nor its clients, and the servers end in the middle of answers.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from bench import recipe_page
from bench.load import ask
from bench.recipe_site import find
from bench.rolling import load
from tests.fleet.conftest import skip_aloud
from tests.fleet.host import free_ports
from tests.integration.server import SECONDS, free_port, program

RUDE = Path(__file__).with_name('rude_web.py')
SERVERS = 4  # as the recipe has them
CLIENTS, KEPT = 6, 3  # of them keep their connection
PAUSE = 0.005  # seconds between an answer and the next request
HOOKS = {'RESTARTER_BEFORE_STOP': 'drain', 'RESTARTER_AFTER_READY': 'ready'}


def web(ports, hooks):
    """Servers on these ports, which HAProxy knows as web0 and so on."""
    port = f'{ports[0] // 10}%(process_num)d'
    said = {'RESTARTER_READY': f'http://127.0.0.1:{port}/health'}
    for hook in hooks:
        said[hook] = f'{sys.executable} %(here)s/lb.py {HOOKS[hook]} web%(process_num)d'
    environment = ','.join(f'{name}="{value}"' for name, value in said.items())
    command = f'{sys.executable} -S -E {RUDE} {port}'
    return program(command=command, count=SERVERS, environment=environment)


@contextmanager
def haproxy(server, ports):
    """HAProxy before the servers; gives its port. It looks at them more often than in the recipe."""
    front, here = free_port(), server.dir
    places = {':8080': f':{front}', ':800': f':{ports[0] // 10}', 'inter 1s': 'inter 100ms'}
    recipe_page.write_haproxy(here, places)
    with (here / 'haproxy.log').open('wb') as log:
        process = subprocess.Popen(
            [find('haproxy'), '-db', '-f', str(here / 'haproxy.cfg')],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        server.wait(lambda: ask('127.0.0.1', front)[0] == 'ok', 'HAProxy')
        yield front
    finally:
        process.kill()
        process.wait(SECONDS)


def kinds_of_a_rolling_restart(start, hooks):
    """What became of requests meanwhile, by their kind, and the restart."""
    if not find('haproxy'):
        skip_aloud('drains behind HAProxy, which is not here (Debian: apt install haproxy)')
    ports = free_ports(SERVERS)
    server = start(web(ports, hooks))
    server.wait(lambda: {ask('127.0.0.1', port)[0] for port in ports} == {'ok'}, 'servers')
    server.wait_state()
    with haproxy(server, ports) as front, load(front, CLIENTS, PAUSE, kept=KEPT) as requests:
        before = server.pids()
        options = {'max_unavailable': 1}
        ended = server.wait_finished(server.restarter.startRestart('web', options))
        assert ended['state'] == 'succeeded', ended
        assert not set(before.values()) & set(server.pids().values())
    server.check_log()
    return Counter(request.kind for request in requests), ended


def test_with_both_hooks_no_request_fails_and_none_is_reset(start):
    kinds, ended = kinds_of_a_rolling_restart(start, HOOKS)
    assert set(kinds) == {'ok'}, kinds
    assert all(process['drain_seconds'] > 0 for process in ended['processes'])
    assert ended['lowest_ready'] == SERVERS - 1


def test_without_them_the_same_restart_fails_requests(start):
    kinds, _ = kinds_of_a_rolling_restart(start, hooks=())
    assert set(kinds) > {'ok'}, kinds
