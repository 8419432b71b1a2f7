"""Probes on a real supervisord: what counts as ready, and that nothing the other end does holds
supervisord up.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from supervisor_restarter.faults import Code
from tests.chaos.proc import used
from tests.integration.server import SECONDS, program, shared
from tests.integration.service import address, marks, order, service, unix

AT = address()
TCP = {
    'command': service('--tcp', f'{AT}:80%(process_num)02d'),
    'environment': f'RESTARTER_READY="tcp://{AT}:80%(process_num)02d"',
}
HTTP = {
    'command': service('--tcp', f'{AT}:81%(process_num)02d'),
    'environment': f'RESTARTER_READY="http://{AT}:81%(process_num)02d/health"',
}
NOTIFY = {'command': service('--notify'), 'environment': 'RESTARTER_READY="notify"'}
KINDS = {'tcp': TCP, 'unix': unix(), 'http': HTTP, 'notify': NOTIFY}


@pytest.fixture(scope='module')
def every_kind():
    """A server with a group of two processes for each kind of probe."""
    sections = [
        program(name, count=2, **{**settings, 'process_name': '%(process_num)d'})
        for name, settings in KINDS.items()
    ]
    with shared(''.join(sections)) as server:
        server.wait(lambda: len(marks(server.dir, 'ready')) == 2 * len(KINDS), 'services')
        yield server


def restart_of_0(server, group, **options):
    """Restart the group, one process after the other; how the first one ended."""
    result = server.restarter.restartProcessGroup(
        group, {'max_unavailable': 1, 'timeout': 0, 'ready_timeout': SECONDS, **options}
    )
    return result if result is True else result[0]['text']


# -- each kind -----------------------------------------------------------------------------------


@pytest.mark.parametrize(('kind', 'rolling'), [*((kind, 1) for kind in KINDS), ('http', '100%')])
def test_a_process_is_ready_when_its_probe_says_so_and_not_before(every_kind, kind, rolling):
    began = time.monotonic()
    with ordered(every_kind, kind, '--slow', '0.25'):
        assert restart_of_0(every_kind, kind, max_unavailable=rolling) is True
    new = [mark for mark in marks(every_kind.dir, 'ready') if mark.time > began]
    assert sorted(mark.name for mark in new) == [f'{kind}:0', f'{kind}:1']
    assert last_restart(every_kind)['processes'][0]['ready_seconds'] >= 0.25


@contextmanager
def ordered(server, kind, *options):
    """Meanwhile the first process of the group gets these options when it is started."""
    order(server.dir, f'{kind}:0', *options)
    try:
        yield
    finally:
        order(server.dir, f'{kind}:0')


def last_restart(server):
    return server.restarter.getRestart(server.restarter.listRestarts()[0]['id'])


NEVER = {
    **dict.fromkeys(('tcp', 'unix', 'http'), 'connection refused'),
    'notify': 'no READY=1 has come',
}


def test_a_process_that_never_becomes_ready_fails_with_the_last_error(every_kind):
    before = {kind: every_kind.pids(kind) for kind in KINDS}
    with ExitStack() as stack:
        for kind in KINDS:
            stack.enter_context(ordered(every_kind, kind, '--never'))
        options = {'max_unavailable': 1, 'ready_timeout': 1.5}
        id = every_kind.restarter.startRestart([*KINDS], options)
        struct = every_kind.wait_finished(id)
    for process in struct['processes']:
        kind = process['group']
        if process['name'] == '0':
            assert process['error'].startswith('not ready within 1.5 s: ')
            assert process['error'].endswith(NEVER[kind])
        else:
            assert every_kind.pids(kind)['1'] == before[kind]['1']  # on_failure = abort
    for kind in KINDS:
        assert restart_of_0(every_kind, kind) is True  # what is not ready can be restarted


def test_http_counts_only_from_the_first_good_answer(every_kind):
    with ordered(every_kind, 'http', '--first', 'busy', '--until', '0.4'):
        assert restart_of_0(every_kind, 'http') is True
    assert last_restart(every_kind)['processes'][0]['ready_seconds'] >= 0.3


def test_a_process_that_answers_no_longer_counts_as_not_ready(start):
    """One that runs and is silent takes up the room of a restart that does not concern it."""
    at = address()
    server = start(
        program(
            count=3,
            command=service('--tcp', f'{at}:81%(process_num)02d', '--hup', 'busy'),
            environment=f'RESTARTER_READY="http://{at}:81%(process_num)02d/health"',
        )
    )
    server.wait(lambda: len(marks(server.dir, 'ready')) == 3, 'services')
    server.rpc().supervisor.signalProcess('web:2', 'HUP')
    server.wait(lambda: bool(marks(server.dir, 'signalled')), 'signal')
    before = server.pids()
    id = server.restarter.startRestart('web:0', {'max_unavailable': 1, 'ready_timeout': 1.5})
    struct = server.wait_finished(id)
    assert f'web:2 (http://{at}:8102/health: answered 503)' in struct['processes'][0]['error']
    assert server.pids() == before


# -- nothing holds supervisord up ----------------------------------------------------------------


ANSWERS = {
    'busy': 'answered 503',
    'silent': '',
    'garbage': 'answered with something that is not HTTP',
    'reset': 'connection reset by peer',
}


def test_while_probes_fail_others_are_served_and_supervisord_sleeps(start):
    at = address()
    count = len(ANSWERS)
    server = start(
        program(
            count=count,
            command=service('--tcp', f'{at}:81%(process_num)02d'),
            environment=f'RESTARTER_READY="http://{at}:81%(process_num)02d/health"',
        )
    )
    server.wait(lambda: len(marks(server.dir, 'ready')) == count, 'services')
    supervisord = server.process.pid
    before = server.descriptors()
    for number, answer in enumerate(ANSWERS):
        order(server.dir, f'web:{number}', '--answer', answer)
    id = server.restarter.startRestart('web', {'ready_timeout': 5, 'on_failure': 'continue'})
    server.wait(lambda: len(marks(server.dir, 'ready')) == 2 * count, 'new services')
    began, spent = time.monotonic(), used(supervisord)
    waited = server.restarter.waitRestart(id, 10**6, 0.8)
    assert not waited['finished_at']
    assert (used(supervisord) - spent) / (time.monotonic() - began) < 0.1
    assert server.rpc().supervisor.getState()['statename'] == 'RUNNING'
    # it was answered before the probes were given up
    assert not server.restarter.getRestart(id)['finished_at']
    struct = server.wait_finished(id)
    assert struct['failed'] == count
    for process, reason in zip(struct['processes'], ANSWERS.values()):
        assert process['error'].startswith('not ready within 5 s: http://')
        assert process['error'].endswith(reason)
    server.wait(lambda: server.descriptors() == before, 'the same number of descriptors')
    for number in range(count):
        order(server.dir, f'web:{number}')
    assert server.restarter.restartProcessGroup('web', {'timeout': 0}) is True


def test_connections_that_nobody_accepts_do_not_hold_supervisord_up(start):
    """The queue of a socket that somebody else listens at is full: a connect neither succeeds nor
    fails.
    """
    with socket.socket() as listener:
        at = address()
        listener.bind((at, 8000))
        listener.listen(0)
        clients = [socket.socket() for _ in range(4)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex((at, 8000))
        server = start(
            program(command='/bin/sleep 1000', environment=f'RESTARTER_READY="tcp://{at}:8000"')
        )
        server.wait_state()
        call = server.in_background(
            lambda: server.restarter.restartProcessGroup('web', {'timeout': 0, 'ready_timeout': 2})
        )
        server.wait_phase(server.only_restart(), 'starting')
        assert server.rpc().supervisor.getState()['statename'] == 'RUNNING'
        # it was answered before the probe was given up
        assert not server.restarter.listRestarts()[0]['finished_at']
        assert f'tcp://{at}:8000: no answer yet' in call.result()[0]['text']
        for client in clients:
            client.close()


def test_restarts_leave_no_descriptor_behind(every_kind):
    for kind in KINDS:
        restart_of_0(every_kind, kind)  # from the first one on there is a socket for READY=1
    before = every_kind.descriptors()
    for kind in KINDS:
        restart_of_0(every_kind, kind)
    every_kind.wait(lambda: every_kind.descriptors() == before, 'as many descriptors')


# -- READY=1 ---------------------------------------------------------------------------------------


def notify_socket(pid):
    """The NOTIFY_SOCKET of a process."""
    with open(f'/proc/{pid}/environ', 'rb') as environment:
        values = dict(entry.partition(b'=')[::2] for entry in environment.read().split(b'\0'))
    return values.get(b'NOTIFY_SOCKET', b'').decode()


def say_ready(path, text=b'READY=1'):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(text, path)


def test_ready_of_a_child_of_the_process_counts(every_kind):
    with ordered(every_kind, 'notify', '--by', 'child'):
        assert restart_of_0(every_kind, 'notify') is True


def test_ready_of_a_foreign_process_is_ignored(start):
    server = start(program(count=2, **NOTIFY), restarter='max_unavailable=1')
    server.wait(lambda: len(marks(server.dir, 'ready')) == 2, 'services')
    order(server.dir, 'web:0', '--never')
    id = server.restarter.startRestart('web', {'ready_timeout': 2})
    server.wait_phase(id, 'starting')
    server.wait(lambda: notify_socket(server.pids()['0']) != '', 'NOTIFY_SOCKET')
    for text in (b'READY=1', b'READY=1\nMAINPID=%d' % server.pids()['0'], b'', b'\0\xff' * 5000):
        say_ready(notify_socket(server.pids()['0']), text)
    struct = server.wait_finished(id)
    assert [process['error'][:40] for process in struct['processes']] == [
        'not ready within 2 s: notify: no READY=1',
        'not reached: web:0 failed first (on_fail',
    ]


def test_ready_of_one_process_is_not_taken_for_that_of_another(start):
    server = start(program(count=2, **NOTIFY))
    server.wait(lambda: len(marks(server.dir, 'ready')) == 2, 'services')
    order(server.dir, 'web:1', '--never')
    [entry] = server.restarter.restartProcessGroup('web', {'ready_timeout': 3})
    assert (entry['name'], entry['code']) == ('1', Code.START_FAILED)


def python_for_nobody():
    """A Python that the user nobody can execute, '' if there is none."""
    for python in (sys.executable, '/usr/bin/python3', '/usr/local/bin/python3'):
        try:
            subprocess.run(
                [python, '-S', '-E', '-c', ''],
                user='nobody',
                check=True,
                capture_output=True,
                timeout=20,
            )
        except (OSError, LookupError, subprocess.SubprocessError):
            continue
        return python
    return ''


@pytest.fixture
def as_nobody(start):
    """as_nobody(): a server with a group of two that run as another user and say READY=1; none is
    started yet.
    """
    python = python_for_nobody() if os.geteuid() == 0 else ''
    if not python:
        pytest.skip('only root can run programs as another user, and that one must have a Python')
    command = f'{python} -S -E %(here)s/open/service.py %(group_name)s:%(process_num)d %(here)s/open --notify'

    def begin():
        server = start(
            program(
                count=2,
                command=command,
                user='nobody',
                environment='RESTARTER_READY="notify"',
                autostart='false',
            )
        )
        (server.dir / 'open').mkdir()
        (server.dir / 'open').chmod(0o777)
        server.dir.chmod(0o755)
        shutil.copy(Path(__file__).with_name('service.py'), server.dir / 'open')
        return server

    return begin


def test_ready_of_a_program_that_runs_as_another_user(as_nobody):
    server = as_nobody()
    assert server.restarter.restartProcessGroup('web', {'max_unavailable': 1, 'timeout': 0}) is True
    assert len(marks(server.dir / 'open', 'ready')) == 2


def test_ready_of_another_user_arrives_although_supervisords_own_tmpdir_is_private(
    as_nobody, monkeypatch
):
    """As pam_tmpdir makes it."""
    with tempfile.TemporaryDirectory(
        prefix='t-'
    ) as private:  # 0700; its name is short enough for a socket
        monkeypatch.setenv('TMPDIR', private)  # of this process, it is known already
        server = as_nobody()
        assert (
            server.restarter.restartProcessGroup('web', {'ready_timeout': 10, 'timeout': 0}) is True
        )
        assert len(marks(server.dir / 'open', 'ready')) == 2
        assert not notify_socket(server.pids()['0']).startswith(private)


def test_the_socket_for_ready_is_no_change_of_the_configuration(start):
    server = start(program(count=2, **NOTIFY))
    server.wait(lambda: len(marks(server.dir, 'ready')) == 2, 'services')
    assert server.restarter.restartProcessGroup('web') is True
    assert notify_socket(server.pids()['0'])
    before = server.pids()
    assert server.ctl('reread').stdout == 'No config updates to processes\n'
    assert server.ctl('update').stdout == ''
    assert server.pids() == before


def test_a_process_that_supervisor_started_without_the_socket_is_ready_when_it_is_running(start):
    server = start(program(count=2, **NOTIFY), restarter='max_unavailable=1')
    server.wait(lambda: len(marks(server.dir, 'ready')) == 2, 'services')
    before = server.pids()
    assert server.restarter.restartProcessGroup('web') is True
    assert not set(server.pids().values()) & set(before.values())
    assert min(mark.time for mark in marks(server.dir, 'stopped') if mark.name == 'web:1') > max(
        mark.time for mark in marks(server.dir, 'ready') if mark.name == 'web:0'
    )
