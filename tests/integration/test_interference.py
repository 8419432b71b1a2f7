"""Other wills in the middle of a restart: stop, remove, update, reload, shutdown, cancel, other
clients.
"""

from __future__ import annotations

import os
import signal
import subprocess
import xmlrpc.client

import pytest
from supervisor.xmlrpc import Faults

from bench.lab import CTLPLUGIN, script
from supervisor_restarter.faults import Code
from tests.integration.server import RudeClient, Telling, held, program, worker

SLOW = worker('--stop', '0.8')


def stopping(start, count=3, **settings):
    """A server in the middle of a restart, and its id: the processes of web stop when they are let."""
    server = start(held(count=count), kind=Telling, **settings)
    server.wait_workers()
    id = server.restarter.startRestart('web', {'timeout': 0})
    server.wait_phase(id, 'stopping')
    return server, id


def let_stop_after(server, method, *arguments):
    """Run supervisorctl; the processes stop only once supervisord has got its call. What it came
    to.
    """
    mark = server.log_size()
    with server.begin_ctl(*arguments) as ctl:
        server.wait_call(method, mark)
        server.let_stop()
        shown = ctl.stdout.read()
    return ctl.returncode, shown


def phases(struct):
    return {process['name']: process['phase'] for process in struct['processes']}


def errors(struct):
    return {process['name']: process['error'] for process in struct['processes']}


# -- stop ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('names', 'method', 'stopped'),
    [
        ('web:*', 'stopProcessGroup', {'0', '1', '2'}),
        ('all', 'stopAllProcesses', {'0', '1', '2'}),
        ('web:1', 'stopProcess', {'1'}),
    ],
)
def test_supervisorctl_stop_while_processes_are_stopping(start, names, method, stopped):
    server, id = stopping(start)
    status, shown = let_stop_after(server, method, 'stop', names)
    assert set(shown.splitlines()) == {f'web:{name}: stopped' for name in stopped}
    assert status == 0
    struct = server.wait_finished(id)
    assert struct['state'] == 'failed'
    assert phases(struct) == {name: 'skipped' if name in stopped else 'ready' for name in '012'}
    assert {
        name for name, error in errors(struct).items() if 'somebody else stopped it' in error
    } == stopped
    assert server.states('web') == {
        name: 'STOPPED' if name in stopped else 'RUNNING' for name in '012'
    }


def test_supervisorctl_stop_while_processes_are_starting(start):
    server = start(program(command=worker(), count=2, startsecs=3600))
    server.wait_state('web', 'STARTING')
    id = server.restarter.startRestart('web')
    server.wait_phase(id, 'starting')
    assert 'web:0: stopped' in server.ctl('stop', 'web:0').stdout
    struct = server.wait_phase(id, 'skipped')
    assert phases(struct) == {'0': 'skipped', '1': 'starting'}
    assert server.states('web') == {'0': 'STOPPED', '1': 'STARTING'}


def test_supervisorctl_stop_of_a_process_whose_turn_has_not_come(start):
    server = start(program(command=worker(), count=2), restarter='delay=3600\nstagger_factor=2')
    server.wait_workers()
    id = server.restarter.startRestart('web', {'timeout': 0})
    assert server.ctl('stop', 'web:1').returncode == 0
    struct = server.wait_finished(id)
    assert phases(struct) == {'0': 'ready', '1': 'skipped'}
    assert server.state('web:1') == 'STOPPED'


def test_a_stop_without_waiting_is_answered_at_once(start):
    server, id = stopping(start, count=1)
    assert server.rpc().supervisor.stopProcess('web', False) is True
    assert server.state('web') == 'STOPPING'
    server.let_stop()
    assert phases(server.wait_finished(id)) == {'web': 'skipped'}
    server.wait_state('web', 'STOPPED')


