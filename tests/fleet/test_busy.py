"""A controller that dies in the middle of a restart, and the next one."""

from __future__ import annotations

from tests.fleet.host import WORKERS


def test_the_restart_goes_on_and_the_next_run_follows_it(start_host, controller):
    host = start_host('host1', telling=True)
    old = host.pids()
    host.switch('2')
    host.hold.touch()
    killed = controller.begin('restart.yml', [host])
    id = host.only_restart()
    host.wait_phase(id, 'stopping')
    killed.kill()

    refused = controller.play('restart.yml', [host])
    assert refused.status == 2
    [failure] = refused.results
    assert failure.event == 'failed'
    assert failure.result['msg'].startswith('BUSY: ')
    assert not host.restarts()[0]['finished_at']

    mark = host.log_size()
    following = controller.begin('resume.yml', [host])
    host.wait(lambda: 'restarter.waitRestart()' in host.log_text(mark), 'somebody who waits')
    host.let_stop()
    followed = following.end()
    assert followed.status == 0
    result = followed.of(host, 'Restart').result
    assert result['restart']['id'] == id
    assert [one['id'] for one in host.restarts()] == [id]
    new = host.pids()
    assert {one['name']: (one['old_pid'], one['new_pid']) for one in result['processes']} == {
        f'web:{name}': (old[name], new[name]) for name in new
    }
    assert result['changed']
    assert host.serving() == ['2'] * WORKERS
