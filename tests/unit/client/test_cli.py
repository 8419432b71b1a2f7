"""The command line, what is sent for it, what is printed, and the exit status. The proxy plays a
script.
"""

from __future__ import annotations

import errno
import io
import itertools
import os
import re
import subprocess
import sys
import types
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ProtocolError

import pytest

from supervisor_restarter import __version__
from supervisor_restarter.client import cli_options, progress
from supervisor_restarter.client.client import AT_THE_END, LONGEST_WAIT, LOOK_PAUSE
from supervisor_restarter.client.errors import Exit
from supervisor_restarter.client.helptext import COMMAND_NAME, EXIT_STATUSES, SECTIONS, help_text
from supervisor_restarter.client.screen import Screen
from supervisor_restarter.faults import Code
from tests.unit.client.samples import PLAN, RESTARTED, STARTED, FakeTqdm, listed, process, restart
from tests.unit.client.scripted import Terminal, printed

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures('elsewhere')


def played(*looks):
    """A restart with these looks at it."""
    return [('startRestart', '7'), *(('waitRestart', look) for look in looks)]


OK = played(restart('succeeded', process('00')))


# -- usage: one line, exit 2, nothing sent -------------------------------------------------------

# fmt: off
# A value of each kind; what they take is tested in test_options.py.
BAD_VALUES = [
    ('--max-unavailable', '101%'), ('--max-unavailable', '9' * 5000), ('--stagger', '²'),
    ('--method', 'signal:NONE'), ('--on-failure', 'stop'), ('--min-ready', 'soon'),
    ('--ready-timeout', ''), ('--scout', 'inf'), ('--delay', 'nand'), ('--timeout', '1h30m'),
    ('--stop-timeout', '-1'),
]
BAD_USAGE = [
    '-i', '--json', '--plan', '--rolling', '-x web', 'web --nonsense', '--plan=yes web', '--stagger',
    '--delay 1 --delay 2 web', '--rolling 2 web', '--roll 25% web', 'web --rolling 2',
    '--rolling=2 web', '--max-unavailable 1 --rolling web',
    '--status --cancel 7', '--plan --detach web', '--wait 7 --retry 7', '--cancel 7 --detach',
    '--retry 7 --plan', '--status 7 8', '--status --quiet', '--status --only-running',
    '--plan --quiet web', '--apply --status', '--cancel 7 --queue', '--wait 7 --timeout 5', '--cancel 7 web',
    '--wait 7 web', '--wait', '--retry a\x01',
    '--newer-than', '--newer-than a\udcff web', '--json -i web', '--json --roling web', 'we\x1bb', 'a\udcff',
    '-s host web', '-s http://host:99999 web', '-c none.conf web',
]
# fmt: on


@pytest.mark.parametrize(
    'args',
    [
        *(words.split(' ') for words in BAD_USAGE),
        *([*bad, 'web'] for bad in BAD_VALUES),
        [],
        [''],
        ['--cancel', ''],
        ['--json', ''],
    ],
    ids=lambda args: ' '.join(args)[:40],
)
def test_bad_usage(run, args):
    ran = run(*args)
    assert ran.status == 2
    assert ran.calls == []
    assert len(ran.err) == 1
    assert ran.err[0].startswith('Error: ')
    assert ran.stdout == '' or ran.json() == {
        'error': ran.err[0][7:],
        'code': None,
        'exit_status': 2,
    }
    assert bool(ran.stdout) is ('--json' in args)


ONE_ID = 'takes one restart ID and no names'


# fmt: off
@pytest.mark.parametrize(('args', 'said'), [
    ([], 'name a process group to restart'),
    (['--status', '--plan'], '--plan and --status exclude each other'),
    (['--cancel', '7', '--timeout', '5'], '--timeout has no meaning with --cancel'),
    (['--wait', '7', '--rolling'], '--rolling has no meaning with --wait'),
    (['--status', '--newer-than', '/a'], '--newer-than has no meaning with --status'),
    (['--newer-than', '', 'web'], "invalid value for --newer-than '': must be a path"),
    (['--rolling', '--max-unavailable', '1', 'web'],
     '--rolling and --max-unavailable exclude each other'),
    (['--delay', 'soon', 'web'], "invalid value for --delay 'soon': must be a number of seconds "
     'from 0 to 10000000, or with a unit as in 90s, 5m, 2h, 1d'),
    (['--stagger', '²', 'web'],
     "invalid value for --stagger '²': must be a whole number from 1 to 10000"),
    (['--roling', 'web'], "option --roling not recognized; did you mean '--rolling'?"),
    (['web', '--nonsense'], 'option --nonsense not recognized'),
    (['--rolling', '2', 'web'],
     '--rolling takes no number: for 2 at a time, use --max-unavailable 2'),
    (['--rolling=2', 'web'],
     'option --rolling must not have an argument: for N at a time, use --max-unavailable N'),
    (['--retry', '7', 'web'], f"--retry {ONE_ID}: 'web'"),
    (['-s', '//me:secret@host', 'web'], "invalid value for -s '//host'"),
    (['-s', 'ftp://host', 'web'],
     "'ftp://host' is not a URL of the form http://host:port or unix:///path"),
])  # fmt: skip
def test_bad_usage_says_what_is_wrong(run, args, said):
    assert said in run(*args).err[0]


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('[other]\n', 'does not include supervisorctl section'),
        ('[supervisorctl]\nsecret\n', 'ParsingError in line 2'),
        ('secret = 1\n', 'MissingSectionHeaderError in line 1'),
        (
            '[supervisorctl]\npassword = secret%\n',
            'password in config file bad.conf cannot be expanded',
        ),
        (
            '[supervisorctl]\npassword = secret%(x)s\n',
            'password in config file bad.conf cannot be expanded',
        ),
        ('[supervisorctl]\nserverurl = %(nothing)s\n', 'cannot be expanded'),
    ],
)
def test_bad_configuration_file(run, text, said):
    Path('bad.conf').write_text(text)
    ran = run('-c', 'bad.conf', 'web')
    assert ran.status == 2
    assert len(ran.err) == 1
    assert said in ran.err[0]
    assert 'secret' not in ran.err[0]