def test_the_array_names_what_somebody_else_stopped(start):
    server = start(held(count=2), kind=Telling)
    server.wait_workers()
    call = server.in_background(lambda: server.restarter.restartProcessGroup('web', {'timeout': 0}))
    server.wait_phase(server.only_restart(), 'stopping')
    let_stop_after(server, 'stopProcess', 'stop', 'web:1')
    assert [(entry['name'], entry['code']) for entry in call.result()] == [('1', Code.CANCELLED)]


def test_heed_stops_can_be_switched_off(start):
    server, id = stopping(start, count=1, restarter='heed_stops=false')
    fault = server.fault(lambda: server.rpc().supervisor.stopProcess('web'))
    assert fault.faultString == 'NOT_RUNNING: web'  # as Supervisor has it
    server.let_stop()
    assert server.wait_finished(id)['state'] == 'succeeded'
    assert server.state('web') == 'RUNNING'


def test_stock_calls_are_untouched_when_no_restart_runs(start):
    server = start(program(command=SLOW))
    server.wait_workers()
    assert server.restarter.restartProcessGroup('web') is True
    server.wait_workers()
    server.rpc().supervisor.stopProcess('web', False)
    fault = server.fault(lambda: server.rpc().supervisor.stopProcess('web'))
    assert fault.faultCode == Faults.NOT_RUNNING


def test_quick_stop_ends_a_restart(start):
    server, id = stopping(start, count=2)
    client = RudeClient(server, 'restarter.quickStop', 'web:1')
    server.rpc().supervisor.getState()  # by now it has got the call
    server.let_stop()
    rows = client.answer()
    client.hang_up()
    assert [(row['name'], row['status'], row['description']) for row in rows] == [
        ('1', Faults.SUCCESS, 'OK')
    ]
    assert phases(server.wait_finished(id)) == {'0': 'ready', '1': 'skipped'}
    assert server.states('web') == {'0': 'RUNNING', '1': 'STOPPED'}


def test_quick_start_during_a_restart_starts_nothing_twice(start):
    server, id = stopping(start, count=2)
    client = RudeClient(server, 'restarter.quickStart', 'web', True)
    server.rpc().supervisor.getState()  # by now it has got the call
    server.let_stop()
    rows = client.answer()
    client.hang_up()
    assert {row['name']: row['status'] for row in rows} == {
        '0': Faults.SUCCESS,
        '1': Faults.SUCCESS,
    }
    assert server.wait_finished(id)['state'] == 'succeeded'
    assert server.log_text().count("spawned: '0'") == 2  # at the beginning, and by one of the two


@pytest.mark.parametrize(
    'stop',
    [
        lambda server: server.proxy().supervisor.stopProcess('web:0'),
        lambda server: server.proxy().supervisor.stopProcessGroup('web'),
    ],
    ids=['process', 'group'],
)
def test_a_stop_that_waits_is_answered_although_a_restart_starts_the_process_again(start, stop):
    """Supervisor's stop calls wait until they see the process stopped, and for ever if they miss
    it.
    """
    server = start(held(count=2))
    server.wait_workers()
    call = server.in_background(lambda: stop(server))
    server.wait(lambda: server.state('web:0') == 'STOPPING', 'a process that stops')
    id = server.restarter.startRestart('web', {'timeout': 0})
    server.let_stop()
    call.result()
    assert server.wait_finished(id)['state'] == 'succeeded'
    assert set(server.states('web').values()) == {'RUNNING'}


def test_a_stop_that_waits_is_answered_although_a_restart_comes_at_once_after_the_stop(start):
    """The group calls look twenty times a second at the most."""
    server = start(program(command=worker(), count=2))
    for _ in range(4):
        server.wait_workers()
        stopped = server.log_text().count('stopped: ')
        call = server.in_background(lambda: server.proxy().supervisor.stopProcessGroup('web'))
        while server.log_text().count('stopped: ') < stopped + 2:
            assert call.is_alive() or not server.wait_state('web', 'STOPPED')
        id = server.restarter.startRestart('web')
        call.result()
        assert server.wait_finished(id)['state'] == 'succeeded'


