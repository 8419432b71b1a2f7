"""What becomes of groups and processes."""

from __future__ import annotations

import pytest

from supervisor_restarter.configuration.diff import GroupView, ProcessView, differences
from supervisor_restarter.configuration.plan import ProcessState, config_plan
from supervisor_restarter.engine.phases import Seen

RESTART = {'command': 'b'}
LIVE = {'startsecs': 9}
BASE = {'autostart': True, 'command': 'a', 'startsecs': 1}


def group(name='web', kind='program', of_group=None, **processes):
    views = [ProcessView(one, {**BASE, **values}) for one, values in processes.items()]
    return GroupView(name, kind, of_group or {'priority': 1}, views)


def planned(old, new, seen=Seen.READY):
    def look(group, name):
        assert (group, name) in {(view.name, one.name) for view in old for one in view.processes}
        return ProcessState(seen, f'as {seen.value}', 7)

    return config_plan(differences(old, new), look, lambda key, value: f'{key}={value}')


def only_process(old, new, seen=Seen.READY):
    [found] = planned(old, new, seen)['groups']
    [process] = found['processes']
    return process


def test_nothing_changed_is_nothing_but_a_count():
    same = [group(a={}, b={}), group('app', c={})]
    assert planned(same, same) == {'groups': [], 'total': 0, 'unchanged': 3}


def test_the_whole_struct():
    assert planned([group(a={}, b={}, c={})], [group(a={}, b=RESTART, d={})]) == {
        'groups': [
            {
                'group': 'web',
                'action': 'change',
                'changes': [],
                'processes': [
                    {
                        'name': 'b',
                        'action': 'restart',
                        'state': 'as READY',
                        'pid': 7,
                        'follows': '',
                        'changes': [
                            {
                                'key': 'command',
                                'what': 'changed',
                                'old': 'command=a',
                                'new': 'command=b',
                                'effect': 'restart',
                            }
                        ],
                    },
                    {
                        'name': 'd',
                        'action': 'start',
                        'state': '',
                        'pid': 0,
                        'follows': 'c',
                        'changes': [],
                    },
                    {
                        'name': 'c',
                        'action': 'remove',
                        'state': 'as READY',
                        'pid': 7,
                        'follows': '',
                        'changes': [],
                    },
                ],
                'unchanged': 1,
            }
        ],
        'total': 3,
        'unchanged': 1,
    }


@pytest.mark.parametrize(
    ('seen', 'action'),
    [
        (Seen.READY, 'restart'),
        (Seen.RUNNING, 'restart'),
        (Seen.STARTING, 'restart'),
        (Seen.STOPPED, 'later'),
        (Seen.STOPPING, 'later'),
        (Seen.EXITED, 'later'),
        (Seen.EXITED_BADLY, 'start'),
        (Seen.BACKOFF, 'start'),
        (Seen.FATAL, 'start'),
    ],
)
def test_what_needs_a_start_depends_on_the_state(seen, action):
    assert only_process([group(a={})], [group(a=RESTART)], seen)['action'] == action
    assert only_process([group(a={})], [group(a=LIVE)], seen)['action'] == 'live'


def test_a_live_key_beside_one_that_needs_a_restart():
    assert only_process([group(a={})], [group(a={**RESTART, **LIVE})])['action'] == 'restart'


@pytest.mark.parametrize(('autostart', 'action'), [(True, 'start'), (False, 'add')])
def test_an_added_process_is_started_if_it_is_to_start_by_itself(autostart, action):
    new = [group(a={'autostart': autostart})]
    [found] = planned([], new)['groups']
    assert (found['action'], found['processes'][0]['action']) == ('add', action)
    assert only_process([group()], new)['action'] == action


def test_a_removed_group():
    [found] = planned([group(a={}, b={})], [])['groups']
    assert found['action'] == 'remove'
    assert [process['action'] for process in found['processes']] == ['remove', 'remove']


def test_an_empty_group_that_comes_or_goes_is_told():
    assert [g['action'] for g in planned([group('x')], [group('y')])['groups']] == ['add', 'remove']


def test_a_change_of_the_group_alone():
    [found] = planned([group(a={})], [group(a={}, of_group={'priority': 2})])['groups']
    assert (found['action'], found['processes'], found['unchanged']) == ('change', [], 1)
    assert found['changes'][0]['new'] == 'priority=2'


@pytest.mark.parametrize(('seen', 'action'), [(Seen.READY, 'restart'), (Seen.STOPPED, 'later')])
def test_another_socket_or_kind_concerns_every_process(seen, action):
    old = [group(kind='fcgi-program', of_group={'socket': 'x'}, a={})]
    for new, becomes in (
        (group(kind='fcgi-program', of_group={'socket': 'y'}, a={}), 'change'),
        (group(a={}), 'replace'),
    ):
        [found] = planned(old, [new], seen)['groups']
        assert (found['action'], found['processes'][0]['action']) == (becomes, action)
        assert found['processes'][0]['changes'] == []


def test_what_was_added_or_removed_is_told_from_what_was_changed():
    old = {'environment.A': '1', 'environment.B': ''}
    new = {'environment.B': '1', 'environment.C': ''}
    changes = only_process([group(a=old)], [group(a=new)])['changes']
    assert [(one['key'], one['what']) for one in changes] == [
        ('environment.A', 'removed'),
        ('environment.B', 'changed'),
        ('environment.C', 'added'),
    ]
