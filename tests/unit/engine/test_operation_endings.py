"""How a restart is ended: by its timeout, a cancel, other people's will or the end of supervisord."""

from __future__ import annotations

import pytest

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.judging import GROUP_GONE
from supervisor_restarter.engine.member import (
    RESTARTED_BY_OTHERS,
    STOPPED_LATER,
    TAKEN_OVER,
    Failure,
)
from supervisor_restarter.engine.operation import Operation, State
from supervisor_restarter.engine.phases import Order, Phase, Seen
from supervisor_restarter.faults import Code
from supervisor_restarter.options import Options
from tests.world import BEGINNING, LASTING, Drive, Life, Program, World, group, phases

# One process in each phase at the time AMID: 0 is ready, 1 starting, 2 stopping, 3 and 4 wait for
# their turn.
AMID = 2.0


def amid(**options):
    world = World()
    world.add('web:0')
    world.add('web:1', program=Program(startsecs=9.0))
    world.add('web:2', program=Program(stop_seconds=9.0, stopwaitsecs=20.0))
    return group(world, 'web:3', 'web:4', stagger_factor=5, delay=0.7, **options)


def at_the_point(seconds):
    """A restart of one process that is waiting from 0 s, stopping from 1 s, starting from 3 s to 5
    s.
    """
    world = World()
    world.add('web:0', program=Program(stop_seconds=2.0, startsecs=2.0))
    drive = group(world, goal=Goal.RESTART)
    drive.operation.members[0].turn_at = BEGINNING + 1.0
    return drive.to(seconds)


WAITING, STOPPING, STARTING = 0.5, 2.0, 4.0


def unbegun(world, timeout=None):
    for name in ('web:0', 'web:1'):
        world.add(name)
    operation = Operation(
        world.members(), Options(), deadline=None if timeout is None else BEGINNING + timeout
    )
    return Drive(world, operation)


def test_the_scenes_of_this_test_are_as_they_say():
    assert list(phases(amid().to(AMID).operation).values()) == [
        'ready',
        'starting',
        'stopping',
        'waiting',
        'waiting',
    ]
    assert [
        phases(at_the_point(at).operation)['0'] for at in (WAITING, STOPPING, STARTING, 6.0)
    ] == ['waiting', 'stopping', 'starting', 'ready']


# -- timeout -------------------------------------------------------------------------------------


def test_a_timeout_names_what_is_pending_and_why():
    operation = amid(timeout=AMID).to(AMID).operation
    assert operation.state is State.TIMED_OUT
    assert not operation.finished
    assert [(member.name, why) for member, why in operation.pending] == [
        ('1', 'it is started and not ready yet'),
        ('2', 'it is still stopping and will be started when it has exited'),
        ('3', 'its turn had not come'),
        ('4', 'its turn had not come'),
    ]


def test_after_a_timeout_nothing_further_is_taken_down_and_what_is_down_comes_back():
    drive = amid(timeout=AMID)
    operation = drive.end()
    assert operation.state is State.TIMED_OUT
    assert phases(operation) == {
        '0': 'ready',
        '1': 'ready',
        '2': 'ready',
        '3': 'skipped',
        '4': 'skipped',
    }
    assert set(drive.entries('stop')) == {'web:0', 'web:1', 'web:2'}
    assert drive.entries('start')['web:2'] == pytest.approx(10.4, abs=0.02)
    assert [member.error for member in operation.members[3:]] == 2 * [
        'not reached before the timeout'
    ]
    assert operation.failures == []


@pytest.mark.parametrize(('at', 'orders', 'pending'), [
    (WAITING,  [],                'its turn had not come'),
    (STOPPING, ['stop', 'start'], 'it is still stopping and will be started when it has exited'),
    (STARTING, ['stop', 'start'], 'it is started and not ready yet'),
])  # fmt: skip
def test_a_timeout_in_each_phase(at, orders, pending):
    drive = at_the_point(at)
    drive.operation.deadline = BEGINNING + at + 0.1
    operation = drive.end()
    assert operation.state is State.TIMED_OUT
    assert [entry.order for entry in drive.log] == orders
    assert [why for _, why in operation.pending] == [pending]