def test_stock_restart_during_a_restart_leaves_everything_running(start):
    server = start(held(count=3), kind=Telling)
    server.wait_workers()
    before = server.pids()
    id = server.restarter.startRestart('web', {'timeout': 0})
    server.wait_phase(id, 'stopping')
    status, shown = let_stop_after(server, 'stopProcessGroup', 'restart', 'web:*')
    assert status == 0, shown
    server.wait_finished(id)
    assert set(server.states('web').values()) == {'RUNNING'}
    assert not set(server.pids().values()) & set(before.values())


def test_a_process_that_somebody_restarts_or_stops_in_the_middle_is_no_failure(start):
    """`new` after their restart, `old` before their turn, which does not come."""
    server = start(
        ''.join(
            program(
                name,
                worker(),
                priority=priority,
                numprocs=number,
                process_name=f'{name}%(process_num)d',
            )
            for name, priority, number in (('new', 1, 2), ('old', 3, 3))
        )
        + held('slow', priority=2)
        + '[group:web]\nprograms=new,slow,old\n'
    )
    server.wait_workers()
    id = server.restarter.startRestart('web', {'stagger_factor': 2, 'delay': 3600})
    server.wait(lambda: server.restarter.getRestart(id)['done'] == 2, 'the first two')
    supervisor = server.proxy().supervisor
    supervisor.stopProcess('web:new1')
    for name in ('new0', 'old0', 'old1', 'old2'):
        meant = server.pids()[name]
        supervisor.stopProcess(f'web:{name}')
        supervisor.startProcess(f'web:{name}')
        assert server.pids()[name] not in (0, meant)
    restarted = server.pids()
    server.let_stop()
    restart = server.wait_finished(id)
    assert restart['state'] == 'succeeded'
    processes = {process['name']: process for process in restart['processes']}
    stopped = processes.pop('new1')
    assert (stopped['phase'], stopped['error']) == ('skipped', '')
    assert stopped['note'] == 'somebody else stopped it after it was restarted; it was left so'
    assert server.state('web:new1') == 'STOPPED'
    del processes['slow']
    for name, process in processes.items():
        assert (process['phase'], process['error']) == ('ready', '')
        # and it was not restarted once more
        assert process['new_pid'] == server.pids()[name] == restarted[name]
        assert 'somebody else restarted it meanwhile' in process['note']