def test_undecodable_configuration_file(run):
    Path('bad.conf').write_bytes(b'[supervisorctl]\npassword=\xff\xfe\n')
    ran = run('-c', 'bad.conf', 'web')
    assert (ran.status, len(ran.err)) == (2, 1)
    assert 'bad.conf: UnicodeDecodeError' in ran.err[0]


def test_plugins_of_supervisorctl_are_loaded_for_its_shell_only(run):
    Path('a.conf').write_text(
        '[supervisorctl]\n[ctlplugin:x]\nsupervisor.ctl_factory = nowhere:nothing\n'
    )
    assert run('-c', 'a.conf', 'web', script=OK).status == 0
    assert 'nowhere:nothing cannot be resolved' in run('-c', 'a.conf', '-i', 'web').err[0]


# -- help ----------------------------------------------------------------------------------------


@pytest.mark.parametrize('args', [['-h'], ['-c', 'none.conf', 'web', '--help']])
def test_help(run, args):
    ran = run(*args)
    assert (ran.status, ran.err, ran.calls) == (0, [], [])
    assert ran.stdout == help_text()


def test_help_names_every_option():
    options = cli_options.RestartOptions(Screen(None, None))
    said = {
        (name.strip('-'), bool(option.value) and option.value != '[ID]')
        for section in SECTIONS
        for option in section.options
        for name in re.split('[/ ]', option.names)
    }
    known = {(option.rstrip('='), option.endswith('=')) for option in options.long_options}
    known |= {(letter[0], letter.endswith(':')) for letter in options.short_options}
    assert known - said == {('history_file', True), ('?', False)}
    assert said - known == set()
    assert max(map(len, help_text().splitlines())) <= 80
    assert [status for status, _ in EXIT_STATUSES] == list(Exit)


def test_version_needs_neither_server_nor_configuration(run):
    ran = run('-c', 'none.conf', '--version')
    assert (ran.status, ran.out, ran.err, ran.calls) == (0, [__version__], [], [])


# -- what is sent --------------------------------------------------------------------------------


@pytest.mark.parametrize(('args', 'options'), [
    ('web', {}),
    ('web --timeout 5', {'timeout': 5.0}),
    ('--stagger 4 --delay 0.5 web', {'stagger_factor': 4, 'delay': 0.5}),
    ('--timeout 5m --delay 1.5s web', {'timeout': 300.0, 'delay': 1.5}),
    ('--min-ready=2h --ready-timeout 1d web', {'min_ready': 7200.0, 'ready_timeout': 86400.0}),
    ('--stop-timeout 0.5m web --scout 10s', {'stop_timeout': 30.0, 'scout': 10.0}),
    ('--max-unavailable 3 web', {'max_unavailable': 3}),
    ('--max-unavailable=25% web', {'max_unavailable': '25%'}),
    ('web --rolling', {'max_unavailable': 1}),
    ('--only-running web', {'only_running': True}),
    ('--method signal:sighup web', {'method': 'signal:HUP'}),
    ('--method start web', {'method': 'start'}),
    ('--newer-than /a web --newer-than=/b/../c', {'newer_than': ['/a', '/b/../c']}),
    ('--max-surge 25% --hook-timeout 2m web', {'max_surge': '25%', 'hook_timeout': 120.0}),
    ('--on-f continue --queue web', {'on_failure': 'continue', 'if_busy': 'queue'}),
    ('-u user -p -x web', {}),
])  # fmt: skip
def test_only_what_the_user_gave_is_sent(run, args, options):
    ran = run(*args.split(), script=OK)
    assert ran.status == 0
    assert ran.calls[0] == ('startRestart', ['web'], options)


def test_a_relative_path_is_one_below_the_current_directory(run, tmp_path):
    (tmp_path / 'current').symlink_to('release')
    options = ['--newer-than', 'current', '--newer-than', '../x']
    (call, *_) = run(*options, 'web', script=OK).calls
    assert call[2] == {'newer_than': [f'{tmp_path}/current', f'{tmp_path}/../x']}


def test_a_directory_may_have_a_name_that_an_ascii_locale_does_not_decode(run, monkeypatch):
    monkeypatch.setattr(os, 'getcwd', lambda: '/d\udcc3\udca9')
    (call, *_) = run('--newer-than', 'x', 'web', script=OK).calls
    assert call[2] == {'newer_than': ['/dé/x']}


