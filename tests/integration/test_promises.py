"""The promises of a restart, on a real supervisord."""

from __future__ import annotations

import os
import signal
import time

import pytest

from supervisor_restarter.faults import Code
from tests.integration.server import HELD, RudeClient, held, program, wait_for_exec, worker


def test_every_process_is_a_new_one_and_running(start):
    server = start(program(count=8))
    server.wait_state()
    before = server.pids()
    assert server.restarter.restartProcessGroup('web') is True
    after = server.pids()
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    assert set(server.states('web').values()) == {'RUNNING'}


# -- promise 1: the server owns it -----------------------------------------------------------


def test_client_killed_while_processes_are_stopping(start):
    server = start(held(count=3))
    server.wait_workers()
    before = server.pids()
    client = RudeClient(server, 'restarter.restartProcessGroup', 'web')
    server.wait_phase(server.only_restart(), 'stopping')
    client.hang_up()
    server.let_stop()
    struct = server.wait_finished(server.only_restart())
    assert struct['state'] == 'succeeded'
    assert not set(server.pids().values()) & set(before.values())


def test_client_killed_while_processes_are_starting(start):
    server = start(program(count=3, startsecs=1))
    server.wait_state()
    client = RudeClient(server, 'restarter.restartProcessGroup', 'web')
    server.wait_phase(server.only_restart(), 'starting')
    client.hang_up()
    assert server.wait_finished(server.only_restart())['state'] == 'succeeded'
    assert set(server.states('web').values()) == {'RUNNING'}


@pytest.mark.parametrize('method', ['quickRestart', 'quickStop', 'quickStart'])
def test_clients_of_quick_calls_killed_in_the_middle(start, method):
    server = start(held(count=3))
    server.wait_workers()
    if method == 'quickStart':
        server.let_stop()
        server.restarter.quickStop('web')
    client = RudeClient(server, f'restarter.{method}', 'web', True)
    time_of_call = server.rpc().supervisor.getState()  # the call before it has been taken
    assert time_of_call
    client.hang_up()
    server.let_stop()
    server.wait_state('web', 'STOPPED' if method == 'quickStop' else 'RUNNING')


# -- promise 2: a process starts as soon as it has stopped -----------------------------------


def test_nobody_waits_for_the_slowest(start):
    programs = program('fast', worker()) + held('slow')
    server = start(programs + '[group:web]\nprograms=fast,slow\n')
    server.wait_workers()
    id = server.restarter.startRestart('web')
    struct = server.wait_phase(id, 'ready')
    phases = {process['name']: process['phase'] for process in struct['processes']}
    assert phases == {'fast': 'ready', 'slow': 'stopping'}
    server.let_stop()
    assert server.wait_finished(id)['state'] == 'succeeded'


def test_starts_wait_for_no_wave(start):
    server = start(program(count=3), restarter='delay=60\nstagger_factor=3')
    server.wait_state()
    before = server.pids()
    id = server.restarter.startRestart('web')
    struct = server.wait_phase(id, 'ready')
    assert [process['phase'] for process in struct['processes']] == ['ready', 'waiting', 'waiting']
    assert server.restarter.cancelRestart(id) is True
    assert server.wait_finished(id)['state'] == 'cancelled'
    after = server.pids()
    assert after['0'] != before['0']
    assert (after['1'], after['2']) == (before['1'], before['2'])


# -- promise 3: time limits end the taking down ----------------------------------------------


def test_timeout_while_one_process_ignores_sigterm(start):
    programs = program('good', worker()) + program('deaf', HELD, stopwaitsecs=600)
    server = start(programs + '[group:web]\nprograms=good,deaf\n')
    server.wait_workers()
    before = server.pids()
    began = time.monotonic()
    fault = server.fault(lambda: server.restarter.restartProcessGroup('web', {'timeout': 0.5}))
    waited = time.monotonic() - began
    assert fault.faultCode == Code.TIMEOUT
    assert fault.faultString.startswith(
        'TIMEOUT: 1 of 2 processes were pending: web:deaf (it is still stopping'
    )
    assert waited >= 0.5
    assert server.state('web:deaf') == 'STOPPING'
    os.kill(before['deaf'], signal.SIGKILL)
    server.wait_state()  # by itself
    assert not set(server.pids().values()) & set(before.values())
    assert server.wait_finished(server.only_restart())['state'] == 'timed_out'


