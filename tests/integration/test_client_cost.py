"""What clients, and other users of the machine, can cost the others at most. Ratios, for machines
differ, and of supervisord's time on a processor, which does not grow with what else the machine
does.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench import watched
from supervisor_restarter.faults import Code
from supervisor_restarter.server.jobs import MOST_QUEUED
from tests.chaos.proc import memory
from tests.integration.pair import ENDLESS
from tests.integration.server import HELD, RudeClient, Server, program
from tests.integration.service import service

CLIENTS = 1000
MONTHS = 10_000_000  # seconds, the longest that waitRestart accepts
FUTURE = 2**31 - 1
NOBODY = 65534


class Roomy(Server):
    """A supervisord for many clients."""

    def __init__(self, programs: str, restarter: str = '', extra: str = '') -> None:
        super().__init__(programs, restarter, extra)
        self._text = self._text.replace('minfds=1024', 'minfds=4096')


def spent(server):
    """For how many seconds supervisord has been on a processor."""
    return watched.spent(server.pid) / 1000


def cost_of(server, call, calls=60):
    """The seconds that supervisord spends for one such call, and whatever else it does meanwhile."""
    before = spent(server)
    for _ in range(calls):
        call()
    return (spent(server) - before) / calls


def cost(server, calls=60):
    """The same, for a call of Supervisor's own getState."""
    return cost_of(server, server.rpc().supervisor.getState, calls)


@contextmanager
def clients(server):
    """Many open connections, which are hung up at the end."""
    open_ones = [RudeClient(server) for _ in range(CLIENTS)]
    try:
        yield open_ones
    finally:
        for client in open_ones:
            client.hang_up()


def cost_of_all(server, crowd, *call):
    """The seconds that supervisord spends until each of the crowd has its answer."""
    before = spent(server)
    for client in crowd:
        client.call(*call)
    for client in crowd:
        client.answer()
    return spent(server) - before


def test_a_thousand_clients_that_wait(start):
    server = start(program(count=16), kind=Roomy)
    server.wait_state()
    before = server.descriptors()
    with clients(server) as crowd:
        stock = cost_of_all(server, crowd, 'supervisor.getAllProcessInfo')
        id = server.restarter.startRestart('web', ENDLESS)
        server.wait(lambda: server.rpc().restarter.getRestart(id)['done'] == 8, 'the first half')
        idle = cost(server)
        for client in crowd:
            client.call('restarter.waitRestart', id, FUTURE, MONTHS)
        cost(server)  # until all have been read
        assert cost(server) < 4 * idle
        began = spent(server)
        assert server.restarter.cancelRestart(id) is True
        assert {client.answer()['state'] for client in crowd} == {'cancelled'}
        # no more than if all had asked for what supervisorctl shows
        assert spent(server) - began < 3 * stock
    server.wait(lambda: server.descriptors() == before, 'end of the connections')


@pytest.fixture
def large(start):
    """A supervisord where a restart of 302 processes waits for another one, and its id."""
    server = start(program('two', count=2) + program(count=300, autostart='false'), kind=Roomy)
    server.wait_state('two')
    server.restarter.startRestart('two', ENDLESS)
    id = server.restarter.startRestart(['two', 'web'], {'if_busy': 'queue'})
    return server, id


def test_a_look_at_a_large_restart(large):
    server, id = large
    known = server.restarter.getRestart(id)
    assert len(known['processes']) == 302
    wait = partial(server.rpc().restarter.waitRestart, id, FUTURE, 0)
    assert wait(known['version'])['processes'] == []
    # What Supervisor says of 302 processes is as long, and sent in 4096 bytes per turn of the loop.
    stock = cost_of(server, server.rpc().supervisor.getAllProcessInfo, 20)
    assert 2 * cost_of(server, wait, 20) < stock
    assert 5 * cost_of(server, partial(wait, known['version'])) < stock


