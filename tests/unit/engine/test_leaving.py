"""Processes that are to be gone at the end of a restart."""

from __future__ import annotations

import pytest

from supervisor_restarter.engine.operation import State
from supervisor_restarter.engine.phases import Order, Phase, Seen
from supervisor_restarter.faults import Code
from tests.world import BEGINNING, Drive, Life, Program, World, applied, phases

GOOD = Program(startsecs=2.0)
BAD = Program(lives=[Life(0.5, 1)])
SLOW = Program(stop_seconds=3.0)
LEAVING = 4.2  # seconds after which the others are restarted, one after the other


def shrinking(new=GOOD, seen=Seen.RUNNING, program=None, **options) -> Drive:
    """web:0 and web:1 get another program, web:2 and web:3 are to be gone."""
    world = World()
    for number in range(3):
        world.add(f'web:{number}')
    world.add('web:3', seen, program)
    programs = {'web:0': new, 'web:1': new}
    return applied(world, programs, leaving=['web:2', 'web:3'], **options)


def test_what_is_leaving_is_stopped_when_all_others_are_ready_and_all_at_once():
    drive = shrinking()
    operation = drive.end()
    assert operation.state is State.SUCCEEDED
    assert phases(operation) == {'0': 'ready', '1': 'ready', '2': 'stopped', '3': 'stopped'}
    stops = drive.entries('stop')
    assert stops['web:2'] == stops['web:3'] == pytest.approx(LEAVING, abs=0.01)
    assert set(drive.entries('start')) == {'web:0', 'web:1'}
    assert drive.world.dropped == {'web:2', 'web:3'}
    assert operation.done == 4


def test_what_is_leaving_does_not_count_for_availability():
    drive = shrinking(seen=Seen.STARTING, program=Program(startsecs=99.0))
    operation = drive.to(0.0).operation
    assert operation.lowest_ready == 2  # of two that stay
    assert set(drive.entries('stop')) == {'web:0'}
    assert drive.end().lowest_ready == 1


@pytest.mark.parametrize(
    ('seen', 'orders', 'phase'),
    [
        (Seen.STOPPED, [], 'skipped'),
        (Seen.EXITED, [], 'skipped'),
        (Seen.FATAL, [], 'skipped'),
        (Seen.STARTING, [Order.STOP], 'stopped'),
        (Seen.BACKOFF, [Order.STOP], 'stopped'),
    ],
)
def test_how_one_is_that_is_leaving_matters_only_in_the_end(seen, orders, phase):
    program = Program(startsecs=99.0, startretries=99)
    drive = shrinking(seen=seen, program=program)
    operation = drive.end()
    assert operation.state is State.SUCCEEDED
    assert [e.order for e in drive.log if e.name == 'web:3'] == [order.value for order in orders]
    assert (operation.members[3].phase.value, operation.members[3].error) == (phase, '')


@pytest.mark.parametrize('heeded', [True, False])
@pytest.mark.parametrize('at', [0.5, LEAVING + 0.05])
def test_one_that_is_leaving_and_is_stopped_by_another_client_is_gone_all_the_same(at, heeded):
    program = Program(stop_seconds=1.0)
    drive = shrinking(program=program)
    drive.at(at, lambda: drive.world.others_stop('web:3', heeded))
    operation = drive.end()
    assert (operation.state, operation.failures) == (State.SUCCEEDED, [])
    assert drive.world.processes['web:3'].state is Seen.STOPPED
    assert 'web:3' in drive.world.dropped


def test_one_that_another_client_starts_again_has_failed():
    drive = shrinking(program=SLOW)
    process = drive.world.processes['web:3']

    def be_quicker():
        process._exit_by(drive.world.now)
        process.reap(drive.world.now)
        process.spawn(drive.world.now)

    operation = drive.at(LEAVING + 1.0, be_quicker).end()
    assert operation.state is State.FAILED
    assert operation.failures[0].error == 'somebody else started it again'


def test_nothing_that_is_leaving_is_touched_after_a_failure():
    drive = shrinking(new=BAD, reversible=False)
    operation = drive.end()
    assert operation.state is State.FAILED
    assert [m.phase for m in operation.members[2:]] == [Phase.SKIPPED] * 2
    assert operation.members[3].error.startswith('not reached: web:0 failed first')
    assert set(drive.entries('stop')) == {'web:0'}


def test_after_a_failure_what_is_leaving_is_stopped_if_that_is_wished():
    drive = shrinking(new=BAD, reversible=False, on_failure='continue', max_unavailable='100%')
    operation = drive.end()
    assert operation.state is State.FAILED
    assert phases(operation)['3'] == 'stopped'
    assert drive.entries('stop')['web:3'] > drive.entries('start')['web:1']


def test_there_may_be_nothing_but_what_is_leaving():
    world = World()
    world.add('web:0')
    drive = applied(world, {}, leaving=['web:0'])
    assert drive.end().state is State.SUCCEEDED
    assert (drive.entries('stop'), phases(drive.operation)) == ({'web:0': 0.0}, {'0': 'stopped'})


# -- committed -----------------------------------------------------------------------------------


@pytest.mark.parametrize('reversible', [True, False])
def test_once_only_what_is_leaving_is_left_nothing_ends_it(reversible):
    drive = shrinking(program=SLOW, reversible=reversible, timeout=6.0)
    assert not drive.to(LEAVING - 0.1).operation.committed
    operation = drive.to(LEAVING + 0.1).operation
    assert operation.committed
    version = operation.version
    operation.cancel('enough')
    assert (operation.version, operation.state) == (version, State.RUNNING)
    assert operation.wake_at() == pytest.approx(BEGINNING + 14.2, abs=0.01)  # web:3's stopwaitsecs
    assert drive.end().state is State.SUCCEEDED
    assert drive.world.now > BEGINNING + 7.0


def test_what_fails_then_is_not_rolled_back_and_does_not_keep_the_others_from_going():
    world = World()
    world.add('web:0')
    world.add('web:1', program=SLOW)
    world.add('web:2')
    new = {'web:0': Program(lives=[Life(3.0, 1)])}
    drive = applied(world, new, leaving=['web:1', 'web:2'])
    drive.orders_per_turn = 1
    operation = drive.end()
    assert operation.state is State.FAILED
    assert phases(operation) == {'0': 'failed', '1': 'stopped', '2': 'stopped'}
    assert (operation.back, operation.why) == ('', '')


def test_what_cannot_be_stopped_then_has_failed():
    operation = shrinking(program=Program(kill_error='not permitted')).end()
    assert operation.state is State.FAILED
    assert [(m.name, m.code) for m in operation.failures] == [('3', Code.STOP_FAILED)]
    assert phases(operation)['2'] == 'stopped'
