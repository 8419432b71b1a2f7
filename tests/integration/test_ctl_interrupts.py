"""supervisorctl's new commands that are interrupted, or whose server goes away: nothing stays down
without being named.
"""

from __future__ import annotations

import signal

import pytest

from tests.integration.ctl import KINDS, Ours, Stock
from tests.integration.server import held, program, shared, worker

both = pytest.mark.parametrize('kind', KINDS)
SLOW = held(count=2)
HOLDING = 'abcd'


@pytest.fixture(scope='module', params=KINDS)
def holding(request):
    """A server of each kind with a group for each test, whose two workers stop when the test has
    made a file of the group's name.
    """
    hold = worker('--hold', '%(here)s/%(group_name)s.stop')
    settings: dict[str, object] = {'count': 2, 'startsecs': 1, 'stopwaitsecs': 600}
    programs = ''.join(program(name, hold, **settings) for name in HOLDING)  # type: ignore[arg-type]
    with shared(programs, kind=request.param) as server:
        server.let = lambda group: (server.dir / f'{group}.stop').touch()
        for group in HOLDING:
            server.wait_workers(group)
        yield server
        for group in HOLDING:
            server.let(group)


stock_holding = pytest.mark.parametrize('holding', [Stock], indirect=True)
ours_holding = pytest.mark.parametrize('holding', [Ours], indirect=True)


def interrupted(server, command='quickrestart', group='web'):
    """The command, with all processes of the group being stopped by it; Ctrl-C is not sent yet."""
    server.wait_workers(group)
    running = server.begin(command, f'{group}:')
    server.wait(
        lambda: set(server.states(group).values()) == {'STOPPING'},
        'processes that are being stopped',
    )
    return running


@stock_holding
@pytest.mark.parametrize(('group', 'number'), [('a', signal.SIGINT), ('b', signal.SIGTERM)])
def test_without_the_interface_an_interrupt_leaves_nothing_down(holding, group, number):
    before = server_pids(holding, group)
    with interrupted(holding, group=group) as running:
        running.send_signal(number)
        lines = [running.stdout.readline().rstrip()]
        holding.let(group)
        lines += running.stdout.read().splitlines()
    assert lines == [
        'interrupted: waiting for 2 to stop, to start them again; Ctrl-C leaves them down',
        'Error: interrupted; what was stopped is started again',
    ]
    assert running.returncode == (1 if number == signal.SIGINT else -number)
    assert set(holding.states(group).values()) <= {'STARTING', 'RUNNING'}
    assert not before & server_pids(holding, group)


def server_pids(server, group='web'):
    server.wait_state(group)
    return set(server.pids(group).values())


@stock_holding
def test_without_the_interface_a_second_interrupt_says_what_is_down(holding):
    with interrupted(holding, group='c') as running:
        running.send_signal(signal.SIGINT)
        assert running.stdout.readline().startswith('interrupted: waiting for 2')
        running.send_signal(signal.SIGINT)
        assert running.stdout.read() == 'Error: interrupted; not started again: c:0, c:1\n'
    assert running.returncode == 1
    holding.let('c')
    holding.wait_state('c', 'STOPPED')


@ours_holding
def test_with_the_interface_an_interrupt_ends_only_the_watching(holding):
    with interrupted(holding, group='a') as running:
        done = holding.ctl('quickrestart', 'a:')
        assert done.stdout.startswith("Error: process group 'a' is being restarted already")
        assert done.returncode == 1
        id = holding.restarter.listRestarts()[0]['id']
        running.send_signal(signal.SIGINT)
        assert running.stdout.read() == (
            f'Error: interrupted; restart {id} goes on; to wait for it: waitrestart {id}; '
            f'to cancel it: cancelrestart {id}\n'
        )
    assert running.returncode == 1
    holding.let('a')
    assert holding.wait_finished(id)['state'] == 'succeeded'


def test_an_interrupted_quickstop_goes_on(holding):
    with interrupted(holding, 'quickstop', 'd') as running:
        running.send_signal(signal.SIGINT)
        assert running.stdout.read() == 'Error: interrupted; what has begun goes on\n'
    assert running.returncode == 1
    holding.let('d')
    holding.wait_state('d', 'STOPPED')


@both
def test_an_output_that_nobody_reads_leaves_nothing_down(start, kind):
    programs = program('fast', worker()) + held('slow') + '[group:web]\nprograms=fast,slow\n'
    server = start(programs, kind=kind)
    server.wait_workers()
    before = server_pids(server)
    with server.begin('quickrestart', 'web:') as running:
        running.stdout.close()
        server.wait(lambda: server.state('web:slow') == 'STOPPING', 'the stop')
        server.let_stop()
    assert running.returncode == 0
    assert not before & server_pids(server)


# -- servers that go away or do not let us in ------------------------------------------------------


@both
def test_a_server_that_is_killed_meanwhile(start, kind):
    server = start(SLOW, kind=kind)
    with interrupted(server) as running:
        server.process.kill()
        [line] = running.stdout.read().splitlines()
    assert line.startswith('Error: ')
    assert 'refused connection' in line or 'closed the connection' in line or 'reset' in line
    assert ('not started again: web:0, web:1' in line) == (kind is Stock)
    assert running.returncode == 1


@both
@pytest.mark.parametrize('command', ['quickrestart', 'quickstop'])
def test_a_server_that_shuts_down_meanwhile(start, kind, command):
    server = start(SLOW, kind=kind)
    with interrupted(server, command) as running:
        server.process.terminate()
        server.wait(lambda: 'received SIGTERM' in server.log_text(), 'the signal')
        server.let_stop()
        shown = running.stdout.read().splitlines()
    # The last look may find the processes stopped by that, or supervisord gone.
    assert len(shown) in (1, 2)
    assert all(line.startswith(('Error: ', 'web:')) for line in shown)
    if command == 'quickrestart':
        assert running.returncode == 1
