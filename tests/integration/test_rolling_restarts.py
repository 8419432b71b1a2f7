"""Rolling restarts on a real supervisord: never more of a group not ready than max_unavailable
allows.

What is ready is told by the processes themselves, in marks (see service.py), and not by the
restart.
"""

from __future__ import annotations

import os
import signal
import time

import pytest
from supervisor.xmlrpc import Faults

from supervisor_restarter.faults import Code
from tests.integration.server import program
from tests.integration.service import (
    address,
    close_gate,
    mark,
    marks,
    open_gate,
    order,
    ready_after,
    service,
    unix,
)

PATIENT = {'autorestart': 'false', **unix()}


def ready(server, count, group='web'):
    """Wait until so many processes of the group have become ready and Supervisor has seen them
    RUNNING.
    """
    server.wait(
        lambda: (
            len([m for m in marks(server.dir, 'ready') if m.name.startswith(f'{group}:')]) >= count
        ),
        f'{count} ready processes',
    )


def by_name(struct, key):
    return {process['name']: process[key] for process in struct['processes']}


def renewed(server, before):
    """The names of the processes of web that have another pid than before."""
    return {name for name, pid in server.pids('web').items() if pid not in (0, before[name])}


def kill(server, name):
    pid = server.pids('web')[name]
    mark(server.dir, pid, f'web:{name}', 'killed')
    os.kill(pid, signal.SIGKILL)
    server.wait(lambda: server.pids('web')[name] != pid, 'end of the process')


# -- promise 4: enough of the group are ready at every moment ----------------------------------


def test_of_ten_processes_with_25_percent_eight_are_ready_at_every_moment(start):
    server = start(program(count=10, **{**unix(), 'command': unix()['command'] + ' --slow 0.1'}))
    ready(server, 10)
    before = server.pids()
    assert (
        server.restarter.restartProcessGroup('web', {'max_unavailable': '25%', 'timeout': 0})
        is True
    )
    assert renewed(server, before) == set(before)
    counts = ready_after(server.dir)
    assert len(counts) == 10
    assert min(counts) >= 8
    assert server.restarter.listRestarts()[0]['lowest_ready'] == 8


def test_max_unavailable_of_the_configuration_holds_unless_the_call_has_its_own(start):
    settings = unix()
    settings['command'] += ' --slow 0.1'
    server = start(program(count=4, **settings), restarter='max_unavailable=50%%')
    ready(server, 4)
    for given, least in [
        ({}, 2),
        ({'max_unavailable': '25%'}, 3),
        ({'max_unavailable': '100%'}, 0),
    ]:
        began = time.monotonic()
        assert server.restarter.restartProcessGroup('web', given) is True
        assert min(ready_after(server.dir, since=began)) >= least, given
        assert server.restarter.listRestarts()[0]['lowest_ready'] == least, given


def test_quick_restart_keeps_to_the_configured_max_unavailable(start):
    settings = unix()
    settings['command'] += ' --slow 0.1'
    server = start(program(count=4, **settings), restarter='max_unavailable=1')
    ready(server, 4)
    before = server.pids()
    rows = server.restarter.quickRestart('web:*')
    assert [row['status'] for row in rows] == [Faults.SUCCESS] * 4
    assert renewed(server, before) == set(before)
    assert min(ready_after(server.dir)) == 3


def test_a_rolling_restart_has_no_time_limit_unless_it_is_set(start):
    server = start(program(count=2))
    server.wait_state()
    for options, limit in [
        ({}, 5.0),
        ({'max_unavailable': 1}, 0.0),
        ({'max_unavailable': 1, 'timeout': 7}, 7.0),
    ]:
        assert server.restarter.restartProcessGroup('web', options) is True
        assert server.restarter.listRestarts()[0]['options']['timeout'] == limit


def test_without_a_probe_a_process_is_ready_when_it_is_running(start):
    server = start(program(count=3, startsecs=1))
    server.wait_state()
    id = server.restarter.startRestart('web', {'max_unavailable': 2})
    last = server.wait_finished(id)
    assert (last['state'], last['lowest_ready']) == ('succeeded', 1)
    assert all(process['ready_seconds'] > 0.9 for process in last['processes'])


def test_min_ready_holds_the_next_process_back(start):
    server = start(program(count=3, **unix()))
    ready(server, 3)
    began = len(marks(server.dir))
    assert (
        server.restarter.restartProcessGroup(
            'web', {'max_unavailable': 1, 'min_ready': 0.4, 'timeout': 0}
        )
        is True
    )
    done = [(m.what, m.time) for m in marks(server.dir)[began:]]
    assert [what for what, _ in done] == ['stopped', 'ready'] * 3
    for (_, came), (_, went) in zip(done[1::2], done[2::2]):
        assert went - came >= 0.4


