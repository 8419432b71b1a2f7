"""How a restart goes: whose turn it is, what is done to whom, what is told while it runs."""

from __future__ import annotations

import itertools

import pytest

from supervisor_restarter.engine.admission import waves
from supervisor_restarter.engine.operation import Operation, State
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.faults import Code
from supervisor_restarter.options import Options
from tests.world import LASTING, Drive, Life, Program, World, group, phases

DOOMED = Program(lives=[LASTING, Life(0.2, 1)])  # its next life ends too soon


# -- waves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(('count', 'factor', 'expected'), [
    (0, 3,      []),
    (1, 1,      [0]),
    (4, 1,      [0, 0, 0, 0]),
    (4, 2,      [0, 0, 1, 1]),
    (5, 2,      [0, 0, 0, 1, 1]),
    (4, 4,      [0, 1, 2, 3]),
    (2, 10_000, [0, 1]),
    (7, 3,      [0, 0, 0, 1, 1, 2, 2]),
])  # fmt: skip
def test_processes_are_spread_evenly_over_the_waves(count, factor, expected):
    assert list(waves(count, factor)) == expected


def test_waves_differ_by_one_process_at_most_and_none_is_empty():
    for count, factor in itertools.product(range(1, 12), range(1, 12)):
        numbers = list(waves(count, factor))
        sizes = [numbers.count(wave) for wave in range(max(numbers) + 1)]
        assert numbers == sorted(numbers)
        assert len(sizes) == min(count, factor)
        assert max(sizes) - min(sizes) <= 1


def test_without_waves_all_are_stopped_at_once_and_started_as_each_has_stopped():
    world = World()
    for name, seconds in (('web:0', 0.5), ('web:1', 0.1), ('web:2', 2.0)):
        world.add(name, program=Program(stop_seconds=seconds))
    drive = group(world)
    assert drive.end().state is State.SUCCEEDED
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 0.0, 'web:2': 0.0}
    assert drive.entries('start') == {'web:0': 0.5, 'web:1': 0.1, 'web:2': 2.0}


def test_waves_are_delay_seconds_apart_and_starts_wait_for_none_of_them():
    drive = group(World(), 'web:0', 'web:1', 'web:2', 'web:3', stagger_factor=2, delay=5.0)
    assert drive.end().state is State.SUCCEEDED
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 0.0, 'web:2': 5.0, 'web:3': 5.0}
    assert drive.entries('start') == {'web:0': 0.1, 'web:1': 0.1, 'web:2': 5.1, 'web:3': 5.1}


def test_the_waves_do_not_wait_for_slow_processes():
    world = World()
    world.add('web:0', program=Program(stop_seconds=3.0))
    drive = group(world, 'web:1', stagger_factor=2, delay=0.2)
    drive.end()
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 0.2}
    assert drive.entries('start') == {'web:0': 3.0, 'web:1': 0.3}


def test_without_a_delay_the_waves_are_one():
    drive = group(World(), 'web:0', 'web:1', stagger_factor=2, delay=0.0)
    drive.end()
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 0.0}


def test_what_is_down_takes_no_place_in_a_wave_and_is_started_at_once():
    world = World()
    world.add('web:0')
    world.add('web:1', Seen.STOPPED)
    world.add('web:2', Seen.FATAL)
    drive = group(world, 'web:3', stagger_factor=2, delay=1.0)
    drive.end()
    assert drive.entries('stop') == {'web:0': 0.0, 'web:3': 1.0}
    assert drive.entries('start') == {'web:1': 0.0, 'web:2': 0.0, 'web:0': 0.1, 'web:3': 1.1}


def test_a_process_that_is_starting_waits_for_its_wave_as_a_running_one_does():
    world = World()
    world.add('web:0')
    world.add('web:1', Seen.STARTING, Program(startsecs=60.0))
    drive = group(world, stagger_factor=2, delay=5.0)
    drive.end()
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 5.0}


def test_a_process_that_ignores_the_stop_signal_comes_back_after_its_sigkill():
    world = World()
    world.add('web:0', program=Program(stop_seconds=None, stopwaitsecs=4.0))
    drive = group(world)
    assert drive.end().state is State.SUCCEEDED
    assert 4.0 <= drive.entries('start')['web:0'] <= 4.1


# -- each state in the beginning -----------------------------------------------------------------