def test_a_path_below_a_directory_that_cannot_be_sent_is_refused(run, monkeypatch):
    monkeypatch.setattr(os, 'getcwd', lambda: '/d\udcff')
    ran = run('--newer-than', 'x', 'web')
    assert (ran.status, ran.calls) == (2, [])
    assert 'is not valid UTF-8' in ran.err[0]


def test_a_path_that_is_relative_to_nothing_is_refused(run, tmp_path, monkeypatch):
    gone = tmp_path / 'gone'
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    ran = run('--newer-than', 'x', 'web')
    assert (ran.status, ran.calls) == (2, [])
    assert "invalid value for --newer-than 'x': is relative to a directory that is gone" in ran.err[0]


@pytest.mark.parametrize(
    ('args', 'names'),
    [
        ('web api:0* all', ['web', 'api:0*', 'all']),
        ('web --queue api', ['web', 'api']),
        ('--rolling -- 2', ['2']),
        ('2 --rolling', ['2']),
        ('-- --queue', ['--queue']),
    ],
)
def test_names_among_options_and_after_them(run, args, names):
    assert run(*args.split(), script=OK).calls[0][1] == names


def test_supervisorctl_options_reach_supervisors_own_code(monkeypatch):
    options = cli_options.RestartOptions(Screen(None, None))
    options.realize(['web', '-s', 'unix:///run/x.sock', '-u', 'me', '-p', 'pw', '-r', 'hist', '-i'])
    assert options.serverurl == 'unix:///run/x.sock'
    assert (options.username, options.password) == ('me', 'pw')
    assert (options.history, options.shell) == ('hist', True)


def test_configuration_file_is_overridden_by_s():
    Path('a.conf').write_text('[supervisorctl]\nserverurl = http://a:1\nusername = me\n')
    for args, url in ((['web'], 'http://a:1'), (['-s', 'http://b:2', 'web'], 'http://b:2')):
        options = cli_options.RestartOptions(Screen(None, None))
        options.realize(['-c', 'a.conf', *args])
        assert (options.serverurl, options.username) == (url, 'me')


def test_no_words_with_status_open_no_shell():
    options = cli_options.RestartOptions(Screen(None, None))
    options.realize(['--status'])
    assert options.shell is False


# -- results -------------------------------------------------------------------------------------


def test_a_line_per_process_as_it_settles_and_a_summary(run):
    left = process('02', 'skipped')
    looks = [
        restart('running', process('00', 'starting'), process('01', 'waiting'), left, version=2),
        restart('running', process('00'), process('01', 'stopping'), left, version=3),
        restart('succeeded', process('00'), process('01', old_pid=0), left, version=4),
    ]
    ran = run('web', script=played(*looks))
    assert ran.out == [
        'web:02: skipped (not running)',
        f'web:00: {RESTARTED}',
        f'web:01: {STARTED}',
        'web: restarted 2 processes in 0.41s, 1 left alone, at least 1 of 3 ready throughout',
    ]
    assert (ran.status, ran.err) == (0, [])


def test_what_somebody_else_does_to_a_process_is_told_as_it_is_in_the_end(run):
    """Who restarts a process stops it first; and one that was told of as restarted may be stopped
    later.
    """
    stopped, started = 'somebody else stopped it', 'somebody else restarted it meanwhile'
    ran = run(
        'web',
        script=played(
            restart('running', process('0', 'skipped', stopped), process('1')),
            restart('running', process('0', note=started), process('1', 'skipped', note=stopped)),
            restart('succeeded', process('0', note=started), process('1', 'skipped', note=stopped)),
        ),
    )
    assert ran.out[:-1] == [
        f'web:1: {RESTARTED}',
        f'web:0: {RESTARTED}'.replace('(', f'({started}, '),
        f'web:1: skipped ({stopped})',
    ]
    assert ran.status == 0


def test_looks_are_paced(run):
    looks = [restart('running', process('0', 'stopping'), version=v) for v in (1, 2, 2)]
    ran = run('web', script=played(*looks, restart('succeeded', process('0'), version=3)))
    assert ran.calls[1:] == [('waitRestart', '7', AT_THE_END, LOOK_PAUSE)] * 3 + [
        ('waitRestart', '7', 2, LONGEST_WAIT)
    ]


def test_one_process_several_groups_and_a_group_of_one(run):
    one = process('cron', group='cron')
    ran = run('web', 'cron', script=played(restart('succeeded', one, groups=('web', 'cron'))))
    assert ran.out == [
        f'cron: {RESTARTED}',
        'web, cron: restarted 1 process in 0.41s, at least 1 of 1 ready throughout',
    ]


def test_old_processes_that_are_still_stopping(run):
    looks = [restart('running', process('0', action='surge', down_seconds=0.0), old_stopping=n) for n in (1, 1, 0)]
    ran = run('web', script=played(*looks, restart('succeeded', process('0', action='surge', down_seconds=0.0))))
    assert ran.out[:2] == [
        'web:0: restarted (ready after 1.03s)',
        'web: 1 old process still stopping',
    ]
    assert len(ran.out) == 3
    ran = run('--status', '7', script=[('getRestart', looks[0])])
    assert ran.out[2:] == [
        'web:0: restarted (ready after 1.03s)',
        'web: 1 old process still stopping',
    ]


def test_queued_is_said_once(run):
    queued = restart('queued', process('0', 'waiting'))
    looks = played(queued, queued, restart('succeeded', process('0')))
    ran = run('--queue', 'web', script=looks)
    assert ran.out[:2] == ['web: queued behind another restart', f'web:0: {RESTARTED}']


