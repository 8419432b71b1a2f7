"""Changed files against what runs, with Supervisor's real objects."""

from __future__ import annotations

import copy
import os
import pwd
import re
from types import SimpleNamespace
from typing import Any

import pytest

from supervisor_restarter.configuration.plan import ProcessState
from supervisor_restarter.configuration.twin import Unreadable
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.faults import Code, Refusal
from tests.pages import page, table
from tests.unit.configuration.running import HEAD, actions, changes, effects, only, program

ME = pwd.getpwuid(os.getuid()).pw_name
NOTHING: dict[str, Any] = {'groups': [], 'total': 0, 'reload': [], 'warnings': []}
LISTENER = {'kind': 'eventlistener', 'events': 'TICK_5,PROCESS_STATE'}
FCGI = {'kind': 'fcgi-program', 'socket': 'unix:///tmp/none', 'socket_mode': '0700'}


def process(plan):
    """The struct of the one process that changes."""
    [found] = only(plan)['processes']
    return found


# -- what is no change ------------------------------------------------------------------------


def test_unchanged_files_change_nothing(running):
    everything = (
        program('auto', numprocs=3, environment='A="%(process_num)d"')
        + program(
            'file', stdout_logfile='%(here)s/x', stderr_logfile='NONE', redirect_stderr='true'
        )
        + program('all', autostart='false', autorestart='true', stopsignal='QUIT', user=os.getuid())
        + program('listener', **LISTENER)
        + program('fcgi', **FCGI)
        + '[group:both]\nprograms=file,all\n'
    )
    one = running(everything, HEAD.replace('[supervisord]', '[supervisord]\nenvironment=X="1"'))
    assert one.plan() == {**NOTHING, 'unchanged': 7}
    # Another spelling of the same.
    same = everything.replace('TICK_5,PROCESS_STATE', 'PROCESS_STATE, tick_5').replace('QUIT', '3')
    assert one.plan('; a comment\n' + same)['groups'] == []
    # Supervisor has no order of events.
    one.supervisord.process_groups['listener'].config.pool_events.reverse()
    assert one.plan()['groups'] == []
    one.supervisord.process_groups['listener'].config.pool_events.reverse()
    one.write(everything)
    assert one.reread() == [[], [], []]


def test_logs_that_supervisor_has_named_are_no_change(running):
    one = running(program())
    config = one.supervisord.process_groups['web'].config.process_configs[0]
    assert config.stdout_logfile.startswith(str(one.directory))
    assert one.plan()['total'] == 0
    # With another identifier and directory, which a `reread` takes over for logs to come.
    head = one.head.replace('childlogdir=%(here)s', 'childlogdir=/\nidentifier=a---b')
    one.write(program(), head)
    one.reread()
    planned = one.plan()
    assert planned['total'] == 0
    assert planned['reload'] == ['[supervisord] identifier', '[supervisord] childlogdir']


# -- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('old', 'new', 'shown', 'effect', 'action'),
    [
        ({}, {'command': '/bin/cat -u'}, ('command', '/bin/cat', '/bin/cat -u'), 'restart', 'restart'),
        ({}, {'user': os.getuid()}, ('user', '', None), 'restart', 'restart'),
        ({'umask': '022'}, {'umask': '7'}, ('umask', '022', '007'), 'restart', 'restart'),
        ({}, {'stopwaitsecs': 3}, ('stopwaitsecs', '10', '3'), 'live', 'live'),
        ({}, {'stopsignal': 'INT'}, ('stopsignal', 'TERM', 'INT'), 'live', 'live'),
        ({}, {'autostart': 'no'}, ('autostart', 'true', 'false'), 'live', 'live'),
        ({}, {'exitcodes': '0,1'}, ('exitcodes', '0', '0,1'), 'live', 'live'),
        (
            {'environment': 'RESTARTER_READY="tcp:1"'},
            {'environment': 'RESTARTER_READY="tcp:2"'},
            ('environment.RESTARTER_READY', 'tcp:1', 'tcp:2'),
            'live',
            'live',
        ),
        ({}, {'stdout_logfile': '/x.log'}, ('stdout_logfile', 'AUTO', '/x.log'), 'log', 'live'),
        ({'stdout_logfile': '/x.log'}, {}, ('stdout_logfile', '/x.log', 'AUTO'), 'log', 'live'),
        ({'stderr_logfile': 'NONE'}, {}, ('stderr_logfile', 'NONE', 'AUTO'), 'log', 'live'),
        ({}, {'stdout_syslog': '1'}, ('stdout_syslog', 'false', 'true'), 'log', 'live'),
    ],
)  # fmt: skip
def test_a_changed_key_of_a_process(running, old, new, shown, effect, action):
    found = process(running(program(**old)).plan(program(**new)))
    key, before, after = shown
    [change] = found['changes']
    assert (change['key'], change['old'], change['effect']) == (key, before, effect)
    assert change['new'] == after or after is None
    assert (found['action'], found['state'], found['pid']) == (action, 'RUNNING', 7)


