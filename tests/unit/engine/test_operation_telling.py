"""What a restart tells while it runs, and when it wants to be woken."""

from __future__ import annotations

import pytest

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.operation import Operation, State
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.options import Options
from tests.world import BEGINNING, LASTING, Drive, Life, Program, World, group


def test_phases_states_and_pids_at_each_point():
    world = World()
    drive = group(world, 'web:0')
    operation, member = drive.operation, drive.operation.members[0]
    old = world.processes['web:0'].pid

    def told_at(seconds):
        drive.to(seconds)
        return operation.state.value, operation.finished, operation.done, member.phase.value

    assert member.phase.value == 'waiting'
    assert told_at(0.0) == ('running', False, 0, 'stopping')
    assert told_at(0.05) == ('running', False, 0, 'stopping')
    assert (member.old_pid, member.new_pid) == (old, 0)
    assert told_at(0.2) == ('running', False, 0, 'starting')
    assert (member.old_pid, member.new_pid) == (old, world.processes['web:0'].pid)
    assert told_at(1.0) == ('running', False, 0, 'starting')
    assert told_at(1.2) == ('succeeded', True, 1, 'ready')


def test_a_queued_restart_tells_that_it_is_queued():
    operation = group(World(), 'web:0').operation
    fresh = type(operation)(operation.members, operation.options)
    assert (fresh.state, fresh.finished, fresh.done, fresh.lowest_ready) == (
        State.QUEUED,
        False,
        0,
        0,
    )


def test_the_measured_times():
    world = World()
    world.add('web:0', program=Program(stop_seconds=0.5, startsecs=2.0))
    member = group(world).end().members[0]
    times = [member.stop_at, member.exit_at, member.start_at, member.ready_at]
    assert times == pytest.approx([BEGINNING + after for after in (0.0, 0.5, 0.5, 2.5)], abs=0.01)


def test_the_exit_is_dated_when_it_was_reaped_and_not_when_it_was_noticed():
    world = World()
    drive = group(world, 'web:0').to(0.0)
    process = world.processes['web:0']
    world.now = BEGINNING + 0.1
    process.reap(world.now)
    world.now = BEGINNING + 0.7
    drive.operation.step(world.now, world.look)
    assert drive.operation.members[0].exit_at == BEGINNING + 0.1


@pytest.mark.parametrize(('states', 'lowest'), [
    ([Seen.RUNNING] * 4,                  2),
    ([Seen.RUNNING] * 3 + [Seen.STOPPED], 1),
    ([Seen.STOPPED] * 4,                  0),
    ([Seen.STARTING] * 4,                 0),
])  # fmt: skip
def test_lowest_ready_is_the_fewest_running_at_any_moment(states, lowest):
    world = World()
    for number, seen in enumerate(states):
        world.add(f'web:{number}', seen)
    assert group(world, stagger_factor=2, delay=5.0).end().lowest_ready == lowest


def test_lowest_ready_counts_what_fails_to_come_back():
    world = World()
    world.add('web:0', program=Program(lives=[LASTING, Life(0.2, 1)], startretries=0))
    assert (
        group(world, 'web:1', stagger_factor=2, delay=5.0, on_failure='continue').end().lowest_ready
        == 0
    )


def test_lowest_ready_is_what_runs_in_the_beginning():
    world = World()
    world.add('web:0', Seen.FATAL)
    assert group(world, 'web:1', 'web:2').operation.lowest_ready == 2


def test_the_fewest_of_each_group_are_its_own():
    drive = group(World(), 'web:0', 'app:0', 'app:1', stagger_factor=3, delay=5.0)
    operation = drive.to(0.2).operation
    assert operation.headcount.lowest_of == {'web': 0, 'app': 2}
    drive.end()
    assert operation.lowest_ready == 2  # for they were down one after the other
    assert operation.headcount.lowest_of == {'web': 0, 'app': 1}


def test_what_max_unavailable_keeps_ready_is_told_by_group():
    names = [f'web:{number}' for number in range(8)] + ['app:0']
    operation = group(World(), *names, max_unavailable='25%').operation
    assert (operation.headcount.allowed_of, operation.allowed) == ({'web': 6, 'app': 0}, 6)


def test_lowest_ready_stays_after_the_end():
    drive = group(World(), 'web:0', 'web:1', stagger_factor=2, delay=5.0)
    drive.end()
    drive.world.others_stop('web:0')
    drive.world.others_stop('web:1')
    assert drive.to(20.0).operation.lowest_ready == 1


