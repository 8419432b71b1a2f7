"""What else docs/fleet.md has Ansible do on a host: stop, start, signal, ask; and without SSH."""

from __future__ import annotations

from tests.integration.server import free_port, lines_of, program

JOBS = program('jobs', "/bin/sh -c 'exec sleep 1000'", count=2)
SECRET = 'sesame-opens'


def test_stop_start_signal_and_ask(start_host, controller):
    host = start_host('host1', more=JOBS)
    jobs, web = host.pids('jobs'), host.pids()
    played = controller.play('states.yml', [host])
    assert played.status == 0
    stopped = played.of(host, 'Stop the jobs').result
    assert {one['name']: one['old_pid'] for one in stopped['processes']} == {
        f'jobs:{name}': pid for name, pid in jobs.items()
    }
    assert stopped['changed']
    started = played.of(host, 'Start them').result
    assert {one['name']: one['new_pid'] for one in started['processes']} == {
        f'jobs:{name}': pid for name, pid in host.pids('jobs').items()
    }
    assert not set(jobs.values()) & set(host.pids('jobs').values())
    assert played.of(host, 'Have the web workers').result['changed']
    assert host.pids() == web
    told = host.app / 'shared' / 'signalled'
    host.wait(lambda: len(lines_of(told)) == len(web), 'a line of each worker')
    assert {int(line) for line in lines_of(told)} == set(web.values())
    asked = played.of(host, 'Ask what runs').result
    assert {one['name'] for one in asked['processes']} == {'jobs:0', 'jobs:1', 'web:0', 'web:1'}
    assert not asked['changed']


def test_over_http_with_a_password_that_is_never_shown(start_host, controller):
    port = free_port()
    section = f'[inet_http_server]\nport=127.0.0.1:{port}\nusername=deploy\npassword={SECRET}\n'
    host = start_host('host1', more=section)
    before = host.pids()
    host.connection['supervisord_url'] = f'http://127.0.0.1:{port}'
    played = controller.play('http.yml', [host], '-vvv', supervisord_password=SECRET)
    assert played.status == 0
    assert not set(before.values()) & set(host.pids().values())
    assert SECRET not in played.output
    assert SECRET not in str(played.results)

    refused = controller.play('http.yml', [host], '-vvv', supervisord_password='not-the-one')
    assert refused.status == 2
    [failure] = refused.results
    assert 'password' in failure.result['msg']
    assert SECRET not in refused.output
    assert 'not-the-one' not in refused.output
