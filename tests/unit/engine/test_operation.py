"""How a restart goes: whose turn it is, what is done to whom, what is told while it runs."""

from __future__ import annotations

import pytest

from supervisor_restarter.engine.admission import waves
from supervisor_restarter.engine.operation import State
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.faults import Code
from tests.world import LASTING, Life, Program, World, group, phases

DOOMED = Program(lives=[LASTING, Life(0.2, 1)])  # its next life ends too soon


# -- waves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('count', 'factor', 'expected'),
    [
        (0, 3, []),
        (1, 1, [0]),
        (4, 1, [0, 0, 0, 0]),
        (4, 2, [0, 0, 1, 1]),
        (5, 2, [0, 0, 0, 1, 1]),
        (4, 4, [0, 1, 2, 3]),
        (2, 10_000, [0, 1]),
        (7, 3, [0, 0, 0, 1, 1, 2, 2]),
    ],
)
def test_processes_are_spread_evenly_over_the_waves(count, factor, expected):
    assert list(waves(count, factor)) == expected


@pytest.mark.parametrize('factor', range(1, 12))
@pytest.mark.parametrize('count', range(1, 12))
def test_waves_differ_by_one_process_at_most_and_none_is_empty(count, factor):
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

BOTH = ['stop', 'start']


@pytest.mark.parametrize(
    ('seen', 'orders', 'phase'),
    [
        (Seen.STOPPED, ['start'], 'ready'),
        (Seen.STARTING, BOTH, 'ready'),
        (Seen.RUNNING, BOTH, 'ready'),
        (Seen.BACKOFF, BOTH, 'ready'),
        (Seen.STOPPING, ['start'], 'ready'),
        (Seen.EXITED, ['start'], 'ready'),
        (Seen.EXITED_BADLY, ['start'], 'ready'),
        (Seen.FATAL, ['start'], 'ready'),
        (Seen.UNKNOWN, [], 'failed'),
    ],
)
def test_every_process_comes_up_whatever_its_state_was(seen, orders, phase):
    world = World()
    world.add('web:0', seen)
    drive = group(world)
    operation = drive.end()
    assert [entry.order for entry in drive.log] == orders
    assert phases(operation) == {'0': phase}
    assert operation.state is (State.FAILED if phase == 'failed' else State.SUCCEEDED)


def test_a_process_in_an_unknown_state_is_named_as_the_failure():
    world = World()
    world.add('web:0', Seen.UNKNOWN)
    member = group(world).end().failures[0]
    assert (member.code, member.error) == (Code.BAD_STATE, 'state UNKNOWN')


@pytest.mark.parametrize(
    ('seen', 'orders'),
    [
        (Seen.STOPPED, []),
        (Seen.STARTING, BOTH),
        (Seen.RUNNING, BOTH),
        (Seen.BACKOFF, []),
        (Seen.STOPPING, []),
        (Seen.EXITED, []),
        (Seen.EXITED_BADLY, []),
        (Seen.FATAL, []),
    ],
)
def test_only_running_leaves_the_others_as_they_are(seen, orders):
    world = World()
    world.add('web:0', seen)
    drive = group(world, only_running=True)
    operation = drive.end()
    assert [entry.order for entry in drive.log] == orders
    assert phases(operation) == {'0': 'ready' if orders else 'skipped'}
    assert operation.state is State.SUCCEEDED
    assert operation.failures == []


@pytest.mark.parametrize(('outright', 'orders'), [(True, ['start']), (False, [])])
def test_a_glob_leaves_stopped_processes_and_an_outright_name_starts_them(outright, orders):
    world = World()
    world.add('web:0', Seen.STOPPED)
    drive = group(world, outright=outright)
    assert drive.end().state is State.SUCCEEDED
    assert [entry.order for entry in drive.log] == orders


@pytest.mark.parametrize(
    'seen', [Seen.EXITED, Seen.EXITED_BADLY, Seen.FATAL, Seen.BACKOFF, Seen.RUNNING]
)
def test_a_glob_starts_what_was_not_stopped_on_purpose(seen):
    world = World()
    world.add('web:0', seen)
    drive = group(world, outright=False)
    assert phases(drive.end()) == {'0': 'ready'}


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


FAILURES = [
    pytest.param(DOOMED, Code.START_FAILED, 'state BACKOFF', 0.3, id='exits too soon'),
    pytest.param(
        Program(kill_error='not permitted'),
        Code.STOP_FAILED,
        'not permitted',
        0.0,
        id='cannot be stopped',
    ),
    pytest.param(
        Program(obstacle='no such file'),
        Code.START_FAILED,
        'left as it is: no such file',
        0.0,
        id='could not be started again',
    ),
    pytest.param(
        Program(lives=[LASTING, Life(0.0, 1)], startsecs=0),
        Code.START_FAILED,
        'state EXITED_BADLY',
        0.1,
        id='exits badly without startsecs',
    ),
]


@pytest.mark.parametrize(('program', 'code', 'error', 'seconds'), FAILURES)
def test_a_failure_is_known_with_its_reason_as_soon_as_it_is_certain(program, code, error, seconds):
    drive = failing(program).to(seconds + 0.1)
    member = drive.operation.members[0]
    assert (member.phase, member.code, member.error) == ('failed', code, error)


@pytest.mark.parametrize(('program', 'code', 'error', 'seconds'), FAILURES)
def test_on_failure_abort_takes_nothing_further_down(program, code, error, seconds):
    drive = failing(program)
    operation = drive.end()
    assert operation.state is State.FAILED
    assert phases(operation) == {'0': 'failed', '1': 'skipped', '2': 'skipped'}
    assert set(drive.entries('stop')) == ({'web:0'} if not program.obstacle else set())
    assert [member.error for member in operation.members[1:]] == 2 * [
        'not reached: web:0 failed first (on_failure = abort)'
    ]
    assert [member.name for member in operation.failures] == ['0']


@pytest.mark.parametrize(('program', 'code', 'error', 'seconds'), FAILURES)
def test_on_failure_continue_carries_on(program, code, error, seconds):
    drive = failing(program, on_failure='continue')
    operation = drive.end()
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


def test_a_process_in_an_unknown_state_ends_the_taking_down_before_it_has_begun():
    world = World()
    world.add('web:0', Seen.UNKNOWN)
    drive = group(world, 'web:1')
    assert phases(drive.end()) == {'0': 'failed', '1': 'skipped'}
    assert drive.log == []


def test_a_failure_in_the_first_step_leaves_a_process_in_backoff_as_it_is():
    world = World()
    world.add('web:0', Seen.UNKNOWN)
    world.add('web:1', Seen.BACKOFF)
    drive = group(world)
    drive.end()
    assert drive.log == []