def test_the_version_grows_with_every_change_and_rests_while_nothing_changes():
    drive = group(World(), 'web:0', 'web:1', stagger_factor=2, delay=10.0)
    versions = [
        drive.to(seconds).operation.version
        for seconds in (0.01, 0.05, 0.2, 0.5, 2.0, 4.0, 10.05, 13.0)
    ]
    grew = [later > sooner for sooner, later in zip(versions, versions[1:])]
    assert grew == [False, True, False, True, False, True, True]


def test_the_version_grows_when_fewer_are_ready_than_ever():
    drive = group(World(), 'web:0')
    shown: dict[int, set[int]] = {}
    for turn in range(20):
        drive.to(turn / 100)
        shown.setdefault(drive.operation.version, set()).add(drive.operation.lowest_ready)
    assert all(len(values) == 1 for values in shown.values())


def test_so_many_are_ready_now_and_the_version_grows_with_it():
    drive = group(World(), 'web:0', 'web:1', stagger_factor=2, delay=5.0)
    assert drive.operation.ready == 2
    version = drive.to(0.5).operation.version
    assert drive.operation.ready == 1
    assert drive.to(4.0).operation.ready == 2
    assert drive.operation.version > version
    drive.end()
    points = [(round(offset), ready) for offset, ready in drive.operation.headcount.curve.since(0)]
    assert points == [(0, 2), (0, 1), (1, 2), (5, 1), (6, 2)]
    assert drive.operation.headcount.curve.since(version)[0][1] == 2


def test_the_version_grows_when_one_that_waits_for_its_turn_is_ready_no_more():
    world = World()
    world.add('web:0')
    world.add('web:1', program=Program(lives=[Life(2.0, 1)]))
    drive = group(world, stagger_factor=2, delay=5.0).to(1.9)
    version = drive.operation.version
    assert drive.to(2.1).operation.version > version
    assert (drive.operation.ready, drive.operation.lowest_ready) == (1, 1)


def test_the_floor_is_known_as_soon_as_it_has_begun():
    world = World()
    for number in range(4):
        world.add(f'web:{number}')
    members = world.members()
    operation = Operation(members[:3], Options(max_unavailable='50%'), members[3:])
    assert (operation.ready, operation.allowed) == (0, 0)
    assert Drive(world, operation).begin().operation.allowed == 1


@pytest.mark.parametrize('goal', [Goal.START, Goal.STOP])
def test_starts_and_stops_have_no_floor(goal):
    assert group(World(), 'web:0', 'web:1', goal=goal, max_unavailable=1).operation.allowed == 0


# -- waking up -----------------------------------------------------------------------------------


def test_it_wakes_for_the_next_wave():
    drive = group(World(), 'web:0', 'web:1', stagger_factor=2, delay=50.0).to(20.0)
    assert drive.operation.wake_at() == BEGINNING + 50.0


def test_it_wakes_when_a_process_has_stayed_up_for_its_startsecs():
    world = World()
    world.add('web:0', program=Program(startsecs=3.0))
    drive = group(world).to(0.5)
    assert drive.operation.wake_at() == pytest.approx(BEGINNING + 3.1, abs=0.01)


def test_it_wakes_for_the_sigkill():
    world = World()
    world.add('web:0', program=Program(stop_seconds=None, stopwaitsecs=7.0))
    assert group(world).to(1.0).operation.wake_at() == pytest.approx(BEGINNING + 7.0, abs=0.01)


def test_it_wakes_for_the_timeout_until_it_has_timed_out():
    world = World()
    world.add('web:0', program=Program(stop_seconds=6.0))
    drive = group(world, timeout=4.0)
    assert drive.to(1.0).operation.wake_at() == BEGINNING + 4.0
    assert drive.to(5.0).operation.wake_at() == pytest.approx(BEGINNING + 10.0, abs=0.01)


def test_it_sleeps_without_end_where_only_an_exit_can_change_anything():
    world = World()
    world.add('web:0')
    drive = group(world).to(0.0)
    world.processes['web:0'].delay = 0.0
    drive.operation.members[0].observed = drive.operation.members[0].observed._replace(due=None)
    assert drive.operation.wake_at() is None


def test_a_finished_restart_wakes_nobody():
    drive = group(World(), 'web:0', timeout=100.0)
    assert drive.end().wake_at() is None


def test_a_long_restart_takes_few_turns():
    world = World()
    for number in range(10):
        world.add(f'web:{number}', program=Program(stop_seconds=0.5, startsecs=2.0))
    drive = group(world, stagger_factor=10, delay=30.0)
    drive.end()
    idle = 300  # supervisord's own turns, one a second
    assert drive.turns < idle + 10 * 8