def test_failure(run):
    processes = [
        process('00'),
        process('01', 'failed', 'exit status 1'),
        process('02', 'skipped', 'left as it was after a failure'),
    ]
    ran = run('web', script=played(restart('failed', *processes)))
    assert ran.status == 1
    assert ran.out == [
        f'web:00: {RESTARTED}',
        'web:02: skipped (left as it was after a failure)',
        'web:01: ERROR (exit status 1)',
        '  its log: supervisorctl tail web:01 stderr',
    ]
    assert ran.err == [
        'web: 1 of 3 processes failed: web:01 (exit status 1); '
        '1 not restarted: web:02 (left as it was after a failure)'
    ]


def test_timeout_ends_the_waiting_at_once_and_names_what_is_pending(run):
    processes = [process('00'), process('01', 'stopping'), process('02', 'starting')]
    ran = run('--timeout', '0.4', 'web', script=played(restart('timed_out', *processes)))
    assert ran.status == 1
    assert ran.out == [f'web:00: {RESTARTED}', 'web:01: stopping', 'web:02: starting']
    assert ran.err == [
        'web: timed out after 0.41s; 2 pending: web:01 (stopping), web:02 (starting); '
        'what is down still comes back'
    ]


def test_cancelled_by_somebody(run):
    end = restart('cancelled', process('00'), process('01', 'skipped', 'cancelled'))
    ran = run('web', script=played(end))
    assert ran.status == 1
    assert ran.err == ['web: cancelled; 1 not restarted: web:01 (cancelled)']


def test_many_failures_stay_one_short_line(run):
    many = [process(f'{n:02}', 'failed', 'signal 9') for n in range(40)]
    ran = run('web', script=played(restart('failed', *many)))
    assert ran.out[4] == 'web:02: ERROR (signal 9)'
    assert ran.out[6] == ', '.join(f'web:{n:02}' for n in range(3, 40)) + ': ERROR (signal 9)'
    assert ran.out[7:] == ['  their logs: supervisorctl tail NAME stderr']
    assert len(ran.err) == 1
    assert ran.err[0].endswith('web:04 and 35 more (all: signal 9)')


def test_failure_without_a_failed_process(run):
    assert run('web', script=played(restart('failed'))).err == ['web: failed']


def test_quiet_prints_nothing_and_waits_for_the_end_only(run):
    looks = [restart(state, process('0')) for state in ('queued', 'running', 'succeeded')]
    ran = run('--quiet', 'web', script=played(*looks))
    assert (ran.status, ran.out, ran.err) == (0, [], [])
    assert ran.calls[1:] == [('waitRestart', '7', AT_THE_END, LONGEST_WAIT)] * 3


def test_quiet_failure_is_one_line_on_stderr(run):
    failed = restart('failed', process('0', 'failed', 'exit status 1'))
    ran = run('--quiet', 'web', script=played(failed))
    assert (ran.status, ran.out) == (1, [])
    assert ran.err == ['web: 1 of 1 process failed: web:0 (exit status 1)']


@pytest.mark.parametrize(
    ('state', 'status'), [('succeeded', 0), ('timed_out', 1)]
)
def test_json_is_the_struct_and_its_exit_status_and_nothing_else(run, state, status):
    options = {'timeout': '', 'stop_timeout': '', 'delay': 0.2, 'method': 'restart'}
    end = restart(state, process('größe', note=''), options=options)
    ran = run('--json', 'web', script=played(end))
    unset = {
        'started_at': None,
        'finished_at': None,
        'options': {**options, 'timeout': None, 'stop_timeout': None},
    }
    problem = {'error': ran.err[0], 'code': None} if status else {}
    assert ran.json() == {**end, **unset, 'exit_status': status, **problem}
    assert ran.status == status
    assert len(ran.err) == (1 if status else 0)


def test_detach(run):
    ran = run('--detach', 'web', script=[('startRestart', '7')])
    assert (ran.status, ran.out, ran.err) == (0, ['7'], [])
    assert run('--detach', '--quiet', 'web', script=[('startRestart', '7')]).out == ['7']
    ran = run('--detach', '--json', 'web', script=[('startRestart', '7')])
    assert (ran.json(), ran.err) == ({'id': '7', 'exit_status': 0}, [])


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('args', 'exc', 'status'),
    [
        (['web'], Fault(int(Code.BAD_GROUP), "BAD_GROUP: no process group named 'web'"), 2),
        (['--json', 'web'], Fault(int(Code.BUSY), 'BUSY: web'), 5),
        (['--json', 'web'], ConnectionRefusedError(errno.ECONNREFUSED, ''), 7),
        (['--quiet', 'web'], ProtocolError('x', 401, 'Unauthorized', {}), 4),
        (['--detach', 'web'], Fault(1, 'UNKNOWN_METHOD'), 3),
    ],
)
def test_refused_start(run, args, exc, status):
    ran = run(*args, script=[('startRestart', exc)])
    assert ran.status == status
    assert len(ran.err) == 1
    assert ran.err[0].startswith('Error: ')
    code = exc.faultCode if isinstance(exc, Fault) else None
    if '--json' in args:
        assert ran.json() == {'error': ran.err[0][7:], 'code': code, 'exit_status': status}
    else:
        assert ran.out == []