def test_two_groups_at_once_have_a_limit_each(start):
    server = start(program('web', count=4, **unix()) + program('app', count=3, **unix()))
    ready(server, 4)
    ready(server, 3, 'app')
    id = server.restarter.startRestart(['web', 'app'], {'max_unavailable': '50%', 'min_ready': 0.5})

    def groups(*phases):
        processes = server.restarter.getRestart(id)['processes']
        return {process['group'] for process in processes if process['phase'] in phases}

    # A group begins when each of its probes has been answered once, which takes its time.
    server.wait(lambda: len(groups('stopping', 'starting', 'ready')) == 2, 'both groups')
    assert groups('waiting', 'stopping', 'starting') == {'web', 'app'}
    assert server.wait_finished(id)['state'] == 'succeeded'
    assert min(ready_after(server.dir)) >= 2
    assert min(ready_after(server.dir, 'app')) >= 2


# -- processes that are not ready already -------------------------------------------------------


def test_a_hung_process_goes_first(start):
    at = address()
    server = start(
        program(
            count=3,
            command=service('--tcp', f'{at}:80%(process_num)02d', '--hup', 'silent'),
            environment=f'RESTARTER_READY="http://{at}:80%(process_num)02d/"',
        )
    )
    ready(server, 3)
    server.rpc().supervisor.signalProcess('web:2', 'HUP')
    server.wait(lambda: bool(marks(server.dir, 'signalled')), 'signal')
    began = time.monotonic()
    id = server.restarter.startRestart('web', {'max_unavailable': 1})
    assert server.wait_finished(id)['state'] == 'succeeded'
    new = [m.name for m in marks(server.dir, 'ready') if m.time > began]
    assert new == ['web:2', 'web:0', 'web:1']


def test_half_of_the_group_is_fatal(start):
    """Three services, and three processes whose command does not exist: those come first, and keep
    the services from being taken down until they can be started.
    """
    services = program('good', count=3, **unix())
    names = ['bad0', 'bad1', 'bad2']
    fatal = program(
        'bad', '%(here)s/command', startretries=0, numprocs=3, process_name='bad%(process_num)d'
    )
    group = '[group:web]\nprograms=good,bad\n'
    server = start(services + fatal + group, restarter='max_unavailable=50%%')
    ready(server, 3)

    def all_fatal():
        server.wait(
            lambda: list(server.states('web').values()).count('FATAL') == 3, 'fatal processes'
        )

    all_fatal()
    before = server.pids()
    entries = server.restarter.restartProcessGroup('web')
    assert sorted(entry['name'] for entry in entries) == names
    assert all("can't find command" in entry['text'] for entry in entries)
    assert server.pids() == before

    all_fatal()
    entries = server.restarter.restartProcessGroup('web', {'on_failure': 'continue'})
    texts = {entry['name']: entry['text'] for entry in entries}
    assert set(texts) == set(before)
    assert "can't find command" in texts['bad0']
    assert 'left as it is: not ready are web:bad0 (FATAL)' in texts['0']
    assert server.pids() == before

    all_fatal()
    (server.dir / 'command').symlink_to('/bin/cat')
    struct = server.wait_finished(server.restarter.startRestart('web'))
    assert (struct['state'], struct['lowest_ready']) == ('succeeded', 3)
    assert renewed(server, before) == set(before)


def test_no_room_because_of_a_process_outside_of_the_restart_is_told_and_stops_nothing(start):
    server = start(program(count=6, **unix()))
    ready(server, 6)
    server.rpc().supervisor.stopProcess('web:5')
    before = server.pids()
    id = server.restarter.startRestart('web:3', {'max_unavailable': 1})
    struct = server.wait_finished(id)
    assert struct['state'] == 'failed'
    assert by_name(struct, 'error') == {
        '3': 'left as it is: not ready are web:5 (STOPPED), and max_unavailable = 1 allows 1'
    }
    assert server.pids() == before
    warnings = server.restarter.planRestart('web:3', {'max_unavailable': 1})['warnings']
    assert any(
        'web:5' in warning and 'max_unavailable = 1 allows 1' in warning for warning in warnings
    )


def test_a_waiting_process_that_dies_counts_as_not_ready_and_comes_back(start):
    settings = {**PATIENT, 'command': PATIENT['command'] + ' --gate', 'autostart': 'false'}
    server = start(program(count=4, **settings))
    open_gate(server.dir)
    server.restarter.quickStart('web')
    ready(server, 4)
    close_gate(server.dir)
    before = server.pids()
    id = server.restarter.startRestart('web', {'max_unavailable': 2, 'min_ready': 0.2})
    server.wait_phase(id, 'starting')
    kill(server, '3')
    open_gate(server.dir)
    assert server.wait_finished(id)['state'] == 'succeeded'
    assert renewed(server, before) == set('0123')
    assert min(ready_after(server.dir)) >= 2
    assert server.restarter.getRestart(id)['lowest_ready'] == 1  # two taken down, one killed


