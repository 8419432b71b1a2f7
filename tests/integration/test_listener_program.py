"""supervisor_restart_listener as an [eventlistener:x] of a real supervisord, and superlance's
listeners beside it.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from bench.lab import Lab, script
from tests.integration.server import SECONDS, held, lines_of, program, worker

GROW = f'{sys.executable} {Path(__file__).with_name("grower.py")} %(here)s/size self'
LISTENER = script('supervisor_restart_listener')


def listener(arguments, events, name='listener', command=LISTENER, **settings):
    return program(
        name,
        f'{command} {arguments}',
        kind='eventlistener',
        events=events,
        stderr_logfile=f'%(here)s/{name}.log',
        **settings,
    )


def log(server, name='listener'):
    """What the listener has said, without the time in each line."""
    return [re.sub('^[-0-9]+ [0-9:,]+ ', '', line) for line in lines_of(server.dir / f'{name}.log')]


def more_than(server, lines):
    return len(log(server)) > lines


def wait_line(server, pattern):
    """Wait for a line of the listener; the match."""

    def found():
        return list(filter(None, (re.fullmatch(pattern, line) for line in log(server))))

    server.wait(lambda: bool(found()), f'line {pattern}')
    return found()[0]


def test_ticks_of_supervisord_have_a_large_process_and_a_busy_group_restarted(start):
    server = start(
        listener(
            '--memory web=100MB --when REMOTE_COMMUNICATION=app', 'TICK_5,REMOTE_COMMUNICATION'
        )
        + program(command=GROW, count=3)
        + program('app', count=2)
    )
    server.wait_state()
    before = server.pids()
    busy = server.restarter.startRestart('app', {'stagger_factor': 2, 'delay': 60})
    server.rpc().supervisor.sendRemoteCommEvent('deploy', 'now')
    wait_line(
        server,
        rf'REMOTE_COMMUNICATION came: restart of app refused: BUSY: .*\(restart {busy}\); tried again .*',
    )
    server.restarter.cancelRestart(busy)
    (server.dir / 'size.1').write_text('150')
    later = wait_line(server, r'REMOTE_COMMUNICATION came: restart (\d+) of app')[1]
    large = wait_line(
        server, r'web:1 uses \d+(\.\d+)?MB \(more than 100MB\): restart (\d+) of web:1'
    )[2]
    (server.dir / 'size.1').unlink()
    assert server.wait_finished(later)['total'] == 2
    restart = server.wait_finished(large)
    assert (restart['state'], restart['total'], restart['lowest_ready']) == ('succeeded', 1, 0)
    after = server.pids()
    assert (after['0'], after['2']) == (before['0'], before['2'])


def test_the_restart_goes_on_when_its_listener_is_killed(start):
    server = start(
        listener('--when REMOTE_COMMUNICATION=web', 'REMOTE_COMMUNICATION') + held(count=3)
    )
    server.wait_workers()
    before = server.pids()
    server.rpc().supervisor.sendRemoteCommEvent('deploy', '')
    id = wait_line(server, r'REMOTE_COMMUNICATION came: restart (\d+) of web')[1]
    server.wait_phase(id, 'stopping')
    killed = server.pids('listener')['listener']
    os.kill(killed, signal.SIGKILL)
    server.let_stop()
    restart = server.wait_finished(id)
    assert (restart['state'], restart['lowest_ready']) == ('succeeded', 2)
    assert not set(server.pids().values()) & set(before.values())
    # Its successor obeys the next event.
    server.wait(lambda: server.pids('listener')['listener'] not in (0, killed), 'another listener')
    server.rpc().supervisor.sendRemoteCommEvent('deploy', '')
    server.wait(lambda: len(server.restarter.listRestarts()) == 2, 'second restart')


def test_an_event_whose_listener_died_over_it_is_given_to_the_next(start):
    """The listener is stopped before it can obey, so that it dies with the event in hand."""
    server = start(listener('--when REMOTE_COMMUNICATION=web', 'REMOTE_COMMUNICATION') + program())
    wait_line(server, 'rules: .*')
    server.wait_state('listener')
    killed = server.pids('listener')['listener']
    os.kill(killed, signal.SIGSTOP)
    server.rpc().supervisor.sendRemoteCommEvent('deploy', '')
    server.rpc().supervisor.getState()
    os.kill(killed, signal.SIGKILL)
    wait_line(server, r'REMOTE_COMMUNICATION came: restart \d+ of web')
    assert len(server.restarter.listRestarts()) == 1


def test_it_survives_a_reload(start):
    server = start(
        listener('--when REMOTE_COMMUNICATION=web', 'REMOTE_COMMUNICATION') + program(count=2)
    )
    server.wait_state('listener')
    mark = server.log_size()
    server.ctl('reload')
    server.wait(lambda: 'RPC interface' in server.log_text(mark), 'reload')
    server.wait_state('listener')
    server.wait_state()
    server.rpc().supervisor.sendRemoteCommEvent('deploy', '')
    id = wait_line(server, r'REMOTE_COMMUNICATION came: restart (\d+) of web')[1]
    assert server.wait_finished(id)['state'] == 'succeeded'
    assert not any('Traceback' in line for line in log(server))


def test_bad_rules_end_it_with_a_line(start):
    server = start(listener('--memory web=lots', 'TICK_5', startsecs=60, startretries=0))
    server.wait_state('listener', 'FATAL')
    (line,) = log(server)
    assert line.startswith(
        "supervisor_restart_listener: argument --memory: 'web=lots' is not NAME=LIMIT with a size"
    )
    assert 'exit status 2' in server.log_text()


def test_without_the_restarter_interface_it_says_so():
    with Lab(
        listener('--when REMOTE_COMMUNICATION=web', 'REMOTE_COMMUNICATION') + program(),
        interface=False,
    ) as lab:
        # The line with its rules first: it is none of the two answers.
        lab.wait_until(partial(more_than, lab, 0), SECONDS, 'rules')
        for said in (1, 2):
            lab.rpc().supervisor.sendRemoteCommEvent('deploy', '')
            lab.wait_until(partial(more_than, lab, said), SECONDS, 'line')
        assert log(lab)[2] == log(lab)[1]
        assert log(lab)[1].startswith(
            'REMOTE_COMMUNICATION came: restart of web refused: supervisord runs without the '
            'restarter interface: its configuration file needs a section '
        )
        assert lab.states('listener') == {'listener': 'RUNNING'}
        assert 'Traceback' not in lab.log_text()


def test_an_oversized_event_is_not_given_to_it_again_and_again(start):
    server = start(listener('--when REMOTE_COMMUNICATION=web', 'REMOTE_COMMUNICATION') + program())
    server.wait_state('listener')
    server.proxy().supervisor.sendRemoteCommEvent('deploy', 'x' * (16 * 1024 * 1024 + 1))
    wait_line(server, r'a payload of \d+ characters; the most are 16777216')
    server.wait(
        lambda: sum(line.startswith('rules: ') for line in log(server)) == 2, 'another listener'
    )
    server.rpc().supervisor.sendRemoteCommEvent('deploy', '')
    wait_line(server, r'REMOTE_COMMUNICATION came: restart \d+ of web')
    assert sum(line.startswith('a payload of') for line in log(server)) == 1


# -- superlance ------------------------------------------------------------------------------

SENDMAIL = """#!/bin/sh
cat >> {mails}
echo >> {mails}
"""


@pytest.fixture
def sendmail(tmp_path):
    """A sendmail that keeps the mails in tmp_path/mails."""
    path = tmp_path / 'sendmail'
    path.write_text(SENDMAIL.format(mails=tmp_path / 'mails'))
    path.chmod(0o755)
    return path


def mails(tmp_path):
    file = tmp_path / 'mails'
    return file.read_text() if file.exists() else ''


def test_memmon_and_crashmail_keep_working_during_restarts(start, tmp_path, sendmail):
    listeners = listener(
        f'-g app=100MB -m ops@example.org -s {sendmail}', 'TICK_5', 'memmon', script('memmon')
    ) + listener(
        f'-a -m ops@example.org -s {sendmail}', 'PROCESS_STATE', 'crashmail', script('crashmail')
    )
    server = start(
        listeners + held(count=5) + program('app', GROW) + program('other', worker('--stop', '0'))
    )
    server.wait_workers()
    server.wait_workers('other')
    (server.dir / 'size.app').write_text('150')
    heavy, listening = (
        server.pids('app')['app'],
        [server.pids(name)[name] for name in ('memmon', 'crashmail')],
    )
    id = server.restarter.startRestart('web', {'max_unavailable': 1})
    server.wait_phase(id, 'stopping')
    os.kill(server.pids('other')['other'], signal.SIGKILL)
    server.wait(lambda: 'Subject:  other crashed at' in mails(tmp_path), 'mail of crashmail')
    server.wait(lambda: server.pids('app')['app'] not in (0, heavy), 'restart by memmon')
    (server.dir / 'size.app').unlink()
    server.wait(lambda: 'process app:app restarted' in mails(tmp_path), 'mail of memmon')
    assert server.restarter.getRestart(id)['state'] == 'running'
    server.let_stop()
    restart = server.wait_finished(id)
    assert (restart['state'], restart['lowest_ready']) == ('succeeded', 4)
    # The restart itself is no crash, and has not disturbed them.
    assert mails(tmp_path).count('crashed at') == 1
    assert [server.pids(name)[name] for name in ('memmon', 'crashmail')] == listening
    assert server.states('app') == {'app': 'RUNNING'}


def test_memmon_restarts_processes_of_the_group_that_is_being_restarted(start, tmp_path, sendmail):
    server = start(
        listener(
            f'-g web=1KB -m ops@example.org -s {sendmail}', 'TICK_5', 'memmon', script('memmon')
        )
        + program(command=worker('--stop', '0.5'), count=4)
    )
    server.wait_workers()
    before = server.pids()
    server.wait(lambda: 'Restarting web:' in '\n'.join(log(server, 'memmon')), 'restart by memmon')
    restart = server.wait_finished(server.restarter.startRestart('web', {'max_unavailable': 1}))
    assert restart['state'] in ('succeeded', 'failed')
    # Whatever the two did to each other, everything is new and runs.
    server.wait_workers()
    assert not set(server.pids().values()) & set(before.values())
    # memmon ends, and is started anew, where somebody else was quicker to start what it had
    # stopped.
    server.wait_state('memmon')