def test_large_answers_in_one(large):
    server, id = large
    known = server.restarter.getRestart(id)
    news = server.restarter.waitRestart(id, 0, 1, 0)
    assert [process.pop('index') for process in news['processes']] == list(range(302))
    assert news['processes'] == known['processes']
    asked = [['getRestart', [id]], ['waitRestart', [id, FUTURE, 0.01]], ['getRestart', ['no']]]
    calls = [
        {'methodName': f'restarter.{method}', 'params': arguments} for method, arguments in asked
    ]
    now, later, fault = server.rpc().system.multicall(calls)
    assert now['processes'] == later['processes'] == known['processes']
    assert fault['faultCode'] == Code.NO_SUCH_RESTART


@pytest.mark.parametrize(
    ('method', 'arguments'),
    [('getRestart', ()), ('waitRestart', (0, 1)), ('waitRestart', (FUTURE, 0.01))],
)
def test_answers_are_whole_whoever_asks_and_however_slowly_they_are_read(large, method, arguments):
    server, id = large
    answer = getattr(server.restarter, method)(id, *arguments)
    size = len(xmlrpc.client.dumps((answer,)))
    idle, before = cost(server), memory(server.pid)
    crowd = [RudeClient(server) for _ in range(64)]
    for client in crowd:
        client.call(f'restarter.{method}', id, *arguments)
    cost(server)  # until all have been read
    assert cost(server) < 4 * idle
    assert 1024 * (memory(server.pid) - before) < 2 * len(crowd) * size
    for client in crowd:
        assert {**client.answer(), 'duration': 0} == {**answer, 'duration': 0}
        client.hang_up()


@pytest.mark.parametrize('method', ['waitRestart', 'restartProcessGroup'])
def test_clients_that_vanish_leave_nothing_behind(start, method):
    server = start(program('two', count=2) + program(count=2), kind=Roomy)
    server.wait_state()
    server.wait_state('two')
    id = server.restarter.startRestart('two', ENDLESS)
    server.wait(lambda: server.rpc().restarter.getRestart(id)['done'] == 1, 'the first process')
    before, idle = server.descriptors(), cost(server)
    call = (
        ('waitRestart', id, FUTURE, MONTHS)
        if method == 'waitRestart'
        else ('restartProcessGroup', 'web', {**ENDLESS, 'timeout': 0})
    )
    for _ in range(2):  # of the second kind only the first is not refused
        with clients(server) as crowd:
            for client in crowd:
                client.call(f'restarter.{call[0]}', *call[1:])
            cost(server)
        server.wait(lambda: server.descriptors() == before, 'end of the connections')
    assert cost(server) < 4 * idle
    # 2000 have asked for months and are gone; who asks now is told in time all the same
    began = time.monotonic()
    server.restarter.waitRestart(id, FUTURE, 0.3)
    assert 0.3 <= time.monotonic() - began < 10
    assert server.restarter.cancelRestart(id) is True


HUGE: list[Any] = [
    ['x'] * 100_000,
    ['all'] * 100_000,
    ['*'] * 10_000,
    '[' * 1_000_000,
    [f'w*{number}' for number in range(100_000)],
    [f'nothing{number}' for number in range(10_000)],
]


def test_huge_names(start):
    server = start(program(count=16))
    server.wait_state()
    for names in HUGE:
        taken = {}
        for namespace, method in (('supervisor', 'getProcessInfo'), ('restarter', 'planRestart')):
            began = spent(server)
            # Supervisor's own call answers an array with HTTP 500
            with suppress(xmlrpc.client.Fault, xmlrpc.client.ProtocolError):
                getattr(getattr(server.proxy(), namespace), method)(names)
            taken[namespace] = spent(server) - began
        assert taken['restarter'] < 3 * taken['supervisor'] + 0.5, names[0]
    server.log.write_text('')  # of Supervisor's tracebacks
    assert server.state('web:0') == 'RUNNING'


