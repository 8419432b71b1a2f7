"""quickStop, quickStart and quickRestart: which processes, what they wait for, what they answer."""

from __future__ import annotations

import os
import re
import signal

import pytest

from supervisor_restarter.faults import Code
from tests.integration.server import HELD, held, program, shared, worker

SUCCESS, SPAWN_ERROR, ALREADY_STARTED, NOT_RUNNING = 80, 50, 60, 70  # Supervisor's own
WEB = ['web:0', 'web:1', 'web:2']
APP = [f'app:{number}' for number in range(9, 12)]
ALL = [*WEB, *APP, 'mix:left', 'mix:right', 'lone:lone']
PROGRAMS = ''.join(
    [
        program(count=3),
        program('app', count=3, numprocs_start=9),
        program('left'),
        program('right'),
        program('lone'),
        '[group:mix]\nprograms=left,right\n',
    ]
)
FORMS = [
    ('web', WEB),
    ('web:*', WEB),
    ('web:1', ['web:1']),
    ('left', ['mix:left']),
    ('app:1?', ['app:10', 'app:11']),
    ('*:1', ['web:1']),
    ('all', ALL),
    (['web:0', 'lone', 'mix:*'], ['web:0', 'lone:lone', 'mix:left', 'mix:right']),
    (['web:1', 'web', 'w*'], WEB),  # each of them once
]


def spec(row):
    return f'{row["group"]}:{row["name"]}'


def table(rows):
    """{namespec: (status, description)} of the rows, which have exactly Supervisor's own fields."""
    for row in rows:
        assert {key: type(value) for key, value in row.items()} == {
            'name': str,
            'group': str,
            'status': int,
            'description': str,
        }
    assert len({spec(row) for row in rows}) == len(rows)
    return {spec(row): (row['status'], row['description']) for row in rows}


def all_pids(server):
    return {spec(info): info['pid'] for info in server.rpc().supervisor.getAllProcessInfo()}


# -- which processes -------------------------------------------------------------------------


@pytest.fixture(scope='module')
def crowd():
    """A server for the tests of names."""
    with shared(PROGRAMS) as server:
        yield server


@pytest.fixture
def forms(crowd):
    """The same server, calm: all processes are running, and no restart is."""
    crowd.restarter.quickStart('all', True)
    crowd.wait(
        lambda: all(struct['finished_at'] for struct in crowd.restarter.listRestarts()), 'an end'
    )
    for group in ('web', 'app', 'mix', 'lone'):
        crowd.wait_state(group)
    return crowd


forms_and_waits = pytest.mark.parametrize(
    ('names', 'expected', 'wait'),
    [*((*form, True) for form in FORMS), ('we*', WEB, False)],
    ids=str,
)


@forms_and_waits
def test_quick_restart_of_every_form_of_name(forms, names, expected, wait):
    before = all_pids(forms)
    rows = forms.restarter.quickRestart(names, wait)
    assert table(rows) == dict.fromkeys(expected, (SUCCESS, 'OK'))
    after = all_pids(forms)
    assert sorted(name for name in after if after[name] != before[name]) == sorted(expected)
    assert 0 not in after.values()


@forms_and_waits
def test_quick_stop_and_start_of_every_form_of_name(forms, names, expected, wait):
    states = {True: {'STOPPED'}, False: {'STOPPING', 'STOPPED'}}[wait]
    assert table(forms.restarter.quickStop(names, wait)) == dict.fromkeys(expected, (SUCCESS, 'OK'))
    infos = {spec(info): info['statename'] for info in forms.rpc().supervisor.getAllProcessInfo()}
    assert {infos[name] for name in expected} <= states
    assert {infos[name] for name in infos if name not in expected} <= {'RUNNING'}
    again = table(forms.restarter.quickStop(names, True))
    assert {status for status, _ in again.values()} <= {SUCCESS, NOT_RUNNING}
    started = table(forms.restarter.quickStart(names, wait))
    assert started == dict.fromkeys(expected, (SUCCESS, 'OK'))
    assert 0 not in all_pids(forms).values()


# -- what they wait for ----------------------------------------------------------------------


# One for each restart: that of the group goes on behind an answer that does not wait for it.
ENDLESS = ('endless', 'endless1', 'endless2')


@pytest.fixture(scope='module')
def waiting():
    """A server with groups that are STARTING for ever, one that is so for a second, and one that is
    STOPPING until the end.
    """
    programs = [
        *(program(name, worker(), count=2, startsecs=3600) for name in ENDLESS),
        program('brief', worker(), count=2, startsecs=1),
        held('stuck', count=2),
    ]
    with shared(''.join(programs)) as server:
        yield server


# fmt: off
@pytest.mark.parametrize(
    ('group', 'method', 'arguments', 'state'),
    [
        ('brief',   'quickStop',    [],      'STOPPED'),
        ('brief',   'quickStop',    [True],  'STOPPED'),
        ('stuck',   'quickStop',    [False], 'STOPPING'),
        ('endless', 'quickStart',   [],      'STARTING'),
        ('brief',   'quickStart',   [True],  'RUNNING'),
        ('endless', 'quickStart',   [False], 'STARTING'),
        ('endless1', 'quickRestart', [],     'STARTING'),
        ('brief',   'quickRestart', [True],  'RUNNING'),
        ('endless2', 'quickRestart', [False], 'STARTING'),
    ],
)
# fmt: on
def test_wait(waiting, group, method, arguments, state):
    waiting.restarter.quickStart(group)
    waiting.wait_workers(group, 'STARTING', 'RUNNING')
    before = waiting.pids(group)
    if method == 'quickStart':
        waiting.restarter.quickStop(group)
    rows = getattr(waiting.restarter, method)(group, *arguments)
    assert table(rows) == dict.fromkeys([f'{group}:0', f'{group}:1'], (SUCCESS, 'OK'))
    assert set(waiting.states(group).values()) == {state}
    if method != 'quickStop':
        assert not set(waiting.pids(group).values()) & set(before.values())


