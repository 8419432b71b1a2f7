"""--apply on the command line: what is sent, what is printed, and the exit status. The proxy plays a
script.
"""

from __future__ import annotations

from typing import Any
from xmlrpc.client import Fault

import pytest
from supervisor.xmlrpc import Faults

from supervisor_restarter.client.applies import NOTHING_TO_APPLY
from supervisor_restarter.client.client import AT_THE_END, LOOK_PAUSE
from supervisor_restarter.client.helptext import COMMAND_NAME
from supervisor_restarter.faults import Code
from tests.unit.client.samples import (
    RESTARTED,
    STARTED,
    FakeTqdm,
    applied,
    change,
    changed_group,
    config_plan,
    planned_change,
    process,
)
from tests.unit.client.scripted import printed

CHANGED = changed_group(planned_change('0', 'restart', change()))
GONE = changed_group(planned_change('gone', 'remove'), name='gone', action='remove')
PLAN = config_plan(CHANGED, GONE)
WHY = 'web:1: exit status 1; state BACKOFF'
BACK = f'web: rolled back after 0.41s: {WHY}; the old configuration runs again, and the files still hold the new one'


def one(name, phase='ready', action='restart', **others):
    return process(name, phase, action=action, **others)


def played(*looks, begin: Any = '7'):
    """An apply with these looks at it."""
    return [('startApply', begin), *(('waitRestart', look) for look in looks)]


OK = played(applied('succeeded', one('0')))


# -- usage and what is sent ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('args', 'said'),
    [
        ('--apply --method start web', '--method has no meaning with --apply'),
        ('--apply --max-surge 1', '--max-surge has no meaning with --apply'),
        ('--apply --only-running web', '--only-running has no meaning with --apply'),
        ('--apply --newer-than /a web', '--newer-than has no meaning with --apply'),
        ('--apply --on-failure continue', '--on-failure continue needs --no-rollback'),
        ('--no-rollback web', '--no-rollback has no meaning without --apply'),
        ('--plan --no-prune web', '--no-prune has no meaning without --apply'),
        ('--secrets --plan web', '--secrets has no meaning without --apply'),
        ('--apply --secrets', '--secrets has no meaning without --plan'),
        ('--apply --status', '--apply and --status exclude each other'),
        ('--retry 7 --apply', '--apply and --retry exclude each other'),
        ('--apply --plan --detach', '--apply and --detach exclude each other'),
        ('--apply --plan --quiet', '--plan and --quiet exclude each other'),
        ('--aply web', "option --aply not recognized; did you mean '--apply'?"),
    ],
)
def test_bad_usage(run, args, said):
    ran = run(*args.split())
    assert ran.status == 2
    assert ran.calls == []
    assert len(ran.err) == 1
    assert said in ran.err[0]


@pytest.mark.parametrize(
    ('args', 'names', 'options'),
    [
        ('', [], {}),
        ('web api', ['web', 'api'], {}),
        ('--no-rollback --no-prune', [], {'rollback': False, 'prune': False}),
        ('--rolling --queue --timeout 5m', [], {'max_unavailable': 1, 'if_busy': 'queue', 'timeout': 300.0}),
        (
            '--max-unavailable 25% --min-ready 3 --on-failure continue --no-rollback web',
            ['web'],
            {'max_unavailable': '25%', 'min_ready': 3.0, 'on_failure': 'continue', 'rollback': False},
        ),
    ],
)  # fmt: skip
def test_what_is_sent(run, args, names, options):
    ran = run('--apply', *args.split(), script=OK)
    assert ran.calls == [
        ('startApply', names, options),
        ('waitRestart', '7', AT_THE_END, LOOK_PAUSE),
    ]
    assert ran.status == 0


# -- the plan ----------------------------------------------------------------------------------------


def test_plan(run):
    ran = run('--apply', '--plan', '--rolling', 'web', script=[('planConfig', PLAN)])
    assert ran.calls == [('planConfig', ['web'])]
    assert ran.out == [
        'would change 2 processes: restart 1, remove 1',
        'web:',
        '  web:0: restart',
        '    ~ command: /bin/a -> /bin/b (restart)',
        'gone is no longer in the files:',
        '  gone: remove',
    ]
    assert (ran.status, ran.err) == (0, [])