# What is done to a process in each state, with and without only_running, and named by a glob.
@pytest.mark.parametrize(('seen', 'orders', 'only_running', 'by_glob'), [
    (Seen.STOPPED,      'start',      '',           ''),
    (Seen.STARTING,     'stop start', 'stop start', 'stop start'),
    (Seen.RUNNING,      'stop start', 'stop start', 'stop start'),
    (Seen.BACKOFF,      'stop start', '',           'stop start'),
    (Seen.STOPPING,     'start',      '',           ''),
    (Seen.EXITED,       'start',      '',           'start'),
    (Seen.EXITED_BADLY, 'start',      '',           'start'),
    (Seen.FATAL,        'start',      '',           'start'),
])  # fmt: skip
def test_every_process_comes_up_whatever_its_state_was(seen, orders, only_running, by_glob):
    for expected, running, outright in (
        (orders, False, True),
        (only_running, True, True),
        (by_glob, False, False),
    ):
        world = World()
        world.add('web:0', seen)
        drive = group(world, outright=outright, only_running=running)
        operation = drive.end()
        assert ' '.join(entry.order for entry in drive.log) == expected
        assert phases(operation) == {'0': 'ready' if expected else 'skipped'}
        assert (operation.state, operation.failures) == (State.SUCCEEDED, [])


def test_a_process_in_an_unknown_state_is_named_as_the_failure_and_ends_the_taking_down():
    world = World()
    world.add('web:0', Seen.UNKNOWN)
    world.add('web:1', Seen.BACKOFF)
    drive = group(world, 'web:2')
    operation = drive.end()
    (member,) = operation.failures
    assert (member.code, member.error) == (Code.BAD_STATE, 'state UNKNOWN')
    assert phases(operation) == {'0': 'failed', '1': 'skipped', '2': 'skipped'}
    assert (operation.state, drive.log) == (State.FAILED, [])


def test_what_the_survey_has_refused_has_failed_before_anything_is_done():
    world = World()
    world.add('web:0')
    world.add('api:1')
    operation = Operation(world.members(), Options())
    operation.members[0].refused = 'left as it is: web:0: unknown kind'
    drive = Drive(world, operation).begin()
    assert phases(drive.end()) == {'0': 'failed', '1': 'ready'}
    assert set(drive.entries('stop')) == {'api:1'}
    (member,) = operation.failures
    assert (member.code, member.error) == (Code.BAD_OPTION, member.refused)
    assert operation.state is State.FAILED


def test_a_process_that_dies_while_it_waits_for_its_turn_is_started_then():
    world = World()
    world.add('web:0')
    world.add('web:1', program=Program(lives=[Life(2.0, 1)]))
    drive = group(world, stagger_factor=2, delay=3.0)
    assert drive.end().state is State.SUCCEEDED
    assert drive.entries('stop') == {'web:0': 0.0}
    assert drive.entries('start') == {'web:0': 0.1, 'web:1': 3.0}


def test_a_process_that_dies_while_it_waits_and_is_restarted_by_supervisord_is_restarted_all_the_same():
    world = World()
    world.add('web:0')
    world.add('web:1', program=Program(lives=[Life(2.0, 1)], autorestart=True))
    drive = group(world, stagger_factor=2, delay=6.0)
    assert drive.end().state is State.SUCCEEDED
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 6.0}


# -- failures ------------------------------------------------------------------------------------


def failing(program, **options):
    """web:0 follows the program, web:1 and web:2 are restarted one and two seconds later."""
    world = World()
    world.add('web:0', program=program)
    return group(world, 'web:1', 'web:2', stagger_factor=3, delay=1.0, **options)


EXITS_BADLY = Program(lives=[LASTING, Life(0.0, 1)], startsecs=0)
NOT_STOPPABLE = Program(kill_error='not permitted')
NOT_STARTABLE = Program(obstacle='no such file')


