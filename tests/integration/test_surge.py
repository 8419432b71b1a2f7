"""max_surge on a real supervisord: the new process is there before the old one is stopped."""

from __future__ import annotations

import os
import signal

import pytest

from tests.integration.asking import Asker
from tests.integration.server import program, wait_for_exec
from tests.integration.service import address, marks, open_gate, order, service
from tests.integration.surging import (
    BY_NOTIFY,
    YES,
    alive,
    begin,
    begun,
    beside,
    by_name,
    up,
    wait_names,
)


def only(restart):
    [process] = restart['processes']
    return process


# -- it goes well ----------------------------------------------------------------------------------


def test_one_process_is_replaced_without_being_down(start):
    server = start(beside())
    up(server)
    old, descriptors = server.pids()['0'], server.descriptors()
    id = begun(server)
    wait_names(server, _0='RUNNING', _0_old='RUNNING')
    restart = server.restarter.getRestart(id)
    assert (restart['ready'], restart['allowed']) == (1, 1)
    assert server.pids()['0.old'] == old
    assert not marks(server.dir, 'stopped')

    open_gate(server.dir)
    server.wait_phase(id, 'ready')
    wait_names(server, _0='RUNNING', _0_old='STOPPING')
    restart = server.restarter.getRestart(id)
    assert (restart['state'], restart['finished_at'], restart['ready']) == ('running', '', 1)

    server.let_stop()
    restart = server.wait_finished(id)
    assert (restart['state'], restart['lowest_ready'], restart['killed']) == ('succeeded', 1, 0)
    process, new = only(restart), server.pids()
    assert (process['old_pid'], new) == (old, {'0': process['new_pid']})
    assert process['stop_seconds'] > 0 == process['down_seconds']
    ready, stopped = marks(server.dir, 'ready')[-1], marks(server.dir, 'stopped')
    assert [mark.pid for mark in stopped] == [old]
    assert stopped[0].time > ready.time
    assert server.descriptors() == descriptors + 1  # the socket of READY=1


def test_the_operation_waits_for_old_processes_to_the_end(start):
    """As for workers that finish their tasks first: they do not hold up the others."""
    server = start(beside(count=3))
    up(server, 3)
    old = server.pids()
    id = begun(server)
    open_gate(server.dir)
    wait_names(
        server, **{f'_{n}{s}': 'STOPPING' if s else 'RUNNING' for n in '012' for s in ('', '_old')}
    )
    restart = server.wait_phase(id, 'ready')
    assert (restart['state'], restart['ready'], restart['old_stopping']) == ('running', 3, 3)
    assert server.restarter.listRestarts()[0]['old_stopping'] == 3
    assert server.fault(lambda: begin(server)).faultString.startswith('BUSY')
    server.let_stop()
    restart = server.wait_finished(id)
    assert (restart['state'], restart['lowest_ready'], restart['old_stopping']) == (
        'succeeded',
        3,
        0,
    )
    assert not any(map(alive, old.values()))


def test_one_that_does_not_stop_is_killed_and_that_is_said(start):
    server = start(beside(count=2))
    up(server, 2)
    open_gate(server.dir)
    restart = server.wait_finished(begin(server, stop_timeout=0.5, max_surge='100%'))
    assert (restart['state'], restart['killed']) == ('succeeded', 2)
    for process in restart['processes']:
        assert 'its old process was killed' in process['note']
        assert 'stop_timeout' in process['note']
    assert list(server.pids()) == ['0', '1']


@pytest.mark.parametrize(('max_surge', 'at_once'), [('25%', 1), ('26%', 2), ('100%', 4), (3, 3)])
def test_so_many_are_there_twice_at_once(start, max_surge, at_once):
    server = start(beside(count=4))
    up(server, 4)
    id = begin(server, max_surge=max_surge)
    server.wait(lambda: sum('.old' in name for name in by_name(server)) == at_once, 'old ones')
    restart = server.restarter.getRestart(id)
    phases = [process['phase'] for process in restart['processes']]
    assert (phases.count('starting'), phases.count('waiting')) == (at_once, 4 - at_once)
    server.let_stop()
    open_gate(server.dir)
    assert server.wait_finished(id)['lowest_ready'] == 4
    assert len(server.pids()) == 4


def test_what_may_not_surge_restarts_as_always(start):
    """A group of two programs, of which one may."""
    server = start(
        program('a', service('--notify', '--stop', '0.1', name='a'), environment=BY_NOTIFY)
        + program('b', service('--notify', name='b'), environment='RESTARTER_READY="notify"')
        + '[group:web]\nprograms=a,b\n'
    )
    server.wait(lambda: len(marks(server.dir, 'ready')) == 2, 'services')
    old = server.pids()
    restart = server.wait_finished(begin(server))
    assert (restart['state'], restart['allowed'], restart['lowest_ready']) == ('succeeded', 1, 1)
    marked = {(mark.name, mark.what, mark.pid in old.values()): mark for mark in marks(server.dir)}
    assert marked['a', 'ready', False].time < marked['a', 'stopped', True].time
    assert marked['b', 'ready', False].time > marked['b', 'stopped', True].time


