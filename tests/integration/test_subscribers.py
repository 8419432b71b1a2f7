"""Subscribers of other plugins that act from within an event, in the middle of what a restart is
doing.
"""

from __future__ import annotations

import pytest

from tests.integration.server import HELD, ROOT, Server, program, worker
from tests.integration.subscriber import SECTION

QUEUE = {'if_busy': 'queue'}


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(ROOT))


@pytest.fixture
def begin(start):
    def run(programs, restarter=''):
        return start(programs, restarter, SECTION)

    return run


def phases(struct):
    return {
        f'{process["group"]}:{process["name"]}': process['phase'] for process in struct['processes']
    }


@pytest.mark.parametrize('names', [['web', 'web'], ['app', 'all']])
def test_restarts_that_are_asked_for_during_an_internal_error_are_carried_out(names):
    """The error ends what was there, and nothing that came after."""
    with Server(
        program(command=HELD, stopwaitsecs=600) + program('app', worker()), extra=SECTION
    ) as server:
        server.wait_workers('web')
        server.wait_workers('app')
        first = server.restarter.startRestart('web')
        queued = server.restarter.startRestart('web', QUEUE)
        server.wait_phase(first, 'stopping')
        for name in names:  # the first subscriber's begins at once, the second's may be queued
            server.proxy().subscriber.when(
                'GROUP_RESTART_CANCELLED', '', 'restarter.startRestart', [name, QUEUE]
            )
        server.proxy().subscriber.breakTurns(1)
        server.wait(
            lambda: server.rpc().restarter.getRestart(first)['finished_at'] != '', 'the error'
        )
        (server.dir / 'may-stop').touch()
        server.wait(lambda: len(server.proxy().subscriber.results()) == 2, 'two more')
        assert [server.wait_finished(id)['state'] for id in (first, queued)] == ['cancelled'] * 2
        for id in server.proxy().subscriber.results():
            assert server.wait_finished(id)['state'] == 'succeeded'
        server.wait_state('web', 'RUNNING', 'STOPPED')  # the error has left it to its stop
        assert server.restarter.restartProcessGroup('web') is True
        assert 'RuntimeError: a defect' in server.log_text()


def test_a_cancel_while_a_process_is_being_stopped_brings_it_back(begin):
    server = begin(program(command=worker(), count=2), 'delay=60\nstagger_factor=2')
    server.wait_workers()
    before = server.pids()
    id = str(int(server.restarter.startRestart(['web:1'])) + 1)
    server.wait_finished(server.only_restart())
    server.wait_workers()
    server.proxy().subscriber.when('PROCESS_STATE_STOPPING', '0', 'restarter.cancelRestart', [id])
    assert server.restarter.startRestart('web') == id
    struct = server.wait_finished(id)
    assert server.proxy().subscriber.results() == ['True']
    assert struct['state'] == 'cancelled'
    assert phases(struct) == {'web:0': 'ready', 'web:1': 'skipped'}
    assert server.states('web') == {'0': 'RUNNING', '1': 'RUNNING'}
    assert server.pids()['0'] != before['0']


def test_a_cancel_while_a_process_is_being_started_changes_nothing_for_it(begin):
    server = begin(program(command=worker(), count=2, autostart='false'))
    server.proxy().subscriber.when('PROCESS_STATE_STARTING', '0', 'restarter.cancelRestart', ['1'])
    assert server.restarter.startRestart('web') == '1'
    assert server.wait_finished('1')['state'] == 'cancelled'
    assert server.proxy().subscriber.results() == ['True']
    # both were down, and what is down comes back
    assert server.states('web') == {'0': 'RUNNING', '1': 'RUNNING'}


def test_a_cancel_as_soon_as_the_restart_has_begun_leaves_everything_as_it_is(begin):
    server = begin(program(command=worker(), count=2))
    server.wait_workers()
    before = server.pids()
    server.proxy().subscriber.when('GROUP_RESTART_STARTED', '', 'restarter.cancelRestart', ['1'])
    id = server.restarter.startRestart('web', {'stagger_factor': 2, 'delay': 60})
    struct = server.wait_finished(id)
    assert struct['state'] == 'cancelled'
    assert set(phases(struct).values()) == {'skipped'}
    assert server.pids() == before
    assert server.restarter.restartProcessGroup('web') is True


@pytest.mark.parametrize('event', ['GROUP_RESTART_STARTED', 'GROUP_RESTART_SUCCEEDED'])
def test_a_restart_that_is_asked_for_at_the_beginning_or_the_end_of_another_comes_after_it(
    begin, event
):
    server = begin(program(command=worker(), count=2))
    server.wait_workers()
    server.proxy().subscriber.when(event, '', 'restarter.startRestart', ['web', QUEUE])
    first = server.wait_finished(server.restarter.startRestart('web'))
    second = server.wait_finished(server.proxy().subscriber.results()[0])
    assert [first['state'], second['state']] == ['succeeded', 'succeeded']
    assert first['finished_at'] <= second['started_at']


def test_a_stop_while_another_process_is_being_started_is_heard(begin):
    """Both are started in one turn of the loop."""
    server = begin(program(command=worker(), count=2, autostart='false'))
    server.proxy().subscriber.when(
        'PROCESS_STATE_STARTING', '0', 'supervisor.stopProcess', ['web:1', False]
    )
    struct = server.wait_finished(server.restarter.startRestart('web'))
    assert server.proxy().subscriber.results() != []
    assert phases(struct) == {'web:0': 'ready', 'web:1': 'skipped'}
    assert server.states('web') == {'0': 'RUNNING', '1': 'STOPPED'}
    assert "spawned: '1'" not in server.log_text()


def test_a_group_that_is_removed_while_another_is_being_started_is_not_started(begin):
    server = begin(program('one', autostart='false') + program('two', autostart='false'))
    server.proxy().subscriber.when(
        'PROCESS_STATE_STARTING', 'one', 'supervisor.removeProcessGroup', ['two']
    )
    struct = server.wait_finished(server.restarter.startRestart(['one', 'two']))
    assert server.proxy().subscriber.results() == ['True']
    assert phases(struct) == {'one:one': 'ready', 'two:two': 'skipped'}
    assert "spawned: 'two'" not in server.log_text()


def test_a_process_that_others_start_while_another_is_being_started_is_taken_as_started(begin):
    server = begin(program(command=worker(), count=2, autostart='false'))
    server.proxy().subscriber.when(
        'PROCESS_STATE_STARTING', '0', 'supervisor.startProcess', ['web:1', False]
    )
    assert server.wait_finished(server.restarter.startRestart('web'))['state'] == 'succeeded'
    assert server.proxy().subscriber.results() != []
    assert server.log_text().count("spawned: '1'") == 1
    assert 'already running' not in server.log_text()