def test_password_is_in_no_error(run):
    refused = [('startRestart', ProtocolError('x', 401, '', {}))]
    ran = run('-u', 'me', '-p', 'secret', '-s', 'http://me:secret@host:1', 'web', script=refused)
    assert ran.status == 4
    assert ran.err == [
        'Error: http://host:1 requires authentication: user name or password missing or wrong'
    ]


def test_server_gone_in_mid_wait(run):
    script = [
        *played(restart('running', process('0'))),
        ('waitRestart', ConnectionResetError(errno.ECONNRESET, '')),
        ('waitRestart', ConnectionRefusedError(errno.ECONNREFUSED, '')),
    ]
    ran = run('web', script=script)
    assert ran.status == 7
    assert ran.out == [f'web:0: {RESTARTED}']
    assert ran.err == [
        'Error: supervisord went away during restart 7: http://localhost:9001 refused connection'
    ]


def test_reloaded_in_mid_wait(run):
    unknown = ('waitRestart', Fault(int(Code.NO_SUCH_RESTART), ''))
    ran = run('web', script=[*played(restart('running')), unknown])
    assert ran.status == 1
    assert 'reloaded' in ran.err[0]


# -- Ctrl-C --------------------------------------------------------------------------------------


@pytest.mark.parametrize('args', [[], ['--json']])
def test_ctrl_c_detaches(run, args):
    Path('a b.conf').write_text('[supervisorctl]\n')
    server = ['-c', 'a b.conf', '-s', 'unix:///x.sock', '-u', 'me', '-p', 'secret']
    looks = played(restart('running', process('0', 'stopping')))
    ran = run(*server, *args, 'web', script=[*looks, ('waitRestart', KeyboardInterrupt())])
    assert ran.status == 130
    command = f"{COMMAND_NAME} -c 'a b.conf' -s unix:///x.sock -u me -p PASSWORD"
    assert ran.err == [
        f'detached: restart 7 goes on; to wait for it: {command} --wait 7; '
        f'to cancel it: {command} --cancel 7'
    ]
    if '--json' in args:
        assert ran.json() == {'id': '7', 'error': ran.err[0], 'code': None, 'exit_status': 130}
    else:
        assert ran.out == []


def test_ctrl_c_before_the_id_is_known(run):
    ran = run('web', script=[('startRestart', KeyboardInterrupt())])
    assert ran.status == 130
    assert ran.err == [f'interrupted: a restart may have begun; to see: {COMMAND_NAME} --status']


def test_ctrl_c_while_asking(run):
    ran = run('--status', script=[('listRestarts', KeyboardInterrupt())])
    assert (ran.status, ran.err) == (130, ['Error: interrupted'])


@pytest.mark.parametrize(
    ('argv0', 'command'),
    [(f'./bin/{COMMAND_NAME}', f'./bin/{COMMAND_NAME}'), ('/usr/lib/other.py', COMMAND_NAME)],
)
def test_cancel_command_names_this_program_where_it_is(monkeypatch, argv0, command):
    monkeypatch.setattr(sys, 'argv', [argv0])
    options = cli_options.RestartOptions(Screen(None, None))
    options.realize(['web'])
    assert options.command('--cancel', '7') == f'{command} --cancel 7'


# -- plan, status, cancel ------------------------------------------------------------------------


def test_plan(run):
    ran = run('--plan', '--delay', '0.2', 'web', script=[('planRestart', PLAN)])
    assert ran.calls == [('planRestart', ['web'], {'delay': 0.2})]
    assert ran.status == 0
    assert ran.out == [
        'web: would restart 2 processes in 2 batches',
        'batch 1 (not before 0.00s, at most 12.50s):',
        'web:00: restart (RUNNING, pid 12)',
        'batch 2 (not before 0.20s, no time limit):',
        'web:01: start (STOPPED)',
        'left alone:',
        'web:02: FATAL (not running)',
        'warning: web:01 has no readiness',
    ]


def test_plan_as_json(run):
    plan = {**PLAN, 'options': {'timeout': ''}}
    assert run('--plan', '--json', 'web', script=[('planRestart', plan)]).json() == {
        **PLAN,
        'options': {'timeout': None},
        'exit_status': 0,
    }


def test_status_of_all(run):
    local = datetime(2024, 1, 2, 3, 4, tzinfo=timezone.utc).astimezone().strftime('%Y-%m-%d %H:%M')
    began = '2024-01-02T03:04:06Z'
    old = listed('succeeded', groups=('web', 'api'), id='12', started_at=began, kind='apply')
    ran = run('--status', script=[('listRestarts', [old, listed('queued')])])
    assert ran.status == 0
    assert ran.out == [
        'ID  STATE      DONE  FAILED  LOWEST  DURATION  WHEN              KIND     GROUPS',
        f'12  succeeded  1/1   0       1/1     0.41s     {local}  apply    web, api',
        f'7   queued     1/1   0       -       0.41s     {local}  restart  web',
    ]
    assert run('--status', '--json', script=[('listRestarts', [old])]).json() == {
        'restarts': [{**old, 'finished_at': None}],
        'exit_status': 0,
    }


def test_status_without_restarts(run):
    assert run('--status', script=[('listRestarts', [])]).out == ['no restarts']
    assert run('--status', '--json', script=[('listRestarts', [])]).json() == {
        'restarts': [],
        'exit_status': 0,
    }