def test_timeout_takes_no_further_process_down(start):
    server = start(program(count=3))
    server.wait_state()
    before = server.pids()
    options = {'timeout': 0.5, 'delay': 60, 'stagger_factor': 3}
    fault = server.fault(lambda: server.restarter.restartProcessGroup('web', options))
    assert fault.faultCode == Code.TIMEOUT
    after = server.pids()
    assert after['0'] != before['0']
    assert (after['1'], after['2']) == (before['1'], before['2'])


def test_timeout_after_a_failure_gives_the_array(start):
    programs = program('bad', '/nonexistent/command') + held('slow')
    server = start(programs + '[group:web]\nprograms=bad,slow\n', restarter='on_failure=continue')
    server.wait(
        lambda: str(server.pids()['slow']) in (server.dir / 'workers').read_text(), 'the worker'
    )
    entries = server.restarter.restartProcessGroup('web', {'timeout': 0.5})
    assert {entry['name']: entry['code'] for entry in entries} == {
        'bad': Code.START_FAILED,
        'slow': Code.TIMEOUT,
    }
    server.let_stop()
    server.wait(lambda: server.state('web:slow') == 'RUNNING', 'slow process back')


def test_stop_timeout_shortens_the_wait_for_sigkill(start):
    server = start(program(command=HELD, stopwaitsecs=600))
    for seconds in (0, 0.3):
        server.wait_workers()
        assert server.restarter.restartProcessGroup('web', {'stop_timeout': seconds}) is True


def test_stop_timeout_lengthens_the_wait_for_sigkill_and_leaves_no_trace(start):
    server = start(program(command=worker('--stop', '0.5'), stopwaitsecs=0))
    server.wait_workers()
    assert server.restarter.restartProcessGroup('web', {'stop_timeout': 10}) is True
    assert 'SIGKILL' not in server.log_text()
    server.wait_workers()
    assert server.restarter.restartProcessGroup('web') is True  # its own stopwaitsecs again
    assert 'SIGKILL' in server.log_text()
    assert server.ctl('reread').stdout == 'No config updates to processes\n'


# -- promise 6: all processes of the group are started ---------------------------------------


STATES = {'stopped': 'STOPPED', 'off': 'STOPPED', 'killed': 'EXITED', 'endless': 'STARTING'}


def test_processes_in_other_states_at_the_beginning_are_running_after(start):
    server = start(
        program('stopped', count=2)
        + program('off', count=2, autostart='false')
        + program('killed', count=2, autorestart='false')
        + program('endless', count=2, startsecs=3600)
    )
    server.wait_state('killed')
    server.rpc().supervisor.stopProcessGroup('stopped')
    wait_for_exec(server.process.pid)  # before, a signal is swallowed
    for pid in server.pids('killed').values():
        os.kill(pid, signal.SIGTERM)
    for group, state in STATES.items():
        server.wait_state(group, state)
        pids = server.pids(group)
        id = server.restarter.startRestart(group)
        server.wait(
            lambda group=group, pids=pids: all(
                pid and pid != pids[name] for name, pid in server.pids(group).items()
            ),
            'all new processes',
        )
        processes = server.restarter.getRestart(id)['processes']
        assert {process['phase'] for process in processes} <= {'ready', 'starting'}


def test_what_has_failed_to_start_is_started_afresh(start):
    command = worker('--unless', '%(here)s/good')
    server = start(
        program('backoff', command, startretries=99, startsecs=1)
        + program('fatal', command, startretries=0, startsecs=1)
    )
    server.wait_state('fatal', 'FATAL')
    server.wait_state('backoff', 'BACKOFF')
    (server.dir / 'good').touch()
    assert server.restarter.restartProcessGroup('backoff') is True
    assert server.restarter.restartProcessGroup('fatal') is True


