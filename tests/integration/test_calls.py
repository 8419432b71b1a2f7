"""The methods of the restarter namespace: what they return, and how they refuse.

quickStop, quickStart and quickRestart are in test_quick_calls.py, planRestart and options in
test_plans.py.
"""

from __future__ import annotations

import os
import re
import shutil
import time

import pytest

import bench.lab
import supervisor_restarter
from bench.lab import script
from supervisor_restarter.faults import Code
from tests.integration.fuzz import ARGUMENTS
from tests.integration.server import HELD, Server, held, program, shared, worker

STATES = {'queued', 'running', 'succeeded', 'failed', 'cancelled', 'timed_out'}
PHASES = {'waiting', 'draining', 'stopping', 'stopped', 'starting', 'ready', 'skipped', 'failed'}
RESTART = {
    'id': str,
    'kind': str,
    'why': str,
    'groups': list,
    'state': str,
    'version': int,
    'requested_at': str,
    'started_at': str,
    'finished_at': str,
    'duration': float,
    'options': dict,
    'total': int,
    'done': int,
    'failed': int,
    'killed': int,
    'lowest_ready': int,
    'ready': int,
    'allowed': int,
    'old_stopping': int,
}
IN_FULL = {'processes': list, 'policies': list, 'warnings': list}  # not in a list of restarts
PROCESS = {
    'group': str,
    'name': str,
    'action': str,
    'phase': str,
    'old_pid': int,
    'new_pid': int,
    'waited_seconds': float,
    'drain_seconds': float,
    'stop_seconds': float,
    'down_seconds': float,
    'ready_seconds': float,
    'failed_seconds': float,
    'way_there': dict,
    'error': str,
    'stop_limit': float,
    'killed': bool,
    'note': str,
}
ISO = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)')
SLOW = worker('--stop', '0.3')
# For two processes: the second one's turn does not come.
ENDLESS = {'stagger_factor': 2, 'delay': 3600}


def shape(struct):
    return {key: type(value) for key, value in struct.items()}


def assert_restart(struct, with_processes=True):
    """The struct has exactly the fields of the contract, each of its type."""
    assert shape(struct) == ({**RESTART, **IN_FULL} if with_processes else RESTART)
    assert struct['state'] in STATES
    assert all(isinstance(group, str) for group in struct['groups'])
    for moment in ('requested_at', 'started_at', 'finished_at'):
        assert struct[moment] == '' or ISO.fullmatch(struct[moment]), moment
    for process in struct.get('processes', ()):
        assert shape(process) == PROCESS
        assert process['phase'] in PHASES


# -- the struct of a restart -----------------------------------------------------------------


def test_struct_of_a_running_and_a_finished_restart(start):
    server = start(held(command=f'{HELD} --stop 0.3', count=2))
    server.wait_workers()
    old = server.pids()
    id = server.restarter.startRestart('web')
    running = server.wait_phase(id, 'stopping')
    server.let_stop()
    assert_restart(running)
    assert (running['id'], running['groups'], running['state'], running['total']) == (
        id,
        ['web'],
        'running',
        2,
    )
    assert running['requested_at'] <= running['started_at']
    assert (running['finished_at'], running['done']) == ('', 0)
    assert [(process['old_pid'], process['new_pid']) for process in running['processes']] == [
        (old[name], 0) for name in ('0', '1')
    ]

    finished = server.wait_finished(id)
    assert_restart(finished)
    assert finished['state'] == 'succeeded'
    assert (finished['total'], finished['done'], finished['failed'], finished['lowest_ready']) == (
        2,
        2,
        0,
        0,
    )
    assert finished['version'] > running['version']
    assert finished['started_at'] < finished['finished_at']
    assert finished['duration'] >= 0.3
    new = server.pids()
    for process in finished['processes']:
        assert process['group'] == 'web'
        assert (process['phase'], process['error']) == ('ready', '')
        assert (process['old_pid'], process['new_pid']) == (
            old[process['name']],
            new[process['name']],
        )
        assert 0.3 <= process['stop_seconds'] <= finished['duration']
        assert 0 < process['down_seconds'] <= finished['duration']
        assert 0 <= process['ready_seconds'] <= finished['duration']


def test_struct_of_a_queued_restart(start):
    server = start(held())
    server.wait_workers()
    first = server.restarter.startRestart('web')
    second = server.restarter.startRestart('web', {'if_busy': 'queue'})
    queued = server.restarter.getRestart(second)
    assert_restart(queued)
    assert (queued['state'], queued['started_at'], queued['finished_at'], queued['duration']) == (
        'queued',
        '',
        '',
        0,
    )
    assert [process['phase'] for process in queued['processes']] == ['waiting']
    assert [struct['id'] for struct in server.restarter.listRestarts()] == [second, first]
    server.let_stop()
    assert server.wait_finished(second)['state'] == 'succeeded'


