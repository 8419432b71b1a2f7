"""Where the time of a process has gone: waited, stopping, down, until it was ready.

That the four follow each other is looked at in every simulated restart (tests/onlooker.py).
"""

from __future__ import annotations

import pytest

from supervisor_restarter.engine.answers import process_struct, spans
from supervisor_restarter.engine.member import Member, Observation
from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.engine.phases import Order, Phase, Seen
from supervisor_restarter.names import Match
from supervisor_restarter.options import Options
from tests.world import BEGINNING, Drive, Life, Program, World, applied, group


def four(operation, member):
    """Waited, stopping, down, until ready."""
    told = spans(operation, member, member.times)
    return [told[f'{name}_seconds'] for name in ('waited', 'stop', 'down', 'ready')]


def told(drive, name):
    """The four spans of a process, rounded, and its phase."""
    operation = drive.operation
    member = next(one for one in operation.members if f'{one.group}:{one.name}' == name)
    times = [round(seconds, 1) for seconds in four(operation, member)]
    return times, process_struct(operation, member)['phase']


def test_a_process_in_the_second_wave():
    world = World()
    world.add('web:0')
    world.add('web:1', program=Program(stop_seconds=0.5, startsecs=2.0))
    drive = group(world, stagger_factor=2, delay=3.0)
    for seconds, shown in [
        (2.0, ([0, 0, 0, 0], 'waiting')),
        (3.2, ([3.0, 0, 0, 0], 'stopping')),
        (4.0, ([3.0, 0.5, 0, 0], 'starting')),
        (9.0, ([3.0, 0.5, 0, 2.0], 'ready')),
    ]:
        assert told(drive.to(seconds), 'web:1') == shown


def test_a_process_that_is_signalled_has_waited_until_then():
    world = World()
    world.add('web:0')
    world.add('web:1', program=Program(startsecs=0.5))
    drive = group(world, stagger_factor=2, delay=3.0, method='signal:HUP').to(9.0)
    assert told(drive, 'web:1') == ([3.0, 0, 0, 0.5], 'ready')


def test_a_process_that_has_died_before_its_turn_was_down_since_then():
    world = World()
    world.add('web:0')
    world.add('web:1', program=Program(lives=[Life(2.0, 1)]))
    drive = group(world, stagger_factor=2, delay=3.0).to(9.0)
    assert told(drive, 'web:1') == ([2.0, 0, 1.0, 1.0], 'ready')


def test_a_process_that_was_down_has_not_waited():
    world = World()
    world.add('web:0', Seen.FATAL)
    world.add('web:1', Seen.EXITED)
    drive = group(world).to(9.0)
    assert told(drive, 'web:0') == told(drive, 'web:1') == ([0, 0, 0, 1.0], 'ready')


def test_a_process_that_others_were_stopping_has_been_so_since_the_beginning():
    world = World()
    world.add('web:0', Seen.STOPPING, Program(stop_seconds=2.5))
    drive = group(world)
    assert told(drive.to(1.0), 'web:0') == ([0, 0, 0, 0], 'stopping')
    assert told(drive.to(9.0), 'web:0') == ([0, 2.5, 0, 1.0], 'ready')


def test_a_process_that_others_stop_as_its_turn_comes_is_stopping_since_then():
    world = World()
    for number in range(3):
        world.add(f'web:{number}', program=Program(stop_seconds=2.5))
    operation = Operation(world.members(), Options(stagger_factor=3, delay=3.0, scout=0.0))
    drive = Drive(world, operation).begin().to(2.9)
    member = operation.members[1]
    world.now = BEGINNING + 3.0
    operation.step(world.now, world.look)
    assert member.order is Order.STOP
    world.others_stop('web:1', heeded=False)
    assert told(drive.to(4.0), 'web:1') == ([3.0, 0, 0, 0], 'stopping')
    assert told(drive.to(9.0), 'web:1') == ([3.0, 2.5, 0, 1.0], 'ready')
    assert 'web:1' not in drive.entries('stop')


def test_one_that_dies_of_the_signal_was_stopping_since_the_signal():
    member = Member(Match('web', '0', True, True), old_pid=7, new_pid=7, phase=Phase.SIGNALLED)
    member.observed = Observation(Seen.EXITED_BADLY, ended_at=BEGINNING + 5.0)
    member.start_at, member.order = BEGINNING + 2.0, Order.START
    operation = Operation([member], Options(method='signal:HUP'), begun_at=BEGINNING)
    operation.performed(member, BEGINNING + 6.0, pid=8)
    assert four(operation, member) == [2.0, 3.0, 1.0, 0.0]


@pytest.mark.parametrize(('old_pid', 'times', 'shown'), [
    # It had died before, and Supervisor was about to start it again.
    (0, {'stop_at': 1.0, 'exit_at': -9.0, 'start_at': 1.5}, [0.0, 0.0, 1.5, 0.0]),
    # Supervisor had started it again when its turn came.
    (0, {'stop_at': 1.0, 'exit_at': 3.0, 'start_at': 3.5},  [1.0, 2.0, 0.5, 0.0]),
    # It has died while Supervisor was about to start it again and again.
    (7, {'stop_at': 4.0, 'exit_at': 3.0, 'start_at': 4.5},  [3.0, 0.0, 1.5, 0.0]),
    # Nobody knows when it has died.
    (7, {'start_at': 4.5},                                  [4.5, 0.0, 0.0, 0.0]),
])  # fmt: skip
def test_one_that_is_stopped_between_two_attempts_to_start_it(old_pid, times, shown):
    moments = {name: BEGINNING + seconds for name, seconds in times.items()}
    member = Member(Match('web', '0', True, True), old_pid=old_pid, **moments)
    operation = Operation([member], Options(), begun_at=BEGINNING)
    assert four(operation, member) == shown


def test_what_is_stopped_a_second_time_begins_its_row_anew():
    world = World()
    slow = Program(stop_seconds=2.0, startsecs=0.5)
    world.add('web:0', program=Program(startsecs=0.5))
    world.add('web:1')
    bad = Program(lives=[Life(0.2, 1)], startretries=0)
    drive = applied(world, {'web:0': slow, 'web:1': bad})
    assert told(drive.to(0.65), 'web:0') == ([0, 0.1, 0, 0.5], 'ready')
    assert told(drive.to(1.0), 'web:0') == ([0, 0.1, 0, 0], 'waiting')  # web:1 has failed
    assert told(drive.to(3.0), 'web:0') == ([1.9, 0, 0, 0], 'stopping')
    drive.end()
    assert told(drive, 'web:0') == ([1.9, 2.0, 0, 0.5], 'ready')