def test_the_priority_is_that_of_the_group_and_of_each_process(running):
    found = only(running(program(numprocs=2)).plan(program(numprocs=2, priority=1)))
    assert changes(found) == {'priority': ('999', '1')}
    assert [changes(one) for one in found['processes']] == [{'priority': ('999', '1')}] * 2
    assert [one['action'] for one in found['processes']] == ['live', 'live']


def test_the_environment_of_supervisord_is_that_of_each_process(running, monkeypatch):
    monkeypatch.setenv('ELSEWHERE', '/away')
    head = HEAD.replace('[supervisord]', '[supervisord]\nenvironment=A="1",B="%(ENV_ELSEWHERE)s"')
    one = running(program('x', environment='A="own"') + program('y'), head)
    one.write(
        program('x', environment='A="own"') + program('y'),
        HEAD.replace('[supervisord]', '[supervisord]\nenvironment=A="2",C="3"'),
    )
    planned = one.plan()
    x, y = (group['processes'][0] for group in planned['groups'])
    assert changes(x) == {'environment.B': ('/away', ''), 'environment.C': ('', '3')}
    assert changes(y) == {**changes(x), 'environment.A': ('1', '2')}
    assert planned['reload'] == []


def test_a_process_that_says_how_many_there_are_restarts_when_there_are_more(running):
    text = program(command='/bin/echo %(numprocs)d', numprocs=2)
    plan = running(text).plan(text.replace('numprocs=2', 'numprocs=3'))
    assert actions(plan) == {'web:0': 'restart', 'web:1': 'restart', 'web:2': 'start'}


# -- processes and groups ---------------------------------------------------------------------


def test_more_and_fewer_processes_leave_the_others_alone(running):
    one = running(program(numprocs=4))
    more = one.plan(program(numprocs=6))
    assert actions(more) == {'web:4': 'start', 'web:5': 'start'}
    assert (more['total'], more['unchanged'], only(more)['unchanged']) == (2, 4, 4)
    fewer = one.plan(program(numprocs=3))
    assert actions(fewer) == {'web:3': 'remove'}
    assert process(fewer)['pid'] == 7
    moved = one.plan(program(numprocs=4, numprocs_start=2))
    assert actions(moved) == {
        'web:4': 'start', 'web:5': 'start', 'web:0': 'remove', 'web:1': 'remove',
    }  # fmt: skip
    assert [one['follows'] for one in only(moved)['processes']] == ['0', '1', '', '']


def test_renamed_processes_follow_each_other(running):
    old, new = (program(numprocs=2, process_name=f'{x}%(process_num)s') for x in 'ab')
    planned = only(running(old).plan(new))
    assert {one['name']: one['follows'] for one in planned['processes']} == {
        'b0': 'a0', 'b1': 'a1', 'a0': '', 'a1': '',
    }  # fmt: skip


def test_groups_are_added_and_removed_with_the_files_that_hold_them(running):
    one = running(program(), HEAD + '[include]\nfiles=conf.d/*.conf\n')
    first = one.include('a.conf', program('app', numprocs=2))
    added = only(one.plan())
    assert (added['group'], added['action'], added['changes']) == ('app', 'add', [])
    assert [(p['name'], p['action'], p['state'], p['pid']) for p in added['processes']] == [
        ('0', 'start', '', 0),
        ('1', 'start', '', 0),
    ]
    one.include('b.conf', program('asleep', autostart='false'))
    assert actions(one.plan())['asleep:asleep'] == 'add'
    one.reread()
    one.supervisord.add_process_group(one.options.process_group_configs[0])
    assert actions(one.plan()) == {'asleep:asleep': 'add'}
    first.unlink()
    removed = one.plan('')
    assert actions(removed) == {
        'asleep:asleep': 'add', 'app:0': 'remove', 'app:1': 'remove', 'web:web': 'remove',
    }  # fmt: skip