def test_status_of_one(run):
    ran = run(
        '7', '--status', script=[('getRestart', restart('failed', process('0'), process('1', 'starting')))]
    )
    assert ran.calls == [('getRestart', '7')]
    assert ran.status == 1
    assert ran.out[2:] == [f'web:0: {RESTARTED}', 'web:1: starting']


@pytest.mark.parametrize(
    ('state', 'status'), [('running', 0), ('succeeded', 0), ('cancelled', 1)]
)
def test_status_of_one_tells_by_its_exit_status_how_it_ended(run, state, status):
    script = [('getRestart', restart(state, process('0')))]
    assert run('--status', '7', script=script).status == status
    ran = run('--status', '7', '--json', script=script)
    assert (ran.status, ran.err) == (status, [])
    assert (ran.json()['exit_status'], ran.json()['state']) == (status, state)


def test_status_of_one_has_one_line_for_all_that_were_not_reached(run):
    seen = restart(
        'failed',
        process('0', 'failed', 'exit status 1'),
        *(process(str(n), 'skipped', 'not reached: web:0 failed first') for n in range(1, 9)),
    )
    assert run('--status', '7', script=[('getRestart', seen)]).out[2:] == [
        'web:0: ERROR (exit status 1)',
        'web:1, web:2, web:3, web:4, web:5 and 3 more: skipped (not reached: web:0 failed first)',
    ]


# -- wait and retry ------------------------------------------------------------------------------


def test_wait_shows_a_restart_that_was_begun_before(run):
    looks = [
        ('waitRestart', restart('running', process('0', 'stopping'))),
        ('waitRestart', restart('failed', process('0', 'failed', 'exit status 1', new_pid=0))),
    ]
    ran = run('--wait', '7', script=[('getRestart', restart('running', process('0'))), *looks])
    assert ran.status == 1
    assert ran.out == ['web:0: ERROR (exit status 1)']
    assert ran.err == ['web: 1 of 1 process failed: web:0 (exit status 1)']


def test_wait_for_a_past_one(run):
    end = restart('succeeded', process('0'))
    ran = run('--wait', '7', '--json', script=[('getRestart', end), ('waitRestart', end)])
    assert (ran.status, ran.json()['state']) == (0, 'succeeded')


def test_wait_for_one_that_is_not_known(run):
    unknown = Fault(int(Code.NO_SUCH_RESTART), 'NO_SUCH_RESTART: 9')
    ran = run('--wait', '9', script=[('getRestart', unknown)])
    assert (ran.status, ran.err) == (2, ['Error: NO_SUCH_RESTART: 9'])


def test_ctrl_c_while_waiting_says_how_to_wait_on(run):
    script = [('getRestart', restart('running')), ('waitRestart', KeyboardInterrupt())]
    ran = run('--wait', '7', script=script)
    assert ran.status == 130
    assert ran.err[0].startswith(
        f'detached: restart 7 goes on; to wait for it: {COMMAND_NAME} --wait 7; '
    )


@pytest.mark.parametrize(
    ('args', 'sent'),
    [([], ()), (['--timeout', '5m', '--rolling'], ({'timeout': 300.0, 'max_unavailable': 1},))],
)
def test_retry(run, args, sent):
    end = restart('succeeded', process('0'), id='8')
    ran = run('--retry', '7', *args, script=[('retryRestart', '8'), ('waitRestart', end)])
    assert ran.calls == [('retryRestart', '7', *sent), ('waitRestart', '8', AT_THE_END, LOOK_PAUSE)]
    assert (ran.status, ran.out[0]) == (0, f'web:0: {RESTARTED}')


def test_retry_may_be_detached(run):
    assert run('--retry', '7', '--detach', script=[('retryRestart', '8')]).out == ['8']


def test_retry_by_a_server_that_cannot(run):
    unknown = Fault(1, 'UNKNOWN_METHOD')
    ran = run('--retry', '7', script=[('retryRestart', unknown), ('getPluginVersion', '1.0.0')])
    assert ran.status == 3
    assert ran.err == [
        'Error: the restarter there (1.0.0) knows no retryRestart: it is older than this command; '
        'upgrade it, and restart supervisord'
    ]
    ran = run('--retry', '7', script=[('retryRestart', unknown), ('getPluginVersion', unknown)])
    assert (ran.status, 'reload' in ran.err[0]) == (3, True)


def test_unknown_id(run):
    fault = Fault(int(Code.NO_SUCH_RESTART), 'NO_SUCH_RESTART: 9')
    assert run('--status', '9', script=[('getRestart', fault)]).status == 2
    assert run('--cancel', '9', script=[('cancelRestart', fault)]).status == 2


def test_cancel(run):
    ran = run('--cancel', '7', script=[('cancelRestart', True)])
    assert (ran.status, ran.out, ran.calls) == (0, ['7: cancelled'], [('cancelRestart', '7')])
    assert run('--cancel', '7', '--quiet', script=[('cancelRestart', True)]).out == []
    assert run('--cancel', '7', '--json', script=[('cancelRestart', True)]).json() == {
        'id': '7',
        'cancelled': True,
        'exit_status': 0,
    }


# -- the terminal --------------------------------------------------------------------------------


