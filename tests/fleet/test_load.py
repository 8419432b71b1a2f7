"""A fleet behind HAProxy, rolled under load by docs/fleet.md."""

from __future__ import annotations

from collections import Counter

from bench.rolling import load
from tests.fleet import balancer
from tests.fleet.configured import ConfiguredHost
from tests.fleet.conftest import skip_aloud

CLIENTS = 4
PAUSE = 0.01  # seconds between an answer and the next request; or the clients take all processors


def meet(fleet):
    """Wait until the load has met every worker that there is."""
    for host in fleet:
        host.wait_met()


def test_no_request_fails_while_the_whole_fleet_is_rolled(start_host, controller, tmp_path):
    if balancer.missing():
        skip_aloud('a fleet under load; HAProxy is not installed (Debian: apt install haproxy)')
    fleet = [start_host(name) for name in ('host1', 'host2', 'host3')]
    old = {pid for host in fleet for pid in host.pids().values()}
    with balancer.Balancer(fleet, tmp_path) as proxy:
        with load(proxy.port, CLIENTS, PAUSE) as requests:
            meet(fleet)
            rolled = controller.play('deploy.yml', fleet, release=2)
            meet(fleet)
        assert rolled.status == 0
    new = {pid for host in fleet for pid in host.pids().values()}
    assert not old & new
    assert all(host.restarts()[0]['options']['max_unavailable'] == 1 for host in fleet)

    kinds = Counter(request.kind for request in requests)
    print(f'{len(requests)} requests: {dict(kinds)}')
    assert set(kinds) == {'ok'}
    # Enough to mean something: all workers, the old ones and the new ones, have had their share.
    assert {request.pid for request in requests} == old | new
    assert len(requests) > 50 * len(old | new)


def test_no_request_fails_while_a_new_configuration_is_rolled_and_rolled_back(
    start_host, controller, tmp_path
):
    if balancer.missing():
        skip_aloud('a fleet under load; HAProxy is not installed (Debian: apt install haproxy)')
    fleet = [
        start_host('host1', kind=ConfiguredHost),
        start_host('host2', kind=ConfiguredHost, equipped=False),
        start_host('host3', kind=ConfiguredHost),
    ]
    old = {pid for host in fleet for pid in host.pids().values()}
    with balancer.Balancer(fleet, tmp_path) as proxy:
        with load(proxy.port, CLIENTS, PAUSE) as requests:
            meet(fleet)
            played = controller.play('configure.yml', fleet, release=2)
            meet(fleet)
        assert played.status == 2
    assert [host.serving() for host in fleet] == [['2', '2'], ['1', '1'], ['1', '1']]
    assert played.of(fleet[1], 'Apply it').result['lowest_ready'] == 1
    kinds = Counter(request.kind for request in requests)
    print(f'{len(requests)} requests: {dict(kinds)}')
    assert set(kinds) == {'ok'}
    new = {pid for host in fleet for pid in host.pids().values()}
    assert {request.pid for request in requests} >= old | new