def test_a_timeout_in_the_queue_touches_nothing():
    world = World()
    drive = unbegun(world, timeout=3.0).to(2.9)
    assert drive.operation.state is State.QUEUED
    assert drive.operation.wake_at() == BEGINNING + 3.0
    operation = drive.end()
    assert (operation.state, drive.log) == (State.TIMED_OUT, [])
    assert [why for _, why in operation.pending] == 2 * ['its turn had not come']
    assert phases(operation) == {'0': 'skipped', '1': 'skipped'}


def test_of_what_ends_in_the_queue_nothing_was_counted():
    world = World()
    drive = unbegun(world, timeout=3.0)
    for member in drive.operation.members:  # as they are when the restart is asked for
        member.observed = world.look(member)
    operation = drive.end()
    assert (operation.ready, operation.lowest_ready, operation.headcount.curve.points) == (0, 0, [])


def test_in_the_queue_an_operation_of_nobody_is_not_over():
    """It gets its members when it begins."""
    drive = unbegun(World(), timeout=3.0)
    drive.operation.renew([])
    drive.to(2.9)
    assert (drive.operation.state, drive.operation.finished) == (State.QUEUED, False)
    assert drive.end().state is State.TIMED_OUT


def test_a_timeout_between_the_order_and_its_doing_takes_the_order_back():
    world = World()
    for name in ('web:0', 'web:1', 'web:2'):
        world.add(name)
    operation = Operation(world.members(), Options(), deadline=BEGINNING + 0.00005)
    drive = Drive(world, operation, orders_per_turn=1).begin()
    drive.end()
    assert set(drive.entries('stop')) == {'web:0'}
    assert phases(operation) == {'0': 'ready', '1': 'skipped', '2': 'skipped'}


def test_what_cannot_be_started_after_a_timeout_is_reported_with_its_reason():
    world = World()
    world.add('web:0', program=Program(lives=[LASTING, Life(0.2, 1)], stop_seconds=3.0))
    operation = group(world, timeout=1.0).end()
    assert operation.state is State.TIMED_OUT
    assert [(member.code, member.error) for member in operation.failures] == [
        (Code.START_FAILED, 'state BACKOFF')
    ]


def test_a_restart_that_is_done_in_time_does_not_time_out():
    assert group(World(), 'web:0', timeout=2.0).end().state is State.SUCCEEDED


def test_a_restart_whose_last_process_is_seen_ready_at_the_timeout_has_succeeded():
    drive = group(World(), 'web:0', timeout=2.0).to(0.5)
    drive.world.now = BEGINNING + 2.0  # the loop was held up meanwhile
    drive.world.turn()
    drive.operation.step(drive.world.now, drive.world.look)
    assert drive.operation.members[0].phase is Phase.READY
    assert drive.operation.state is State.SUCCEEDED


# -- cancel --------------------------------------------------------------------------------------


def test_after_a_cancel_nothing_further_is_taken_down_and_what_is_down_comes_back():
    drive = amid()
    drive.at(AMID, lambda: drive.operation.cancel('enough'))
    assert drive.to(AMID).operation.state is State.CANCELLED
    assert not drive.operation.finished
    operation = drive.end()
    assert (operation.state, operation.why, operation.failures) == (State.CANCELLED, 'enough', [])
    assert phases(operation) == {
        '0': 'ready',
        '1': 'ready',
        '2': 'ready',
        '3': 'skipped',
        '4': 'skipped',
    }
    assert set(drive.entries('stop')) == {'web:0', 'web:1', 'web:2'}
    assert [member.error for member in operation.members[3:]] == 2 * ['not reached: enough']


