"""quickStart and quickStop: runs with another goal than a restart."""

from __future__ import annotations

import pytest

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.operation import State
from supervisor_restarter.engine.phases import Phase, Seen
from supervisor_restarter.faults import Code
from tests.world import BEGINNING, LASTING, Drive, Life, Program, World, group, phases


def one(goal, seen, program=None, **options) -> Drive:
    world = World()
    world.add('web:0', seen, program)
    return group(world, goal=goal, **options)


@pytest.mark.parametrize('outright', [True, False])
@pytest.mark.parametrize(('seen', 'orders', 'phase'), [
    (Seen.STOPPED,      ['start'], 'ready'),
    (Seen.EXITED,       ['start'], 'ready'),
    (Seen.EXITED_BADLY, ['start'], 'ready'),
    (Seen.FATAL,        ['start'], 'ready'),
    (Seen.STOPPING,     ['start'], 'ready'),
    (Seen.STARTING,     [],        'skipped'),
    (Seen.RUNNING,      [],        'skipped'),
    (Seen.BACKOFF,      [],        'skipped'),
])  # fmt: skip
def test_a_start_starts_what_is_down_and_leaves_the_rest(seen, orders, phase, outright):
    drive = one(Goal.START, seen, outright=outright)
    operation = drive.end()
    assert [entry.order for entry in drive.log] == orders
    assert phases(operation) == {'0': phase}
    assert (operation.state, operation.failures) == (State.SUCCEEDED, [])


@pytest.mark.parametrize(('seen', 'orders', 'phase', 'state'), [
    (Seen.STOPPED,      [],       'skipped', State.SUCCEEDED),
    (Seen.EXITED,       [],       'skipped', State.SUCCEEDED),
    (Seen.EXITED_BADLY, [],       'skipped', State.SUCCEEDED),
    (Seen.FATAL,        [],       'skipped', State.SUCCEEDED),
    (Seen.STOPPING,     [],       'stopped', State.SUCCEEDED),
    (Seen.STARTING,     ['stop'], 'stopped', State.SUCCEEDED),
    (Seen.RUNNING,      ['stop'], 'stopped', State.SUCCEEDED),
    (Seen.BACKOFF,      ['stop'], 'stopped', State.SUCCEEDED),
    (Seen.UNKNOWN,      [],       'failed',  State.FAILED),
])  # fmt: skip
def test_a_stop_stops_what_runs_and_leaves_the_rest(seen, orders, phase, state):
    drive = one(Goal.STOP, seen)
    operation = drive.end()
    assert [entry.order for entry in drive.log] == orders
    assert phases(operation) == {'0': phase}
    assert operation.state is state


@pytest.mark.parametrize('goal', [Goal.START, Goal.STOP])
def test_there_are_no_waves(goal):
    world = World()
    for number in range(4):
        world.add(f'web:{number}', Seen.STOPPED if goal is Goal.START else Seen.RUNNING)
    drive = group(world, goal=goal, stagger_factor=4, delay=10.0)
    drive.end()
    assert set(drive.entries(goal.value).values()) == {0.0}
    assert len(drive.log) == 4


@pytest.mark.parametrize('goal', [Goal.START, Goal.STOP])
def test_only_running_means_nothing_to_them(goal):
    drive = one(goal, Seen.STOPPED if goal is Goal.START else Seen.RUNNING, only_running=True)
    drive.end()
    assert [entry.order for entry in drive.log] == [goal.value]


def test_a_start_that_fails_does_not_keep_others_from_starting():
    world = World()
    world.add('web:0', Seen.STOPPED, Program(obstacle='no such file'))
    world.add('web:1', Seen.STOPPED, Program(lives=[Life(0.1, 1)]))
    world.add('web:2', Seen.STOPPED)
    operation = group(world, goal=Goal.START).end()
    assert phases(operation) == {'0': 'failed', '1': 'failed', '2': 'ready'}
    assert {member.code for member in operation.failures} == {Code.START_FAILED}


def test_a_stop_that_fails_does_not_keep_others_from_stopping():
    world = World()
    world.add('web:0', program=Program(kill_error='not permitted'))
    operation = group(world, 'web:1', goal=Goal.STOP).end()
    assert phases(operation) == {'0': 'failed', '1': 'stopped'}
    assert [member.code for member in operation.failures] == [Code.STOP_FAILED]


def test_a_stop_is_done_without_regard_to_whether_the_program_could_be_started():
    assert phases(one(Goal.STOP, Seen.RUNNING, Program(obstacle='no such file')).end()) == {
        '0': 'stopped'
    }


