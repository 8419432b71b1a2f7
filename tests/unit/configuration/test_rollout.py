"""What an apply does to Supervisor's objects: real ones, of real files."""

from __future__ import annotations

import os
from typing import Any

import pytest

from supervisor_restarter.configuration.keys import GROUP_KEYS, PROCESS_KEYS
from tests.unit.configuration.running import program

CLEAN: tuple[list[Any], ...] = ([], [], [])
FCGI = {'kind': 'fcgi-program', 'socket': 'unix://%(here)s/one', 'socket_mode': '0700'}
LISTENER = {'kind': 'eventlistener', 'events': 'TICK_5'}
# Of each key of a process another value than the default.
OTHER: dict[str, Any] = {
    'command': '/bin/cat -u',
    'directory': '/',
    'user': os.getuid(),
    'umask': '027',
    'environment': 'A="1",RESTARTER_READY="tcp:1"',
    'serverurl': 'http://x:1',
    'redirect_stderr': 'true',
    'priority': 7,
    'autostart': 'false',
    'autorestart': 'true',
    'startsecs': 5,
    'startretries': 9,
    'stopsignal': 'INT',
    'stopwaitsecs': 99,
    'stopasgroup': 'true',
    'killasgroup': 'true',
    'exitcodes': '0,3',
    **{
        f'{channel}_{key}': value
        for channel in ('stdout', 'stderr')
        for key, value in {
            'logfile': f'%(here)s/{channel}',
            'logfile_maxbytes': 1000,
            'logfile_backups': 3,
            'syslog': 'true',
            'events_enabled': 'true',
            'capture_maxbytes': 1000,
        }.items()
    },
}
OF_GROUPS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    'buffer_size': (LISTENER, {**LISTENER, 'buffer_size': 99}),
    'events': (LISTENER, {**LISTENER, 'events': 'TICK_5,TICK_60'}),
    'result_handler': (LISTENER, {**LISTENER, 'result_handler': 'os:getcwd'}),
    'socket': (FCGI, {**FCGI, 'socket': 'unix://%(here)s/two'}),
    'socket_mode': (FCGI, {**FCGI, 'socket_mode': '0770'}),
    'socket_owner': (FCGI, {**FCGI, 'socket_owner': os.getuid()}),
    'socket_backlog': (FCGI, {**FCGI, 'socket_backlog': 9}),
    'type': ({}, FCGI),
}
PAIRS: dict[str, tuple[str, str]] = {
    **{key: (program(), program(**{key: value})) for key, value in OTHER.items()},
    **{f'no {key}': (program(**new), program(**old)) for key, (old, new) in OF_GROUPS.items()},
    **{key: (program(numprocs=2, **old), program(numprocs=2, **new)) for key, (old, new) in OF_GROUPS.items()},
    'all': (program(numprocs=3), program(numprocs=3, **OTHER)),
    'all back': (program(numprocs=3, **OTHER), program(numprocs=3)),
    'more': (program(numprocs=2), program(numprocs=4)),
    'fewer': (program(numprocs=4), program(numprocs=2)),
    'shifted': (program(numprocs=3), program(numprocs=3, numprocs_start=2)),
    'renamed': (program(numprocs=2), program(numprocs=2, process_name='x%(process_num)s')),
    'group added': (program(), program() + program('app', numprocs=2) + program('asleep', autostart='false')),
    'fcgi added': (program(), program() + program('app', numprocs=2, **FCGI)),
    'group removed': (program() + program('app', numprocs=2), program()),
    'listener to program': (program(**LISTENER), program(numprocs=2)),
    'listener to fcgi': (program(numprocs=3, **LISTENER), program(numprocs=2, **FCGI)),
    'fcgi to program': (program(numprocs=3, **FCGI), program(numprocs=1)),
    'fcgi to listener': (program(numprocs=1, **FCGI), program(numprocs=2, **LISTENER)),
    'order': (
        program('a') + program('b') + '[group:g]\nprograms=a,b\n',
        program('a') + program('b') + '[group:g]\nprograms=b,a\npriority=3\n',
    ),
    'into a group': (
        program('a') + program('b', numprocs=2),
        program('a') + program('b', numprocs=2) + '[group:g]\nprograms=b,a\n',
    ),
    'two of a name': (
        '[group:g]\nprograms=x,y\n' + program('x') + program('y', process_name='x'),
        '[group:g]\nprograms=x,y\n' + program('x', umask='1') + program('y', process_name='x', umask='2'),
    ),
}  # fmt: skip


def test_every_key_is_tried():
    tried = {*OTHER, *OF_GROUPS, 'priority', 'order'} - {'user', 'events', 'order'}
    assert tried == {*PROCESS_KEYS, *GROUP_KEYS} - {'uid', 'pool_events', 'programs'}


@pytest.mark.parametrize('name', PAIRS)
def test_forwards_to_the_end_leaves_nothing_to_be_reread(applying, name):
    old, new = PAIRS[name]
    one = applying(old)
    rollout = one.rollout(new)
    assert rollout.groups
    assert rollout.slots or rollout.at_once
    before = one.all_of_it()
    obstacles = [slot.name for slot in rollout.slots]
    assert one.all_of_it() == before, (name, obstacles)
    rollout.begin()
    one.forwards(rollout, rollout.slots)
    rollout.settle()
    # Without reading the files again, and with.
    assert one.supervisord.diff_to_active() == CLEAN
    assert [group.name for group in one.options.process_group_configs] == [
        group.name for group in one.compare().read.values()
    ]
    assert one.reread() == [[], [], []]
    compared = one.compare()
    assert all(change.unchanged for change in compared.changes)
    for config in one.options.process_group_configs:
        assert all(process.options is one.options for process in config.process_configs)


@pytest.mark.parametrize('name', PAIRS)
def test_begun_and_undone_is_as_before(applying, name):
    old, new = PAIRS[name]
    one = applying(old)
    before = one.all_of_it()
    rollout = one.rollout(new)
    rollout.begin()
    rollout.undo()
    one.backwards(rollout, [slot for slot in rollout.slots if slot.old is None])
    assert one.all_of_it() == before
    assert one.supervisord.diff_to_active() == CLEAN


@pytest.mark.parametrize('name', PAIRS)
def test_forwards_and_back_is_as_before(applying, name):
    old, new = PAIRS[name]
    one = applying(old)
    before = one.all_of_it()
    rollout = one.rollout(new)
    rollout.begin()
    slots = [slot for slot in rollout.slots if slot.new is not None]
    one.forwards(rollout, slots)
    rollout.undo()
    one.backwards(rollout, slots)
    assert one.all_of_it() == before
    assert one.supervisord.diff_to_active() == CLEAN