@pytest.mark.parametrize(('at', 'orders', 'phase'), [
    (WAITING,  [],                'skipped'),
    (STOPPING, ['stop', 'start'], 'ready'),
    (STARTING, ['stop', 'start'], 'ready'),
])  # fmt: skip
def test_a_cancel_in_each_phase(at, orders, phase):
    drive = at_the_point(at)
    drive.operation.cancel('enough')
    operation = drive.end()
    assert [entry.order for entry in drive.log] == orders
    assert phases(operation) == {'0': phase}
    assert operation.state is State.CANCELLED


def test_a_cancel_between_the_order_and_its_doing_takes_the_order_back():
    world = World()
    drive = group(world, 'web:0', 'web:1', 'web:2')
    drive.orders_per_turn = 1
    drive.at(0.00005, lambda: drive.operation.cancel('enough')).end()
    assert set(drive.entries('stop')) == {'web:0'}


@pytest.mark.parametrize('seen', [Seen.RUNNING, Seen.STARTING, Seen.BACKOFF])
def test_a_cancel_right_after_the_beginning_stops_nothing(seen):
    world = World()
    world.add('web:0', seen)
    drive = group(world)
    drive.operation.cancel('enough')
    drive.end()
    assert 'web:0' not in drive.entries('stop')


def test_a_cancel_in_the_queue_ends_it_at_once():
    world = World()
    operation = unbegun(world).operation
    version = operation.version
    operation.cancel('enough')
    assert (operation.state, operation.finished, operation.why) == (State.CANCELLED, True, 'enough')
    assert phases(operation) == {'0': 'skipped', '1': 'skipped'}
    assert operation.version > version


@pytest.mark.parametrize('state', [State.SUCCEEDED, State.TIMED_OUT, State.CANCELLED])
def test_a_cancel_after_the_end_changes_nothing(state):
    drive = amid(timeout=AMID if state is State.TIMED_OUT else None)
    if state is State.CANCELLED:
        drive.at(AMID, lambda: drive.operation.cancel('first'))
    drive.end()
    version, why = drive.operation.version, drive.operation.why
    drive.operation.cancel('second')
    assert (drive.operation.state, drive.operation.version, drive.operation.why) == (
        state,
        version,
        why,
    )


def test_a_cancel_while_what_is_down_comes_back_after_a_failure_is_obeyed():
    world = World()
    world.add('web:0', program=Program(kill_error='no'))
    world.add('web:1', Seen.STOPPED, Program(startsecs=5.0))
    drive = group(world).to(1.0)
    drive.operation.cancel('enough')
    assert drive.end().state is State.CANCELLED


def test_no_timeout_follows_a_cancel():
    drive = amid(timeout=AMID + 1)
    drive.at(AMID, lambda: drive.operation.cancel('enough'))
    operation = drive.end()
    assert (operation.state, operation.pending) == (State.CANCELLED, [])


# -- the newer will ------------------------------------------------------------------------------


@pytest.mark.parametrize('heeded', [True, False])
@pytest.mark.parametrize(('at', 'orders'), [(WAITING, []), (STARTING, ['stop', 'start'])])
def test_a_process_that_somebody_else_stops_is_left_stopped_and_reported(at, orders, heeded):
    drive = at_the_point(at)
    drive.at(at + 0.1, lambda: drive.world.others_stop('web:0', heeded))
    operation = drive.end()
    drive.to(20.0)
    member = operation.members[0]
    assert [entry.order for entry in drive.log] == orders
    assert (member.phase, member.code, member.error) == (Phase.TAKEN, Code.CANCELLED, TAKEN_OVER)
    assert operation.state is State.FAILED
    assert drive.world.processes['web:0'].state is Seen.STOPPED


def test_a_stop_that_is_asked_for_while_the_restart_stops_the_process_is_heeded():
    drive = at_the_point(STOPPING)
    drive.at(2.5, lambda: drive.world.others_stop('web:0'))
    operation = drive.end()
    drive.to(20.0)
    assert drive.entries('start') == {}
    assert (operation.members[0].phase, operation.members[0].error) == (Phase.TAKEN, TAKEN_OVER)
    assert drive.world.processes['web:0'].state is Seen.STOPPED


