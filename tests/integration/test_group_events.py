"""The GROUP_RESTART events, as an event listener in plain shell gets them."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from supervisor import childutils

from tests.integration.server import HELD, Server, held, program, worker

RECORDER = Path(__file__).with_name('recorder.sh')
BAD_PLUGIN = """
from supervisor import events

class Interface:
    pass

def bad(event):
    raise RuntimeError('of another plugin')

def make(supervisord, **config):
    events.subscribe(events.EventTypes.GROUP_RESTART, bad)
    return Interface()
"""


def listener(events='GROUP_RESTART'):
    return program(
        'recorder', f'/bin/sh {RECORDER} %(here)s/events', kind='eventlistener', events=events
    )


def recorded(server):
    """The (name, payload) of each event so far."""
    file = server.dir / 'events'
    parts = file.read_text().split('\n--\n')[:-1] if file.exists() else []
    headers = [part.partition('\n') for part in parts]
    return [
        (childutils.get_headers(header)['eventname'], payload) for header, _, payload in headers
    ]


def wait_events(server, *names):
    """Wait until events of these names, and no others, have come; their payloads."""
    server.wait(lambda: len(recorded(server)) >= len(names), f'events {names}')
    events = recorded(server)
    assert [name for name, _ in events] == list(names)
    return [payload for _, payload in events]


def test_a_restart_is_two_events(start):
    server = start(listener() + program(count=4))
    server.wait_state()
    id = server.restarter.startRestart('web', {'max_unavailable': 2})
    began, ended = wait_events(server, 'GROUP_RESTART_STARTED', 'GROUP_RESTART_SUCCEEDED')
    duration = r'duration:\d+\.\d{3} killed:0 kind:restart'
    assert re.fullmatch(
        rf'id:{id} groupname:web total:4 done:0 failed:0 lowest_ready:4 {duration} state:running',
        began,
    )
    assert re.fullmatch(
        rf'id:{id} groupname:web total:4 done:4 failed:0 lowest_ready:2 {duration} state:succeeded',
        ended,
    )
    assert (
        childutils.get_headers(ended)['duration']
        == f'{server.restarter.getRestart(id)["duration"]:.3f}'
    )


def test_a_shell_script_reads_who_failed_and_why(start):
    programs = program('good', priority=1) + program(
        'bad', worker('--die', '0', '--exit', '3'), startsecs=60, startretries=0
    )
    server = start(listener('GROUP_RESTART_FAILED') + programs + '[group:web]\nprograms=good,bad\n')
    server.wait_state('web', 'RUNNING', 'FATAL')
    entries = server.restarter.restartProcessGroup('web', {'timeout': 20})
    (payload,) = wait_events(server, 'GROUP_RESTART_FAILED')
    header, failures = childutils.eventdata(payload)
    assert (header['groupname'], header['total'], header['done'], header['failed']) == (
        'web',
        '2',
        '1',
        '1',
    )
    assert failures.startswith('web:bad START_FAILED: exit status 3')
    assert failures == f'web:bad {entries[0]["text"]}\n'


def test_a_restart_that_times_out_has_failed_when_everything_is_back(start):
    server = start(listener() + program(command=HELD, stopwaitsecs=600))
    server.wait_workers()
    server.fault(lambda: server.restarter.restartProcessGroup('web', {'timeout': 0.3}))
    assert [name for name, _ in recorded(server)] in ([], ['GROUP_RESTART_STARTED'])
    os.kill(server.pids()['web'], signal.SIGKILL)
    ended = wait_events(server, 'GROUP_RESTART_STARTED', 'GROUP_RESTART_FAILED')[-1]
    assert ended.splitlines()[1:] == ['web:web TIMEOUT: it was ready only after the timeout']


def test_a_restart_that_is_cancelled(start):
    server = start(listener() + program(count=3))
    server.wait_state()
    id = server.restarter.startRestart('web', {'stagger_factor': 3, 'delay': 60})
    server.wait_phase(id, 'ready')
    server.restarter.cancelRestart(id)
    ended = wait_events(server, 'GROUP_RESTART_STARTED', 'GROUP_RESTART_CANCELLED')[-1]
    assert ended.startswith(f'id:{id} groupname:web total:3 done:1 failed:0 ')


def test_a_restart_that_is_cancelled_before_it_began_has_not_started(start):
    server = start(listener('GROUP_RESTART_STARTED,GROUP_RESTART_CANCELLED') + program(count=2))
    server.wait_state()
    first = server.restarter.startRestart('web', {'stagger_factor': 2, 'delay': 60})
    second = server.restarter.startRestart('web', {'if_busy': 'queue'})
    server.restarter.cancelRestart(second)
    payloads = wait_events(server, 'GROUP_RESTART_STARTED', 'GROUP_RESTART_CANCELLED')
    assert [childutils.get_headers(payload)['id'] for payload in payloads] == [first, second]


def test_the_quick_calls_are_events_only_if_they_restart(start):
    server = start(listener() + program(count=2))
    server.wait_state()
    server.restarter.quickStop('web')
    server.restarter.quickStart('web', True)
    server.restarter.quickRestart('web', True)
    wait_events(server, 'GROUP_RESTART_STARTED', 'GROUP_RESTART_SUCCEEDED')


def test_a_restart_of_many_groups_does_not_flood_a_listener(start):
    server = start(listener() + ''.join(program(f'app{number}') for number in range(25)))
    server.wait(
        lambda: all(
            server.states(f'app{number}') == {f'app{number}': 'RUNNING'} for number in range(25)
        ),
        'running programs',
    )
    server.wait_finished(server.restarter.startRestart('app*'))
    payload = wait_events(server, 'GROUP_RESTART_STARTED', 'GROUP_RESTART_SUCCEEDED')[-1]
    assert len(childutils.get_headers(payload)['groupname'].split(',')) == 25
    assert 'overflow' not in server.log_text()


def test_a_long_list_of_failures_arrives_whole(start):
    server = start(
        listener('GROUP_RESTART_FAILED')
        + program(count=60, command='/nonexistent/ü', autostart='false')
    )
    server.restarter.restartProcessGroup('web', {'on_failure': 'continue', 'timeout': 20})
    (payload,) = wait_events(server, 'GROUP_RESTART_FAILED')
    assert len(payload.splitlines()) == 61
    assert "can't find command '/nonexistent/\\xfc'" in payload


def test_the_events_are_known_after_a_reload_too(start):
    server = start(listener() + program(count=2))
    server.wait_state()
    server.restarter.startRestart('web')
    wait_events(server, 'GROUP_RESTART_STARTED', 'GROUP_RESTART_SUCCEEDED')
    mark = server.log_size()
    server.ctl('reload')
    server.wait(lambda: 'RPC interface' in server.log_text(mark), 'reload')
    server.wait_state()
    server.restarter.startRestart('web')
    wait_events(server, *['GROUP_RESTART_STARTED', 'GROUP_RESTART_SUCCEEDED'] * 2)


@pytest.mark.parametrize('how', ['reload', 'shutdown'])
def test_a_restart_that_ends_with_supervisord_is_cancelled(start, how):
    server = start(listener() + held(count=2))
    server.wait_workers()
    server.restarter.startRestart('web')
    wait_events(server, 'GROUP_RESTART_STARTED')
    mark = server.log_size()
    with server.begin_ctl(how):
        server.wait(lambda: 'cancelled' in server.log_text(mark), 'end of the restart')
        # Before supervisord stops its listeners, and this one in the middle of its writing.
        wait_events(server, 'GROUP_RESTART_STARTED', 'GROUP_RESTART_CANCELLED')
        server.let_stop()
    if how == 'shutdown':
        server.process.wait(20)
    else:
        server.wait(lambda: 'RPC interface' in server.log_text(mark), 'reload')
        server.wait_workers()  # before, a SIGTERM would be lost
    assert 'cancelled' in server.log_text(mark)
    assert len(recorded(server)) == 2


def test_a_subscriber_of_another_plugin_that_raises_harms_no_restart(tmp_path, monkeypatch):
    (tmp_path / 'bad_plugin.py').write_text(BAD_PLUGIN)
    monkeypatch.setenv(
        'PYTHONPATH', os.pathsep.join(filter(None, [str(tmp_path), os.environ.get('PYTHONPATH')]))
    )
    section = '[rpcinterface:bad]\nsupervisor.rpcinterface_factory=bad_plugin:make\n'
    with Server(program(count=3), extra=section) as server:
        server.wait_state()
        before = server.pids()
        assert server.restarter.restartProcessGroup('web') is True
        assert not set(server.pids().values()) & set(before.values())
        assert 'was not delivered to everybody' in server.log_text()
        assert 'an internal error' not in server.log_text()
