"""The difference between two configurations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.configuration.diff import (
    NOT_SET,
    GroupView,
    KeyChange,
    ProcessView,
    differences,
)
from supervisor_restarter.configuration.keys import Effect


def process(name, **values):
    return ProcessView(name, {'autostart': True, **values})


def group(*processes, name='web', kind='program', **values):
    views = [one if isinstance(one, ProcessView) else process(one) for one in processes]
    return GroupView(name, kind, {'priority': 999, **values}, views)


def one(old, new):
    [found] = differences([old] if old else [], [new] if new else [])
    return found


def test_what_is_the_same_has_no_changes():
    found = one(group('0', '1'), group('0', '1'))
    assert (found.name, found.changes, found.replaced) == ('web', [], False)
    assert [(p.name, p.changes, p.follows) for p in found.processes] == [
        ('0', [], ''),
        ('1', [], ''),
    ]


def test_a_changed_key_has_its_values_and_its_effect():
    old = group(process('0', command='a', startsecs=1, same=1), priority=1)
    found = one(old, group(process('0', command='b', startsecs=2, same=1), priority=2))
    assert found.changes == [KeyChange('priority', 1, 2, Effect.LIVE)]
    assert found.processes[0].changes == [
        KeyChange('command', 'a', 'b', Effect.RESTART),
        KeyChange('startsecs', 1, 2, Effect.LIVE),
    ]


def test_variables_are_added_and_removed():
    old = group(process('0', **{'environment.A': '1', 'environment.RESTARTER_READY': 'tcp:1'}))
    found = one(old, group(process('0', **{'environment.B': ''})))
    assert found.processes[0].changes == [
        KeyChange('environment.A', '1', NOT_SET, Effect.RESTART),
        KeyChange('environment.RESTARTER_READY', 'tcp:1', NOT_SET, Effect.LIVE),
        KeyChange('environment.B', NOT_SET, '', Effect.RESTART),
    ]


def test_groups_of_the_new_come_first_and_in_its_order_then_those_that_go():
    old = [group('0', name=name) for name in ('gone', 'a', 'left')]
    new = [group('0', name=name) for name in ('new', 'a', 'b')]
    found = differences(old, new)
    assert [(g.name, g.old is None, g.new is None) for g in found] == [
        ('new', True, False),
        ('a', False, False),
        ('b', True, False),
        ('gone', False, True),
        ('left', False, True),
    ]
    assert all(g.changes == [] for g in found)


def test_processes_come_and_go():
    more = one(group('0'), group('0', '1', '2'))
    assert [(p.name, p.old is None, p.follows) for p in more.processes] == [
        ('0', False, ''),
        ('1', True, ''),
        ('2', True, ''),
    ]
    fewer = one(group('0', '1', '2'), group('1'))
    assert [(p.name, p.new is None) for p in fewer.processes] == [
        ('1', False),
        ('0', True),
        ('2', True),
    ]


@pytest.mark.parametrize(
    ('old', 'new', 'follows'),
    [
        (('a', 'b'), ('x', 'y'), {'x': 'a', 'y': 'b'}),
        (('a', 'b', 'c'), ('x', 'b'), {'x': 'a', 'b': ''}),
        (('a',), ('a', 'x'), {'a': '', 'x': ''}),
        (('a', 'b'), ('x', 'b', 'y', 'z'), {'x': 'a', 'b': '', 'y': '', 'z': ''}),
    ],
)
def test_a_renamed_process_follows_the_one_whose_place_it_takes(old, new, follows):
    found = one(group(*old), group(*new))
    assert {p.name: p.follows for p in found.processes if p.new} == follows


def test_another_order_is_a_change_of_the_group_alone():
    found = one(group('a', 'b', 'gone'), group('new', 'b', 'a'))
    assert found.changes == [KeyChange('programs', ('a', 'b'), ('b', 'a'), Effect.LIVE)]
    assert one(group('a', 'gone', 'b'), group('new', 'a', 'b')).changes == []


def test_a_group_of_another_kind_is_replaced_and_its_processes_are_paired():
    old = group('0', '1', socket='tcp://x:1', kind='fcgi-program')
    found = one(old, group('0', '2'))
    assert found.replaced
    assert found.changes == [
        KeyChange('type', 'fcgi-program', 'program', Effect.RESTART),
        KeyChange('socket', 'tcp://x:1', NOT_SET, Effect.SOCKET),
    ]
    assert [(p.name, p.old is None, p.new is None) for p in found.processes] == [
        ('0', False, False),
        ('2', True, False),
        ('1', False, True),
    ]
    assert not one(None, old).replaced
    assert not one(old, None).replaced


NAMES = st.lists(st.sampled_from('abcdef'), unique=True)


@given(old=NAMES, new=NAMES)
def test_every_process_of_either_side_is_there_once(old, new):
    found = one(group(*old), group(*new)).processes
    assert sorted(p.name for p in found) == sorted({*old, *new})
    assert [p.name for p in found if p.new] == new
    followed = [p.follows for p in found if p.follows]
    assert len(followed) == len(set(followed))
    assert len(followed) == min(len(set(old) - set(new)), len(set(new) - set(old)))
