"""A client that waits in one of Supervisor's stop calls is answered, whatever restarts do meanwhile."""
from __future__ import annotations

import pytest

from tests.integration.server import program, worker

STOPS = {
    'group': lambda server: server.proxy().supervisor.stopProcessGroup('web'),
    'all': lambda server: server.proxy().supervisor.stopAllProcesses(),
    'supervisorctl': lambda server: server.ctl('stop', 'web:*'),
}


def two(start, quick='0.6', slow='2.0'):
    """A server with web:quick and web:slow, which take so many seconds to stop."""
    server = start(program('quick', worker('--stop', quick)) + program('slow', worker('--stop', slow))
                   + '[group:web]\nprograms=quick,slow\n')
    server.wait_workers()
    return server


def phases(struct):
    return {process['name']: process['phase'] for process in struct['processes']}


@pytest.mark.parametrize('stop', STOPS.values(), ids=STOPS)
def test_the_next_restart_starts_one_process_while_another_still_stops(start, stop):
    """So they are never stopped at the same time, and the client has to be told of each."""
    server = two(start)
    first = server.restarter.startRestart('web')
    server.wait_phase(first, 'stopping')
    call = server.in_background(lambda: stop(server))
    server.wait_phase(first, 'skipped')
    second = server.restarter.startRestart('web', {'if_busy': 'queue'})
    assert server.wait_finished(second)['state'] == 'succeeded'
    call.result()
    assert set(server.states('web').values()) == {'RUNNING'}


def test_supervisors_own_part_of_the_answer_is_slower_than_the_next_restart(start):
    """web:quick was being stopped by a restart, web:slow is stopped by the call itself."""
    server = two(start)
    first = server.restarter.startRestart('web:quick')
    server.wait_phase(first, 'stopping')
    call = server.in_background(lambda: server.proxy().supervisor.stopProcessGroup('web'))
    server.wait_phase(first, 'skipped')
    second = server.restarter.startRestart('web', {'if_busy': 'queue'})
    assert server.wait_finished(second)['state'] == 'succeeded'
    assert [(row['name'], row['description']) for row in call.result()] == [('slow', 'OK'), ('quick', 'OK')]


@pytest.mark.parametrize('name', ['quick', 'slow'])
def test_the_queued_restart_begins_when_the_process_has_just_stopped_or_still_stops(start, name):
    server = two(start)
    first = server.restarter.startRestart('web')
    server.wait_phase(first, 'stopping')
    call = server.in_background(lambda: server.proxy().supervisor.stopProcess(f'web:{name}'))
    server.wait_phase(first, 'skipped')
    second = server.restarter.startRestart('web', {'if_busy': 'queue'})
    assert server.wait_finished(second)['state'] == 'succeeded'
    assert call.result() is True


def test_a_restart_that_was_queued_before_the_stop_leaves_stopped_what_was_stopped(start):
    server = two(start)
    first = server.restarter.startRestart('web')
    second = server.restarter.startRestart('web', {'if_busy': 'queue'})
    server.wait_phase(first, 'stopping')
    call = server.in_background(lambda: server.proxy().supervisor.stopProcessGroup('web'))
    assert phases(server.wait_finished(second)) == {'quick': 'skipped', 'slow': 'skipped'}
    assert {row['description'] for row in call.result()} == {'OK'}
    assert server.states('web') == {'quick': 'STOPPED', 'slow': 'STOPPED'}
