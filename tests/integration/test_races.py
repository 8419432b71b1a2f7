"""Things that happen in the same turn of supervisord's loop, and what a restart leaves behind in
it.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager

import pytest

from supervisor_restarter.faults import Code
from tests.chaos.proc import used
from tests.integration.probe import SECTION as PROBE
from tests.integration.server import HELD, ROOT, RudeClient, Server, held, program, worker

SLOW = held(count=2)


@contextmanager
def one_turn(server, *calls):
    """Clients whose calls, (method, arguments...), supervisord finds all at once in one turn of its
    loop.
    """
    clients = [RudeClient(server) for _ in calls]
    server.rpc().supervisor.getState()  # by now it has accepted them
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        for client, (method, *arguments) in zip(clients, calls):
            client.call(method, *arguments)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    yield [client.answer for client in clients]
    for client in clients:
        client.hang_up()


@pytest.mark.parametrize(
    'sections',
    [
        program(command="/bin/sh -c 'exec sleep 1000 </dev/null'", count=4),
        program(kind='fcgi-program', count=4, socket='unix://%(here)s/fcgi'),
    ],
    ids=['closed stdin', 'fcgi'],
)
def test_supervisord_is_idle_after_restarts(start, sections):
    """A new process's pipes take the numbers of old ones that the poller has not yet forgotten."""
    server = start(sections + program('slow', worker('--stop', '0.5')))
    server.wait_state()
    for _ in range(3):
        assert server.wait_finished(server.restarter.startRestart('web'))['state'] == 'succeeded'
        server.wait_workers('slow')
        before = used(server.process.pid)
        # nothing to do for half a second
        assert server.restarter.quickRestart('slow:', True)[0]['status'] == 80
        assert used(server.process.pid) - before < 0.25


@pytest.mark.parametrize(('method', 'names'), [('quickStop', 'web'), ('quickRestart', 'w*')])
def test_waiting_costs_nothing_where_a_process_is_stopped_already(start, method, names):
    programs = program('slow', worker('--stop', '1.5')) + program('quick', worker())
    server = start(programs + '[group:web]\nprograms=slow,quick\n')
    server.wait_workers()
    server.proxy().supervisor.stopProcess('web:quick', True)
    before = used(server.process.pid)
    (row,) = getattr(server.restarter, method)(names, True)  # takes 1.5 s
    assert row['status'] == 80
    assert used(server.process.pid) - before < 0.4


def test_what_somebody_else_starts_in_the_same_turn_is_not_stopped_again(start):
    server = start(program(count=2, autostart='false'))
    with one_turn(
        server, ('restarter.restartProcessGroup', 'web'), ('supervisor.startProcessGroup', 'web')
    ) as (restart, stock):
        assert restart() is True
        assert [row['status'] for row in stock()] == [80, 80]
    assert server.log_text().count('spawned') == 2


def test_two_quick_starts_in_one_turn(start):
    server = start(program(count=2, autostart='false'))
    with one_turn(
        server, ('restarter.quickStart', 'web', True), ('restarter.quickStart', 'web', True)
    ) as answers:
        assert [[row['status'] for row in answer()] for answer in answers] == [[80, 80], [80, 80]]
    assert server.log_text().count('spawned') == 2


def test_a_restart_after_a_quick_stop_in_one_turn_is_the_newer_will(start):
    server = start(program(command=worker(), count=2))
    server.wait_workers()
    with one_turn(
        server, ('restarter.quickStop', 'web'), ('restarter.restartProcessGroup', 'web')
    ) as (stop, restart):
        assert [row['status'] for row in stop()] == [80, 80]
        assert restart() is True
    assert set(server.states('web').values()) == {'RUNNING'}