def test_plan_with_secrets_and_without_removals(run):
    script = [('planConfig', PLAN)]
    ran = run('--plan', '--apply', '--secrets', '--no-prune', script=script)
    assert ran.calls == [('planConfig', [], {'secrets': True})]
    assert ran.out[0] == 'would change 1 process: restart 1; 1 unchanged'
    assert 'gone' not in ran.stdout


def test_plan_as_json(run):
    ran = run('--apply', '--plan', '--json', script=[('planConfig', PLAN)])
    assert ran.json() == {**PLAN, 'exit_status': 0}


@pytest.mark.parametrize(('args', 'method'), [(['--plan'], 'planConfig'), ([], 'startApply')])
def test_files_that_make_no_sense(run, args, method):
    text = "CANT_REREAD: no section [x] (file: 'a.conf')"
    ran = run('--apply', *args, script=[(method, Fault(Faults.CANT_REREAD, text))])
    assert (ran.status, ran.out, ran.err) == (2, [], [f'Error: {text}'])


@pytest.mark.parametrize(('args', 'method'), [(['--plan'], 'planConfig'), ([], 'startApply')])
def test_a_server_that_cannot(run, args, method):
    script = [(method, Fault(1, 'UNKNOWN_METHOD')), ('getPluginVersion', '1.0.0')]
    ran = run('--apply', *args, script=script)
    assert (ran.status, ran.out) == (3, [])
    assert ran.err == [
        f'Error: the restarter there (1.0.0) knows no {method}: it is older than this command; '
        'upgrade it, and restart supervisord'
    ]


# -- how it goes, and how it ends --------------------------------------------------------------------


def test_a_line_per_process_and_for_what_was_changed_at_once(run):
    at_once = ['web:3 live', 'off:off later']
    first = [one('0', 'stopping'), one('4', 'waiting', 'start'), one('5', 'waiting', 'remove')]
    last = [one('0'), one('4', action='start', old_pid=0), one('5', 'stopped', 'remove', new_pid=0)]
    ran = run(
        '--apply',
        script=played(
            applied('queued'),
            applied('running', *first, at_once=at_once, version=2),
            applied('running', one('0'), *first[1:], at_once=at_once, version=3),
            applied('succeeded', *last, at_once=at_once, version=4),
        ),
    )
    assert ran.out == [
        'web: queued behind another restart',
        'web:3: changed live',
        'off: changed, holds from its next start',
        f'web:0: {RESTARTED}',
        f'web:4: {STARTED}',
        'web:5: removed',
        'web: applied in 0.41s: 1 restarted, 1 started, 1 removed, 1 changed live, '
        '1 changed for the next start; at least 1 of 1 ready throughout',
    ]
    assert (ran.status, ran.err) == (0, [])


def test_nothing_to_do(run):
    nothing = applied('succeeded', groups=(), lowest_ready=0)
    assert run('--apply', script=played(nothing)).out == [NOTHING_TO_APPLY]
    ran = run('--apply', '--json', script=played(nothing))
    assert (ran.status, ran.json()['state'], ran.json()['at_once']) == (0, 'succeeded', [])


ROLLED_BACK = [
    applied('running', one('0'), one('1', 'starting'), version=2),
    applied('running', one('0', 'stopping'), one('1', 'starting', error=WHY[7:]), why=WHY, version=3),
    applied(
        'rolled_back',
        one('0', note='rolled back'),
        one('1', error=WHY[7:], note='rolled back'),
        one('2', 'skipped', error='not reached', old_pid=12, new_pid=0),
        why=WHY,
        version=4,
    ),
]  # fmt: skip


def test_rolled_back(run):
    ran = run('--apply', script=played(*ROLLED_BACK))
    assert ran.out == [
        f'web:0: {RESTARTED}',
        f'web: rolling back: {WHY}',
        f'web:0: {RESTARTED}'.replace('(', '(rolled back, '),
        'web:2: skipped (not reached)',
        f'web:1: ERROR ({WHY[7:]}; rolled back)',
        '  its log: supervisorctl tail web:1 stderr',
    ]
    assert (ran.status, ran.err) == (1, [BACK])