def test_a_process_that_is_restarted_already_and_dies_has_failed_and_is_the_one_that_is_named(
    start,
):
    server = start(program(count=4, **PATIENT))
    ready(server, 4)
    before = server.pids()
    order(server.dir, 'web:1', '--gate')
    id = server.restarter.startRestart('web', {'max_unavailable': 1})
    server.wait(
        lambda: by_name(server.restarter.getRestart(id), 'phase')['1'] == 'starting', 'the second'
    )
    kill(server, '0')
    open_gate(server.dir)
    struct = server.wait_finished(id)
    assert struct['state'] == 'failed'
    assert renewed(server, before) == {'1'}
    assert by_name(struct, 'phase') == {'0': 'failed', '1': 'ready', '2': 'skipped', '3': 'skipped'}
    assert 'terminated by SIGKILL' in by_name(struct, 'error')['0']
    assert by_name(struct, 'error')['2'] == 'not reached: web:0 failed first (on_failure = abort)'


# -- on_failure --------------------------------------------------------------------------------

# fmt: off
RELEASES = [
    (['--exit', '3'],                  {},                     'exit status 3'),
    (['--last', '1.2'],                {'min_ready': 2},       'exit status 0; state EXITED; it had been ready for '),
    (['--never'],                      {'ready_timeout': 2.5}, 'not ready within 2.5 s: unix://'),
    (['--last', '1.2', '--exit', '4'], {'min_ready': 2},       'Bad exit code 4; state EXITED; it had been ready'),
]
# fmt: on


@pytest.mark.parametrize(('release', 'options', 'reason'), RELEASES)
def test_a_release_whose_second_process_fails_ends_there(start, release, options, reason):
    server = start(program(count=4, **PATIENT))
    ready(server, 4)
    before = server.pids()
    order(server.dir, 'web:1', *release)
    options = {'max_unavailable': 1, 'timeout': 0, **options}
    [entry] = server.restarter.restartProcessGroup('web', options)
    assert (entry['name'], entry['code']) == ('1', Code.START_FAILED)
    assert reason in entry['text']
    struct = server.restarter.listRestarts()[0]
    assert (struct['state'], struct['done'], struct['failed']) == ('failed', 1, 1)
    struct = server.restarter.getRestart(struct['id'])
    assert list(by_name(struct, 'phase').values()) == ['ready', 'failed', 'skipped', 'skipped']
    assert by_name(struct, 'error')['2'] == 'not reached: web:1 failed first (on_failure = abort)'
    assert [server.pids()[name] for name in '23'] == [before[name] for name in '23']
    assert min(ready_after(server.dir)) == 3


@pytest.mark.parametrize(('release', 'options', 'reason'), RELEASES[:2])
def test_on_failure_continue_goes_on_with_the_room_that_is_left(start, release, options, reason):
    server = start(program(count=4, **PATIENT))
    ready(server, 4)
    before = server.pids()
    order(server.dir, 'web:1', *release)
    options = {'max_unavailable': 2, 'on_failure': 'continue', 'timeout': 0, **options}
    [entry] = server.restarter.restartProcessGroup('web', options)
    assert (entry['name'], reason in entry['text']) == ('1', True)
    assert {'0', '2', '3'} <= renewed(server, before)
    assert min(ready_after(server.dir)) == 2


def test_on_failure_continue_takes_nothing_down_where_failures_have_used_up_the_room(start):
    server = start(program(count=4, **PATIENT))
    ready(server, 4)
    before = server.pids()
    order(server.dir, 'web:0', '--exit', '3')
    entries = server.restarter.restartProcessGroup(
        'web', {'max_unavailable': 1, 'on_failure': 'continue'}
    )
    assert [entry['name'] for entry in entries] == list('0123')
    assert entries[1]['code'] == Code.BAD_STATE
    assert 'web:0 (EXITED)' in entries[1]['text']
    assert renewed(server, before) == set()


def test_a_process_with_a_probe_that_exits_at_once_is_a_failure_whatever_its_exit_status(start):
    server = start(
        program(
            command='/bin/true',
            count=8,
            autostart='false',
            autorestart='false',
            environment='RESTARTER_READY="tcp://127.0.0.1:1"',
        )
    )
    entries = server.restarter.restartProcessGroup('web', {'on_failure': 'continue'})
    assert [entry['name'] for entry in entries] == list('01234567')


# -- a port that somebody else holds -------------------------------------------------------------


def test_an_answer_of_somebody_else_at_the_port_does_not_count(start):
    at = address()
    server = start(
        program('thief', service('--tcp', f'{at}:8001', name='thief'), autostart='false')
        + program(
            count=3,
            command=service('--tcp', f'{at}:80%(process_num)02d'),
            environment=f'RESTARTER_READY="http://{at}:80%(process_num)02d/"',
            autostart='false',
        )
    )
    order(server.dir, 'web:1', '--slow', '0.3')  # the thief is quicker
    server.rpc().supervisor.startProcess('thief')
    server.wait(lambda: bool(marks(server.dir)), 'thief')
    server.rpc().supervisor.startProcessGroup('web')
    ready(server, 2)
    before = server.pids()
    result = server.restarter.restartProcessGroup(
        'web', {'max_unavailable': 1, 'timeout': 0, 'ready_timeout': 3}
    )
    assert 'web:1' not in [
        m.name for m in marks(server.dir, 'ready') if m.pid == server.pids()['1']
    ]
    assert [entry['name'] for entry in result] == ['1']
    assert 'answered, but not by this process: something else listens there' in result[0]['text']
    assert '2' not in renewed(server, before)