def test_two_groups_each_have_their_surge(start):
    server = start(beside() + beside(name='api', count=2))
    up(server, 3)
    id = begin(server, ['web', 'api'])
    wanted = {'web:0', 'web:0.old', 'api:0', 'api:0.old', 'api:1'}
    server.wait(lambda: set(by_name(server, 'web', 'api')) == wanted, 'old ones')
    server.let_stop()
    open_gate(server.dir)
    restart = server.wait_finished(id)
    assert (restart['state'], restart['lowest_ready'], restart['total']) == ('succeeded', 3, 3)


def test_one_that_is_down_is_started(start):
    server = start(beside(count=2))
    up(server, 2)
    server.let_stop()
    server.rpc().supervisor.stopProcess('web:1')
    open_gate(server.dir)
    restart = server.wait_finished(begin(server))
    assert (restart['state'], restart['lowest_ready']) == ('succeeded', 1)
    assert by_name(server) == {'web:0': 'RUNNING', 'web:1': 'RUNNING'}


# -- what clients of the program see ---------------------------------------------------------------


def test_one_process_with_so_reuseport_refuses_no_connection(start):
    at = address()
    tcp = f'{at}:8000'
    server = start(
        program(
            'web',
            service('--tcp', tcp, '--reuse', '--slow', '0.2'),
            environment=f'{YES},RESTARTER_READY="tcp://{tcp}"',
        )
    )
    server.wait(lambda: len(marks(server.dir, 'ready')) == 1, 'service')
    with Asker((at, 8000)) as client:
        for count in (2, 3):
            server.wait(lambda: client.answers > 0, 'an answer')
            restart = server.wait_finished(begin(server))
            assert (restart['state'], restart['lowest_ready']) == ('succeeded', 1)
            assert only(restart)['ready_seconds'] >= 0.2  # it is not the old one that is asked
            assert len(marks(server.dir, 'ready')) == count
            client.answers = 0
        server.wait(lambda: client.answers > 0, 'an answer')
    assert client.refused == []


def test_fcgi_programs_surge_without_being_asked(start):
    at = address()
    server = start(
        program(
            'web',
            service('--fd', '--notify', '--slow', '0.2'),
            kind='fcgi-program',
            socket=f'tcp://{at}:8000',
            environment='RESTARTER_READY="notify"',
        )
    )
    server.wait(lambda: len(marks(server.dir, 'ready')) == 1, 'service')
    mark = server.log_size()
    with Asker((at, 8000)) as client:
        server.wait(lambda: client.answers > 0, 'an answer')
        restart = server.wait_finished(begin(server))
        assert (restart['state'], restart['lowest_ready']) == ('succeeded', 1)
        answered = client.answers
        server.wait(lambda: client.answers > answered, 'another answer')
    assert client.refused == []
    assert f'socket tcp://{at}' not in server.log_text(mark)  # neither closed nor created anew


# -- it goes wrong ---------------------------------------------------------------------------------


def unharmed(server, id, old, why):
    """The restart has failed, and the old process has its name and was never touched."""
    restart = server.wait_finished(id)
    assert (restart['state'], restart['lowest_ready']) == ('failed', 1)
    assert why in only(restart)['error']
    server.wait(lambda: server.pids() == {'0': old}, 'the old process alone')
    assert not [mark for mark in marks(server.dir, 'stopped') if mark.pid == old]
    info = server.info('web:0')
    assert (info['statename'], info['pid']) == ('RUNNING', old)


@pytest.mark.parametrize('startsecs', [0, 1])
def test_a_new_process_that_dies_leaves_the_old_one_alone(start, startsecs):
    server = start(beside(startsecs=startsecs))
    up(server)
    server.wait_state()
    old = server.pids()['0']
    order(server.dir, 'web:0', '--exit', '3')
    unharmed(server, begin(server), old, 'exit status 3')
    order(server.dir, 'web:0')
    open_gate(server.dir)
    server.let_stop()
    assert server.wait_finished(begin(server))['state'] == 'succeeded'