@pytest.mark.parametrize('goal', [Goal.START, Goal.STOP])
def test_a_timeout_names_what_is_pending(goal):
    drive = one(
        goal,
        Seen.STOPPED if goal is Goal.START else Seen.RUNNING,
        Program(stop_seconds=5.0, startsecs=5.0),
        timeout=1.0,
    )
    operation = drive.end()
    assert operation.state is State.TIMED_OUT
    assert [member.name for member, _ in operation.pending] == ['0']
    assert phases(operation) == {'0': 'ready' if goal is Goal.START else 'stopped'}


def test_a_pending_stop_is_not_said_to_be_followed_by_a_start():
    operation = one(Goal.STOP, Seen.RUNNING, Program(stop_seconds=5.0), timeout=1.0).end()
    assert 'started' not in operation.pending[0][1]


def test_a_stopped_process_stays_stopped_for_this_run():
    drive = one(Goal.STOP, Seen.RUNNING).to(30.0)
    assert drive.world.processes['web:0'].state is Seen.STOPPED
    assert drive.entries('start') == {}


def test_a_stop_of_a_process_that_somebody_starts_again_meanwhile_reports_that():
    drive = one(Goal.STOP, Seen.RUNNING, Program(stop_seconds=2.0)).to(1.0)
    world = drive.world
    world.now = BEGINNING + 2.0
    world.processes['web:0'].reap(world.now)
    world.others_start('web:0')
    member = drive.end().members[0]
    assert (member.phase, member.code) == (Phase.SKIPPED, Code.CANCELLED)
    assert member.error == 'somebody else started it again'


def test_a_start_of_a_process_that_somebody_stops_meanwhile_reports_that():
    drive = one(Goal.START, Seen.STOPPED)
    drive.at(0.5, lambda: drive.world.others_stop('web:0'))
    member = drive.end().members[0]
    assert (member.phase, member.code) == (Phase.TAKEN, Code.CANCELLED)


@pytest.mark.parametrize('goal', [Goal.START, Goal.STOP])
def test_a_group_that_is_removed_ends_it(goal):
    drive = one(goal, Seen.STOPPING, Program(stop_seconds=5.0))
    drive.at(1.0, lambda: drive.world.removed.add('web'))
    assert drive.end().state is State.CANCELLED
    assert drive.log == []


# A run begins while supervisord serves its clients; before its first step, processes may change
# their states, by supervisord's own transitions or by what another client asks for.


@pytest.mark.parametrize('seen', [Seen.EXITED, Seen.EXITED_BADLY])
def test_a_start_does_not_stop_what_supervisord_has_restarted_meanwhile(seen):
    drive = one(Goal.START, seen, Program(autorestart=True))
    drive.end()
    assert drive.entries('stop') == {}


def test_two_starts_at_once_do_not_stop_anything():
    world = World()
    world.add('web:0', Seen.STOPPED)
    first, second = group(world, goal=Goal.START), group(world, goal=Goal.START)
    first.end()
    second.end()
    assert (len(first.log), second.log) == (1, [])


@pytest.mark.parametrize(
    'program',
    [
        pytest.param(Program(lives=[Life(0.0, 1)]), id='exits'),
        pytest.param(Program(lives=[Life(0.0, 0)]), id='exits as expected'),
    ],
)
def test_a_stop_does_not_start_what_has_exited_meanwhile(program):
    drive = one(Goal.STOP, Seen.RUNNING, program)
    drive.end()
    assert drive.log == []


def test_a_stop_does_not_start_what_supervisord_has_given_up_meanwhile():
    drive = one(Goal.STOP, Seen.BACKOFF, Program(startretries=0))
    drive.end()
    assert drive.entries('start') == {}


def test_a_second_stop_of_a_process_in_backoff_does_not_start_it():
    world = World()
    world.add('web:0', Seen.BACKOFF)
    first, second = group(world, goal=Goal.STOP), group(world, goal=Goal.STOP)
    first.end()
    second.end()
    assert world.processes['web:0'].state is Seen.STOPPED


def test_a_stop_does_not_start_what_exits_while_others_are_being_stopped():
    world = World()
    world.add('web:0')
    world.add('web:1', program=Program(lives=[Life(0.0)]))
    drive = group(world, goal=Goal.STOP)
    drive.orders_per_turn = 1
    drive.end()
    assert drive.entries('start') == {}


def test_lowest_ready_of_a_stop_is_none():
    world = World()
    world.add('web:0', program=Program(lives=[LASTING]))
    assert group(world, goal=Goal.STOP).end().lowest_ready == 0
