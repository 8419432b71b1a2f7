"""method=signal:NAME on a real supervisord: processes are told to renew themselves, in batches."""

from __future__ import annotations

import pytest

from supervisor_restarter.faults import Code
from tests.integration.server import program
from tests.integration.service import (
    address,
    close_gate,
    marks,
    open_gate,
    ready_after,
    service,
    unix,
)

HUP = {'method': 'signal:HUP', 'timeout': 0}


def renewing(*options):
    """The settings of services that are not ready for a moment after SIGHUP."""
    settings = unix()
    return {
        **settings,
        'command': ' '.join([settings['command'], '--hup renew', *options]),
        'autorestart': 'false',
    }


def ready(server, count):
    server.wait(lambda: len(marks(server.dir, 'ready')) >= count, f'{count} ready processes')


def done(server):
    return [
        (mark.name, mark.what)
        for mark in marks(server.dir)
        if mark.what in ('signalled', 'renewed', 'stopped')
    ]


def phases(struct):
    return {process['name']: process['phase'] for process in struct['processes']}


def test_a_signal_keeps_the_processes_and_waits_for_each_to_be_ready_again(start):
    server = start(program(count=3, **renewing('--slow', '0.15')))
    ready(server, 3)
    before = server.pids()
    assert server.restarter.restartProcessGroup('web', {**HUP, 'max_unavailable': 1}) is True
    assert server.pids() == before
    assert done(server) == [
        (f'web:{number}', what) for number in range(3) for what in ('signalled', 'renewed')
    ]
    struct = server.restarter.getRestart(server.only_restart())
    assert [(process['old_pid'], process['new_pid']) for process in struct['processes']] == [
        (pid, pid) for pid in before.values()
    ]


def test_all_at_once_every_process_gets_one_signal(start):
    server = start(program(count=4, **renewing('--slow', '0.1')))
    ready(server, 4)
    before = server.pids()
    assert server.restarter.restartProcessGroup('web', {'method': 'signal:hup'}) is True
    assert server.pids() == before
    assert sorted(done(server)) == sorted(
        (f'web:{number}', what) for number in range(4) for what in ('signalled', 'renewed')
    )


def test_batches_hold_for_signals_too(start):
    server = start(program(count=5, **renewing('--slow', '0.15')))
    ready(server, 5)
    assert server.restarter.restartProcessGroup('web', {**HUP, 'max_unavailable': '40%'}) is True
    assert min(ready_after(server.dir, what='signalled')) >= 3
    assert server.restarter.listRestarts()[0]['lowest_ready'] == 3


def test_an_answer_from_the_moment_of_the_signal_does_not_count(start):
    """A process takes a moment to heed its signal and says until then that it is ready."""
    server = start(program(count=3, **renewing('--slow', '0.5')))
    ready(server, 3)
    assert server.restarter.restartProcessGroup('web', {**HUP, 'max_unavailable': 1}) is True
    assert done(server) == [
        (f'web:{number}', what) for number in range(3) for what in ('signalled', 'renewed')
    ]
    assert min(ready_after(server.dir, what='signalled')) == 2


def test_processes_without_a_probe_are_signalled_one_after_the_other(start):
    server = start(program(count=2, command=service('--hup', 'ok')))
    ready(server, 2)
    before = server.pids()
    assert server.restarter.restartProcessGroup('web', {**HUP, 'max_unavailable': 1}) is True
    assert server.pids() == before
    assert [name for name, _ in done(server)] == ['web:0', 'web:1']


@pytest.mark.parametrize(('autorestart', 'probed'), [('true', True), ('false', False)])
def test_a_process_that_dies_of_the_signal_comes_back_and_is_reported(start, autorestart, probed):
    settings = {**(unix() if probed else {'command': service()}), 'autorestart': autorestart}
    server = start(program(count=3, **settings))
    ready(server, 3)
    before = server.pids()
    entries = server.restarter.restartProcessGroup('web', {**HUP, 'max_unavailable': 1})
    assert [(entry['name'], entry['code']) for entry in entries] == [('0', Code.START_FAILED)]
    assert 'after the signal' in entries[0]['text']
    if autorestart == 'false':
        assert 'terminated by SIGHUP' in entries[0]['text']
    server.wait_state()
    after = server.pids()
    assert after['0'] != before['0']
    assert (after['1'], after['2']) == (before['1'], before['2'])


