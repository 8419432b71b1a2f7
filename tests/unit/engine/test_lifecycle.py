"""Commands of programs, BEFORE_STOP and AFTER_READY, on the simulated supervisord: one rule after the
other.
"""

from __future__ import annotations

import pytest

from supervisor_restarter.engine.answers import process_struct
from supervisor_restarter.engine.member import Goal
from supervisor_restarter.engine.operation import State
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.faults import Code
from tests.world import FINE, Life, Program, Script, World, applied, group

SLOW, ENDLESS = Script(5.0), Script(None)
BAD, MISSING = Script(0.5, 'exit status 1: no such server'), Script(why='no such file', cannot=True)


def world_of(*programs, state=Seen.RUNNING):
    world = World()
    for number, program in enumerate(programs):
        world.add(f'web:{number}', state, program)
    return world


def hooked(before_stop=None, after_ready=None, **program):
    """A program with these commands, which stops in 0.1 s and is ready 1 s after its start."""
    return Program(
        before_stop=[before_stop] if isinstance(before_stop, Script) else before_stop or (),
        after_ready=[after_ready] if isinstance(after_ready, Script) else after_ready or (),
        **program,
    )


def log(drive, name='web:0'):
    """What was done to a process, and when."""
    return [(round(e.seconds, 1), e.order) for e in drive.log if e.name == name]


def told(drive, number=0):
    """Phase, code and error of a process as users see it."""
    operation = drive.operation
    member = operation.members[number]
    return process_struct(operation, member)['phase'], member.code, member.error


# -- as it should go -----------------------------------------------------------------------------


def test_before_the_stop_and_after_the_start():
    drive = group(world_of(hooked(Script(2.0), Script(3.0))))
    for seconds, phase, ready in [
        (1.0, 'draining', 0),
        (2.05, 'stopping', 0),
        (2.5, 'starting', 0),
        (5.0, 'starting', 0),  # it is told
        (6.5, 'ready', 1),
    ]:
        assert told(drive.to(seconds))[0] == phase
        assert drive.operation.ready == ready
    assert log(drive) == [(0, 'drain'), (2.0, 'stop'), (2.1, 'start'), (3.1, 'tell')]
    assert drive.end().state is State.SUCCEEDED
    spans = process_struct(drive.operation, drive.operation.members[0])
    assert [round(spans[f'{name}_seconds'], 1) for name in ('drain', 'stop', 'ready')] == [
        2,
        0.1,
        4,
    ]


def test_what_is_down_is_not_drained():
    drive = group(world_of(hooked(SLOW, FINE), state=Seen.STOPPED))
    assert drive.end().state is State.SUCCEEDED
    assert [order for _, order in log(drive)] == ['start', 'tell']


def test_what_is_drained_is_not_ready_and_holds_others_back():
    drive = group(world_of(hooked(Script(3.0)), hooked(Script(3.0))), max_unavailable=1).to(3.05)
    assert drive.operation.lowest_ready == 1
    drive.end()
    assert drive.entries('drain') == {'web:0': 0.0, 'web:1': 4.1}


@pytest.mark.parametrize('goal', [Goal.START, Goal.STOP])
def test_quick_starts_and_stops_have_none(goal):
    state = Seen.STOPPED if goal is Goal.START else Seen.RUNNING
    drive = group(world_of(hooked(SLOW, SLOW), state=state), goal=goal)
    drive.end()
    assert [order for _, order in log(drive)] == [goal.value]


def test_signals_have_none():
    drive = group(world_of(hooked(SLOW, SLOW)), method='signal:HUP')
    drive.end()
    assert [order for _, order in log(drive)] == ['signal']


# -- BEFORE_STOP fails ---------------------------------------------------------------------------

BEFORE = 'RESTARTER_BEFORE_STOP: '
NOT_WITHIN = 'not finished within 30 s'


@pytest.mark.parametrize(
    ('script', 'seconds', 'why'),
    [
        (BAD, 0.5, BEFORE + BAD.why),
        (MISSING, 0.0, BEFORE + MISSING.why),
        (ENDLESS, 30.0, BEFORE + NOT_WITHIN),
    ],
)
def test_a_process_that_cannot_be_drained_runs_on_and_is_taken_back(script, seconds, why):
    world = world_of(hooked(script, Script(1.0)))
    pid = world.processes['web:0'].pid
    drive = group(world)
    drive.end()
    began = script is not MISSING
    assert log(drive) == [(0, 'drain')] + [(seconds, 'tell')] * began
    assert told(drive) == ('failed', Code.STOP_FAILED, why)
    assert (world.processes['web:0'].pid, drive.operation.ready) == (pid, 1)


