"""A release to a fleet by docs/fleet.md: what a bad one reaches, and what the next run does."""

from __future__ import annotations

import pytest

from tests.fleet import shown

RESTART = 'Restart what is older than the release'


def everything(fleet):
    """The pids and the number of restarts of each host."""
    return {host.name: host.touched() for host in fleet}


@pytest.mark.quick
def test_a_bad_host_stops_the_play_and_the_rerun_is_exact(fleet, controller):
    first, second, third = fleet
    before = {host.name: host.pids() for host in fleet}
    untouched = third.touched()

    failed = controller.play('deploy.yml', fleet, release=2)
    assert failed.status == 2
    assert failed.touched() == ['host1', 'host2']
    assert first.serving() == ['2', '2']
    # the worker that failed has its pid; nothing says that it serves, but its answer
    assert second.serving() == ['2', '1']
    assert second.pids()['1'] == before['host2']['1']
    assert third.touched() == untouched
    assert (third.app / 'current').resolve().name == '1'
    told = failed.of(second, RESTART)
    assert told.event == 'failed'
    reason = f'not ready within 4 s: http://127.0.0.1:{second.ports[0]}/health: answered 503'
    assert told.result['msg'].startswith(f'web:0: {reason}')
    page = 'ansible-playbook -i hosts.yml deploy.yml -e release=2'
    assert shown.missing(page, failed.output, fleet) == []

    # what is there now, shown; and nothing is touched by that
    third.switch('2')
    seen = everything(fleet)
    second.equip()
    checked = controller.play('restart.yml', fleet, '--check', '--diff')
    assert checked.status == 0
    assert everything(fleet) == seen
    assert [checked.stats[host.name]['changed'] for host in fleet] == [0, 1, 1]
    page = 'ansible-playbook -i hosts.yml restart.yml --check --diff'
    assert shown.missing(page, checked.output, fleet) == []
    third.switch('1')

    # the repair, and the same command
    repaired = controller.play('deploy.yml', fleet, release=2)
    assert repaired.status == 0
    assert all(host.serving() == ['2', '2'] for host in fleet)
    assert first.pids() == seen['host1'][0]
    assert repaired.stats['host1']['changed'] == 0
    assert second.pids()['0'] == seen['host2'][0]['0']
    assert second.pids()['1'] != before['host2']['1']
    assert not set(third.pids().values()) & set(before['host3'].values())


def test_a_rerun_never_calls_a_broken_host_good_and_the_old_release_is_a_way_back(
    fleet, controller
):
    first, second, third = fleet
    before = everything(fleet)
    # In check mode the link is not switched, and nothing is older than the present one.
    checked = controller.play('deploy.yml', fleet, '--check', release=2)
    assert [one['changed'] for one in checked.stats.values()] == [1, 1, 1]
    assert not any(checked.of(host, RESTART).result['changed'] for host in fleet)
    assert everything(fleet) == before

    assert controller.play('deploy.yml', fleet, release=2).status == 2
    pids = [host.pids() for host in fleet]
    failed = controller.play('deploy.yml', fleet, release=2)
    assert failed.status == 2
    message = failed.of(second, RESTART).result['msg']
    assert message.startswith(
        f'web:0: already newer than {second.app}/current, but not ready within 4 s: http://'
    )
    assert failed.touched() == ['host1', 'host2']
    assert [host.pids() for host in fleet] == pids

    back = controller.play('deploy.yml', fleet, release=1)
    assert back.status == 0
    assert [host.serving() for host in fleet] == [['1', '1']] * 3
    assert third.touched()[0] == before['host3'][0]
    assert first.pids() != pids[0]


@pytest.mark.parametrize(
    ('setting', 'goes_on'), [('max_fail_percentage: 0', True), ('any_errors_fatal: true', False)]
)
def test_a_host_that_cannot_be_reached(start_host, controller, setting, goes_on):
    hosts = [start_host(name) for name in ('host1', 'host2', 'host3', 'host4')]
    # Ansible cannot put anything there, which it calls unreachable
    hosts[2].connection.update(ansible_pipelining=False, ansible_remote_tmp='/dev/null/none')
    playbook = controller.place / 'deploy.yml'
    text = playbook.read_text()
    playbook.write_text(text.replace('max_fail_percentage: 0', setting))
    play = controller.play('deploy.yml', hosts, release=2)
    assert play.status != 0
    assert play.stats['host3']['unreachable'] == 1
    served = [['2', '2'], ['2', '2'], ['1', '1'], ['2', '2'] if goes_on else ['1', '1']]
    assert [host.serving() for host in hosts] == served