@pytest.mark.parametrize('fast', ['true', 'false'])
def test_a_release_that_cannot_be_executed_leaves_the_old_one_alone(start, fast):
    """Its interpreter is missing."""
    server = start(
        program('web', '%(here)s/release', environment=YES, autostart='false'), f'fast_spawn={fast}'
    )
    release = server.dir / 'release'
    for interpreter in ('/bin/sh', '/no/such/shell'):
        release.unlink(missing_ok=True)
        release.write_text(f'#!{interpreter}\nwhile :; do sleep 0.1; done\n')
        release.chmod(0o755)
        if interpreter == '/bin/sh':
            server.rpc().supervisor.startProcess('web')
            old = server.pids()['web']
            wait_for_exec(server.pid)
    restart = server.wait_finished(begin(server))
    assert (restart['state'], restart['lowest_ready']) == ('failed', 1)
    assert '/no/such/shell' in only(restart)['error']
    assert server.pids() == {'web': old}


def test_one_that_does_not_become_ready_in_time_is_stopped_again(start):
    server = start(beside())
    up(server)
    old = server.pids()['0']
    id = begin(server, ready_timeout=3)
    wait_names(server, _0='RUNNING', _0_new='STOPPING')
    assert server.pids()['0'] == old
    # It is watched to its end, and the group is busy.
    assert server.restarter.getRestart(id)['finished_at'] == ''
    server.let_stop()
    unharmed(server, id, old, 'within 3 s')


def test_a_new_process_that_is_killed_while_it_comes_up_leaves_the_old_one_alone(start):
    server = start(beside())
    up(server)
    old = server.pids()['0']
    id = begun(server)
    os.kill(server.pids()['0'], signal.SIGKILL)
    unharmed(server, id, old, 'SIGKILL')


def test_after_a_failure_no_further_one_is_replaced(start):
    server = start(beside(count=3))
    up(server, 3)
    old = server.pids()
    order(server.dir, 'web:1', '--exit', '3')
    server.let_stop()
    restart = server.wait_finished(begin(server, max_surge=2))
    # The other one of the two had its new process on its way, which is given up.
    assert [process['phase'] for process in restart['processes']] == [
        'skipped',
        'failed',
        'skipped',
    ]
    assert server.pids() == old


# -- it is given up --------------------------------------------------------------------------------


def given_up(server, id, old, state):
    """... and the old process is as if nothing had been."""
    wait_names(server, _0='RUNNING', _0_new='STOPPING')
    server.let_stop()
    restart = server.wait_finished(id)
    assert (restart['state'], restart['lowest_ready'], only(restart)['phase']) == (
        state,
        1,
        'skipped',
    )
    assert 'not reached' in only(restart)['error']
    server.wait(lambda: server.pids() == {'0': old}, 'the old process alone')
    assert server.state('web:0') == 'RUNNING'


def test_a_cancel_stops_the_new_one_again(start):
    server = start(beside())
    up(server)
    old = server.pids()['0']
    id = begun(server)
    assert server.restarter.cancelRestart(id)
    given_up(server, id, old, 'cancelled')


def test_so_does_a_timeout(start):
    server = start(beside())
    up(server)
    old = server.pids()['0']
    given_up(server, begin(server, timeout=3), old, 'timed_out')


def test_at_the_timeout_old_processes_may_still_stop(start):
    server = start(beside())
    up(server)
    open_gate(server.dir)
    fault = server.fault(
        lambda: server.restarter.restartProcessGroup('web', {'max_surge': 1, 'timeout': 5})
    )
    assert 'its old process is still stopping' in fault.faultString
    id = server.only_restart()
    wait_names(server, _0='RUNNING', _0_old='STOPPING')
    assert server.restarter.getRestart(id)['state'] == 'timed_out'
    server.let_stop()
    restart = server.wait_finished(id)
    assert (restart['state'], only(restart)['phase']) == ('timed_out', 'ready')


# -- max_surge in the configuration ----------------------------------------------------------------


def test_it_holds_for_all_restarts_of_what_may(start):
    server = start(beside(), 'max_surge=1')
    up(server)
    server.let_stop()
    old = server.pids()['0']
    call = server.in_background(lambda: server.restarter.restartProcessGroup('web'))
    wait_names(server, _0='RUNNING', _0_old='RUNNING')
    open_gate(server.dir)
    assert call.result() is True
    assert not alive(old)

    old, mark = server.pids()['0'], server.log_size()
    assert server.restarter.quickRestart('web:', True)[0]['description'] == 'OK'
    server.wait(lambda: not alive(old), 'end of the old one')
    assert 'stopped: 0.old' in server.log_text(mark)


def test_an_event_listener_never_surges(start):
    ear = program(
        'ear', service(name='ear'), kind='eventlistener', events='TICK_3600', environment=YES
    )
    server = start(ear, 'max_surge=1')
    server.wait(lambda: len(marks(server.dir, 'ready')) == 1, 'service')
    assert server.restarter.restartProcessGroup('ear') is True
    assert '.old' not in server.log_text()
    fault = server.fault(lambda: begin(server, 'ear'))
    assert fault.faultString.startswith('BAD_OPTION: max_surge = 1')