def test_struct_of_a_failed_restart(start):
    server = start(program(command='/nonexistent') + program('api'))
    server.wait_state('api')
    id = server.restarter.startRestart(['api', 'web'], {'on_failure': 'continue'})
    struct = server.wait_finished(id)
    assert_restart(struct)
    assert (struct['state'], struct['groups'], struct['failed'], struct['done']) == (
        'failed',
        ['api', 'web'],
        1,
        1,
    )
    assert {process['group']: process['phase'] for process in struct['processes']} == {
        'api': 'ready',
        'web': 'failed',
    }
    assert "can't find command '/nonexistent'" in struct['processes'][1]['error']
    assert struct['processes'][1]['new_pid'] == 0


# -- listRestarts ----------------------------------------------------------------------------


def test_list_has_running_restarts_and_a_bounded_history_newest_first(start):
    server = start(program() + program('two', count=2), restarter='history=2')
    server.wait_state()
    running = server.restarter.startRestart('two', ENDLESS)
    ids = []
    for _ in range(3):
        ids.append(server.restarter.startRestart('web'))
        assert_restart(server.wait_finished(ids[-1]))
    listed = server.restarter.listRestarts()
    for struct in listed:
        assert_restart(struct, with_processes=False)
    assert [struct['id'] for struct in listed] == [ids[2], ids[1], running]
    assert [struct['state'] for struct in listed] == ['succeeded', 'succeeded', 'running']
    assert (
        server.fault(lambda: server.restarter.getRestart(ids[0])).faultCode == Code.NO_SUCH_RESTART
    )


# -- waitRestart -----------------------------------------------------------------------------


def test_wait_restart(start):
    server = start(held() + program('two', count=2))
    server.wait_workers()
    restarter = server.restarter

    stuck = restarter.startRestart('two', ENDLESS)
    version = server.wait_phase(stuck, 'ready')['version']
    began = time.monotonic()
    assert restarter.waitRestart(stuck, version - 1, 50)['version'] == version  # is known already
    assert restarter.waitRestart(stuck, version, 0)['version'] == version
    assert time.monotonic() - began < 50
    began = time.monotonic()
    struct = restarter.waitRestart(stuck, version, 0.4)
    assert_restart(struct)
    assert (struct['version'], struct['state']) == (version, 'running')
    assert 0.4 <= time.monotonic() - began < 50

    id = restarter.startRestart('web')
    version = server.wait_phase(id, 'stopping')['version']
    to_the_end = server.in_background(lambda: server.restarter.waitRestart(id, 2**31 - 1, 50))
    server.let_stop()
    struct = restarter.waitRestart(id, version, 50)  # a change
    assert struct['version'] > version
    assert struct['processes'][0]['phase'] != 'stopping'
    ended = to_the_end.result()
    assert_restart(ended)
    assert (ended['state'], ended['processes'][0]['phase']) == ('succeeded', 'ready')
    began = time.monotonic()
    assert restarter.waitRestart(id, 2**31 - 1, 50) == ended  # it has ended
    assert restarter.waitRestart(id, ended['version'], 50) == ended == restarter.getRestart(id)
    assert time.monotonic() - began < 50


# -- refusals --------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def busy():
    """A server with a restart of `two` that does not come to its end, and one of `web` that has
    (its id).
    """
    with shared(program(count=2) + program('two', count=2)) as server:
        server.wait_state()
        server.wait_state('two')
        id = server.restarter.startRestart('web')
        server.wait_finished(id)
        server.restarter.startRestart('two', ENDLESS)
        yield server, id