@pytest.mark.parametrize(
    ('command', 'shown'),
    [
        (
            ['supervisorctl', 'quickrestart', 'web:'],
            'web:quick: started (somebody else restarted it meanwhile)',
        ),
        (
            ['supervisorctl_restart_group', 'web'],
            'web:quick: restarted (somebody else restarted it meanwhile, ',
        ),
    ],
)
def test_a_process_that_somebody_restarts_is_told_of_when_it_is_back(start, command, shown):
    """Whoever watches sees it down for a while: that is not what has become of it."""
    server = start(
        held('slow', priority=1)
        + program('quick', priority=2)
        + '[group:web]\nprograms=slow,quick\n',
        restarter='stagger_factor = 2\ndelay = 600',
        extra=CTLPLUGIN,
        kind=Telling,
    )
    server.wait_state()
    server.wait(lambda: (server.dir / 'workers').exists(), 'worker')
    with subprocess.Popen(
        [script(command[0]), '-c', str(server.conf), *command[1:]],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as client:
        try:
            server.wait(lambda: server.restarter.listRestarts() != [], 'restart')
            id = server.only_restart()
            server.wait_phase(id, 'stopping')
            server.proxy().supervisor.stopProcess('web:quick')
            server.wait_phase(id, 'skipped')
            mark = server.log_size()
            server.wait(
                lambda: server.log_text(mark).count('restarter.waitRestart()') >= 3,
                'look of the client',
            )
            server.proxy().supervisor.startProcess('web:quick')
            server.wait_phase(id, 'ready')
            server.let_stop()
            lines = client.communicate()[0].splitlines()
        finally:
            client.kill()
    assert client.returncode == 0, lines
    assert [line.startswith(shown) for line in lines if line.startswith('web:quick: ')] == [True], (
        lines
    )


# -- a process that dies meanwhile -----------------------------------------------------------


def test_a_new_process_killed_while_starting_is_a_failure_with_its_signal(start):
    server = start(program(command=worker(), startsecs=3600, startretries=0))
    server.wait_workers('web', 'STARTING')
    before = server.pids()['web']
    call = server.in_background(lambda: server.restarter.restartProcessGroup('web', {'timeout': 0}))
    server.wait_phase(server.only_restart(), 'starting')
    server.wait(lambda: server.pids()['web'] not in (0, before), 'a new process')
    os.kill(server.pids()['web'], signal.SIGKILL)
    [entry] = call.result()
    assert entry['code'] == Code.START_FAILED
    assert 'terminated by SIGKILL' in entry['text']


def test_a_process_killed_while_stopping_comes_back(start):
    server = start(held())
    server.wait_workers()
    id = server.restarter.startRestart('web')
    server.wait_phase(id, 'stopping')
    os.kill(server.pids()['web'], signal.SIGKILL)
    assert server.wait_finished(id)['state'] == 'succeeded'


# -- remove, update --------------------------------------------------------------------------


def test_remove_in_the_middle_is_refused_by_supervisor_and_harmless(start):
    server, id = stopping(start, count=1)
    assert 'still running' in server.ctl('remove', 'web').stdout
    server.let_stop()
    assert server.wait_finished(id)['state'] == 'succeeded'


def test_stop_and_remove_in_the_middle(start):
    server = start(held(count=2) + program('other'), kind=Telling)
    server.wait_workers()
    call = server.in_background(lambda: server.restarter.restartProcessGroup('web', {'timeout': 0}))
    server.wait_phase(server.only_restart(), 'stopping')
    let_stop_after(server, 'stopProcessGroup', 'stop', 'web:*')
    assert 'removed' in server.ctl('remove', 'web').stdout
    assert {entry['code'] for entry in call.result()} == {Code.CANCELLED}
    assert server.states('web') == {}
    assert server.state('other') == 'RUNNING'


def test_group_removed_while_its_processes_wait_for_their_wave(start):
    server = start(program(command=worker(), count=2), restarter='delay=60\nstagger_factor=2')
    server.wait_workers()
    call = server.in_background(lambda: server.restarter.restartProcessGroup('web', {'timeout': 0}))
    server.wait_phase(server.only_restart(), 'ready')
    server.wait_workers()  # a stop in its first milliseconds would be lost
    calls = [{'methodName': 'supervisor.stopProcess', 'params': [f'web:{name}']} for name in '01']
    server.rpc().system.multicall(
        [*calls, {'methodName': 'supervisor.removeProcessGroup', 'params': ['web']}]
    )
    assert [(entry['name'], entry['code']) for entry in call.result()] == [('1', Code.CANCELLED)]
    assert server.states('web') == {}


def test_update_in_the_middle_brings_up_the_new_configuration(start):
    server, id = stopping(start, count=2)
    server.conf.write_text(server.conf.read_text().replace('numprocs=2', 'numprocs=3'))
    status, shown = let_stop_after(server, 'stopProcessGroup', 'update')
    assert 'web: updated process group' in shown
    assert status == 0
    server.wait_state()
    assert set(server.states('web')) == {'0', '1', '2'}
    struct = server.wait_finished(id)
    assert struct['state'] in ('failed', 'cancelled')
    assert set(phases(struct).values()) == {'skipped'}
    assert server.restarter.restartProcessGroup('web') is True


# -- reload, shutdown ------------------------------------------------------------------------


def test_reload_in_the_middle(start):
    server = start(held(count=2), kind=Telling)
    server.wait_workers()
    before = server.pids()
    call = server.in_background(lambda: server.restarter.restartProcessGroup('web', {'timeout': 0}))
    server.wait_phase(server.only_restart(), 'stopping')
    let_stop_after(server, 'restart', 'reload')
    with pytest.raises(xmlrpc.client.Fault) as caught:
        call.result()
    assert caught.value.faultCode == Faults.SHUTDOWN_STATE
    server.wait(lambda: server.log_text().count('supervisord started') == 2, 'reload')
    server.wait_workers()
    assert not set(server.pids().values()) & set(before.values())
    assert server.restarter.listRestarts() == []
    assert server.restarter.restartProcessGroup('web') is True
    assert server.restarter.listRestarts()[0]['id'] == '2'  # an id does not come back


def test_shutdown_in_the_middle(start):
    server = start(held(count=2) + program('queued', SLOW))
    server.wait_workers()
    call = server.in_background(lambda: server.restarter.restartProcessGroup('web', {'timeout': 0}))
    server.wait_phase(server.only_restart(), 'stopping')
    spawned = server.log_text().count('spawned')
    assert server.process is not None
    server.rpc().supervisor.shutdown()
    later = server.fault(lambda: server.restarter.listRestarts())
    server.let_stop()
    assert later.faultCode == Faults.SHUTDOWN_STATE
    with pytest.raises(xmlrpc.client.Fault) as caught:
        call.result()
    assert caught.value.faultCode == Faults.SHUTDOWN_STATE
    assert server.process.wait(20) == 0
    assert server.log_text().count('spawned') == spawned


# -- cancel ----------------------------------------------------------------------------------


def test_cancel_answers_the_waiting_call_and_brings_back_what_is_down(start):
    server = start(held(count=2), restarter='delay=3600\nstagger_factor=2')
    server.wait_workers()
    before = server.pids()
    call = server.in_background(lambda: server.restarter.restartProcessGroup('web', {'timeout': 0}))
    id = server.only_restart()
    server.wait_phase(id, 'stopping')
    assert server.restarter.cancelRestart(id) is True
    fault = server.fault(call.result)
    server.let_stop()
    assert fault.faultCode == Code.CANCELLED
    assert f'restart {id} was cancelled' in fault.faultString
    struct = server.wait_finished(id)
    assert struct['state'] == 'cancelled'
    assert phases(struct) == {'0': 'ready', '1': 'skipped'}
    after = server.pids()
    assert after['0'] not in (0, before['0'])
    assert after['1'] == before['1']


# -- several clients -------------------------------------------------------------------------


def test_two_clients_on_one_group(start):
    server = start(held(count=2))
    server.wait_workers()
    first = server.in_background(
        lambda: server.restarter.restartProcessGroup('web', {'timeout': 0})
    )
    id = server.only_restart()
    fault = server.fault(lambda: server.restarter.restartProcessGroup('web'))
    assert fault.faultCode == Code.BUSY
    assert (
        fault.faultString == f"BUSY: process group 'web' is being restarted already (restart {id})"
    )
    assert server.fault(lambda: server.restarter.quickRestart('web:1')).faultCode == Code.BUSY
    server.let_stop()
    assert first.result() is True
    assert server.restarter.restartProcessGroup('web') is True


def test_a_queued_restart_runs_afterwards(start):
    server, first = stopping(start, count=2)
    second = server.restarter.startRestart('web', {'if_busy': 'queue'})
    assert server.restarter.getRestart(second)['state'] == 'queued'
    third = server.restarter.startRestart(['web:0'], {'if_busy': 'queue'})
    server.let_stop()
    assert server.wait_finished(third)['state'] == 'succeeded'
    structs = [server.restarter.getRestart(id) for id in (first, second, third)]
    assert [struct['state'] for struct in structs] == ['succeeded'] * 3
    times = [struct[key] for struct in structs for key in ('started_at', 'finished_at')]
    assert times == sorted(times)
    new = [
        {process['name']: process['new_pid'] for process in struct['processes']}
        for struct in structs
    ]
    old = [
        {process['name']: process['old_pid'] for process in struct['processes']}
        for struct in structs
    ]
    assert new[0] == old[1]
    assert new[1]['0'] == old[2]['0']