def test_a_restart_after_a_quick_stop_of_many_processes_in_one_turn_is_the_newer_will(start):
    # more of them than are stopped in one slice of work
    server = start(program(count=250, redirect_stderr='true'))
    server.wait_state()
    with one_turn(server, ('restarter.quickStop', 'web'), ('restarter.startRestart', 'web')) as (
        stop,
        restart,
    ):
        assert {row['status'] for row in stop()} == {80}
        struct = server.wait_finished(restart())
    assert (struct['state'], struct['done'], struct['failed']) == ('succeeded', 250, 0)
    names = [process['name'] for process in struct['processes']]
    assert names == [str(number) for number in range(250)]  # 10 after 9
    assert set(server.states('web').values()) == {'RUNNING'}


def test_a_cancel_is_told_at_once(start):
    server = start(held())
    server.wait_workers()
    id = server.restarter.startRestart('web')
    server.wait_phase(id, 'stopping')
    calls = [('restarter.waitRestart', id, 2**31 - 1, 30), ('restarter.cancelRestart', id)]
    with one_turn(server, *calls) as (told, done):
        assert done() is True
        struct = told()
    assert struct['state'] == 'cancelled'
    assert struct['processes'][0]['phase'] == 'stopping'


def test_a_quick_restart_that_nobody_waits_for_does_not_time_out(start):
    server = start(program(command=worker(), count=2, startsecs=2), restarter='timeout=1')
    server.wait_workers()
    assert [row['status'] for row in server.restarter.quickRestart('web')] == [80, 80]
    assert server.wait_finished(server.only_restart())['state'] == 'succeeded'


def test_the_timeout_of_a_quick_restart_that_nobody_waits_for_holds_until_all_are_started(start):
    server = start(held(), restarter='timeout=0.5')
    server.wait_workers()
    assert [row['status'] for row in server.restarter.quickRestart('web')] == [Code.TIMEOUT]


def test_sigkill_is_not_sent_again_and_again(start):
    """A process that is traced cannot be reaped by supervisord before its tracer has seen its end."""
    server = start(program(command=HELD, stopwaitsecs=60))
    server.wait_workers()
    pid = server.pids()['web']
    with traced(pid):
        id = server.restarter.startRestart('web', {'stop_timeout': 0})
        server.wait(lambda: 'SIGKILL' in server.log_text(), 'SIGKILL')
        struct = server.restarter.waitRestart(id, 2**31 - 1, 1.0)
        assert struct['processes'][0]['phase'] == 'stopping'
        assert server.log_text().count('with SIGKILL') < 20
    assert server.wait_finished(id)['state'] == 'succeeded'


@contextmanager
def traced(pid):
    """Be the tracer of the process, so that only we are told of its end at first."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    seize, detach = 0x4206, 17
    if libc.ptrace(seize, pid, None, None) != 0:
        pytest.skip(f'ptrace is not allowed here: {os.strerror(ctypes.get_errno())}')
    try:
        yield
    finally:
        os.waitpid(pid, 0x40000000)  # __WALL: its end, so that its parent is told
        libc.ptrace(detach, pid, None, None)


@pytest.mark.parametrize('errors', [1, 1000])
def test_an_error_of_our_own_ends_the_restart_and_neither_supervisord_nor_a_process(
    monkeypatch, errors
):
    """After one error the restart brings back what is down; one that goes on failing is given up."""
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    with Server(SLOW, restarter='delay=3600\nstagger_factor=2', extra=PROBE) as server:
        server.wait_workers()
        before = server.pids()
        call = server.in_background(
            lambda: server.restarter.restartProcessGroup('web', {'timeout': 0})
        )
        id = server.only_restart()
        server.wait_phase(id, 'stopping')
        server.proxy().probe.breakSteps(errors)
        server.let_stop()
        fault = server.fault(call.result)
        assert fault.faultCode == Code.CANCELLED
        assert 'internal error' in fault.faultString
        assert server.wait_finished(id)['state'] == 'cancelled'
        assert 'RuntimeError: a defect' in server.log_text()
        if errors == 1:
            server.wait_workers()
            assert server.pids()['0'] not in (0, before['0'])
        assert server.pids()['1'] == before['1']
        server.proxy().probe.breakSteps(0)
        server.wait_state('web', 'RUNNING', 'STOPPED')
        assert server.rpc().supervisor.getState()['statename'] == 'RUNNING'