@pytest.mark.parametrize('args', [['--quiet'], ['--json']])
def test_rolled_back_and_silent(run, args):
    ran = run('--apply', *args, script=played(ROLLED_BACK[-1]))
    assert (ran.status, ran.err) == (1, [BACK])
    if args == ['--json']:
        assert ran.json() == {
            **ROLLED_BACK[-1],
            'started_at': None,
            'finished_at': None,
            'error': BACK,
            'code': None,
            'exit_status': 1,
        }
    else:
        assert ran.out == []


def test_refused_because_it_is_busy(run):
    ran = run('--apply', script=played(begin=Fault(int(Code.BUSY), 'BUSY: web')))
    assert (ran.status, ran.err) == (5, ['Error: BUSY: web'])


def test_detached(run):
    assert run('--apply', '--detach', script=played()).out == ['7']
    ran = run('--apply', script=[*played(), ('waitRestart', KeyboardInterrupt())])
    assert ran.status == 130
    assert ran.err == [
        f'detached: apply 7 goes on; to wait for it: {COMMAND_NAME} --wait 7; '
        f'to cancel it: {COMMAND_NAME} --cancel 7'
    ]
    ran = run('--apply', script=played(begin=KeyboardInterrupt()))
    assert ran.err == [f'interrupted: an apply may have begun; to see: {COMMAND_NAME} --status']


def test_it_is_waited_for_and_shown_as_what_it_is(run):
    asked = [('getRestart', applied('running')), ('waitRestart', KeyboardInterrupt())]
    assert 'detached: apply 7 goes on' in run('--wait', '7', script=asked).err[0]
    gone = Fault(int(Code.NO_SUCH_RESTART), 'NO_SUCH_RESTART: 7')
    ran = run('--apply', script=[*played(), ('waitRestart', gone)])
    assert ran.err[0].startswith('Error: apply 7 ended unfinished: ')


def test_status(run):
    struct = applied('rolled_back', one('0', error=WHY[7:]), why=WHY, at_once=['web:3 live'])
    ran = run('--status', '7', script=[('getRestart', struct)])
    assert ran.status == 1
    assert ran.out[2:] == [
        f'rolled back: {WHY}',
        'web:3: changed live',
        f'web:0: ERROR ({WHY[7:]})',
    ]


# -- on a terminal -----------------------------------------------------------------------------------


def test_bar_that_turns_back(run, terminal):
    script = [('startApply', terminal.started), *played(*ROLLED_BACK)[1:]]
    ran = run('--apply', script=script, stdout=terminal)
    (bar,) = FakeTqdm.bars
    assert bar.seen == [('web', 1), ('web (rolling back)', 0), ('web (rolled back)', 1)]
    assert printed(terminal)[:2] == [
        f'web: rolling back: {WHY}',
        f'web:0: {RESTARTED}'.replace('(', '(rolled back, '),
    ]
    assert ran.err == [BACK.replace(WHY, '1 process failed: web:1')]


def test_no_bar_where_no_process_is_stopped_or_started(run, terminal):
    looks = [applied('queued'), applied('succeeded', at_once=['web:0 live', 'web:1 live'])]
    script = [('startApply', terminal.started), *played(*looks)[1:]]
    assert run('--apply', script=script, stdout=terminal).status == 0
    assert FakeTqdm.bars == []
    assert printed(terminal) == [
        'web: queued behind another restart',
        'web:0, web:1: changed live',
        'web: applied in 0.41s: 2 changed live',
    ]


def test_the_bar_grows_with_what_is_planned_anew_in_the_queue(run, terminal):
    looks = [
        applied('queued', one('0', 'waiting')),
        applied('succeeded', *(one(name) for name in '0123')),
    ]
    script = [('startApply', terminal.started), *played(*looks)[1:]]
    run('--apply', script=script, stdout=terminal)
    (bar,) = FakeTqdm.bars
    assert (bar.total, bar.seen) == (4, [('web (queued)', 0), ('web', 4)])
