"""exec:, https:// and http+unix:// on a real supervisord; the other forms are in test_probing.py."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.proc import children, used
from tests.integration.server import SECONDS, Server, program
from tests.integration.service import address, marks, order, service

AT_ONCE = 4  # commands of one group


def commands_with(text):
    """The pids of all processes in whose command line the text stands."""
    found = []
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found


class Checked:
    """A group whose processes are asked about by a script that the test writes, which may be run by
    everybody.
    """

    def __init__(self, start, where, script, count=1, arguments='', **settings):
        self.script = Path(where, 'check')
        self.write(script)
        settings.setdefault('autostart', 'false')
        self.server: Server = start(
            program(
                count=count,
                environment=f'RESTARTER_READY="exec:{self.script}{arguments}",MARK="mine"',
                **settings,
            )
        )
        self.mark = str(self.script)

    def write(self, script):
        """Have the processes be asked about so from now on."""
        new = self.script.with_suffix('.new')
        new.write_text(f'#!/bin/sh\n{script}\n')
        new.chmod(0o755)
        new.rename(self.script)

    def said(self):
        path = self.script.with_suffix('.said')
        return path.read_text().splitlines() if path.exists() else []

    def restart(self, **options):
        """How a restart ends: True, or the text of the first failure."""
        result = self.server.restarter.restartProcessGroup('web', {'timeout': 0, **options})
        return result if result is True else result[0]['text']

    def wait_asked(self):
        self.server.wait(lambda: bool(commands_with(self.mark)), 'command that runs')

    def wait_nothing_left(self):
        """No command runs, and none waits to be reaped."""
        self.server.wait(lambda: not commands_with(self.mark), 'end of the commands')
        pid = self.server.process.pid
        self.server.wait(
            lambda: sorted(children(pid)) == sorted(filter(None, self.server.pids().values())),
            'supervisord without other children',
        )


@pytest.fixture
def checked(start):
    def begin(script, **settings) -> Checked:
        return Checked(start, where, script, **settings)

    with tempfile.TemporaryDirectory(prefix='t-', dir='/tmp') as where:
        Path(where).chmod(0o755)  # below pytest's own, no other user could enter it
        yield begin


# -- exec ----------------------------------------------------------------------------------------


def test_a_process_is_ready_when_the_command_says_so_and_not_before(checked):
    group = checked('test -e "$0.flag"; exit $?', count=2)
    id = group.server.restarter.startRestart('web', {'ready_timeout': SECONDS})
    struct = group.server.wait_phase(id, 'starting')
    group.server.wait(
        lambda: bool(group.server.rpc().restarter.getRestart(id)['processes'][0]['new_pid']),
        'processes',
    )
    assert {process['phase'] for process in struct['processes']} <= {
        'starting',
        'waiting',
        'stopped',
    }
    group.script.with_suffix('.flag').touch()
    assert group.server.wait_finished(id)['state'] == 'succeeded'
    group.wait_nothing_left()


def test_a_process_of_which_the_command_says_no_has_failed_and_its_last_words_are_the_reason(
    checked,
):
    group = checked('echo starting >&2; echo "no database" >&2; exit 3')
    assert group.restart(ready_timeout=1.5) == (
        f'START_FAILED: not ready within 1.5 s: exec:{group.script}: exit status 3: no database'
    )
    group.wait_nothing_left()


def test_a_command_that_is_not_there_makes_nothing_ready(checked):
    group = checked('exit 0')
    group.script.unlink()
    assert group.restart(ready_timeout=1.5).endswith(
        f'exec:{group.script}: {group.script}: No such file or directory'
    )
    group.write('exit 0')
    assert group.restart() is True


TELL = (
    'echo "$RESTARTER_PID $PWD $MARK $SUPERVISOR_PROCESS_NAME $(id -u) $(umask) $*" >> "${0}.said"'
)


def test_the_command_is_run_as_the_program_is(checked, tmp_path_factory):
    directory = tmp_path_factory.mktemp('home')
    group = checked(TELL, directory=directory, umask='027', arguments=" 'a b' $HOME c")
    assert group.restart() is True
    assert group.said() == [
        f'{group.server.pids()["web"]} {directory} mine web {os.geteuid()} 0027 a b $HOME c'
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can run programs as another user')
def test_the_command_of_a_program_of_another_user_runs_as_that_user_and_never_as_root(checked):
    group = checked(TELL, user='nobody')
    said = group.script.with_suffix('.said')
    said.touch()
    said.chmod(0o666)
    assert group.restart(min_ready=2) is True
    assert len(group.said()) > 1
    nobody = int(
        subprocess.run(['id', '-u', 'nobody'], capture_output=True, check=True, timeout=60).stdout
    )
    assert {line.split()[4] for line in group.said()} == {str(nobody)}


def test_quotes_at_the_very_end_are_supervisors_and_a_blank_keeps_them(start):
    """Supervisor strips all quotes off both ends of a value."""
    server = start(
        program('good', environment='RESTARTER_READY="exec:sh -c \'exit 0\' "')
        + program('bad', environment='RESTARTER_READY="exec:sh -c \'exit 0\'"')
    )
    server.wait_state('good')
    assert server.restarter.restartProcessGroup('good') is True
    fault = server.fault(lambda: server.restarter.restartProcessGroup('bad'))
    assert 'no closing quotation (Supervisor cuts quotes off' in fault.faultString


def test_a_process_that_is_ready_no_more_takes_up_the_room_of_others(checked):
    group = checked('test ! -e "$0.$RESTARTER_PID"', count=3, autostart='true')
    group.server.wait_state()
    before = group.server.pids()
    Path(f'{group.script}.{before["2"]}').touch()
    id = group.server.restarter.startRestart('web:0', {'max_unavailable': 1, 'ready_timeout': 1.5})
    error = group.server.wait_finished(id)['processes'][0]['error']
    assert f'web:2 (exec:{group.script}: exit status 1)' in error
    assert group.server.pids() == before
    group.wait_nothing_left()


# -- nothing is left behind ----------------------------------------------------------------------

# in a child of its own, in whose command line it says whose it is
HANG = 'sh -c "sleep 1000; : $0" & wait'


@pytest.mark.parametrize('stop', ['the time', 'a cancel', 'a removal'])
def test_when_a_restart_ends_its_commands_and_all_they_have_started_are_gone(checked, stop):
    group = checked(HANG, count=2)
    server = group.server
    id = server.restarter.startRestart('web', {'ready_timeout': 2 if stop == 'the time' else 1000})
    group.wait_asked()
    if stop == 'a cancel':
        server.restarter.cancelRestart(id)
        server.rpc().supervisor.stopProcessGroup('web')
    elif stop == 'a removal':
        server.rpc().supervisor.stopProcessGroup('web')
        server.rpc().supervisor.removeProcessGroup('web')
    server.wait_finished(id)
    group.wait_nothing_left()
    assert 'reaped unknown pid' not in server.log_text()


@pytest.mark.parametrize('how', ['reload', 'TERM'])
def test_a_reload_and_a_shutdown_leave_no_command_behind(checked, how):
    group = checked(HANG, count=2)
    server = group.server
    server.restarter.startRestart('web', {'ready_timeout': 0})
    group.wait_asked()
    if how == 'reload':
        server.rpc().supervisor.restart()
        server.wait(lambda: server.log_text().count('supervisord started') == 2, 'reload')
        server.wait(
            lambda: server.rpc().supervisor.getState()['statename'] == 'RUNNING', 'supervisord'
        )
        group.wait_nothing_left()
    else:
        server.process.terminate()
        assert server.process.wait(SECONDS) == 0
        deadline = time.monotonic() + SECONDS
        while commands_with(group.mark):
            assert time.monotonic() < deadline, commands_with(group.mark)
            time.sleep(0.02)
    assert 'reaped unknown pid' not in server.log_text()


def test_while_commands_hang_others_are_served_and_supervisord_sleeps(checked):
    group = checked(HANG, count=5)
    server = group.server
    id = server.restarter.startRestart('web', {'ready_timeout': 2.5, 'on_failure': 'continue'})
    group.wait_asked()
    server.wait(lambda: len(server.rpc().restarter.getRestart(id)['processes']) == 5, 'processes')
    began, spent = time.monotonic(), used(server.process.pid)
    server.restarter.waitRestart(id, 10**6, 1.0)
    assert (used(server.process.pid) - spent) / (time.monotonic() - began) < 0.2
    assert server.wait_finished(id)['failed'] == 5
    group.wait_nothing_left()


def test_there_are_never_many_commands_at_once_and_each_process_is_asked(checked):
    group = checked('echo + >> "$0.said"; sleep 0.05; echo - >> "$0.said"', count=20)
    assert group.restart(ready_timeout=60) is True
    running = [0]
    for sign in group.said():
        running.append(running[-1] + (1 if sign == '+' else -1))
    assert 1 <= max(running) <= AT_ONCE
    assert group.said().count('+') >= 20


# -- https and http+unix ---------------------------------------------------------------------------


@pytest.fixture(scope='module')
def certificate(tmp_path_factory):
    if not shutil.which('openssl'):
        pytest.skip('openssl makes the certificate')
    path = tmp_path_factory.mktemp('tls') / 'server.pem'
    command = 'openssl req -x509 -newkey rsa:2048 -nodes -keyout - -out - -days 2 -subj /CN=test'
    command += ' -addext subjectAltName=IP:127.0.0.1'
    made = subprocess.run(command.split(), capture_output=True, timeout=60, check=True)
    path.write_bytes(made.stdout)
    return path


def of_kind(kind, at, certificate) -> dict[str, Any]:
    if kind == 'http+unix':
        path = '%(here)s/%(group_name)s.%(process_num)d'
        return {
            'command': service('--unix', path),
            'environment': f'RESTARTER_READY="http+unix://{path}:/health"',
        }
    return {
        'command': service('--tcp', f'{at}:81%(process_num)02d', '--tls', str(certificate)),
        'environment': f'RESTARTER_READY="{kind}://{at}:81%(process_num)02d/health"',
    }


@pytest.mark.parametrize('kind', ['http+unix', 'https'])
def test_http_in_other_clothes(start, certificate, kind):
    server = start(
        program(count=2, **of_kind(kind, address(), certificate)), restarter='max_unavailable=1'
    )
    server.wait(lambda: len(marks(server.dir, 'ready')) == 2, 'services')
    order(server.dir, 'web:0', '--slow', '0.3', '--first', 'busy', '--until', '0.6')
    began = time.monotonic()
    assert server.restarter.restartProcessGroup('web', {'timeout': 0}) is True
    assert len([mark for mark in marks(server.dir, 'ready') if mark.time > began]) == 2
    assert (
        server.restarter.getRestart(server.only_restart())['processes'][0]['ready_seconds'] >= 0.3
    )
    for answer, reason in (
        ('busy', 'answered 503'),
        ('garbage', 'answered with something that is not HTTP'),
    ):
        order(server.dir, 'web:0', '--answer', answer)
        result = server.restarter.restartProcessGroup('web', {'timeout': 0, 'ready_timeout': 1.5})
        assert result[0]['text'].endswith(f'/health: {reason}')
        assert re.search(rf'{re.escape(kind)}://.*/health: {reason}$', result[0]['text'])


def test_a_certificate_that_nobody_vouches_for_is_no_good_where_it_is_checked(start, certificate):
    server = start(
        program(**of_kind('https+verify', address(), certificate), process_name='%(process_num)d')
    )
    server.wait(lambda: len(marks(server.dir, 'ready')) == 1, 'service')
    result = server.restarter.restartProcessGroup('web', {'timeout': 0, 'ready_timeout': 3})
    assert '/health: TLS: bad certificate: self' in result[0]['text']


def test_something_else_that_listens_there_is_not_taken_for_the_process(start, certificate):
    """As for tcp and unix."""
    at = address()
    settings = of_kind('https', at, certificate)
    server = start(
        program(
            'other',
            command=service('--tcp', f'{at}:8100', '--tls', str(certificate)),
            process_name='%(process_num)d',
        )
        + program(
            command='/bin/sleep 1000',
            environment=settings['environment'],
            process_name='%(process_num)d',
        )
    )
    server.wait(lambda: len(marks(server.dir, 'ready')) == 1, 'service')
    result = server.restarter.restartProcessGroup('web', {'timeout': 0, 'ready_timeout': 3})
    assert result[0]['text'].endswith(
        'answered, but not by this process: something else listens there'
    )
