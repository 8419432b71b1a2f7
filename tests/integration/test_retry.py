"""--retry and retryrestart on a real supervisord: only what failed or was not reached is restarted."""

from __future__ import annotations

import json

from bench.lab import CTLPLUGIN
from tests.integration.server import program, worker
from tests.integration.test_command import command


def test_retry_restarts_what_failed_or_was_not_reached_and_nothing_else(start):
    able = worker('--unless', '%(here)s/ok%(process_num)d')
    server = start(
        program(
            command=able,
            count=3,
            startsecs=1,
            startretries=0,
            autorestart='false',
            autostart='false',
        ),
        extra=CTLPLUGIN,
    )
    for number in range(3):
        (server.dir / f'ok{number}').touch()
    server.rpc().supervisor.startProcessGroup('web')
    server.wait_workers()
    before = server.pids()
    (server.dir / 'ok1').unlink()
    assert command(server, '--rolling', 'web').returncode == 1
    first = server.pids()
    assert first['0'] != before['0']
    assert first['2'] == before['2']
    # as broken as before
    assert json.loads(command(server, '--retry', '1', '--json').stdout)['exit_status'] == 1
    (server.dir / 'ok1').touch()
    done = command(server, '--retry', '2', '--timeout', '5m')
    assert done.returncode == 0, done.stderr
    assert sorted(line.split(':')[1] for line in done.stdout.splitlines()[:-1]) == ['1', '2']
    after = server.pids()
    assert after['0'] == first['0']
    assert all(after[name] != first[name] for name in '12')
    done = command(server, '--retry', '3')
    assert done.returncode == 1
    assert done.stderr.startswith('Error: BAD_STATE: ')
    assert command(server, '--retry', '9').returncode == 2
    assert server.ctl('retryrestart', '3').returncode == 1


def test_retryrestart_in_supervisorctl(start):
    server = start(
        program(command=worker('--unless', '%(here)s/ok'), startsecs=1, startretries=0),
        extra=CTLPLUGIN,
    )
    assert server.ctl('rolling', 'web').returncode == 7
    (server.dir / 'ok').touch()
    done = server.ctl('retryrestart', '1')
    assert 'web: started' in done.stdout.splitlines()
    assert done.returncode == 0
