"""A client that waits in one of Supervisor's stop calls is answered, whatever restarts do
meanwhile.
"""

from __future__ import annotations

import pytest

from tests.integration.server import program, worker

STOPS = {
    'group': lambda server: server.proxy().supervisor.stopProcessGroup('web'),
    'all': lambda server: server.proxy().supervisor.stopAllProcesses(),
    'supervisorctl': lambda server: server.ctl('stop', 'web:*'),
}


@pytest.fixture
def two(start):
    """A server with web:one and web:other, each of which stops when let() says so."""
    server = start(
        ''.join(
            program(name, worker('--hold', f'%(here)s/{name}'), stopwaitsecs=600)
            for name in ('one', 'other')
        )
        + '[group:web]\nprograms=one,other\n'
    )
    server.wait_workers()
    yield server
    let(server, 'one', 'other')


def let(server, *names):
    for name in names:
        (server.dir / name).touch()


def phases(struct):
    return {process['name']: process['phase'] for process in struct['processes']}


def wait_ready(server, id, name):
    server.wait(
        lambda: phases(server.rpc().restarter.getRestart(id))[name] == 'ready', f'web:{name}'
    )


@pytest.mark.parametrize('stop', STOPS.values(), ids=STOPS)
def test_the_next_restart_starts_one_process_while_another_still_stops(two, stop):
    """So they are never stopped at the same time, and the client has to be told of each."""
    first = two.restarter.startRestart('web')
    two.wait_phase(first, 'stopping')
    call = two.in_background(lambda: stop(two))
    two.wait_finished(first)  # everything is wanted down
    second = two.restarter.startRestart('web', {'if_busy': 'queue'})
    let(two, 'one')
    wait_ready(two, second, 'one')
    let(two, 'other')
    assert two.wait_finished(second)['state'] == 'succeeded'
    call.result()
    assert two.states('web') == {'one': 'RUNNING', 'other': 'RUNNING'}


def test_supervisors_own_part_of_the_answer_is_slower_than_the_next_restart(two):
    """web:one was being stopped by a restart, web:other is stopped by the call itself."""
    first = two.restarter.startRestart('web:one')
    two.wait_phase(first, 'stopping')
    call = two.in_background(lambda: two.proxy().supervisor.stopProcessGroup('web'))
    two.wait_finished(first)
    second = two.restarter.startRestart('web', {'if_busy': 'queue'})
    let(two, 'one')
    wait_ready(two, second, 'one')
    let(two, 'other')
    assert two.wait_finished(second)['state'] == 'succeeded'
    assert [(row['name'], row['description']) for row in call.result()] == [
        ('other', 'OK'),
        ('one', 'OK'),
    ]


@pytest.mark.parametrize('order', [('one', 'other'), ('other', 'one')])
def test_the_queued_restart_begins_when_the_process_has_just_stopped_or_still_stops(two, order):
    first = two.restarter.startRestart('web')
    two.wait_phase(first, 'stopping')
    call = two.in_background(lambda: two.proxy().supervisor.stopProcess('web:one'))
    two.wait_phase(first, 'skipped')
    second = two.restarter.startRestart('web', {'if_busy': 'queue'})
    let(two, order[0])
    two.wait(lambda: two.state(f'web:{order[0]}') != 'STOPPING', f'stop of web:{order[0]}')
    let(two, order[1])
    assert two.wait_finished(second)['state'] == 'succeeded'
    assert call.result() is True


def test_a_restart_that_was_queued_before_the_stop_leaves_stopped_what_was_stopped(two):
    first = two.restarter.startRestart('web')
    second = two.restarter.startRestart('web', {'if_busy': 'queue'})
    two.wait_phase(first, 'stopping')
    call = two.in_background(lambda: two.proxy().supervisor.stopProcessGroup('web'))
    assert phases(two.wait_finished(second)) == {'one': 'skipped', 'other': 'skipped'}
    let(two, 'one', 'other')
    assert {row['description'] for row in call.result()} == {'OK'}
    assert two.states('web') == {'one': 'STOPPED', 'other': 'STOPPED'}
