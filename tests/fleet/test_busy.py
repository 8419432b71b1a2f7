"""A controller that dies in the middle of a restart, and the next one."""

from __future__ import annotations

import pytest

from tests.fleet.host import WORKERS


def test_the_restart_goes_on_and_the_next_run_waits_for_it(start_host, controller):
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

    resumed = resume(host, controller)
    result = resumed.of(host, 'Restart').result
    assert result['restart']['id'] != id
    assert not result['changed']
    new = host.pids()
    assert {one['name']: (one['old_pid'], one['new_pid']) for one in result['processes']} == {
        f'web:{name}': (new[name], new[name]) for name in new
    }
    assert not set(old.values()) & set(new.values())
    assert host.serving() == ['2'] * WORKERS


@pytest.mark.parametrize(
    ('if_busy', 'phases', 'serving'),
    [('queue', ['skipped', 'ready'], ['2', '2']), ('wait', ['ready'], ['2', '1'])],
)
def test_what_the_other_restart_leaves_out(start_host, controller, if_busy, phases, serving):
    playbook = controller.place / 'resume.yml'
    playbook.write_text(playbook.read_text().replace('if_busy: queue', f'if_busy: {if_busy}'))
    host = start_host('host1', telling=True)
    host.switch('2')
    host.hold.touch()
    id = host.rpc().restarter.startRestart('web:0', {})
    host.wait_phase(id, 'stopping')
    result = resume(host, controller).of(host, 'Restart').result
    assert [one['phase'] for one in result['processes']] == phases
    assert (result['restart']['id'] == id) is result['followed'] is (if_busy == 'wait')
    assert host.serving() == serving


def resume(host, controller):
    """Play resume.yml, and let the workers stop as soon as it waits; the play, which has succeeded."""
    mark = host.log_size()
    resuming = controller.begin('resume.yml', [host])
    host.wait(lambda: 'restarter.waitRestart()' in host.log_text(mark), 'somebody who waits')
    host.let_stop()
    resumed = resuming.end()
    assert resumed.status == 0
    return resumed