def test_a_group_of_several_programs(running):
    text = program('a') + program('b', numprocs=2) + program('c')
    one = running(text + '[group:all]\nprograms=a,b\n')
    plan = one.plan(
        text.replace('numprocs=2', 'numprocs=2\nstartsecs=5') + '[group:all]\nprograms=b,a\n'
    )
    group = only(plan)
    assert changes(group) == {'programs': ('a,0,1', '0,1,a')}
    assert effects(group) == {'programs': 'live'}
    assert actions(plan) == {'all:0': 'live', 'all:1': 'live'}
    plan = one.plan(text + '[group:all]\nprograms=a,b,c\npriority=5\n')
    assert actions(plan) == {'all:c': 'start', 'c:c': 'remove'}
    assert changes(plan['groups'][0]) == {'priority': ('999', '5')}


def test_of_two_groups_or_processes_of_one_name_the_one_counts_that_supervisor_runs(running):
    text = (
        program('x', command='/bin/one')
        + program('y', process_name='x', command='/bin/two')
        + program('web', command='/bin/three')
    )
    one = running(text + '[group:web]\nprograms=x,y\n')
    assert one.supervisord.process_groups['web'].processes['x'].config.command == '/bin/two'
    assert one.plan() == {**NOTHING, 'unchanged': 1}


@pytest.mark.parametrize(
    ('old', 'new'),
    [({}, LISTENER), (LISTENER, {}), ({}, FCGI), (FCGI, {}), (FCGI, LISTENER), (LISTENER, FCGI)],
)
def test_a_group_that_becomes_something_else_is_replaced(running, old, new):
    text = program(numprocs=2, **old)
    one = running(text)
    one.states['web', '1'] = ProcessState(Seen.STOPPED, 'STOPPED', 0)
    plan = one.plan(program(numprocs=2, **new))
    group = only(plan)
    assert group['action'] == 'replace'
    kinds = old.get('kind', 'program'), new.get('kind', 'program')
    assert changes(group)['type'] == kinds
    assert actions(plan) == {'web:0': 'restart', 'web:1': 'later'}


# -- fcgi programs and listeners --------------------------------------------------------------


def test_another_socket_restarts_every_process(running):
    one = running(program(numprocs=2, **FCGI))
    plan = one.plan(program(numprocs=2, **{**FCGI, 'socket': 'unix:///tmp/other'}))
    group = only(plan)
    assert changes(group) == {'socket': ('unix:///tmp/none', 'unix:///tmp/other')}
    assert effects(group) == {'socket': 'socket'}
    assert (group['action'], set(actions(plan).values())) == ('change', {'restart'})


@pytest.mark.parametrize(
    ('key', 'value', 'shown'),
    [
        ('socket_mode', '0770', ('700', '770')),
        ('socket_owner', ME, ('', ME)),
        ('socket_backlog', '99', ('', '99')),
    ],
)
def test_mode_owner_and_backlog_of_a_socket_change_without_a_restart(running, key, value, shown):
    one = running(program(numprocs=2, **FCGI))
    plan = one.plan(program(numprocs=2, **{**FCGI, key: value}))
    group = only(plan)
    assert (changes(group), effects(group)) == ({key: shown}, {key: 'live'})
    assert (group['action'], plan['total']) == ('change', 0)


def test_a_socket_of_tcp(running):
    group = only(
        running(program(**FCGI)).plan(program(kind='fcgi-program', socket='tcp://LOCALhost:1'))
    )
    assert changes(group) == {
        'socket': ('unix:///tmp/none', 'tcp://localhost:1'),
        'socket_mode': ('700', ''),
    }


def test_what_a_listener_listens_to_changes_without_a_restart(running):
    keys: dict[str, Any] = {'kind': 'eventlistener', 'events': 'TICK_60', 'buffer_size': 3}
    plan = running(program(**LISTENER)).plan(program(result_handler='os:getcwd', **keys))
    group = only(plan)
    assert changes(group) == {
        'buffer_size': ('10', '3'),
        'events': ('PROCESS_STATE,TICK_5', 'TICK_60'),
        'result_handler': ('supervisor.dispatchers:default_handler', 'posix:getcwd'),
    }
    assert set(effects(group).values()) == {'live'}
    assert (group['action'], group['processes'], plan['total']) == ('change', [], 0)