def test_how_long_was_it_tried():
    drive = group(world_of(hooked(BAD)))
    drive.end()
    struct = process_struct(drive.operation, drive.operation.members[0])
    assert (round(struct['drain_seconds'], 1), struct['stop_seconds']) == (0.5, 0)


def test_without_a_limit_it_is_waited_for():
    drive = group(world_of(hooked(Script(300.0))), hook_timeout=0.0)
    assert drive.end().state is State.SUCCEEDED


@pytest.mark.parametrize('turns_back', [False, True])
def test_the_way_back_has_an_end_all_the_same(turns_back):
    """Nobody could cancel it once more."""
    world = world_of(hooked(ENDLESS, ENDLESS))
    if turns_back:
        drive = applied(world, {'web:0': hooked()}, hook_timeout=0.0)
    else:
        drive = group(world, hook_timeout=0.0)
    drive.to(5.0).operation.cancel('the restart was cancelled')
    drive.to(34.9)
    assert not drive.operation.finished
    assert drive.to(35.1).operation.finished
    assert log(drive) == [(0, 'drain'), (5.0, 'tell')]
    assert told(drive)[2].endswith('; then: RESTARTER_AFTER_READY: ' + NOT_WITHIN)


def test_that_it_cannot_be_taken_back_is_said_as_well():
    drive = group(world_of(hooked(BAD, Script(0.5, 'exit status 2'))))
    drive.end()
    why = f'{BEFORE}{BAD.why}; then: RESTARTER_AFTER_READY: exit status 2'
    assert told(drive) == ('failed', Code.STOP_FAILED, why)


# -- its turn is taken back ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ('timeout', 'error'), [(None, 'not reached: enough'), (1.0, 'not reached before the timeout')]
)
@pytest.mark.parametrize('after_ready', [[Script(1.0)], []])
def test_what_is_being_drained_when_nothing_further_is_taken_down_is_taken_back(
    after_ready, timeout, error
):
    world = world_of(hooked(SLOW, after_ready))
    pid = world.processes['web:0'].pid
    drive = group(world, timeout=timeout)
    if timeout is None:
        drive.at(1.0, lambda: drive.operation.cancel('enough'))
    drive.end()
    assert [order for _, order in log(drive)] == ['drain'] + ['tell'] * len(after_ready)
    assert told(drive)[0::2] == ('skipped', error)
    assert (world.processes['web:0'].pid, drive.operation.ready) == (pid, 1)


def test_the_first_failure_takes_back_what_is_being_drained():
    broken = hooked(FINE, lives=[Life(0.2, 1)] * 2, startretries=0)
    drive = group(world_of(broken, hooked(SLOW, FINE)))
    drive.world.processes['web:0'].lives = iter([Life(0.2, 1)])
    drive.end()
    assert [order for _, order in log(drive, 'web:1')] == ['drain', 'tell']
    assert told(drive, 1)[0::2] == (
        'skipped',
        'not reached: web:0 failed first (on_failure = abort)',
    )


def test_an_apply_that_turns_back_takes_back_what_it_has_drained():
    new = hooked(FINE, FINE)
    world = world_of(hooked(FINE, FINE), hooked(SLOW, FINE))
    bad = Program(lives=[Life(0.2, 1)], startretries=0)
    drive = applied(world, {'web:0': bad, 'web:1': new}, max_unavailable=2)
    operation = drive.end()
    assert operation.state is State.ROLLED_BACK
    assert [order for _, order in log(drive, 'web:1')] == ['drain', 'tell']
    assert told(drive, 1)[0] == 'skipped'


def test_a_way_back_on_which_something_cannot_be_drained_has_failed():
    """Also where that was down before: it runs with the new thing, and so does what comes after it."""
    world = world_of(Program())
    world.add('web:1', Seen.FATAL)
    undrainable = hooked(BAD, FINE)
    drive = applied(world, {'web:1': undrainable, 'web:0': Program()})
    drive.at(1.5, lambda: drive.operation.cancel('enough'))
    operation = drive.end()
    assert (operation.state, operation.why) == (
        State.FAILED,
        f'enough; then: web:1: {BEFORE}{BAD.why}',
    )
    assert world.processes['web:1'].program is undrainable