def test_faults(busy):
    """What a bad value of an option or an argument is refused with is in test_bad_input.py."""
    server, id = busy
    pids = server.pids()
    for code, text, method, arguments in [
        ('BAD_GROUP', "no process group named 'nope'", 'restartProcessGroup', ['nope']),
        ('BAD_GROUP', "'web:*'", 'restartProcessGroup', ['web:*']),
        ('BAD_GROUP', "'nope', 'no*'", 'startRestart', [['web', 'nope', 'no*']]),
        ('BAD_GROUP', "'web:2'", 'planRestart', ['web:2']),
        ('BAD_GROUP', 'no names', 'quickStop', [[]]),
        ('BAD_OPTION', 'speed', 'restartProcessGroup', ['web', {'speed': 9}]),
        ('BAD_OPTION', 'history', 'startRestart', ['web', {'history': 3}]),
        ('BAD_OPTION', 'seconds', 'waitRestart', [id, 0, -1]),
        ('BUSY', "'two'", 'restartProcessGroup', ['two']),
        ('BUSY', "'two'", 'startRestart', ['all']),
        ('BUSY', "'two'", 'quickRestart', ['two:1']),
        ('NO_SUCH_RESTART', "'999999'", 'getRestart', ['999999']),
        ('NO_SUCH_RESTART', "'999999'", 'waitRestart', ['999999', 0, 0]),
        ('NO_SUCH_RESTART', "'999999'", 'cancelRestart', ['999999']),
        ('BAD_STATE', 'succeeded', 'cancelRestart', [id]),
    ]:
        call = getattr(server.restarter, method)
        fault = server.fault(lambda call=call, arguments=arguments: call(*arguments))
        assert fault.faultCode == Code[code]
        assert fault.faultString.startswith(f'{code}: ')
        assert text in fault.faultString
        assert server.pids() == pids


def test_cancelled_fault(start):
    server = start(held())
    server.wait_workers()
    call = server.in_background(lambda: server.restarter.restartProcessGroup('web', {'timeout': 0}))
    server.wait_phase(server.only_restart(), 'stopping')
    assert server.restarter.cancelRestart(server.only_restart()) is True
    fault = server.fault(call.result)
    assert fault.faultCode == Code.CANCELLED
    assert fault.faultString.startswith('CANCELLED: ')


def test_entries_of_failed_processes(start):
    server = start(program(command='/nonexistent', autostart='false'))
    assert server.restarter.restartProcessGroup('web') == [
        {
            'group': 'web',
            'name': 'web',
            'code': Code.START_FAILED,
            'text': "START_FAILED: can't find command '/nonexistent'; state BACKOFF",
        }
    ]


@pytest.fixture
def powerless(tmp_path, monkeypatch):
    """A server that may not send signals to its process of another user."""
    wrapper = tmp_path / 'supervisord'
    wrapper.write_text(
        f'#!/bin/sh\nexec setpriv --bounding-set -kill -- {script("supervisord")} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setattr(bench.lab, 'script', lambda name: str(wrapper))
    with Server(program(user='nobody')) as server:  # Supervisor itself logs a traceback here
        yield server


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which('setpriv'), reason='needs root, and setpriv of Linux'
)
def test_entry_of_a_process_that_cannot_be_stopped(powerless):
    powerless.wait_state()
    pid = powerless.pids()['web']
    (entry,) = powerless.restarter.restartProcessGroup('web')
    assert (entry['name'], entry['code']) == ('web', Code.STOP_FAILED)
    assert entry['text'].startswith('STOP_FAILED: ')
    assert 'Operation not permitted' in entry['text']
    assert 'Traceback' not in entry['text']
    assert os.path.exists(f'/proc/{pid}')
    assert powerless.state('web') == 'UNKNOWN'
    (entry,) = powerless.restarter.restartProcessGroup('web')
    assert entry['code'] == Code.BAD_STATE
    assert 'UNKNOWN' in entry['text']  # a reason is given
    (row,) = powerless.restarter.quickStop('web')
    assert (row['status'], 'UNKNOWN' in row['description']) == (30, True)


# -- versions, system.* ----------------------------------------------------------------------


def test_introspection_and_versions(busy):
    server, _ = busy
    system = server.proxy().system
    assert [name for name in system.listMethods() if name.startswith('restarter.')] == sorted(
        f'restarter.{name}' for name in ARGUMENTS
    )
    for name, arguments in ARGUMENTS.items():
        assert len(system.methodSignature(f'restarter.{name}')) == 1 + len(arguments), name
        assert len(system.methodHelp(f'restarter.{name}').strip().splitlines()[0]) > 10, name
    assert server.restarter.getPluginVersion() == supervisor_restarter.__version__
    assert re.fullmatch(r'\d+\.\d+', server.restarter.getAPIVersion())


def test_multicall_makes_one_restart_after_the_other(start):
    server = start(program(command=SLOW))
    server.wait_workers()
    call = {'methodName': 'restarter.restartProcessGroup', 'params': ['web']}
    bad = {'methodName': 'restarter.restartProcessGroup', 'params': ['nope']}
    answers = server.proxy().system.multicall([call, bad, call])
    assert [answers[0], answers[2]] == [True, True]
    assert answers[1]['faultCode'] == Code.BAD_GROUP
    second, first = server.restarter.listRestarts()
    assert first['finished_at'] <= second['requested_at']