# -- statuses --------------------------------------------------------------------------------


def test_processes_that_are_as_wanted_already(start):
    server = start(program(count=2) + program('lone'))
    server.wait_state()
    server.wait_state('lone')
    before = server.pids()
    assert server.restarter.quickStart('web', True) == []  # as Supervisor's own group calls
    assert table(server.restarter.quickStart(['web:1', 'lone:lone'], True)) == {
        'web:1': (ALREADY_STARTED, 'ALREADY_STARTED: web:1'),
        'lone:lone': (ALREADY_STARTED, 'ALREADY_STARTED: lone'),
    }
    assert server.pids() == before
    server.restarter.quickStop(['web:1', 'lone'])
    assert table(server.restarter.quickStop('web:1')) == {
        'web:1': (NOT_RUNNING, 'NOT_RUNNING: web:1')
    }
    assert table(server.restarter.quickStop(['web:*', 'lone:lone'])) == {
        'web:0': (SUCCESS, 'OK'),
        'lone:lone': (NOT_RUNNING, 'NOT_RUNNING: lone'),
    }
    assert server.restarter.quickStop('all') == []


def test_a_stop_of_processes_that_are_being_stopped_starts_none(start):
    # In a multicall the second call comes right after the signals; the processes exit before the
    # loop's next turn.
    server = start(program(count=3))
    server.wait_state()
    stops = [
        {'methodName': 'restarter.quickStop', 'params': ['web', wait]} for wait in (False, True)
    ]
    for _ in range(5):
        for rows in server.proxy().system.multicall(stops):
            assert {status for status, _ in table(rows).values()} <= {SUCCESS}
        assert set(server.states('web').values()) == {'STOPPED'}
        server.restarter.quickStart('web', True)


def test_timeout_of_a_stop(start):
    programs = program('good', worker()) + program('deaf', HELD, stopwaitsecs=600)
    server = start(programs + '[group:web]\nprograms=good,deaf\n', restarter='timeout=2')
    server.wait_workers()
    rows = table(server.restarter.quickStop('web', True))
    assert rows['web:good'] == (SUCCESS, 'OK')
    assert rows['web:deaf'][0] == Code.TIMEOUT
    assert rows['web:deaf'][1].startswith('TIMEOUT: ')
    assert server.states('web') == {'good': 'STOPPED', 'deaf': 'STOPPING'}
    os.kill(server.pids()['deaf'], signal.SIGKILL)
    server.wait_state('web', 'STOPPED')  # it still stops


def test_timeout_of_a_start(start):
    programs = program('good') + program('late', startsecs=3600)
    server = start(programs + '[group:web]\nprograms=good,late\n', restarter='timeout=2')
    server.wait_state('web', 'RUNNING', 'STARTING')
    for method in ('quickRestart', 'quickStart'):
        rows = table(getattr(server.restarter, method)('web', True))
        assert rows['web:good'] == (SUCCESS, 'OK')
        assert rows['web:late'][0] == Code.TIMEOUT
        assert rows['web:late'][1].startswith('TIMEOUT: ')
        assert server.state('web:late') == 'STARTING'
        server.restarter.quickStop('web')


def test_spawn_errors(start):
    server = start(
        program('bad', '/nonexistent', autostart='false') + program('good', autostart='false')
    )
    for method in ('quickStart', 'quickRestart'):
        for wait in (True, False):
            rows = table(getattr(server.restarter, method)(['good', 'bad'], wait))
            assert rows['good:good'] == (SUCCESS, 'OK')
            status, description = rows['bad:bad']
            assert status == SPAWN_ERROR
            assert re.fullmatch(
                r"SPAWN_ERROR: can't find command '/nonexistent'; state (BACKOFF|FATAL)",
                description,
            )
            server.restarter.quickStop('all')


def test_a_process_that_dies_while_it_is_waited_for(start):
    server = start(
        program(command=worker('--die', '0', '--exit', '3'), autostart='false', startsecs=60)
    )
    status, description = table(server.restarter.quickStart('web', True))['web:web']
    assert status == SPAWN_ERROR
    assert 'exit status 3' in description


# -- what was stopped on purpose -------------------------------------------------------------


@pytest.mark.parametrize(
    ('names', 'starts', 'method'),
    [
        ('w*', False, 'startRestart'),
        ('w*', False, 'quickRestart'),
        ('web:?', False, 'quickRestart'),
        ('all', False, 'quickRestart'),
        (['w*', 'web:0'], False, 'quickRestart'),
        ('web', True, 'quickRestart'),
        ('web:*', True, 'quickRestart'),
        ('web:1', True, 'quickRestart'),
        (['all', 'web:1'], True, 'quickRestart'),
        (['all', 'web:1'], True, 'startRestart'),
    ],
    ids=str,
)
def test_what_was_stopped_on_purpose_is_started_only_if_named_outright(
    forms, names, starts, method
):
    forms.rpc().supervisor.stopProcess('web:1')
    before = forms.pids()
    answer = getattr(forms.restarter, method)(names, *([True] if method == 'quickRestart' else []))
    struct = forms.wait_finished(forms.restarter.listRestarts()[0]['id'])
    assert struct['state'] == 'succeeded'
    assert {spec(process): process['phase'] for process in struct['processes']}['web:1'] == (
        'ready' if starts else 'skipped'
    )
    assert forms.state('web:1') == ('RUNNING' if starts else 'STOPPED')
    assert (forms.pids()['0'] != before['0']) is (names != 'web:1')
    if method == 'quickRestart':
        assert ('web:1' in table(answer)) is starts