def shown_on(terminal, *looks):
    """The script of a restart that is shown on a terminal."""
    return [('startRestart', terminal.started), *(('waitRestart', look) for look in looks)]


def test_bar_on_a_terminal(run, terminal):
    looks = [
        restart('queued', process('0', 'waiting'), process('1', 'waiting')),
        restart('running', process('0'), process('1', 'stopping')),
        restart('failed', process('0'), process('1', 'failed', 'exit status 1')),
    ]
    ran = run(
        'web', script=shown_on(terminal, *looks), stdout=terminal
    )
    (bar,) = FakeTqdm.bars
    assert (bar.total, bar.file, bar.closed) == (2, terminal, True)
    assert bar.seen == [('web (queued)', 0), ('web', 1), ('web (1 failed)', 1)]
    assert printed(terminal)[0] == 'web:1: ERROR (exit status 1)'
    assert (ran.status, ran.err) == (1, ['web: 1 of 2 processes failed: web:1'])


def test_bar_is_closed_by_ctrl_c(run, terminal):
    ran = run(
        'web',
        script=[
            *shown_on(terminal, restart('running', process('0'))),
            ('waitRestart', KeyboardInterrupt()),
        ],
        stdout=terminal,
    )
    assert ran.status == 130
    assert FakeTqdm.bars.pop().closed
    interrupted = [('startRestart', terminal.started), ('waitRestart', KeyboardInterrupt())]
    assert run('web', script=interrupted, stdout=terminal).status == 130
    assert FakeTqdm.bars == []  # there was nothing to show yet


def test_a_hint_is_for_a_terminal(run, monkeypatch):
    stderr = Terminal(io.BytesIO(), encoding='utf-8')
    monkeypatch.setattr(sys, 'stderr', stderr)
    run('--detach', 'web', script=[('startRestart', '7')])
    assert printed(stderr) == [f'to wait for it: {COMMAND_NAME} --wait 7']


def test_lines_on_a_terminal_without_tqdm(run, terminal):
    run('web', script=OK, stdout=terminal)
    assert printed(terminal)[0] == f'web:00: {RESTARTED}'


@pytest.mark.parametrize('option', ['--quiet', '--detach'])
def test_no_bar_where_none_is_wanted(run, terminal, option):
    script = [('startRestart', terminal.started)] + ([] if option == '--detach' else OK[1:])
    assert run(option, 'web', script=script, stdout=terminal).status == 0
    assert FakeTqdm.bars == []


def test_a_long_stop_moves_the_bar_and_is_named(run, terminal, monkeypatch):
    clock = itertools.chain([100.0], itertools.repeat(142.0))
    monkeypatch.setattr(progress, 'time', types.SimpleNamespace(monotonic=lambda: next(clock)))
    slow = process('2', 'stopping', group='celery', stop_limit=600.0, stop_seconds=0.0)
    looks = [
        restart('running', slow, groups=['celery']),
        restart('succeeded', process('2'), groups=['celery']),
    ]
    run('celery', script=shown_on(terminal, *looks), stdout=terminal)
    assert FakeTqdm.bars[0].seen[0] == ('celery: celery:2 stopping for 42 s of 600', 0)


def test_the_bar_does_not_fill_up_on_an_abort(run, terminal):
    why = 'not reached: web:0 failed first (on_failure = abort)'
    end = restart(
        'failed',
        process('0', 'failed', 'exit status 1', new_pid=0),
        process('1'),
        *(process(str(n), 'skipped', why) for n in range(2, 200)),
    )
    ran = run('web', script=shown_on(terminal, end), stdout=terminal)
    assert FakeTqdm.bars[0].seen == [('web (1 failed)', 1)]
    assert printed(terminal) == [
        f'web:2, web:3, web:4, web:5, web:6 and 193 more: skipped ({why})',
        'web:0: ERROR (exit status 1)',
    ]
    assert ran.err == ['web: 1 of 200 processes failed: web:0; 198 not reached, still as before']


def test_what_was_killed_is_told_above_the_bar(run, terminal):
    note = 'killed after 3.0 s: did not stop within stopwaitsecs'
    end = restart('succeeded', process('0', killed=True, note=note), process('1'))
    run('web', script=shown_on(terminal, end), stdout=terminal)
    assert printed(terminal) == [
        f'web:0: restarted ({note}, down 0.02s, ready after 1.03s)',
        'web: restarted 2 processes in 0.41s, at least 1 of 2 ready throughout, 1 killed',
    ]


RED, YELLOW, GREEN, END = '\x1b[31m', '\x1b[33m', '\x1b[32m', '\x1b[0m'


def test_colours_on_a_terminal(run, terminal, monkeypatch):
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.delenv('NO_COLOR', raising=False)
    processes = [process('0', killed=True), process('1', 'failed', 'no', new_pid=0), process('2')]
    looks = [restart(state, *processes) for state in ('running', 'failed')]
    ran = run(
        'web', script=shown_on(terminal, *looks), stdout=terminal
    )
    shown = printed(terminal)
    assert [line[:5] for line in shown] == [YELLOW, RED, RED]
    assert all(line.endswith(END) for line in shown)
    assert ran.err[0].isprintable()  # standard error is no terminal
    run('web', script=OK, stdout=terminal)
    assert printed(terminal)[-1].startswith(f'{GREEN}web: restarted')


