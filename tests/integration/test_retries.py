"""retryRestart: again what failed or was not reached, and nothing else."""

from __future__ import annotations

from supervisor_restarter.faults import Code
from tests.integration.server import program

# Each process starts as long as there is no file of its number; then it exits at once.
BAD = "/bin/sh -c 'test -e %(here)s/bad%(process_num)d && exit 3; exec sleep 1000'"


def names(restart):
    return [process['name'] for process in restart['processes']]


def phases(restart):
    return {process['name']: process['phase'] for process in restart['processes']}


def fragile(start, count=4, **settings):
    """A server with processes that do not start while there is a file bad0, bad1, ..."""
    server = start(
        program(
            command=BAD, count=count, startsecs=1, startretries=0, autorestart='false', **settings
        )
        + program('other')
    )
    server.wait_state()
    return server


def test_what_failed_or_was_not_reached_is_restarted_again_and_nothing_else(start):
    server = fragile(start)
    (server.dir / 'bad1').touch()
    first = server.wait_finished(
        server.restarter.startRestart(['web', 'other'], {'max_unavailable': 1, 'delay': 0.1})
    )
    assert phases(first) == {
        'other': 'ready',
        '0': 'ready',
        '1': 'failed',
        '2': 'skipped',
        '3': 'skipped',
    }
    pids = server.pids()
    (server.dir / 'bad1').unlink()
    second = server.wait_finished(server.restarter.retryRestart(first['id']))
    assert (second['state'], names(second), second['groups']) == (
        'succeeded',
        ['1', '2', '3'],
        ['web'],
    )
    assert second['options'] == first['options']
    assert second['policies'][0]['from']['max_unavailable'] == 'call'
    assert [name for name in pids if server.pids()[name] == pids[name]] == ['0']
    fault = server.fault(lambda: server.restarter.retryRestart(second['id']))
    assert (fault.faultCode, fault.faultString) == (
        Code.BAD_STATE,
        f'BAD_STATE: restart {second["id"]} succeeded: nothing failed or was left out',
    )


def test_a_retry_that_fails_can_be_retried_with_other_options(start):
    server = fragile(start, count=3)
    for number in range(3):
        (server.dir / f'bad{number}').touch()
    first = server.wait_finished(
        server.restarter.startRestart('web', {'max_unavailable': 1, 'only_running': True})
    )
    assert phases(first) == {'0': 'failed', '1': 'skipped', '2': 'skipped'}
    # web:0 is FATAL, and only_running would pass it over
    second = server.wait_finished(
        server.restarter.retryRestart(first['id'], {'max_unavailable': 2})
    )
    assert (second['options']['max_unavailable'], second['options']['only_running']) == (2, False)
    assert phases(second)['0'] == 'failed'
    for number in range(3):
        (server.dir / f'bad{number}').unlink()
    third = server.wait_finished(
        server.restarter.retryRestart(second['id'], {'max_unavailable': '100%'})
    )
    assert (third['state'], third['done']) == ('succeeded', third['total'])
    assert set(server.states('web').values()) == {'RUNNING'}


def test_what_was_pending_at_a_timeout_and_came_up_since_is_left_alone(start):
    server = fragile(start, count=3)
    first = server.restarter.startRestart('web', {'max_unavailable': 1, 'timeout': 0.5})
    fault = server.fault(lambda: server.restarter.retryRestart(first))
    assert fault.faultCode == Code.BAD_STATE
    assert fault.faultString.startswith(f'BAD_STATE: restart {first} has not ended yet: ')
    restart = server.wait_finished(first)
    assert (restart['state'], phases(restart)) == (
        'timed_out',
        {'0': 'ready', '1': 'skipped', '2': 'skipped'},
    )
    again = server.wait_finished(server.restarter.retryRestart(first, {'timeout': 0}))
    assert (again['state'], names(again)) == ('succeeded', ['1', '2'])


def test_a_cancelled_restart_is_taken_up_again(start):
    server = start(program(count=3))
    server.wait_state()
    first = server.restarter.startRestart('web', {'stagger_factor': 3, 'delay': 60})
    server.wait_phase(first, 'ready')
    server.restarter.cancelRestart(first)
    server.wait_finished(first)
    again = server.wait_finished(server.restarter.retryRestart(first, {'delay': 0}))
    assert (again['state'], names(again)) == ('succeeded', ['1', '2'])


def test_processes_that_are_gone_are_left_out_unless_all_are(start):
    server = fragile(start, count=2)
    for number in range(2):
        (server.dir / f'bad{number}').touch()
    third = program('third', '/bin/false', startsecs=1, startretries=0)
    server.conf.write_text(server.conf.read_text() + third)
    server.ctl('update')
    id = server.restarter.startRestart(['web', 'third'], {'on_failure': 'continue'})
    assert server.wait_finished(id)['failed'] == 3
    server.rpc().supervisor.stopProcessGroup('third')
    server.rpc().supervisor.removeProcessGroup('third')
    assert server.restarter.getRestart(server.restarter.retryRestart(id))['groups'] == ['web']
    server.wait(
        lambda: all(restart['finished_at'] for restart in server.restarter.listRestarts()), 'an end'
    )
    server.rpc().supervisor.stopProcessGroup('web')
    server.rpc().supervisor.removeProcessGroup('web')
    fault = server.fault(lambda: server.restarter.retryRestart(id))
    assert (fault.faultCode, fault.faultString) == (
        Code.BAD_GROUP,
        'BAD_GROUP: nothing is there any more of what is to be retried: third, web:0, web:1',
    )


def test_a_restart_that_there_is_not(start):
    server = start(program())
    for id in ('99', '', 1, ['1']):
        fault = server.fault(lambda id=id: server.restarter.retryRestart(id))
        assert fault.faultCode == Code.NO_SUCH_RESTART


def test_bad_options_are_told_before_the_state_of_the_restart(start):
    server = start(program())
    server.wait_state()
    server.wait_finished(server.restarter.startRestart('web'))
    id = server.restarter.listRestarts()[0]['id']
    for options in ({'x': 1}, {'delay': 'soon'}, [1]):
        fault = server.fault(lambda: server.restarter.retryRestart(id, options))  # noqa: B023
        assert fault.faultCode == Code.BAD_OPTION