def test_what_is_queued_is_bounded(start):
    server = start(program('two', count=2))
    server.wait_state('two')
    id = server.restarter.startRestart('two', ENDLESS)
    idle = cost(server)
    queued = [
        server.restarter.startRestart('two', {'if_busy': 'queue'}) for _ in range(MOST_QUEUED)
    ]
    for call in (server.restarter.startRestart, server.restarter.restartProcessGroup):
        fault = server.fault(lambda call=call: call('two', {'if_busy': 'queue'}))
        assert (fault.faultCode, fault.faultString) == (
            Code.BUSY,
            f'BUSY: {MOST_QUEUED} restarts are queued already, and no more can be',
        )
    assert cost(server) < 10 * idle
    for one in [*queued, id]:
        assert server.restarter.cancelRestart(one) is True
    server.wait(
        lambda: all(one['finished_at'] for one in server.rpc().restarter.listRestarts()), 'an end'
    )
    assert server.restarter.restartProcessGroup('two') is True


@pytest.mark.parametrize('method', ['quickStop', 'quickStart'])
def test_calls_that_are_made_again_and_again_do_not_pile_up(start, method):
    settings: dict[str, Any] = {
        'command': HELD,
        'count': 20,
        'stopwaitsecs': 3600,
        'startsecs': 3600,
        'startretries': 0,
        'autorestart': 'false',
    }
    server = start(program(**settings))
    server.wait_state('web', 'STARTING')
    idle = cost(server)
    for _ in range(150):
        getattr(server.restarter, method)('web', False)
    if method == 'quickStart':
        server.restarter.quickStart('web', False)
    # of 150 runs that were watched to their end each would take some 0.1 ms in every turn
    assert cost(server) < 0.01 + 4 * idle
    for pid in filter(None, server.pids().values()):
        os.kill(pid, signal.SIGKILL)
    if method == 'quickStop':
        server.wait_state('web', 'STOPPED')


# -- other users of the machine ----------------------------------------------------------------

FLOOD = """
import os, socket, sys
if os.geteuid() == 0:
    os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
print('ready', flush=True)
while True:
    sender.sendto(b'READY=1', sys.argv[1])
"""


@contextmanager
def flood(path):
    """A process of another user (as root) that sends READY=1 to a socket, as fast as it can."""
    command = [sys.executable, '-S', '-E', '-c', FLOOD.replace('{nobody}', str(NOBODY)), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as sender:
        try:
            assert sender.stdout is not None
            assert sender.stdout.readline() == b'ready\n'
            yield sender
        finally:
            sender.kill()


@contextmanager
def sink(path):
    """A socket that somebody else reads, for the same load on the machine."""
    command = (
        'import os, socket, sys; reader = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n'
        'reader.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o666); print(1, flush=True)\n'
        'while True: reader.recv(100)'
    )
    with subprocess.Popen(
        [sys.executable, '-S', '-E', '-c', command, str(path)], stdout=subprocess.PIPE
    ) as reader:
        try:
            assert reader.stdout is not None
            reader.stdout.readline()
            yield path
        finally:
            reader.kill()


@pytest.mark.skipif(not hasattr(socket, 'SO_PASSCRED'), reason='notify needs Linux')
def test_a_flood_of_the_notify_socket_makes_nobody_ready_and_supervisord_serves_on(start):
    command = service('--notify', '--never', name='web')
    notify: dict[str, Any] = {'command': command, 'environment': 'RESTARTER_READY="notify"'}
    server = start(program(**notify))
    server.wait_state()
    before = server.pids()
    id = server.restarter.startRestart('web', {'ready_timeout': 60})
    server.wait(
        lambda: server.pids() != before and server.state('web') == 'RUNNING', 'the new process'
    )
    environment = Path(f'/proc/{server.pids()["web"]}/environ').read_bytes().split(b'\0')
    path = os.fsdecode(next(one[14:] for one in environment if one.startswith(b'NOTIFY_SOCKET=')))
    os.chmod(server.dir, 0o755)
    with sink(server.dir / 'sink') as elsewhere, flood(elsewhere):
        loaded = cost(server, 200)
    with flood(path) as sender:
        flooded = cost(server, 200)
        assert sender.poll() is None
    assert flooded < 20 * loaded + 0.02
    struct = server.restarter.getRestart(id)
    assert struct['processes'][0]['phase'] == 'starting'  # a stranger has said that it is ready
    os.kill(server.pids()['web'], signal.SIGKILL)  # or the end of supervisord would wait for it