def test_a_process_that_is_stopping_at_the_beginning_comes_back(start):
    server = start(held())
    server.wait_workers()
    server.rpc().supervisor.stopProcess('web', False)
    assert server.state('web') == 'STOPPING'
    client = RudeClient(server, 'restarter.restartProcessGroup', 'web', {'timeout': 0})
    server.rpc().supervisor.getState()  # by now it has got the call
    server.let_stop()
    assert client.answer() is True
    client.hang_up()


def test_only_running_leaves_the_others_as_they_are(start):
    server = start(program(count=3))
    server.wait_state()
    server.rpc().supervisor.stopProcess('web:1')
    assert server.restarter.restartProcessGroup('web', {'only_running': True}) is True
    assert server.states('web') == {'0': 'RUNNING', '1': 'STOPPED', '2': 'RUNNING'}
    struct = server.restarter.getRestart(server.only_restart())
    assert [process['phase'] for process in struct['processes']] == ['ready', 'skipped', 'ready']


# -- promise 7: a failure is reported with its reason as soon as it is certain ----------------


def test_a_process_that_cannot_run_fails_with_the_reason(start):
    # fmt: off
    failing = {
        'status':  (worker('--die', '0', '--exit', '3'), 60, 'exit status 3'),
        'signal':  ('/bin/sh -c "kill -9 $$"',           60, 'terminated by SIGKILL'),
        'missing': ('/nonexistent/command',              0,  "can't find command '/nonexistent/command'"),
        'text':    ('/etc/passwd',                       0,  'is not executable'),
    }
    # fmt: on
    server = start(
        ''.join(
            program(name, command, autostart='false', startsecs=startsecs)
            for name, (command, startsecs, _) in failing.items()
        )
    )
    for name, (_, _, reason) in failing.items():
        [entry] = server.restarter.restartProcessGroup(name, {'timeout': 15})
        assert (entry['group'], entry['name'], entry['code']) == (name, name, Code.START_FAILED)
        assert entry['text'].startswith('START_FAILED: ')
        assert reason in entry['text']


def test_a_process_that_ends_as_its_exitcodes_say_has_run(start):
    server = start(program(command=worker('--die', '0'), autostart='false', autorestart='false'))
    assert server.restarter.restartProcessGroup('web') is True
    server.wait_state('web', 'EXITED')


def test_a_process_whose_command_is_gone_is_not_stopped(start):
    server = start(program(command='%(here)s/command 1000'), extra='')
    command = server.dir / 'command'
    server.wait_state('web', 'FATAL', 'BACKOFF')
    command.symlink_to('/bin/sleep')
    assert server.restarter.restartProcessGroup('web') is True
    pid = server.pids()
    command.unlink()
    entries = server.restarter.restartProcessGroup('web')
    assert 'left as it is' in entries[0]['text']
    assert server.pids() == pid


def test_on_failure(start):
    programs = program('a', '/nonexistent') + program('b', priority=1000)
    server = start(programs + '[group:web]\nprograms=a,b\n')
    server.wait_state('web', 'RUNNING', 'FATAL', 'BACKOFF')
    for on_failure, restarted in (('abort', False), ('continue', True)):
        pid = server.pids()['b']
        options = {'on_failure': on_failure, 'stagger_factor': 2, 'delay': 0.2}
        entries = server.restarter.restartProcessGroup('web', options)
        assert [entry['name'] for entry in entries] == ['a']
        assert (server.pids()['b'] != pid) is restarted


# -- promise 9: waiting costs no CPU ---------------------------------------------------------


def test_a_waiting_restart_does_not_spin(start):
    """While a process takes a second to stop, the loop turns a few times and not thousands of
    times.
    """
    server = start(program(command=worker('--stop', '1')))
    server.wait_workers()
    supervisord = server.rpc().supervisor.getPID()
    waiter = server.in_background(lambda: server.restarter.restartProcessGroup('web'))
    server.wait_phase(server.only_restart(), 'stopping')
    before = switches(supervisord)
    assert waiter.result() is True
    assert switches(supervisord) - before < 200


def switches(pid: int) -> int:
    """How many times the process has gone to sleep or was interrupted."""
    with open(f'/proc/{pid}/status') as file:
        return sum(int(line.split()[1]) for line in file if 'ctxt_switches' in line)