def test_a_way_back_goes_on_if_what_was_down_before_cannot_be_started_again_and_is_put_back():
    """It is down before and unable to start; with the new thing it runs, and so do others by then."""
    world = world_of(Program(startsecs=0.0))
    world.add('web:1', Seen.FATAL, Program(obstacle='no such file'))
    world.add('web:2', program=Program(startsecs=0.0))
    before = world.processes['web:2'].program
    fails = hooked(FINE, [Script(0.4, 'exit status 1'), FINE], startsecs=0.0)
    new = Program(startsecs=0.0)
    drive = applied(world, {'web:0': new, 'web:1': fails, 'web:2': new}, max_unavailable=2, scout=0)
    assert drive.end().state is State.ROLLED_BACK
    assert log(drive, 'web:1')[-1][1] == 'tell'
    assert world.processes['web:2'].program is before


# -- others --------------------------------------------------------------------------------------


def test_what_dies_while_it_is_drained_is_started():
    world = world_of(hooked(SLOW, FINE, lives=[Life(2.0, 1)]))
    drive = group(world)
    assert drive.end().state is State.SUCCEEDED
    assert log(drive) == [(0, 'drain'), (2.0, 'start'), (3.0, 'tell')]
    assert not drive.commands


@pytest.mark.parametrize('seconds', [1.0, 6.5])  # in the one command and in the other
def test_what_others_stop_is_left_to_them(seconds):
    world = world_of(hooked(SLOW, SLOW))
    drive = group(world).at(seconds, lambda: world.others_stop('web:0'))
    drive.end()
    assert told(drive)[1] is Code.CANCELLED
    assert world.processes['web:0'].state is Seen.STOPPING
    assert not drive.commands


@pytest.mark.parametrize('seconds', [0.5, 1.0])  # as it is about to be put back, and while it is
def test_what_others_stop_while_it_is_put_back_keeps_its_first_reason(seconds):
    world = world_of(hooked(BAD, SLOW))
    drive = group(world).at(seconds, lambda: world.others_stop('web:0'))
    drive.end()
    assert told(drive) == ('failed', Code.STOP_FAILED, BEFORE + BAD.why)
    assert world.processes['web:0'].state is Seen.STOPPING
    assert not drive.commands


# -- AFTER_READY ---------------------------------------------------------------------------------

AFTER = 'RESTARTER_AFTER_READY: '


@pytest.mark.parametrize(
    ('script', 'why'), [(BAD, BAD.why), (MISSING, MISSING.why), (ENDLESS, NOT_WITHIN)]
)
def test_a_new_process_that_cannot_be_told_has_failed_and_runs_on(script, why):
    drive = group(world_of(hooked(None, script)))
    drive.end()
    assert told(drive) == ('failed', Code.START_FAILED, AFTER + why)
    assert drive.world.processes['web:0'].state is Seen.RUNNING


def test_a_new_process_that_dies_before_it_was_told_has_failed():
    drive = group(world_of(hooked(None, SLOW)))
    drive.world.processes['web:0'].lives = iter([Life(3.0, 1)])
    drive.end()
    phase, code, error = told(drive)
    assert (phase, code) == ('failed', Code.START_FAILED)
    assert error == 'state EXITED_BADLY; it had been ready for 2.0 s'
    assert not drive.commands


def test_what_is_to_be_gone_is_drained_and_nothing_else():
    world = world_of(hooked(FINE, FINE), hooked(FINE, FINE))
    drive = applied(world, {'web:0': hooked(FINE, FINE)}, leaving=['web:1'])
    assert drive.end().state is State.SUCCEEDED
    assert [order for _, order in log(drive, 'web:1')] == ['drain', 'stop']


def test_what_is_to_be_gone_and_dies_while_it_is_drained_is_gone():
    world = world_of(hooked(), hooked(SLOW, FINE, lives=[Life(4.0, 1)]))
    drive = applied(world, {'web:0': Program()}, leaving=['web:1'])
    assert drive.end().state is State.SUCCEEDED
    assert [order for _, order in log(drive, 'web:1')] == ['drain']


@pytest.mark.parametrize('heeded', [True, False])
def test_what_is_to_be_gone_and_is_stopped_by_others_while_it_is_drained_is_gone(heeded):
    world = world_of(hooked(), hooked(SLOW, FINE, stop_seconds=1.0))
    drive = applied(world, {'web:0': Program()}, leaving=['web:1'])
    drive.at(4.0, lambda: world.others_stop('web:1', heeded))
    assert drive.end().state is State.SUCCEEDED
    assert 'web:1' in world.dropped
    assert not drive.commands