# -- what runs --------------------------------------------------------------------------------


def test_after_a_reread_without_an_update_the_plan_is_still_against_what_runs(running):
    one = running(program())
    before = one.plan(program(startsecs=5) + program('app'))
    assert actions(before) == {'app:app': 'start', 'web:web': 'live'}
    assert one.reread() == [['app'], ['web'], []]
    assert one.plan() == before


def test_what_stock_has_added_or_removed_is_what_runs(running):
    one = running(program('a') + program('b'))
    assert one.supervisord.remove_process_group('a')
    assert actions(one.plan()) == {'a:a': 'start'}
    assert actions(one.plan(program('b') + program('c'))) == {'c:c': 'start'}
    one.reread()
    one.supervisord.add_process_group(one.options.process_group_configs[1])
    assert one.plan()['groups'] == []


def test_a_copy_that_stands_in_during_a_restart_is_not_what_is_configured(running):
    one = running(program())
    process = one.supervisord.process_groups['web'].processes['web']
    process.config = copy.copy(process.config)
    process.config.restarter_original = process.config
    process.config.stopwaitsecs, process.config.command = 1, '/bin/other'
    assert one.plan()['total'] == 0


def test_what_stock_does_after_a_plan_is_what_it_would_have_done(running):
    old, new = program() + program('gone'), program(startsecs=5) + program('app')
    one = running(old)
    one.plan(new)
    one.write(new + '[program:bad]\n')
    with pytest.raises(Unreadable):
        one.plan()
    running_now = [config.name for config in one.options.process_group_configs]
    assert running_now == ['gone', 'web']  # what `add` would take
    assert one.supervisord.diff_to_active() == ([], [], [])
    one.write(new)
    assert one.reread() == [['app'], ['web'], ['gone']]


# -- what only a reload applies ---------------------------------------------------------------


def test_what_needs_a_reload(running):
    one = running(program())
    head = (
        one.head.replace('hunter2', 'hunter3').replace('[supervisord]', '[supervisord]\nminfds=99')
        + '[inet_http_server]\nport=1\n'
        + '[rpcinterface:more]\nsupervisor.rpcinterface_factory=os:getcwd\n'
    )
    one.write(program(), head)
    planned = one.plan()
    assert planned == {
        **NOTHING,
        'unchanged': 1,
        'reload': [
            '[supervisord] minfds',
            '[unix_http_server]',
            '[inet_http_server]',
            '[rpcinterface:more]',
        ],
    }
    assert 'hunter' not in repr(planned)
    one.reread()  # which is no reload
    assert one.plan() == planned


def test_an_interface_with_other_keys_needs_a_reload(running):
    head = HEAD + '[rpcinterface:more]\nsupervisor.rpcinterface_factory=os:getcwd\n'
    one = running(program(), head)
    one.write(program(), head + 'key=1\n')
    assert one.plan()['reload'] == ['[rpcinterface:more]']
    one.write(program(), HEAD)
    assert one.plan()['reload'] == ['[rpcinterface:more]']


# -- the page ---------------------------------------------------------------------------------


def test_the_page_has_every_key_and_every_action(running):
    one = running(program(numprocs=2) + program('down') + program('x') + program('gone'))
    one.states['down', 'down'] = ProcessState(Seen.STOPPED, 'STOPPED', 0)
    change = {'command': '/bin/cat -u'}
    planned = one.plan(
        program(numprocs=3, **change)
        + program('down', **change)
        + program('x', startsecs=5)
        + program('new', autostart='false')
    )
    group = planned['groups'][-2]
    [process] = group['processes']

    def rows(first):
        return {row[0].strip('`'): row[1] for row in table(page('xmlrpc'), first)}

    def named(first):
        return {name for cell in rows(first) for name in re.findall('[a-z]+', cell)}

    assert named('of the plan') == set(planned)
    assert named('of a group') == set(group)
    assert set(process) == set(re.findall('`([a-z]+)`', rows('of a group')['processes']))
    assert set(rows('action of a process')) == set(actions(planned).values())
    [text] = re.findall('(?s)A change is a struct:(.*?)\n\n', page('xmlrpc'))
    assert set(process['changes'][0]) <= set(re.findall('`([a-z]+)`', text))


