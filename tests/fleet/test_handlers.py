"""What docs/fleet.md says of handlers and of `throttle`: neither does what it seems to."""

from __future__ import annotations


def prepare(host, works):
    """Give release 2 the script that the playbook runs."""
    script = host.app / 'prepare-2'
    script.write_text(f'#!/bin/sh\nexit {0 if works else 1}\n')
    script.chmod(0o755)
    path = host.app / 'releases' / '2' / 'prepare'
    if not path.exists():
        path.symlink_to(script)


def test_a_handler_is_lost_and_a_task_with_newer_than_is_not(start_host, controller):
    hosts = [start_host('host1'), start_host('host2')]
    for host in hosts:
        prepare(host, works=False)
    before = {host.name: host.touched() for host in hosts}

    def untouched():
        return {host.name: host.touched() for host in hosts} == before

    assert controller.play('handler.yml', hosts, release=2).status == 2
    assert untouched()

    for host in hosts:
        prepare(host, works=True)
    quiet = controller.play('handler.yml', hosts, release=2)
    assert (quiet.status, quiet.changed()) == (0, 0)  # nothing is said of it
    assert untouched()

    made_good = controller.play('deploy.yml', hosts, release=2)
    assert made_good.status == 0
    assert [host.serving() for host in hosts] == [['2', '2'], ['2', '2']]
    # the link was right: the restart is all that this changed
    assert made_good.changed() == len(hosts)


def test_throttle_does_not_gate(start_host, controller):
    hosts = [start_host(name, equipped=False) for name in ('host1', 'host2')]
    bad = controller.play('throttled.yml', hosts, release=2)
    assert bad.status == 2
    # one worker of each host is lost to the bad release, though the first host's failure was known
    assert [host.serving() for host in hosts] == [['2', '1']] * 2