@pytest.mark.parametrize(('program', 'code', 'error', 'seconds'), [
    (DOOMED,        Code.START_FAILED, 'state BACKOFF',               0.3),
    (NOT_STOPPABLE, Code.STOP_FAILED,  'not permitted',               0.0),
    (NOT_STARTABLE, Code.START_FAILED, 'left as it is: no such file', 0.0),
    (EXITS_BADLY,   Code.START_FAILED, 'state EXITED_BADLY',          0.1),
])  # fmt: skip
def test_a_failure_is_known_at_once_with_its_reason(program, code, error, seconds):
    drive = failing(program).to(seconds + 0.1)
    member = drive.operation.members[0]
    assert (member.phase, member.code, member.error) == ('failed', code, error)
    # on_failure = abort takes nothing further down
    operation = drive.end()
    assert operation.state is State.FAILED
    assert phases(operation) == {'0': 'failed', '1': 'skipped', '2': 'skipped'}
    assert set(drive.entries('stop')) == ({'web:0'} if not program.obstacle else set())
    why = 'not reached: web:0 failed first (on_failure = abort)'
    assert [member.error for member in operation.members[1:]] == [why, why]
    assert [member.name for member in operation.failures] == ['0']
    # and continue carries on
    operation = failing(program, on_failure='continue').end()
    assert operation.state is State.FAILED
    assert phases(operation) == {'0': 'failed', '1': 'ready', '2': 'ready'}
    assert [member.code for member in operation.failures] == [code]


def test_what_is_down_when_another_fails_comes_back():
    world = World()
    world.add('web:0', program=DOOMED)
    world.add('web:1', program=Program(stop_seconds=2.0))
    world.add('web:2', program=Program(stop_seconds=0.1, startsecs=4.0))
    drive = group(world)
    operation = drive.end()
    assert phases(operation) == {'0': 'failed', '1': 'ready', '2': 'ready'}
    assert drive.entries('start')['web:1'] == 2.0


def test_an_order_that_fails_keeps_the_later_ones_of_the_same_turn_from_being_carried_out():
    world = World()
    world.add('web:0')
    world.add('web:1', program=Program(kill_error='not permitted'))
    drive = group(world, 'web:2')
    assert phases(drive.end()) == {'0': 'ready', '1': 'failed', '2': 'skipped'}
    assert 'web:2' not in drive.entries('stop')


@pytest.mark.parametrize('seen', [Seen.RUNNING, Seen.STARTING, Seen.BACKOFF])
def test_nothing_is_stopped_if_one_of_them_could_not_be_started_again(seen):
    world = World()
    world.add('web:0')
    world.add('web:1', seen, Program(obstacle='no such file'))
    drive = group(world, 'web:2')
    assert phases(drive.end()) == {'0': 'skipped', '1': 'failed', '2': 'skipped'}
    assert drive.log == []


def test_with_continue_only_that_one_is_not_stopped():
    world = World()
    world.add('web:0')
    world.add('web:1', program=Program(obstacle='no such file'))
    drive = group(world, 'web:2', on_failure='continue', max_unavailable=1)
    assert phases(drive.end()) == {'0': 'ready', '1': 'failed', '2': 'ready'}
    assert set(drive.entries('stop')) == {'web:0', 'web:2'}


def test_what_is_left_alone_or_down_needs_no_second_start():
    world = World()
    world.add('web:0', Seen.STOPPED, Program(obstacle='no such file'))
    world.add('web:1')
    drive = group(world, only_running=True)
    assert phases(drive.end()) == {'0': 'skipped', '1': 'ready'}


@pytest.mark.parametrize('seen', [Seen.STOPPED, Seen.FATAL, Seen.EXITED])
def test_what_is_down_and_cannot_be_started_ends_the_taking_down_before_the_first_stop(seen):
    world = World()
    for name in ('web:0', 'web:1'):
        world.add(name)
    world.add('web:2', seen, Program(obstacle='no such file'))
    drive = group(world)
    assert phases(drive.end()) == {'0': 'skipped', '1': 'skipped', '2': 'failed'}
    assert [(entry.order, entry.name) for entry in drive.log] == [('start', 'web:2')]


def test_a_process_that_exits_as_its_exitcodes_say_has_come_up():
    world = World()
    world.add('web:0', program=Program(lives=[LASTING, Life(0.5, 0)], startsecs=0))
    assert group(world).end().state is State.SUCCEEDED


@pytest.mark.parametrize('seen', [Seen.FATAL, Seen.STOPPED])
def test_a_process_that_was_down_and_cannot_be_spawned_fails(seen):
    world = World()
    world.add('web:0', seen, Program(obstacle='no such file'))
    member = group(world).end().failures[0]
    assert (member.code, member.error) == (Code.START_FAILED, 'no such file')
