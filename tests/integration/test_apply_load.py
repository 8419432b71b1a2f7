"""Applies behind HAProxy while clients ask without pause: every request is answered."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from bench.rolling import load
from tests.fleet.balancer import Balancer, missing
from tests.fleet.conftest import skip_aloud
from tests.fleet.host import SERVE, free_ports
from tests.integration.applying import NOTHING, by_name, section, variable
from tests.integration.server import Server, lines_of

MOST = 6  # workers that there are at a time
LB = SERVE.with_name('lb.py')
SOCKET = 'haproxy.sock'  # of the proxy, beside the configuration
CLIENTS, PAUSE = 4, 0.01  # seconds between an answer and the next request


class Site(Server):
    """Workers of the group web behind one proxy, a port for each, which serve the release in a folder
    of the application. Those of the folder `bad` are never ready. The proxy drains what is to be
    stopped: what an apply removes goes all at once, and might be asked until there are no retries left.
    """

    name = 'site'

    def __init__(self, app):
        self.app = app
        self.ports = free_ports(MOST)
        (app / 'shared').mkdir(parents=True)
        for folder, needs in (('one', ''), ('two', ''), ('bad', 'a file that is missing')):
            (app / folder).mkdir()
            (app / folder / 'needs').write_text(needs)
        super().__init__('', 'scout=0')

    def write(self, count=4, release=1, folder='one', **settings):
        """The configuration has these workers now."""
        port = f'{self.ports[0] // 10}%(process_num)d'
        balancer = f'{sys.executable} -S -E {LB} %(here)s/{SOCKET} site-%(process_num)d'
        given = {
            'command': f'{sys.executable} -S -E {SERVE} {port} {self.app} {self.app}/{folder}',
            'environment': f'RESTARTER_READY="http://127.0.0.1:{port}/health",RELEASE="{release}"'
            f',RESTARTER_BEFORE_STOP="{balancer} drain",RESTARTER_AFTER_READY="{balancer} ready"',
            'stopwaitsecs': 60,
            'autorestart': 'false',
        }
        self.conf.write_text(self._text + section('web', count=count, **{**given, **settings}))

    def begin(self, **options):
        return self.rpc().restarter.startApply('web', options)

    def apply(self, **options):
        return self.wait_finished(self.begin(**options))

    def releases(self):
        return {variable(pid, 'RELEASE') for pid in self.pids().values()}

    def wait_met(self):
        """Wait until each worker that there is now has answered a client."""
        pids = {str(pid) for pid in self.pids().values()}
        self.wait(lambda: pids <= set(lines_of(self.app / 'shared' / 'met')), 'a client')


@pytest.fixture
def site(tmp_path):
    if missing():
        skip_aloud('applies under load; HAProxy is not installed (Debian: apt install haproxy)')
    server = Site(tmp_path / 'app')
    with server:
        server.write()
        assert server.apply()['state'] == 'succeeded'
        yield server
        server.check_log()


def test_no_request_fails_whatever_is_applied(site, tmp_path):
    socket = site.dir / SOCKET
    with Balancer([site], tmp_path, socket) as proxy, load(proxy.port, CLIENTS, PAUSE) as requests:
        good(site)
        bad(site)
    kinds = Counter(request.kind for request in requests)
    print(f'{len(requests)} requests: {dict(kinds)}')
    assert set(kinds) == {'ok'}
    assert len(requests) > 500


def good(site):
    """A new version by environment and by command; more workers and fewer; a live key."""
    site.wait_met()
    for folder in ('one', 'two'):
        old = site.pids()
        site.write(4, 2, folder)
        struct = site.apply()
        assert (struct['why'], struct['state'], struct['lowest_ready']) == ('', 'succeeded', 3)
        assert not set(site.pids().values()) & set(old.values())
        assert site.releases() == {'2'}
        site.wait_met()
    old = site.pids()
    for count in (6, 3):
        site.write(count, 2, 'two')
        assert site.apply()['state'] == 'succeeded'
        site.wait_met()
    site.write(3, 2, 'two', stopwaitsecs=61)
    assert site.apply()['state'] == 'succeeded'
    assert site.pids() == {name: old[name] for name in '012'}
    assert site.rpc().supervisor.reloadConfig() == NOTHING


def bad(site):
    """A version that does not become ready, one whose command does not exist, one that is cancelled."""
    old = site.pids()
    site.write(3, 3, 'bad')
    struct = site.apply(ready_timeout=0.7)
    assert (struct['state'], struct['lowest_ready']) == ('rolled_back', 2)
    assert 'not ready within 0.7 s' in by_name(struct, 'error')['0']
    assert {name for name in old if site.pids()[name] != old[name]} == {'0'}

    old = site.pids()
    site.write(3, 3, 'two', command='/nonexistent/server')
    assert site.apply()['state'] == 'rolled_back'
    assert site.pids() == old

    site.write(3, 3, 'two')
    id = site.begin(max_unavailable=1)
    site.wait_phase(id, 'ready')
    site.restarter.cancelRestart(id)
    struct = site.wait_finished(id)
    assert struct['state'] == 'rolled_back'
    assert struct['lowest_ready'] == 2
    assert site.releases() == {'2'}
    site.wait_met()
