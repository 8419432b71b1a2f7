"""[fcgi-program:x] on a real supervisord: the shared socket stays open through every kind of
restart (promise 8).
"""

from __future__ import annotations

import pytest

from tests.integration.asking import Asker
from tests.integration.server import RudeClient, program
from tests.integration.service import address, marks, ready_after, service

LISTENING = '0A'


def fcgi(at, count=3, **settings):
    settings = {'socket': f'tcp://{at}:8000', **settings}
    return program('web', service('--fd', '--slow', '0.2'), count, 'fcgi-program', **settings)


def holding(at):
    """Two processes that stop when they are let."""
    return program(
        'web',
        service('--fd', '--hold'),
        2,
        'fcgi-program',
        socket=f'tcp://{at}:8000',
        stopwaitsecs=600,
    )


def served(server, at, count=3):
    server.wait(lambda: len(marks(server.dir, 'ready')) >= count, 'services')


def is_open(at, port=8000):
    """Whether somebody listens there."""
    wanted = ''.join(f'{int(part):02X}' for part in reversed(at.split('.'))) + f':{port:04X}'
    with open('/proc/net/tcp') as table:
        return any(
            line.split()[1] == wanted and line.split()[3] == LISTENING for line in list(table)[1:]
        )


def restart_all(server):
    return server.restarter.restartProcessGroup('web') is True


def roll(server):
    return server.restarter.restartProcessGroup('web', {'max_unavailable': 1, 'timeout': 0}) is True


def quick(server):
    return all(row['description'] == 'OK' for row in server.restarter.quickRestart('web:', True))


@pytest.mark.parametrize('restart', [restart_all, roll, quick])
def test_no_connection_is_refused_and_the_socket_closes_as_always_after(start, restart):
    at = address()
    server = start(fcgi(at))
    served(server, at)
    before, mark = server.pids(), server.log_size()
    with Asker((at, 8000)) as client:
        server.wait(lambda: client.answers > 0, 'an answer')
        assert restart(server)
        served(server, at, 6)
        answered = client.answers
        server.wait(lambda: client.answers > answered, 'another answer')
    assert client.refused == []
    assert not set(server.pids().values()) & set(before.values())
    assert f'socket tcp://{at}' not in server.log_text(mark)  # neither closed nor created anew

    server.rpc().supervisor.stopProcessGroup('web')
    assert server.log_text(mark).count(f'Closing socket tcp://{at}') == 1
    server.wait(lambda: not is_open(at), 'end of the socket')


def test_the_socket_stays_open_while_every_process_is_down(start):
    at = address()
    server = start(holding(at))
    served(server, at, 2)
    mark = server.log_size()
    id = server.restarter.startRestart('web')
    server.wait_phase(id, 'stopping')
    server.let_stop()
    server.wait(lambda: 'stopped: 1' in server.log_text(mark), 'end of the processes')
    assert server.wait_finished(id)['state'] == 'succeeded'
    assert is_open(at)
    assert 'Closing socket' not in server.log_text(mark)


def test_cancel_lets_go_of_the_socket(start):
    at = address()
    server = start(holding(at))
    served(server, at, 2)
    id = server.restarter.startRestart('web', {'stagger_factor': 2, 'delay': 60})
    server.wait_phase(id, 'stopping')
    server.restarter.cancelRestart(id)
    server.let_stop()
    assert server.wait_finished(id)['state'] == 'cancelled'
    server.rpc().supervisor.stopProcessGroup('web')
    server.wait(lambda: not is_open(at), 'end of the socket')


def test_stop_in_the_middle_of_a_restart_closes_the_socket_when_that_is_over(start):
    at = address()
    server = start(holding(at))
    served(server, at, 2)
    id = server.restarter.startRestart('web')
    server.wait_phase(id, 'stopping')
    client = RudeClient(server, 'supervisor.stopProcessGroup', 'web')
    server.rpc().supervisor.getState()  # by now it has got the call
    server.let_stop()
    client.answer()
    client.hang_up()
    assert server.wait_finished(id)['state'] == 'failed'
    server.wait(lambda: not is_open(at), 'end of the socket')


def test_processes_of_a_group_that_is_down_share_one_socket_after_a_restart(start):
    at = address()
    server = start(fcgi(at, autostart='false'))
    assert not is_open(at)
    assert restart_all(server)
    served(server, at)
    with Asker((at, 8000)) as client:
        server.wait(lambda: client.answers > 0, 'an answer')
    server.rpc().supervisor.stopProcessGroup('web')
    server.wait(lambda: not is_open(at), 'end of the socket')


def test_a_rolling_restart_by_notify_keeps_enough_processes_at_the_socket(start):
    """At the shared socket every connection succeeds: only the process itself can tell that it is
    ready.
    """
    at = address()
    server = start(
        program(
            'web',
            service('--fd', '--notify', '--slow', '0.2'),
            4,
            'fcgi-program',
            socket=f'tcp://{at}:8000',
            environment='RESTARTER_READY="notify"',
        )
    )
    served(server, at, 4)
    with Asker((at, 8000)) as client:
        server.wait(lambda: client.answers > 0, 'an answer')
        assert (
            server.restarter.restartProcessGroup('web', {'max_unavailable': '50%', 'timeout': 0})
            is True
        )
    assert client.refused == []
    assert min(ready_after(server.dir)) >= 2


def test_update_works_when_the_group_is_done_and_others_of_the_restart_are_not(start):
    at = address()
    server = start(fcgi(at, 1) + program('slow', service('--hold', name='slow'), stopwaitsecs=600))
    served(server, at, 2)
    id = server.restarter.startRestart(['web', 'slow'])
    server.wait(
        lambda: (
            [
                p['phase']
                for p in server.restarter.getRestart(id)['processes']
                if p['group'] == 'web'
            ]
            == ['ready']
        ),
        'web ready',
    )
    text = server.conf.read_text()
    server.conf.write_text(text.replace('--slow 0.2', '--slow 0.1'))
    result = server.ctl('update')
    assert (result.returncode, result.stderr) == (0, '')
    server.wait(lambda: server.state('web:web') == 'RUNNING', 'web again')
    assert server.restarter.getRestart(id)['state'] == 'running'
