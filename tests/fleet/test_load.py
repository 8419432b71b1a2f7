"""A fleet behind HAProxy, rolled under load by docs/fleet.md."""

from __future__ import annotations

from collections import Counter

from bench.rolling import load
from tests.fleet import balancer
from tests.fleet.conftest import skip_aloud

CLIENTS = 4
PAUSE = 0.01  # seconds between an answer and the next request; or the clients take all processors


def test_no_request_fails_while_the_whole_fleet_is_rolled(start_host, controller, tmp_path):
    if balancer.missing():
        skip_aloud('a fleet under load; HAProxy is not installed (Debian: apt install haproxy)')
    fleet = [start_host(name) for name in ('host1', 'host2', 'host3')]
    old = {pid for host in fleet for pid in host.pids().values()}
    with balancer.Balancer(fleet, tmp_path) as proxy:
        with load(proxy.port, CLIENTS, PAUSE) as requests:
            rolled = controller.play('deploy.yml', fleet, release=2)
            proxy.wait_answers()
        assert rolled.status == 0
    new = {pid for host in fleet for pid in host.pids().values()}
    assert not old & new
    assert all(host.restarts()[0]['lowest_ready'] == 1 for host in fleet)

    kinds = Counter(request.kind for request in requests)
    print(f'{len(requests)} requests: {dict(kinds)}')
    assert set(kinds) == {'ok'}
    # The load has met every worker, the old ones and the new ones, and each of them often.
    served = Counter(request.pid for request in requests)
    assert set(served) == old | new
    assert len(requests) > 50 * len(served)