def test_others_stopping_a_process_does_not_end_the_restart_of_the_rest():
    drive = amid()
    drive.at(AMID, lambda: drive.world.others_stop('web:3'))
    operation = drive.end()
    assert phases(operation) == {
        '0': 'ready',
        '1': 'ready',
        '2': 'ready',
        '3': 'taken',
        '4': 'ready',
    }
    assert operation.state is State.FAILED


def test_a_stop_of_what_was_restarted_already_is_no_failure_and_said():
    drive = amid()
    drive.at(AMID, lambda: drive.world.others_stop('web:0'))
    operation = drive.end()
    member = operation.members[0]
    assert (member.phase, member.code, member.error, member.note) == (
        Phase.TAKEN,
        None,
        '',
        STOPPED_LATER,
    )
    assert operation.state is State.SUCCEEDED
    assert drive.world.processes['web:0'].state is Seen.STOPPED


@pytest.mark.parametrize('heeded', [True, False])
@pytest.mark.parametrize(('name', 'orders'), [('web:0', 2), ('web:1', 2), ('web:3', 0)])
def test_a_process_that_somebody_else_restarts_is_not_restarted_again_and_no_failure(
    name, orders, heeded
):
    drive = amid()
    world = drive.world

    def start():
        world.wanted_down.clear()  # as the service does when it sees the process up again
        world.others_start(name)

    drive.at(AMID, lambda: world.others_stop(name, heeded))
    drive.at(AMID + 0.5, start)
    operation = drive.end()
    member = operation.members[int(name[-1])]
    said = RESTARTED_BY_OTHERS if name != 'web:0' else f'{STOPPED_LATER}; {RESTARTED_BY_OTHERS}'
    assert (member.phase, member.code, member.error, member.note) == (Phase.READY, None, '', said)
    assert member.new_pid == world.processes[name].pid
    assert sum(entry.name == name for entry in drive.log) == orders
    assert operation.state is State.SUCCEEDED


def test_one_that_somebody_else_restarts_and_that_does_not_come_up_has_failed():
    drive = amid()
    world = drive.world
    world.processes['web:3'].lives = iter([Life(0.1, 3)])
    drive.at(AMID, lambda: world.others_stop('web:3', heeded=False))
    drive.at(AMID + 0.5, lambda: world.others_start('web:3'))
    operation = drive.end()
    assert (operation.members[3].phase, operation.members[3].error) == (
        Phase.FAILED,
        'state BACKOFF',
    )
    assert phases(operation)['4'] == 'skipped'  # nothing further is taken down


@pytest.mark.parametrize('startsecs', [0.0, 2.0])
def test_a_process_that_somebody_else_starts_before_the_restart_does_is_taken_as_started(startsecs):
    world = World()
    world.add('web:0', program=Program(stop_seconds=2.0, startsecs=startsecs))
    drive = group(world).to(1.0)
    process = world.processes['web:0']
    process.exits_at = world.now
    process.reap(world.now)
    world.others_start('web:0')
    operation = drive.end()
    assert drive.entries('start') == {}
    assert operation.state is State.SUCCEEDED
    assert operation.members[0].new_pid == process.pid != operation.members[0].old_pid


def test_a_process_that_dies_and_is_started_by_somebody_else_before_its_turn_is_restarted_then():
    world = World()
    world.add('web:0')
    world.add('web:1', program=Program(lives=[Life(1.5, 1)]))
    drive = group(world, stagger_factor=2, delay=5.0).at(2.0, lambda: world.others_start('web:1'))
    assert drive.end().state is State.SUCCEEDED
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 5.0}


# -- groups that go, and supervisord -------------------------------------------------------------


