"""What is told of a rollout before it begins, and what others do while it is under way."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from supervisor import events
from supervisor.states import ProcessStates

from supervisor_restarter.configuration.ownconfig import own_config
from supervisor_restarter.faults import Refusal
from supervisor_restarter.programs.obstacles import Obstacles
from tests.unit.configuration.running import program

LISTENER = {'kind': 'eventlistener', 'events': 'TICK_5'}
FCGI = {'kind': 'fcgi-program', 'socket': 'unix://%(here)s/one'}
CLEAN: tuple[list[Any], ...] = ([], [], [])


def told(rollout):
    return [(slot.group, slot.name, slot.action) for slot in rollout.slots]


def at_once(rollout):
    return [(one['group'], one['name'], one['action']) for one in rollout.at_once]


def test_what_is_to_be_done_is_told_before(applying):
    one = applying(
        program('late', numprocs=3, priority=5)
        + program('gone', numprocs=2, priority=1)
        + program('early', numprocs=2, priority=3)
        + program('same')
    )
    one.stop('early', '1')
    one.stop('late', '1', ProcessStates.FATAL)
    one.stop('gone', '0')
    rollout = one.rollout(
        program('late', numprocs=2, priority=5, umask='1')
        + program('early', numprocs=3, priority=3, umask='1')
        + program('quiet', autostart='false')
        + program('same')
    )
    assert told(rollout) == [
        ('early', '0', 'restart'),
        ('early', '2', 'start'),
        ('late', '0', 'restart'),
        ('late', '1', 'start'),
        ('late', '2', 'remove'),
        ('gone', '1', 'remove'),
    ]
    assert at_once(rollout) == [
        ('early', '1', 'later'),
        ('quiet', 'quiet', 'add'),
        ('gone', '0', 'drop'),
    ]
    assert rollout.groups == ['early', 'late', 'quiet', 'gone']
    slot = rollout.slots[1]
    with pytest.raises(LookupError, match='early:2 is not there yet'):
        _ = slot.process
    rollout.begin()
    assert slot.process is one.process('early', '2')


def test_nothing_to_be_done(applying):
    one = applying(program() + program('fcgi', **FCGI))
    rollout = one.rollout()
    assert (rollout.slots, rollout.at_once, rollout.groups) == ([], [], [])
    before = one.all_of_it()
    rollout.begin()
    rollout.settle()
    assert one.all_of_it() == before


def test_a_process_with_another_name_takes_the_place_of_one_that_is_up_or_has_failed(applying):
    one = applying(program(numprocs=3))
    one.stop('web', '1', ProcessStates.FATAL)
    one.stop('web', '2')
    rollout = one.rollout(program(numprocs=3, process_name='x%(process_num)s'))
    assert told(rollout) == [('web', '0', 'restart'), ('web', '1', 'start'), ('web', 'x2', 'start')]
    assert at_once(rollout) == [('web', '2', 'drop')]
    names = [(slot.old and slot.old.name, slot.new and slot.new.name) for slot in rollout.slots]
    assert names == [('0', 'x0'), ('1', 'x1'), (None, 'x2')]
    rollout.begin()
    one.forwards(rollout, rollout.slots)
    assert [slot.name for slot in rollout.slots] == ['x0', 'x1', 'x2']
    rollout.settle()
    assert list(one.group('web').processes) == ['x0', 'x1', 'x2']


@pytest.mark.parametrize('prune', [True, False])
def test_groups_that_are_no_longer_in_the_files(applying, prune):
    one = applying(program() + program('gone', numprocs=2))
    rollout = one.rollout(program(numprocs=2), prune=prune)
    assert ('gone' in rollout.groups) is prune
    rollout.begin()
    one.forwards(rollout, rollout.slots)
    rollout.settle()
    assert ('gone' in one.supervisord.process_groups) is not prune
    assert one.reread() == [[], [], [] if prune else ['gone']]


def test_of_a_group_that_is_to_go_what_is_down_is_gone_though_the_rest_stays(applying):
    one = applying(program() + program('gone', numprocs=2))
    rollout = one.rollout(program())
    rollout.begin()
    one.stop('gone', '0')
    rollout.settle()
    assert list(one.group('gone').processes) == ['1']
    assert [slot.name for slot in one.rollout().slots] == ['1']


def test_only_the_groups_that_are_named(applying):
    one = applying(program('a') + program('b') + program('c'))
    new = program('a', startsecs=9) + program('b', startsecs=9) + program('d')
    rollout = one.rollout(new, ['a'])
    assert rollout.groups == ['a']
    rollout.begin()
    rollout.settle()
    # What `add` would take of the others is what it was.
    assert [config.name for config in one.options.process_group_configs] == ['a', 'b', 'c']
    assert one.supervisord.diff_to_active() == CLEAN
    assert one.reread() == [['d'], ['b'], ['c']]


def test_why_a_process_could_not_be_started_is_told_with_nothing_touched(applying):
    one = applying(program(numprocs=2) + program('x') + program('f', **FCGI))
    rollout = one.rollout(
        program(numprocs=3, command='/nonexistent')
        + program('x', directory='/nonexistent')
        + program('f', command='/bin/cat -u', **FCGI)
    )
    before = one.all_of_it()
    told = {
        f'{slot.group}:{slot.name}': rollout.obstacle(slot, Obstacles()) for slot in rollout.slots
    }
    assert told == {
        'f:f': '',
        **dict.fromkeys(('web:0', 'web:1', 'web:2'), "can't find command '/nonexistent'"),
        'x:x': "couldn't chdir to /nonexistent: ENOENT (No such file or directory)",
    }
    assert one.all_of_it() == before


def test_supervisor_starts_nothing_by_itself(applying, monkeypatch):
    one = applying(
        program(numprocs=1) + program('never', autostart='false') + program('old') + program('kind')
    )
    never = one.stop('never', 'never')
    never.laststart = 0
    spawned: list[str] = []
    monkeypatch.setattr(
        'supervisor.process.Subprocess.spawn', lambda self: spawned.append(self.config.name)
    )
    rollout = one.rollout(
        program(numprocs=3) + program('never') + program('app', numprocs=2)
        + program('ear', **LISTENER) + program('fcgi', **FCGI)
        + program('old', process_name='new') + program('kind', **LISTENER)
    )  # fmt: skip
    rollout.begin()

    def turn():
        for group in one.supervisord.process_groups.values():
            group.transition()

    turn()
    for slot in rollout.slots:
        if slot.old is not None:
            one.take_down(slot)
            slot.process.laststart = 1.0
    for slot in rollout.slots:
        rollout.put_new(slot)
        assert slot.renewed
    turn()
    assert spawned == []
    # It looks as if it never was started.
    assert int(never.laststart) == 0
    assert int(one.process('web', '2').laststart) == 0


# -- what stands in ---------------------------------------------------------------------------


def test_a_copy_that_stands_in_goes_on_and_what_comes_back_is_the_new_one(applying):
    one = applying(program(numprocs=2) + program('x'))
    standing = {}
    for group, name in (('web', '0'), ('x', 'x')):
        process = one.process(group, name)
        standing[group] = copy.copy(process.config)
        standing[group].restarter_original = process.config
        process.config = standing[group]
        standing[group].stopwaitsecs = 1
    rollout = one.rollout(program(numprocs=2, umask='1') + program('x', startsecs=9))
    before = one.process('x', 'x').config.restarter_original
    rollout.begin()
    assert own_config(one.process('x', 'x')) is before
    assert before.startsecs == 9
    slot = rollout.slots[0]
    rollout.put_new(slot)
    for group, name in (('web', '0'), ('x', 'x')):
        assert one.process(group, name).config is standing[group]
        assert standing[group].stopwaitsecs == 1
    assert own_config(slot.process) is slot.new
    rollout.put_old(slot)
    assert own_config(slot.process) is slot.old


# -- others -----------------------------------------------------------------------------------


def test_what_others_have_stopped_gets_its_new_configuration_silently(applying):
    one = applying(program(numprocs=3) + program('x', numprocs=2))
    rollout = one.rollout(
        program(numprocs=3, umask='1') + program('x', numprocs=2, process_name='y%(process_num)s')
    )
    rollout.begin()
    stopping = one.process('web', '1')
    one.forwards(rollout, [slot for slot in rollout.slots if slot.name == '0'])
    one.stop('x', '1')
    stopping.state = ProcessStates.STOPPING
    one.stop('web', '2')
    rollout.settle()
    assert [one.process('web', name).config.umask for name in '012'] == [1, 1, 1]
    assert one.process('web', '2').state == ProcessStates.STOPPED
    assert list(one.group('x').processes) == ['y0', 'y1']
    assert one.process('x', 'y1').state == ProcessStates.STOPPED
    stopping.state = ProcessStates.RUNNING


def test_what_is_up_with_its_old_configuration_stays_so(applying):
    one = applying(program(numprocs=2))
    rollout = one.rollout(program(numprocs=2, umask='1'))
    rollout.begin()
    one.forwards(rollout, rollout.slots[:1])
    rollout.settle()
    assert [one.process('web', name).config.umask for name in '01'] == [1, None]
    # Which `reread` sees, and so does a plan.
    assert one.supervisord.diff_to_active()[1]
    assert one.reread() == [[], ['web'], []]
    assert told(one.rollout()) == [('web', '1', 'restart')]


def test_what_was_started_with_the_new_configuration_meanwhile_keeps_it_on_the_way_back(applying):
    one = applying(program(numprocs=3, autostart='false'))
    for name in '01':
        one.stop('web', name)
    # On its way down, and not started since.
    stopping = one.process('web', '2')
    stopping.state = ProcessStates.STOPPING
    one.process('web', '0').laststart = 0
    rollout = one.rollout(program(numprocs=3, umask='1'))
    assert at_once(rollout) == [('web', name, 'later') for name in '012']
    rollout.begin()
    one.start('web', '1').laststart = 2.0
    rollout.undo()
    assert [one.process('web', name).config.umask for name in '012'] == [None, 1, None]
    stopping.state = ProcessStates.RUNNING


@pytest.mark.parametrize('again', ['', 'read', 'not read'])
@pytest.mark.parametrize('back', [False, True])
def test_groups_that_others_remove_or_replace_are_left_alone(applying, again, back):
    old = program('a', numprocs=2) + program('b', **LISTENER) + program('c') + program('d', **FCGI)
    old += program('f')
    one = applying(old)
    rollout = one.rollout(
        program('a', numprocs=3, umask='1')
        + program('b', kind='eventlistener', events='TICK_60', umask='1')
        + program('d', umask='1', startsecs=7)
        + program('e')
        + program('f', startsecs=9)
    )
    rollout.begin()
    one.forwards(rollout, rollout.slots[:2])
    stock = list(one.options.process_group_configs)
    for name, group in list(one.supervisord.process_groups.items()):
        for process in group.processes:
            one.stop(name, process)
        one.supervisord.remove_process_group(name)
    if again:
        if again == 'read':
            one.write(old)
            one.options.process_config(do_usage=False)
            stock = one.options.process_group_configs
        for config in stock:
            one.supervisord.add_process_group(config)
    before = one.all_of_it()
    entries = list(one.options.process_group_configs)
    warned: list[str] = []
    one.options.logger.warn = warned.append
    if back:
        rollout.undo()
    for slot in rollout.slots:
        if slot.new is None or slot.old is None:
            rollout.drop(slot)
        elif back:
            rollout.put_old(slot)
        else:
            rollout.put_new(slot)
    if not back:
        rollout.settle()
    rollout.close()
    assert one.all_of_it() == before
    assert warned == []
    if again:
        running = one.supervisord.process_groups
        left = [config for config in one.options.process_group_configs if config.name in running]
        assert [id(config) for config in left] == [id(config) for config in entries]


def test_files_that_others_have_read_meanwhile_are_what_counts(applying):
    one = applying(program())
    rollout = one.rollout(program(startsecs=9))
    rollout.begin()
    one.write(program(startsecs=11))
    one.reread()
    rollout.settle()
    assert one.options.process_group_configs[0].process_configs[0].startsecs == 11


def test_an_apply_that_ends_later_does_not_take_that_of_another_for_a_reread(applying):
    one = applying(program('a') + program('b'))
    one.write(program('a', startsecs=9) + program('b', startsecs=9))
    first, second = one.rollout(names='a'), one.rollout(names='b')
    for rollout in (first, second):
        rollout.begin()
    for rollout in (first, second):
        rollout.settle()
    assert one.supervisord.diff_to_active() == CLEAN


def test_what_runs_after_a_remove_and_an_add_is_what_was_applied(applying):
    one = applying(program(environment='A="1"'))
    head = one.head.replace('[supervisord]', '[supervisord]\nenvironment=B="2"')
    one.write(program(environment='A="%(ENV_B)s"'), head)
    rollout = one.rollout()
    rollout.begin()
    one.forwards(rollout, rollout.slots)
    rollout.settle()
    one.stop('web', 'web')
    assert one.supervisord.remove_process_group('web')
    [config] = one.options.process_group_configs
    assert one.supervisord.add_process_group(config)
    assert one.process('web', 'web').config.environment == {'A': '2', 'B': '2'}
    assert one.options.environ_expansions['ENV_B'] == '2'
    assert one.options.configroot.supervisord.environment == {'B': '2'}


def test_events_of_groups_that_come_and_go(applying):
    one = applying(program('gone', numprocs=2) + program('kind'))
    seen: list[str] = []
    events.subscribe(
        events.ProcessGroupEvent, lambda event: seen.append(f'{type(event).__name__} {event.group}')
    )
    rollout = one.rollout(program('app', numprocs=2) + program('kind', **LISTENER))
    rollout.begin()
    assert seen == ['ProcessGroupAddedEvent app']
    one.forwards(rollout, rollout.slots)
    assert seen[1:] == [
        'ProcessGroupRemovedEvent kind',
        'ProcessGroupAddedEvent kind',
        'ProcessGroupRemovedEvent gone',
    ]


def test_a_group_of_another_kind_that_cannot_be_made(applying):
    one = applying(program())
    one.include('x', '')
    (one.directory / 'taken').mkdir()
    rollout = one.rollout(program(kind='fcgi-program', socket='unix://%(here)s/taken'))
    rollout.begin()
    [slot] = rollout.slots
    one.take_down(slot)
    before = one.all_of_it()
    with pytest.raises(Refusal, match='START_FAILED: Could not create FastCGI socket'):
        rollout.put_new(slot)
    assert one.all_of_it() == before
    rollout.undo()
    one.backwards(rollout, rollout.slots)
    assert one.all_of_it() == before


def test_what_goes_from_a_group_that_is_replaced_ends_in_the_other_one(applying):
    one = applying(program(numprocs=3, **FCGI))
    rollout = one.rollout(program(numprocs=1))
    rollout.begin()
    first, *others = rollout.slots
    one.forwards(rollout, [first])
    goes = others[0].process
    assert goes is one.process('web', '1')
    assert goes.group is one.group('web')
    # It may die, and supervisord start it again, before it is stopped for good.
    one.stop('web', '1')
    one.start('web', '1')
    rollout.undo()
    one.backwards(rollout, [first])
    assert goes is one.process('web', '1')
    assert goes.group is one.group('web')
    assert first.process.group is one.group('web')


def test_a_group_that_was_replaced_at_once_is_the_old_one_when_what_was_added_is_down(applying):
    one = applying(program(numprocs=1))
    one.stop('web', '0')
    before = one.all_of_it()
    rollout = one.rollout(program(numprocs=2, **LISTENER))
    rollout.begin()
    assert hasattr(one.group('web'), 'event_buffer')
    one.forwards(rollout, rollout.slots)
    rollout.undo()
    assert one.process('web', '1').pid
    one.backwards(rollout, rollout.slots)
    assert one.all_of_it() == before


def test_a_replaced_group_goes_back_with_the_first_process_that_runs_as_before(applying):
    one = applying(program(numprocs=1))
    rollout = one.rollout(program(numprocs=2, **LISTENER))
    rollout.begin()
    one.forwards(rollout, rollout.slots)
    for slot in rollout.slots:
        one.take_down(slot)
    rollout.undo()
    first, added = rollout.slots
    rollout.drop(added)
    # Whoever holds the other process has to be told.
    assert first.renewed
    assert first.process is one.process('web', '0')
    rollout.put_old(first)
    assert not first.renewed
    assert first.process is one.process('web', '0')