@pytest.mark.parametrize(
    ('variable', 'value'), [('TERM', 'dumb'), ('NO_COLOR', '1'), ('TERM', None)]
)
def test_no_colours_where_they_are_not_wanted(run, terminal, monkeypatch, variable, value):
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.delenv('NO_COLOR', raising=False)
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    run('web', script=OK, stdout=terminal)
    assert all(line.isprintable() for line in printed(terminal))


@pytest.mark.parametrize(('args', 'said'), [([], True), (['--json'], False)])
def test_warnings_of_the_plan_are_said_once_by_the_restart_too(run, args, said):
    warnings = ['web: all 2 processes may be down at once', 'web:0: \x1b[31m']
    looks = [
        restart('running', process('0', 'stopping'), warnings=warnings),
        restart('succeeded', process('0'), warnings=warnings),
    ]
    ran = run(*args, 'web', script=played(*looks))
    lines = ['warning: web: all 2 processes may be down at once', 'warning: web:0: \\x1b[31m']
    assert ran.err == (lines if said else [])
    assert ran.status == 0


# -- output that cannot go wrong -----------------------------------------------------------------


def test_names_cannot_command_the_terminal(run):
    ran = run('web', script=played(restart('failed', process('\x1b[2J', 'failed', 'a\nb\x07'))))
    assert ran.out[0] == 'web:\\x1b[2J: ERROR (a\\nb\\x07)'
    assert '\x1b' not in ran.stdout
    assert len(ran.err) == 1
    assert '\x1b' not in ran.err[0]


def test_control_characters_in_tables(run):
    ran = run('--status', script=[('listRestarts', [listed(groups=('a\x1bb',))])])
    assert ran.out[1].endswith('a\\x1bb')


def test_encoding_without_the_characters(run):
    stream = io.TextIOWrapper(io.BytesIO(), encoding='ascii')
    assert (
        run('web', script=played(restart('succeeded', process('größe'))), stdout=stream).status == 0
    )
    assert printed(stream)[0] == f'web:gr\\xf6\\xdfe: {RESTARTED}'


def test_reader_gone(run):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, 'w') as stream:
        looks = [restart('running', process('0')), restart('succeeded', process('0'))]
        ran = run('web', script=played(*looks), stdout=stream)
        assert (ran.status, ran.err) == (0, [])
        print('what the interpreter flushes at its end', file=stream, flush=True)


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
@pytest.mark.parametrize(
    ('args', 'script'),
    [
        (['--json', 'web'], OK),
        (['--status'], [('listRestarts', [])]),
        (['--detach', 'web'], [('startRestart', '7')]),
    ],
)
def test_an_answer_that_cannot_be_written_is_no_success(run, args, script):
    with open('/dev/full', 'w') as stream:
        ran = run(*args, script=script, stdout=stream)
    assert (ran.status, ran.err) == (
        1,
        ['Error: standard output takes no more: No space left on device'],
    )


def test_json_without_standard_output_is_no_success(run, monkeypatch):
    monkeypatch.setattr(sys, 'stdout', None)
    assert run('--json', 'web', script=OK).status == 1


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
def test_full_disk_is_said_once(run):
    with open('/dev/full', 'w') as stream:
        ran = run('web', script=OK, stdout=stream)
    assert (ran.status, ran.err) == (
        0,
        ['Error: standard output takes no more: No space left on device'],
    )


def test_a_standard_error_that_is_full_ends_nothing(run, monkeypatch):
    with open('/dev/full', 'w') as stream:
        monkeypatch.setattr(sys, 'stderr', stream)
        assert run('web', script=played(restart('failed', warnings=['one']))).status == 1


@pytest.mark.parametrize('gone', ['stdout', 'stderr'])
def test_closed_standard_streams(run, monkeypatch, gone):
    monkeypatch.setattr(sys, gone, None)
    assert run('web', script=played(restart('failed', process('0', 'failed')))).status == 1


# -- the shell, and the script -------------------------------------------------------------------


@pytest.fixture
def shells(monkeypatch):
    opened: list[Any] = []
    monkeypatch.setattr(
        'supervisor.supervisorctl.Controller.exec_cmdloop',
        lambda self, args, options: opened.append(options.history_file),
    )
    return opened


def test_shell_after_the_restart(run, shells):
    assert run('-i', '-r', 'hist', 'web', script=OK).status == 0
    assert run('-i', '--history-file', 'hist', 'web', script=played(restart('failed'))).status == 1
    assert shells == ['hist', 'hist']


def test_no_shell_without_i_or_without_a_restart(run, shells):
    run('web', script=OK)
    run('-i', 'web', script=[('startRestart', Fault(int(Code.BUSY), 'BUSY: web'))])
    run('-i', 'web', script=[('startRestart', KeyboardInterrupt())])
    assert shells == []


def test_script_runs_from_a_checkout_and_imports_late_what_is_seldom_needed(tmp_path):
    script = ROOT / 'bin' / COMMAND_NAME
    assert os.access(script, os.X_OK)
    done = subprocess.run(
        [sys.executable, '-v', str(script), '-h'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if k != 'PYTHONPATH'},
    )
    assert (done.returncode, done.stdout) == (0, help_text())
    imported = set(re.findall("^import '?([\\w.]+)", done.stderr, re.M))
    assert 'supervisor_restarter.client.cli' in imported
    assert imported.isdisjoint({'tqdm', 'json', 'difflib'})