@pytest.mark.parametrize(
    ('at', 'orders'), [(WAITING, []), (STOPPING, ['stop']), (STARTING, ['stop', 'start'])]
)
def test_a_group_that_is_removed_ends_the_restart_in_each_phase(at, orders):
    drive = at_the_point(at)
    drive.at(at + 0.1, lambda: drive.world.removed.add('web'))
    operation = drive.to(at + 0.2).operation
    member = operation.members[0]
    assert [entry.order for entry in drive.log] == orders
    assert (operation.state, operation.finished, operation.why) == (
        State.CANCELLED,
        True,
        GROUP_GONE,
    )
    assert (member.phase, member.code, member.error) == (Phase.SKIPPED, Code.CANCELLED, GROUP_GONE)


def test_a_group_that_is_gone_before_the_beginning_ends_the_restart():
    world = World()
    world.removed.add('web')
    drive = group(world, 'web:0')
    assert (drive.end().state, drive.log) == (State.CANCELLED, [])


def test_a_group_that_is_removed_leaves_the_others_of_the_restart_alone():
    world = World()
    drive = group(world, 'web:0', 'api:1').at(0.05, lambda: world.removed.add('web'))
    operation = drive.end()
    assert phases(operation) == {'0': 'skipped', '1': 'ready'}
    assert operation.state is State.CANCELLED


def test_a_group_that_is_removed_after_its_processes_were_ready_changes_nothing():
    drive = amid()
    drive.at(AMID, lambda: drive.world.removed.add('web'))
    assert phases(drive.end())['0'] == 'ready'


@pytest.mark.parametrize(
    ('at', 'orders'), [(WAITING, []), (STOPPING, ['stop']), (STARTING, ['stop', 'start'])]
)
def test_an_abandoned_restart_touches_nothing_any_more(at, orders):
    drive = at_the_point(at)
    version = drive.operation.version
    drive.operation.abandon('shutting down')
    operation = drive.operation
    assert (operation.state, operation.finished, operation.why) == (
        State.CANCELLED,
        True,
        'shutting down',
    )
    assert operation.version > version
    assert phases(drive.to(30.0).operation) == {'0': 'skipped'}
    assert [entry.order for entry in drive.log] == orders


def test_a_queued_restart_can_be_abandoned():
    operation = unbegun(World()).operation
    operation.abandon('shutting down')
    assert (operation.state, operation.finished) == (State.CANCELLED, True)


def test_an_abandoned_restart_keeps_its_timeout_as_its_state():
    drive = amid(timeout=AMID).to(AMID + 1)
    drive.operation.abandon('shutting down')
    assert (drive.operation.state, drive.operation.finished) == (State.TIMED_OUT, True)


def test_a_finished_restart_cannot_be_abandoned():
    drive = group(World(), 'web:0')
    drive.end().abandon('shutting down')
    assert (drive.operation.state, drive.operation.why) == (State.SUCCEEDED, '')


# -- orders --------------------------------------------------------------------------------------


def test_an_order_stands_until_it_has_been_carried_out():
    drive = group(World(), 'web:0')
    operation = drive.operation
    for _ in range(3):
        operation.step(drive.world.now, drive.world.look)
        assert [member.order for member in operation.orders()] == [Order.STOP]
    operation.performed(operation.members[0], drive.world.now)
    assert list(operation.orders()) == []


def test_an_order_that_was_left_over_is_given_up_when_it_has_become_pointless():
    drive = group(World(), 'web:0')
    operation, world = drive.operation, drive.world
    operation.step(world.now, world.look)
    world.others_stop('web:0')
    operation.step(world.now, world.look)
    assert list(operation.orders()) == []
    assert phases(operation) == {'0': 'taken'}


def test_the_reason_of_an_order_that_could_not_be_carried_out_is_kept():
    drive = group(World(), 'web:0')
    operation = drive.operation
    operation.step(drive.world.now, drive.world.look)
    operation.performed(operation.members[0], drive.world.now, Failure(Code.STOP_FAILED, 'EPERM'))
    assert [(member.code, member.error) for member in operation.failures] == [
        (Code.STOP_FAILED, 'EPERM')
    ]
    assert (operation.state, operation.finished) == (State.FAILED, True)
