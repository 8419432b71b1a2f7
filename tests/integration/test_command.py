"""The command on a real supervisord: what it shows on a terminal and elsewhere, and what its exit
statuses say.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import pytest

from bench.lab import CTLPLUGIN, script
from tests.integration.ctl import Session
from tests.integration.server import SECONDS, Server, free_port, held, program, shared, worker

COMMAND = 'supervisorctl_restart_group'
# Sleeps, unless its group is to break: then it says something and dies at once.
SAYS = "/bin/sh -c 'test -f %(here)s/%(group_name)s.breaks || exec sleep 1000; {}; exit 3'"
CRASHES = SAYS.format(
    'printf "\\033[31mTraceback\\033[0m ä\\\\n" >&2; echo "no module named x" >&2'
)
LETTERS = 'i=0; while [ $i -lt 30 ]; do printf ' + 50 * 'ä' + '; i=$((i+1)); done >&2'
# What a program says, its settings, and what is shown of it.
# fmt: off
LOGS: list[tuple[str, dict[str, object], str]] = [
    # 3000 bytes in letters of two bytes each, at any offset; what is no UTF-8; nothing at all
    (LETTERS,                                   {}, '  | ää'),
    (f'printf a >&2; {LETTERS}',                {}, 'ää'),
    ('printf "\\\\377\\\\376\\\\n" >&2',          {}, '  | \ufffd\ufffd'),
    ('printf "\\\\033]0;title\\\\007\\\\n" >&2',  {}, '  | \\x1b]0;title\\x07'),
    ('echo on stdout',                          {}, 'stdout):\n  | on stdout'),
    ('echo to both >&2',                        {'redirect_stderr': 'true'}, 'stdout):\n  | to both'),
    ('true',                                    {}, ''),
    ('echo lost >&2',                           {'stderr_logfile': 'NONE', 'stdout_logfile': 'NONE'}, ''),
]
# fmt: on
ONCE: dict[str, object] = {'startsecs': 1, 'startretries': 0, 'autorestart': 'false'}
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


class OverTcp(Server):
    """A supervisord that listens on a port, too, where it asks for a password."""

    def __init__(self, programs: str, restarter: str = '', extra: str = '') -> None:
        self.port = free_port()
        inet = f'[inet_http_server]\nport=127.0.0.1:{self.port}\nusername=me\npassword=sesam\n\n'
        super().__init__(programs, restarter, CTLPLUGIN + inet + extra)


def waiting(name: str) -> str:
    """A program of two workers that stop when there is a file `name`."""
    command = worker('--hold', f'%(here)s/{name}')
    return program(name, command, count=2, startsecs=1, stopwaitsecs=600)


@pytest.fixture(scope='module')
def server():
    """A server with a group for each test that leaves its group in another state."""
    crashing = {'dumb': 1, 'last': 4, 'failed': 2, 'many': 40}
    programs = [
        program(count=2),
        waiting('drains'),
        waiting('rolls'),
        *(
            program(name, CRASHES, count, startsecs=1, startretries=0)
            for name, count in crashing.items()
        ),
        *(
            program(f'log{number}', SAYS.format(says), **{**ONCE, **settings})  # type: ignore[arg-type]
            for number, (says, settings, _) in enumerate(LOGS)
        ),
        program('tcp', SAYS.format('echo why >&2'), **ONCE),  # type: ignore[arg-type]
    ]
    with shared(''.join(programs), kind=OverTcp) as server:
        server.wait_workers('drains')
        server.wait_workers('rolls')
        server.wait(lambda: all_run(server), 'running processes')
        yield server
        for name in ('drains', 'rolls'):
            (server.dir / name).touch()


def all_run(server: Server) -> bool:
    infos = server.rpc().supervisor.getAllProcessInfo()
    return {info['statename'] for info in infos} == {'RUNNING'}


def break_group(server: Server, name: str) -> None:
    """Have the processes of this group die as soon as they are started again."""
    (server.dir / f'{name}.breaks').touch()


# -- on a terminal -------------------------------------------------------------------------------


def test_the_bar_moves_while_a_worker_drains_and_names_it(server):
    with terminal(server, 'drains:0') as session:
        seen: set[str] = set()
        while len(seen) < 2:  # nothing changes on the server meanwhile
            seen.add(session.expect(r'drains: drains:0 stopping for \d+ s of 600 ').split()[-4])
        (server.dir / 'drains').touch()
        assert session.end() == 0
        assert 'drains: restarted 1 process in ' in session.shown()


def frames(shown: str) -> list[str]:
    """What was drawn between two carriage returns or line ends, without the codes for colours and
    movements.
    """
    return [ANSI.sub('', part) for part in re.split('[\r\n]', shown)]


def test_many_processes_at_eighty_columns(server):
    break_group(server, 'many')
    with terminal(server, '--max-unavailable', '2', 'many') as session:
        assert session.end() == 1
        shown = session.shown()
    bars = [frame.rstrip() for frame in frames(shown) if re.search(r'\d/40 \[', frame)]
    assert bars
    assert max(map(len, bars)) < 80
    # not filled by what was not reached
    assert re.match(r'many \(\d failed\) \| +\| 0/40', bars[-1])
    lines = [line for line in frames(shown[shown.rindex('/40 [') :])[1:] if line.strip()]
    # Whether the second one had its turn before the first one failed is the machine's business.
    others = r'many:[12](, many:\d){4} and 3\d more'
    assert re.match(others + r': skipped \(not reached: many:\d failed first', lines[0])
    assert lines[1].startswith('many:0: ERROR (exit status 3')
    assert lines[2:5] == [
        f'  stderr (supervisorctl -c {server.conf} tail many:0 stderr):',
        '  | Traceback ä',
        '  | no module named x',
    ]
    assert re.fullmatch(
        r'many: \d of 40 processes failed: many:0(, many:\d)*; 3\d not reached, still as before',
        lines[-1],
    )
    assert len(lines) < 20
    assert '\x1b[31mmany:0: ERROR' in shown


def test_no_colours_on_a_dumb_terminal(server):
    break_group(server, 'dumb')
    with terminal(server, 'dumb', term='dumb') as session:
        assert session.end() == 1
        assert not re.search('\x1b\\[[0-9;]+m', session.shown())


def test_detach_on_a_terminal_says_how_to_wait(server):
    with terminal(server, '--detach', 'web', columns=300, term='dumb') as session:
        assert session.end() == 0
        id, told = session.shown().splitlines()
    assert told == f'to wait for it: {script(COMMAND)} -c {server.conf} --wait {id}'
    server.wait_finished(id)


# -- elsewhere: a line as each settles, and what failed last ---------------------------------------


def test_what_failed_comes_last_with_the_end_of_its_log(server):
    break_group(server, 'last')
    done = command(server, '--rolling', 'last')
    lines = done.stdout.splitlines()
    assert lines[0] == (
        'last:1, last:2, last:3: skipped (not reached: last:0 failed first (on_failure = abort))'
    )
    assert lines[1].startswith('last:0: ERROR (exit status 3')
    assert lines[2:] == [
        f'  stderr (supervisorctl -c {server.conf} tail last:0 stderr):',
        '  | Traceback ä',
        '  | no module named x',
    ]
    assert done.returncode == 1
    assert re.fullmatch(
        r'last: 1 of 4 processes failed: last:0 \(exit status 3.*\); '
        r'3 not reached, still as before: last:1, last:2, last:3\n',
        done.stderr,
    )


@pytest.mark.parametrize('number', range(len(LOGS)))
def test_logs_of_all_kinds(server, number):
    name, shown = f'log{number}', LOGS[number][-1]
    break_group(server, name)
    done = command(server, name)
    first, *rest = done.stdout.splitlines()
    assert first.startswith(f'{name}: ERROR (exit status 3')
    assert done.returncode == 1
    assert shown in '\n'.join(rest)
    assert bool(rest) is bool(shown)
    # at the end supervisord's log is searched for a traceback: its own calls for this leave one


def test_the_log_over_tcp_with_a_password(server):
    break_group(server, 'tcp')
    options = ['-s', f'http://127.0.0.1:{server.port}', '-u', 'me', '-p']
    done = command(server, *options, 'sesam', 'tcp')
    assert done.stdout.splitlines()[1:] == [
        f'  stderr (supervisorctl -c {server.conf} {" ".join(options)} PASSWORD tail tcp stderr):',
        '  | why',
    ]


# -- --wait and --status -----------------------------------------------------------------------------


def test_wait_after_detach(server):
    id = command(server, '--detach', '--rolling', 'rolls').stdout.strip()
    assert command(server, '--status', id).returncode == 0  # it has not ended
    (server.dir / 'rolls').touch()
    done = command(server, '--wait', id)
    assert done.stdout.splitlines()[-1].startswith('rolls: restarted 2 processes in ')
    assert (done.returncode, done.stderr) == (0, '')
    again = json.loads(command(server, '--wait', id, '--json').stdout)
    assert (again['id'], again['state'], again['exit_status']) == (id, 'succeeded', 0)
    assert command(server, '--status', id).returncode == 0
    assert command(server, '--wait', '999').returncode == 2


def test_wait_after_ctrl_c_and_the_status_of_a_failed_one(server):
    break_group(server, 'failed')
    this = f'{script(COMMAND)} -c {server.conf}'
    begun = subprocess.Popen(
        f'{this} --delay 300 --stagger 2 --on-failure continue failed'.split(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert begun.stdout is not None
    assert begun.stdout.readline().startswith('failed:0: ERROR')
    begun.send_signal(signal.SIGINT)
    _, said = begun.communicate(timeout=SECONDS)
    id = server.restarter.listRestarts()[0]['id']
    assert said.splitlines()[-1] == (
        f'detached: restart {id} goes on; to wait for it: {this} --wait {id}; '
        f'to cancel it: {this} --cancel {id}'
    )
    assert begun.returncode == 130
    assert command(server, '--cancel', id).returncode == 0
    assert command(server, '--wait', id).returncode == 1
    done = command(server, '--status', id)
    assert done.returncode == 1
    assert re.search(r'seconds? ago', done.stdout)
    assert json.loads(command(server, '--status', id, '--json').stdout)['exit_status'] == 1


def test_waitrestart_in_supervisorctl(server):
    id = command(server, '--detach', 'web').stdout.strip()
    done = server.ctl('waitrestart', id)
    assert done.stdout.splitlines()[-1].startswith('web: restarted 2 processes in ')
    assert done.returncode == 0
    assert server.ctl('waitrestart', '999').returncode == 2


# -- --json --------------------------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
def test_json_that_cannot_be_written_is_no_success(server):
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


# fmt: off
@pytest.mark.parametrize(
    ('arguments', 'status', 'holds'),
    [
        (['web'],                            0, lambda answer: answer['state'] == 'succeeded'),
        (['gone'],                           2, lambda answer: answer['code'] == 0x400),
        (['--roling', 'web'],                2, lambda answer: answer['code'] is None),
        (['--status', '999'],                2, lambda answer: answer['code'] == 0x460),
        (['--status'],                       0, lambda answer: isinstance(answer['restarts'], list)),
        (['--plan', 'web'],                  0, lambda answer: answer['total'] == 2),
        (['-s', 'unix:///nowhere', 'web'],   7, lambda answer: answer['code'] is None),
        ([],                                 2, lambda answer: answer['code'] is None),
    ],
)
# fmt: on
def test_each_outcome_is_one_object_of_numbers_and_nulls(server, arguments, status, holds):
    done = command(server, '--json', *arguments)
    answer = json.loads(done.stdout)
    assert holds(answer), answer
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


# -- old processes beside new ones ---------------------------------------------------------------

STILL = 'queue: 2 old processes still stopping'


@pytest.fixture
def queue(start):
    """Two workers that may be there twice, whose old ones stop when the test lets them."""
    queue = held('queue', count=2, environment='RESTARTER_SURGE="yes"')
    server = start(queue, extra=CTLPLUGIN)
    server.wait_workers('queue')
    return server


def test_old_processes_are_waited_for_and_told_of(queue):
    running = queue.in_background(lambda: command(queue, '--max-surge', '100%', 'queue'))
    id = queue.only_restart()
    queue.wait(lambda: queue.restarter.getRestart(id)['old_stopping'] == 2, 'two old ones')
    shown = command(queue, '--status', id).stdout.splitlines()
    assert shown[-1] == STILL
    assert shown[1].split()[1] == 'running'
    assert queue.ctl('restarts', id).stdout.splitlines()[-1] == STILL
    queue.let_stop()
    done = running.result()
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert [line for line in lines if 'old' in line] == [STILL]
    assert re.fullmatch(
        'queue: restarted 2 processes in [0-9.]+s, at least 2 of 2 ready throughout', lines[-1]
    )
    assert all(re.match(r'queue:\d: restarted \(ready after [0-9.]+s\)', line) for line in lines[:2])
    assert json.loads(command(queue, '--json', '--status', id).stdout)['old_stopping'] == 0


def test_a_bar_says_that_old_processes_are_still_stopping(queue):
    with terminal(queue, '--max-surge', '2', 'queue') as session:
        session.expect(re.escape(STILL))
        queue.let_stop()
        assert session.end() == 0


def test_a_timeout_does_not_hide_the_old_ones(queue):
    done = command(queue, '--max-surge', '2', '--timeout', '2', 'queue')
    assert done.returncode == 1
    assert re.search('queue: timed out after [0-9.]+s; 2 old processes still stopping', done.stderr)
    queue.let_stop()


def test_a_command_before_the_stop_is_waited_for(start):
    server = start(program('web', environment='RESTARTER_BEFORE_STOP="/bin/sh %(here)s/until-go"'))
    (server.dir / 'until-go').write_text(f'until [ -e {server.dir}/go ]; do sleep .05; done')
    server.wait_state()
    with terminal(server, '--hook-timeout', '600', 'web') as session:
        session.expect(r'web: web draining for \d+ s of 600 ')
        (server.dir / 'go').touch()
        assert session.end() == 0
        assert 'web: restarted 1 process ' in session.shown()