def test_a_process_that_is_not_ready_again_fails_and_the_rest_is_not_signalled(start):
    at = address()
    server = start(
        program(
            count=2,
            command=service('--tcp', f'{at}:80%(process_num)02d', '--hup', 'silent'),
            environment=f'RESTARTER_READY="http://{at}:80%(process_num)02d/"',
        )
    )
    ready(server, 2)
    before = server.pids()
    entries = server.restarter.restartProcessGroup(
        'web', {**HUP, 'max_unavailable': 1, 'ready_timeout': 2}
    )
    assert [entry['name'] for entry in entries] == ['0']
    assert 'no answer yet' in entries[0]['text']
    assert done(server) == [('web:0', 'signalled')]
    assert server.pids() == before


def test_notify_counts_from_the_signal_on(start):
    """A process that was started with the socket has to say READY=1 again, at once if it likes."""
    server = start(
        program(
            count=2,
            command=service('--notify', '--hup', 'renew'),
            environment='RESTARTER_READY="notify"',
        )
    )
    ready(server, 2)
    assert server.restarter.restartProcessGroup('web', {'max_unavailable': 1, 'timeout': 0}) is True
    before = server.pids()
    assert (
        server.restarter.restartProcessGroup(
            'web', {**HUP, 'max_unavailable': 1, 'ready_timeout': 30}
        )
        is True
    )
    assert server.pids() == before
    assert [what for _, what in done(server)][-4:] == ['signalled', 'renewed'] * 2


def test_no_ready_is_lost_however_fast_it_follows_the_signal(start):
    server = start(
        program(count=4, command=service('--hup', 'prompt'), environment='RESTARTER_READY="notify"')
    )
    ready(server, 4)
    assert server.restarter.restartProcessGroup('web') is True
    for _ in range(4):
        assert (
            server.restarter.restartProcessGroup(
                'web', {'method': 'signal:HUP', 'ready_timeout': 20}
            )
            is True
        )


def test_stopped_processes_are_started_and_not_signalled(start):
    server = start(program(count=3, **renewing()))
    ready(server, 3)
    server.rpc().supervisor.stopProcess('web:1')
    before = server.pids()
    assert server.restarter.restartProcessGroup('web', {**HUP, 'max_unavailable': 2}) is True
    after = server.pids()
    assert after['1'] != 0
    assert (after['0'], after['2']) == (before['0'], before['2'])
    assert sorted(name for name, what in done(server) if what == 'signalled') == ['web:0', 'web:2']


def test_with_only_running_stopped_processes_stay_stopped(start):
    server = start(program(count=3, **renewing()))
    ready(server, 3)
    server.rpc().supervisor.stopProcess('web:1')
    assert server.restarter.restartProcessGroup('web', {**HUP, 'only_running': True}) is True
    assert server.state('web:1') == 'STOPPED'


def test_a_starting_process_is_signalled_only_when_it_is_running(start):
    """Before, it may not have its handler yet, and would die."""
    server = start(program(count=2, startsecs=3, **renewing()))
    server.wait_state('web', 'STARTING')
    assert server.restarter.restartProcessGroup('web', HUP) is True
    spawned, signalled = marks(server.dir, 'ready'), marks(server.dir, 'signalled')
    assert len(signalled) == 2
    assert min(mark.time for mark in signalled) - max(mark.time for mark in spawned) > 0.5


def test_cancel_sends_no_further_signal(start):
    server = start(program(count=3, **renewing('--gate'), autostart='false'))
    open_gate(server.dir)
    server.restarter.quickStart('web')
    ready(server, 3)
    close_gate(server.dir)
    id = server.restarter.startRestart('web', {**HUP, 'max_unavailable': 1})
    server.wait(lambda: bool(marks(server.dir, 'signalled')), 'first signal')
    assert server.restarter.cancelRestart(id) is True
    open_gate(server.dir)
    struct = server.wait_finished(id)
    assert (struct['state'], phases(struct)) == (
        'cancelled',
        {'0': 'ready', '1': 'skipped', '2': 'skipped'},
    )
    assert done(server) == [('web:0', 'signalled'), ('web:0', 'renewed')]


def test_a_plan_tells_that_it_signals(start):
    server = start(program(count=2))
    server.wait_state()
    plan = server.restarter.planRestart('web', {'method': 'signal:USR2', 'max_unavailable': 1})
    assert [[process['action'] for process in batch['processes']] for batch in plan['batches']] == [
        ['signal'],
        ['signal'],
    ]
    assert plan['options']['method'] == 'signal:USR2'