# -- names ------------------------------------------------------------------------------------


def test_only_the_groups_that_are_named(running):
    one = running(program('a') + program('b') + program('gone'))
    one.write(program('a', startsecs=5) + program('b', startsecs=5) + program('new'))
    for names, groups in (
        ('a', ['a']),
        (['b', 'a', 'a'], ['a', 'b']),
        (['new'], ['new']),
        (('gone',), ['gone']),
        *((names, ['a', 'b', 'new', 'gone']) for names in ('', [], [''], 'all', ['all', 'a'])),
    ):
        assert [group['group'] for group in one.plan(None, names)['groups']] == groups


@pytest.mark.parametrize(
    ('names', 'text'),
    [
        ('wep', "no process group named 'wep'; did you mean 'web'?"),
        (['web', 'x', 'y'], "no process group named 'x', 'y'"),
        ('web:*', "no process group named 'web:*'; did you mean 'web'?"),
        *(
            (odd, 'groups must be the name of a process group or an array of such names, not ')
            for odd in (None, 7, {'web': 1}, [None])
        ),
    ],
)
def test_other_names_are_bad_group(running, names, text):
    with pytest.raises(Refusal) as info:
        running(program()).plan(None, names)
    assert info.value.code is Code.BAD_GROUP
    assert info.value.text.startswith(f'BAD_GROUP: {text}')


# -- secrets ----------------------------------------------------------------------------------


def test_secrets_are_shown_only_to_who_asks_for_them(running):
    def text(word):
        variables = f'DB_PASSWORD="{word}",URL="redis://:{word}@host/{word}x",ADDED_{word}="1"'
        return program(environment=variables, command=f'/bin/cat --token {word}')

    one = running(text('hunter2'))
    planned = one.plan(text('hunter3'))
    assert changes(process(planned)) == {
        'command': ('/bin/cat --token (hidden)', '/bin/cat --token (hidden)'),
        'environment.DB_PASSWORD': ('(hidden)', '(hidden)'),
        'environment.URL': ('redis://(hidden)@host/hunter2x', 'redis://(hidden)@host/hunter3x'),
        'environment.ADDED_hunter2': ('1', ''),
        'environment.ADDED_hunter3': ('', '1'),
    }
    told = changes(process(one.plan(secrets=True)))
    assert told['environment.DB_PASSWORD'] == ('hunter2', 'hunter3')
    assert told['command'] == ('/bin/cat --token hunter2', '/bin/cat --token hunter3')


def test_a_secret_in_a_section_that_cannot_be_read(running):
    one = running(program())
    one.write(program(environment='DB_PASSWORD="hunter2",A="%(nope)s"'))
    with pytest.raises(Unreadable) as info:
        one.plan()
    assert 'DB_PASSWORD=(hidden),A="%(nope)s"' in str(info.value)
    with pytest.raises(Unreadable, match='hunter2'):
        one.plan(secrets=True)


@pytest.mark.parametrize('password', ['password=h%unter2', 'password hunter2'])
def test_a_password_of_a_server_that_cannot_be_read(running, password):
    one = running(program())
    one.write(program(), HEAD.replace('password=hunter2', password))
    with pytest.raises(Unreadable) as info:
        one.plan()
    assert 'password' in str(info.value)
    assert str(one.file) in str(info.value)
    assert 'unter2' not in str(info.value)


def test_warnings_are_one_line_each(running):
    one = running(program(stdout_logfile_maxbytes=0), HEAD + '[include]\nfiles=conf.d/*\n')
    (one.directory / 'conf.d').mkdir()
    (one.directory / 'conf.d' / 'a\nb').symlink_to('/nonexistent')
    assert one.plan()['warnings'] == [
        'For [program:web], AUTO logging used for stdout_logfile without rollover, set maxbytes > 0 '
        'to avoid filling up filesystem unintentionally',
        f'included file "{one.directory}/conf.d/a\\nb" does not exist',
    ]


def test_without_a_configuration_file_there_is_nothing_to_be_planned(running):
    one = running(program())
    one.options.configfile = SimpleNamespace(read=lambda: '')
    with pytest.raises(Unreadable, match='no configuration file'):
        one.plan()
