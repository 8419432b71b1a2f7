"""supervisord and the commands under conditions that an operator's machine may have: cron, nohup,
systemd, pam_tmpdir.

The tests themselves do not depend on them; see tests/surroundings.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import bench.lab
from bench.lab import CTLPLUGIN, script
from supervisor_restarter.client.errors import Exit
from tests.conditions import BY_NAME, ROOT
from tests.integration.server import program, shared, worker
from tests.integration.service import marks, service

# Of those that block signals a supervisord could not even be ended; SIGCHLD alone is looked at
# below.
NAMES = [name for name in BY_NAME if name not in ('plain', 'blocked-signals', 'bare', 'kathmandu')]
PROGRAMS = program(count=2) + program(
    'told', service('--notify'), 2, environment='RESTARTER_READY="notify"'
)


def command_of(name, directory, *command):
    """The command line that becomes the command under the condition."""
    return [sys.executable, '-m', 'tests.conditions', name, str(directory), *command]


@pytest.fixture
def under(tmp_path, monkeypatch, start):
    """under(name, programs) gives a supervisord that was started under the condition."""

    def begin(name, programs):
        if BY_NAME[name].impossible():
            pytest.skip(BY_NAME[name].impossible())
        wrapper = tmp_path / 'wrapped'
        words = ' '.join(f"'{word}'" for word in command_of(name, tmp_path, script('supervisord')))
        wrapper.write_text(f'#!/bin/sh\ncd \'{ROOT}\' && exec {words} "$@"\n')
        wrapper.chmod(0o755)
        with monkeypatch.context() as patched:
            patched.setattr(bench.lab, 'script', lambda name: str(wrapper))
            return start(programs, extra=CTLPLUGIN)

    return begin


@pytest.mark.parametrize('name', NAMES)
def test_supervisord_restarts_under_it(under, name):
    server = under(name, PROGRAMS)
    server.wait_state()
    server.wait(lambda: len(marks(server.dir, 'ready')) == 2, 'services')
    before = {**server.pids(), **{f'told {key}': pid for key, pid in server.pids('told').items()}}
    assert server.restarter.restartProcessGroup('web') is True
    assert (
        server.restarter.restartProcessGroup('told', {'max_unavailable': 1, 'ready_timeout': 30})
        is True
    )
    after = {*server.pids().values(), *server.pids('told').values()}
    assert not after & {0, *before.values()}
    assert len(marks(server.dir, 'ready')) == 4
    assert 'own fork' not in server.log_text() or sys.version_info < (3, 11)


@pytest.fixture(scope='module')
def server():
    programs = program(count=2) + program('gone', '/nonexistent', autostart='false')
    with shared(programs, extra=CTLPLUGIN) as server:
        server.wait_state()
        yield server


@pytest.mark.parametrize('name', [*NAMES, 'blocked-signals', 'bare', 'kathmandu'])
def test_the_commands_say_the_same_under_it(server, tmp_path, name):
    if BY_NAME[name].impossible():
        pytest.skip(BY_NAME[name].impossible())

    def run(*command):
        done = subprocess.run(
            command_of(name, tmp_path, script(command[0]), '-c', str(server.conf), *command[1:]),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout.decode('ascii'), done.stderr.decode('ascii')

    arguments = ['--on-failure', 'continue', 'web', 'gone']
    status, shown, errors = run('supervisorctl_restart_group', *arguments)
    assert status == Exit.FAILED
    assert {'web:0: restarted', 'web:1: restarted'} <= {
        line.partition(' (')[0] for line in shown.splitlines()
    }
    assert "can't find command '/nonexistent'" in shown + errors
    assert 'Traceback' not in errors
    status, shown, errors = run('supervisorctl', 'quickrestart', 'web:')
    assert (status, sorted(shown.splitlines()), errors) == (
        0,
        ['web:0: started', 'web:1: started'],
        '',
    )


def test_where_no_sigchld_is_delivered_a_restart_is_late_and_no_more(start):
    """A blocked signal is inherited; supervisord collects its children once a second all the same."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    try:
        server = start(program(command=worker('--stop', '0.3'), count=2))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    server.wait_workers()
    blocked = [
        line
        for line in Path(f'/proc/{server.pid}/status').read_text().splitlines()
        if line[:7] == 'SigBlk:'
    ]
    assert int(blocked[0].split()[1], 16) & 1 << signal.SIGCHLD - 1
    assert server.restarter.restartProcessGroup('web', {'timeout': 0}) is True


@pytest.mark.parametrize('closed', [(0,), (0, 1, 2), (1,), (2,)])
def test_a_command_whose_standard_descriptors_are_closed(server, closed):
    def close():
        for number in closed:
            os.close(number)

    def quiet(number):
        return None if number in closed else subprocess.DEVNULL

    before = server.pids()
    status = subprocess.run(
        [script('supervisorctl_restart_group'), '-c', str(server.conf), 'web'],
        preexec_fn=close,
        stdin=quiet(0),
        stdout=quiet(1),
        stderr=quiet(2),
        timeout=60,
        check=False,
    ).returncode
    assert status == Exit.OK
    assert not set(server.pids().values()) & set(before.values())
