"""The command on a real supervisord: what it shows on a terminal and elsewhere, and what its exit
statuses say.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess

import pytest

from bench.lab import CTLPLUGIN, script
from tests.integration.ctl import Session
from tests.integration.server import SECONDS, Server, program, worker

COMMAND = 'supervisorctl_restart_group'
# Sleeps, unless there is a file BROKEN beside the configuration: then it says why and dies at once.
CRASHES = (
    '/bin/sh -c \'test -f %(here)s/BROKEN || exec sleep 1000; printf "\\033[31mTraceback\\033[0m ä\\\\n" >&2; '
    'echo "no module named x" >&2; exit 3\''
)
ANSI = re.compile('\x1b\\[[0-9;?]*[A-Za-z]')


def command(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script(COMMAND), '-c', str(server.conf), *arguments],
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def terminal(server: Server, *arguments: str, columns: int = 80, term: str = 'xterm') -> Session:
    return Session(server.conf, *arguments, program=COMMAND, columns=columns, term=term)


@pytest.fixture
def crashing(start) -> Server:
    server: Server = start(program(command=CRASHES, count=4, startsecs=1, startretries=0))
    server.wait_state()
    return server


# -- on a terminal -------------------------------------------------------------------------------


def test_the_bar_moves_while_a_worker_drains_and_names_it(start):
    server = start(
        program('celery', worker('--stop', '60'), count=2, stopwaitsecs=600, autorestart='false')
    )
    server.wait_workers('celery')
    with terminal(server, '--stop-timeout', '6', 'celery:0') as session:
        seen: set[str] = set()
        while len(seen) < 3:  # nothing changes on the server meanwhile
            seen.add(session.expect(r'celery: celery:0 stopping for \d s of 6 ').split()[-4])
        assert session.end() == 0
        assert 'celery: restarted 1 process in ' in session.shown()
    for pid in server.pids('celery').values():
        os.kill(pid, signal.SIGKILL)  # or the end of supervisord would wait for them


def frames(shown: str) -> list[str]:
    """What was drawn between two carriage returns or line ends, without the codes for colours and
    movements.
    """
    return [ANSI.sub('', part) for part in re.split('[\r\n]', shown)]


def test_two_hundred_processes_at_eighty_columns(start):
    server = start(program(command=CRASHES, count=200, startsecs=1, startretries=0), kind=Roomy)
    server.wait_state()
    (server.dir / 'BROKEN').touch()
    with terminal(server, '--max-unavailable', '2', 'web') as session:
        assert session.end() == 1
        shown = session.shown()
    bars = [frame.rstrip() for frame in frames(shown) if re.search(r'\d+/200 \[', frame)]
    assert bars
    assert max(map(len, bars)) < 80
    assert re.match(
        r'web \(\d failed\) \| +\| 0/200', bars[-1]
    )  # not filled by what was not reached
    lines = [line for line in frames(shown[shown.rindex('/200 [') :])[1:] if line.strip()]
    assert lines[0].startswith('web:2, web:3, web:4, web:5, web:6 and 19')
    assert 'skipped (not reached: web:' in lines[0]
    assert lines[1].startswith('web:0: ERROR (exit status 3')
    assert lines[2:5] == [
        f'  stderr (supervisorctl -c {server.conf} tail web:0 stderr):',
        '  | Traceback ä',
        '  | no module named x',
    ]
    assert re.fullmatch(
        r'web: \d of 200 processes failed: web:0(, web:\d)*; 19\d not reached, still as before',
        lines[-1],
    )
    assert len(lines) < 20
    assert '\x1b[31mweb:0: ERROR' in shown


class Roomy(Server):
    """A supervisord for many processes."""

    def __init__(self, programs: str, restarter: str = '', extra: str = '') -> None:
        super().__init__(programs, restarter, extra)
        self._text = self._text.replace('minfds=1024', 'minfds=4096')


def test_no_colours_on_a_dumb_terminal(crashing):
    (crashing.dir / 'BROKEN').touch()
    with terminal(crashing, 'web', term='dumb') as session:
        assert session.end() == 1
        assert not re.search('\x1b\\[[0-9;]+m', session.shown())


def test_detach_on_a_terminal_says_how_to_wait(start):
    server = start(program())
    server.wait_state()
    with terminal(server, '--detach', 'web', columns=300, term='dumb') as session:
        assert session.end() == 0
        assert (
            session.shown()
            == f'1\nto wait for it: {COMMAND} -c {server.conf} --wait 1\n'.replace(
                COMMAND, script(COMMAND)
            )
        )
    server.wait_finished('1')


# -- elsewhere: a line as each settles, and what failed last ---------------------------------------


def test_what_failed_comes_last_with_the_end_of_its_log(crashing):
    (crashing.dir / 'BROKEN').touch()
    done = command(crashing, '--rolling', 'web')
    lines = done.stdout.splitlines()
    assert (
        lines[0]
        == 'web:1, web:2, web:3: skipped (not reached: web:0 failed first (on_failure = abort))'
    )
    assert lines[1].startswith('web:0: ERROR (exit status 3')
    assert lines[2:] == [
        f'  stderr (supervisorctl -c {crashing.conf} tail web:0 stderr):',
        '  | Traceback ä',
        '  | no module named x',
    ]
    assert done.returncode == 1
    assert re.fullmatch(
        r'web: 1 of 4 processes failed: web:0 \(exit status 3.*\); 3 not reached, still as before: '
        r'web:1, web:2, web:3\n',
        done.stderr,
    )


SAYS = "/bin/sh -c 'test -f %(here)s/BROKEN || exec sleep 1000; {}; exit 3'"
# 3000 bytes in letters of two bytes each, at any offset; what is no UTF-8; nothing at all
LETTERS = 'i=0; while [ $i -lt 30 ]; do printf ääääääääääääääääääääääääääääääääääääääääääääääääää; i=$((i+1)); done >&2'


@pytest.mark.parametrize(
    ('says', 'settings', 'shown'),
    [
        (LETTERS, {}, '  | ää'),
        (f'printf a >&2; {LETTERS}', {}, 'ää'),
        ('printf "\\\\377\\\\376\\\\n" >&2', {}, '  | \ufffd\ufffd'),
        ('printf "\\\\033]0;title\\\\007\\\\n" >&2', {}, '  | \\x1b]0;title\\x07'),
        ('echo on stdout', {}, 'tail web stdout):\n  | on stdout'),
        ('echo to both >&2', {'redirect_stderr': 'true'}, 'tail web stdout):\n  | to both'),
        ('true', {}, ''),
        ('echo lost >&2', {'stderr_logfile': 'NONE', 'stdout_logfile': 'NONE'}, ''),
    ],
)
def test_logs_of_all_kinds(start, says, settings, shown):
    server = start(
        program(
            command=SAYS.format(says), startsecs=1, startretries=0, autorestart='false', **settings
        )
    )
    server.wait_state()
    (server.dir / 'BROKEN').touch()
    done = command(server, 'web')
    first, *rest = done.stdout.splitlines()
    assert first.startswith('web: ERROR (exit status 3')
    assert done.returncode == 1
    assert shown in '\n'.join(rest)
    assert bool(rest) is bool(shown)
    # the fixture looks for a traceback in supervisord's log: its own calls for this would have left
    # one


def test_the_log_over_tcp_with_a_password(start):
    extra = '[inet_http_server]\nport=127.0.0.1:0\nusername=me\npassword=sesam\n\n'
    server = start(
        program(
            command=SAYS.format('echo why >&2'), startsecs=1, startretries=0, autorestart='false'
        ),
        extra=extra,
        kind=OverTcp,
    )
    server.wait_state()
    (server.dir / 'BROKEN').touch()
    options = ['-s', f'http://127.0.0.1:{server.port}', '-u', 'me', '-p']
    done = command(server, *options, 'sesam', 'web')
    assert done.stdout.splitlines()[1:] == [
        f'  stderr (supervisorctl -c {server.conf} {" ".join(options)} PASSWORD tail web stderr):',
        '  | why',
    ]


class OverTcp(Server):
    """A supervisord that also listens on a port of its own."""

    def __init__(self, programs: str, restarter: str = '', extra: str = '') -> None:
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self.port = free.getsockname()[1]
        super().__init__(
            programs, restarter, extra.replace('127.0.0.1:0', f'127.0.0.1:{self.port}')
        )


# -- --wait and --status -----------------------------------------------------------------------------


def test_wait_after_detach(start):
    server = start(program(count=2, startsecs=1))
    server.wait_state()
    id = command(server, '--detach', '--rolling', 'web').stdout.strip()
    assert command(server, '--status', id).returncode == 0  # it has not ended
    done = command(server, '--wait', id)
    assert done.stdout.splitlines()[-1].startswith('web: restarted 2 processes in ')
    assert (done.returncode, done.stderr) == (0, '')
    again = json.loads(command(server, '--wait', id, '--json').stdout)
    assert (again['id'], again['state'], again['exit_status']) == (id, 'succeeded', 0)
    assert command(server, '--status', id).returncode == 0
    assert command(server, '--wait', '9').returncode == 2


def test_wait_after_ctrl_c_and_the_status_of_a_failed_one(crashing):
    (crashing.dir / 'BROKEN').touch()
    begun = subprocess.Popen(
        [
            script(COMMAND),
            '-c',
            str(crashing.conf),
            '--delay',
            '30',
            '--stagger',
            '2',
            '--on-failure',
            'continue',
            'web',
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    id = crashing.only_restart()
    assert begun.stdout is not None
    assert begun.stdout.readline().startswith('web:0: ERROR')
    begun.send_signal(signal.SIGINT)
    _, said = begun.communicate(timeout=SECONDS)
    this = f'{script(COMMAND)} -c {crashing.conf}'
    assert said.splitlines()[-1] == (
        f'detached: restart {id} goes on; to wait for it: {this} --wait {id}; '
        f'to cancel it: {this} --cancel {id}'
    )
    assert begun.returncode == 130
    assert command(crashing, '--cancel', id).returncode == 0
    assert command(crashing, '--wait', id).returncode == 1
    done = command(crashing, '--status', id)
    assert done.returncode == 1
    assert 'seconds ago' in done.stdout or 'second ago' in done.stdout
    assert json.loads(command(crashing, '--status', id, '--json').stdout)['exit_status'] == 1


def test_waitrestart_in_supervisorctl(crashing):
    with crashing.conf.open('a') as conf:
        conf.write('\n' + CTLPLUGIN)
    assert command(crashing, '--detach', 'web').stdout == '1\n'
    done = crashing.ctl('waitrestart', '1')
    assert done.stdout.splitlines()[-1].startswith('web: restarted 4 processes in ')
    assert done.returncode == 0
    assert crashing.ctl('waitrestart', '2').returncode == 2


# -- --json --------------------------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
def test_json_that_cannot_be_written_is_no_success(start):
    server = start(program())
    server.wait_state()
    with open('/dev/full', 'w') as full:
        done = subprocess.run(
            [script(COMMAND), '-c', str(server.conf), '--json', 'web'],
            stdout=full,
            text=True,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        1,
        'Error: standard output takes no more: No space left on device\n',
    )


@pytest.mark.parametrize(
    ('arguments', 'status', 'has'),
    [
        (['web'], 0, {'state': 'succeeded'}),
        (['gone'], 2, {'code': 0x400}),
        (['--roling', 'web'], 2, {'code': None}),
        (['--status', '9'], 2, {'code': 0x460}),
        (['--status'], 0, {'restarts': []}),
        (['--plan', 'web'], 0, {'total': 2}),
        (['-s', 'unix:///nowhere.sock', 'web'], 7, {'code': None}),
        ([], 2, {'code': None}),
    ],
)
def test_each_outcome_is_one_object_of_numbers_and_nulls(start, arguments, status, has):
    server = start(program(count=2))
    server.wait_state()
    done = command(server, '--json', *arguments)
    answer = json.loads(done.stdout)
    assert {key: answer[key] for key in has} == has
    assert answer['exit_status'] == done.returncode == status
    assert ('error' in answer) is bool(status)
    assert (done.stderr == f'Error: {answer["error"]}\n') if status else not done.stderr
    options = answer.get('options', {})
    assert all(
        options.get(key) is None or isinstance(options[key], float)
        for key in ('timeout', 'stop_timeout')
    )


def test_version_needs_nothing():
    done = subprocess.run(
        [script(COMMAND), '-c', '/nowhere', '--version'],
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert re.fullmatch(r'\d+\.\d+\.\d+\n', done.stdout)
    assert (done.returncode, done.stderr) == (0, '')
