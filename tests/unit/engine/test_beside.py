"""Surge on the simulated supervisord: the new process beside the old one, one rule after the other."""

from __future__ import annotations

import pytest

from supervisor_restarter.engine.answers import failures, outcome, process_struct
from supervisor_restarter.engine.member import Failure
from supervisor_restarter.engine.operation import State
from supervisor_restarter.engine.phases import Phase, Seen
from supervisor_restarter.faults import Code
from tests.world import FINE, Life, Program, Script, World, group

NEVER = Life(ready_after=None)
DYING = Life(0.3, 1)


def twice(*lives, **program):
    """A program that may be there twice; these are the lives of those that are started."""
    return Program(surge=True, lives=[Life(), *lives], **program)


def surging(*programs, state=Seen.RUNNING, **options):
    world = World()
    for number, program in enumerate(programs):
        world.add(f'web:{number}', state, program)
    return group(world, **{'max_surge': 1, **options})


def log(drive, name='web:0'):
    """What was done to a process, and when."""
    return [(round(e.seconds, 1), e.order) for e in drive.log if e.name == name]


def told(drive, number=0):
    """Phase, code and error of a process as users see it."""
    member = drive.operation.members[number]
    return process_struct(drive.operation, member)['phase'], member.code, member.error


def there(drive, name='web:0'):
    """The processes that have a pid, by their names."""
    return {key: one.pid for key, one in drive.world.processes.items() if one.pid and name in key}


def spans(drive, number=0):
    struct = process_struct(drive.operation, drive.operation.members[number])
    return [
        round(struct[f'{name}_seconds'], 1) for name in ('waited', 'ready', 'drain', 'stop', 'down')
    ]


# -- as it should go -----------------------------------------------------------------------------


def test_the_old_one_is_stopped_when_the_new_one_is_ready():
    drive = surging(twice(stop_seconds=3.0))
    old = drive.world.processes['web:0'].pid
    drive.to(0.5)
    assert there(drive).keys() == {'web:0', 'web:0.old'}
    assert told(drive)[0] == 'starting'
    drive.to(2.0)
    assert told(drive)[0] == 'ready'
    assert (drive.operation.old_stopping, drive.operation.state) == (1, State.RUNNING)
    assert drive.end().state is State.SUCCEEDED
    assert log(drive) == [(0, 'surge'), (1.0, 'retire')]
    assert drive.operation.lowest_ready == drive.operation.ready == 1
    assert (drive.operation.allowed, drive.operation.old_stopping) == (1, 0)
    struct = process_struct(drive.operation, drive.operation.members[0])
    assert (struct['action'], struct['old_pid'], struct['new_pid']) == (
        'surge',
        old,
        there(drive)['web:0'],
    )
    assert spans(drive) == [0, 1.0, 0, 3.0, 0]


def test_one_after_the_other_and_nobody_waits_for_an_old_one_to_exit():
    drive = surging(*[twice(stop_seconds=60.0, stopwaitsecs=100.0)] * 3)
    drive.to(5.0)
    assert drive.entries('surge') == {'web:0': 0.0, 'web:1': 1.0, 'web:2': 2.0}
    assert drive.operation.old_stopping == 3
    assert drive.end().state is State.SUCCEEDED
    assert drive.operation.lowest_ready == 3


@pytest.mark.parametrize('max_surge', [2, '50%', '34%'])
def test_max_surge_at_once(max_surge):
    drive = surging(*[twice()] * 4, max_surge=max_surge)
    drive.end()
    assert [round(at) for at in drive.entries('surge').values()] == [0, 0, 1, 1]


def test_others_of_the_group_go_as_always():
    drive = surging(twice(), Program(), Program(), max_unavailable=1)
    drive.end()
    assert drive.entries('surge') == {'web:0': 0.0}
    assert list(drive.entries('stop')) == ['web:1', 'web:2']
    assert drive.operation.lowest_ready == 2


def test_one_goes_alone_first():
    drive = surging(*[twice()] * 3, max_surge=3, scout=4.0)
    drive.end()
    assert drive.entries('surge') == {'web:0': 0.0, 'web:1': 4.0, 'web:2': 4.0}


def test_what_is_down_is_started():
    drive = surging(twice(), state=Seen.STOPPED)
    assert drive.end().state is State.SUCCEEDED
    assert [order for _, order in log(drive)] == ['start']


def test_what_was_down_and_is_up_again_when_its_turn_comes_is_replaced():
    world = World()
    world.add('web:0', program=twice())
    world.add('web:1', Seen.BACKOFF, Program(surge=True))
    drive = group(world, max_surge=1, stagger_factor=2, delay=4.0)
    member = drive.operation.members[1]
    member.phase, member.turn_at = Phase.WAITING, drive.world.now + 4.0  # as after once_more()
    assert drive.end().state is State.SUCCEEDED
    assert log(drive, 'web:1') == [(4.0, 'surge'), (5.0, 'retire')]
    assert spans(drive, 1) == [4.0, 1.0, 0, 0.1, 0]
    assert process_struct(drive.operation, member)['action'] == 'surge'


def test_the_old_one_is_drained_and_the_new_one_told_before_the_stop():
    program = twice(before_stop=[Script(2.0)], after_ready=[Script(1.0)])
    drive = surging(program)
    assert drive.end().state is State.SUCCEEDED
    assert log(drive) == [(0, 'surge'), (1.0, 'drain'), (3.0, 'tell'), (4.0, 'retire')]
    assert spans(drive) == [0, 4.0, 3.0, 0.1, 0]


def test_that_an_old_one_had_to_be_killed_is_said():
    drive = surging(twice(stop_seconds=None, stopwaitsecs=4.0))
    drive.end()
    member = drive.operation.members[0]
    note = 'its old process was killed after 4 s: did not stop within stopwaitsecs'
    assert (member.killed, member.note) == (True, note)


def test_an_old_one_that_is_no_longer_ready_serves_nobody():
    drive = surging(twice(startsecs=3.0))
    old = drive.world.processes['web:0']
    drive.at(1.0, lambda: setattr(old, 'ready_at', None))
    assert drive.to(0.9).operation.ready == 1
    assert drive.to(2.0).operation.ready == 0
    assert drive.end().lowest_ready == 0


# -- the new one does not become ready ------------------------------------------------------------


@pytest.mark.parametrize(
    ('program', 'seconds', 'error'),
    [
        (twice(NEVER), 5.0, 'not ready within 5 s: connection refused'),
        (twice(DYING), 0.3, 'state BACKOFF'),
        (twice(unforeseen='no such file'), 0.0, 'no such file'),
        (twice(before_stop=[Script(why='x', cannot=True)]), 1.0, 'RESTARTER_BEFORE_STOP: x'),
        (twice(after_ready=[Script(0.5, 'x'), FINE]), 1.5, 'RESTARTER_AFTER_READY: x'),
    ],
)
def test_if_that_fails_the_old_one_keeps_its_name_and_its_work(program, seconds, error):
    drive = surging(program, ready_timeout=5.0)
    old = there(drive)
    assert drive.end().state is State.FAILED
    assert (told(drive)[0], told(drive)[2]) == ('failed', error)
    assert there(drive) == old
    assert drive.operation.lowest_ready == drive.operation.ready == 1
    assert 'retire' not in [order for _, order in log(drive)]
    assert drive.operation.members[0].failed_at == pytest.approx(1000.0 + seconds, abs=0.01)


def test_a_new_one_that_is_there_though_its_start_has_failed_is_waited_for():
    drive = surging(twice(stop_seconds=2.0))
    world, old = drive.world, there(drive)

    def surge(member):
        _, member.old = World.surge(world, member)
        aside, member.old = world.restore(member), None
        return Failure(Code.START_FAILED, 'an error in the middle of it'), aside

    world.surge = surge
    drive.end()
    assert told(drive) == ('failed', Code.START_FAILED, 'an error in the middle of it')
    assert there(drive) == old


def test_an_old_one_that_was_drained_is_taken_back():
    program = twice(before_stop=[Script(0.5, 'x')], after_ready=[FINE])
    drive = surging(program)
    drive.end()
    orders = [order for _, order in log(drive)]
    assert orders == ['surge', 'drain', 'restore', 'tell']


def test_a_new_one_that_is_no_longer_ready_is_not_waited_for_for_ever():
    drive = surging(twice(before_stop=[Script(2.0)]), hook_timeout=0.0)
    world = drive.world
    drive.at(1.5, lambda: setattr(world.processes['web:0'], 'ready_at', None))
    old = there(drive)
    drive.end()
    assert told(drive)[2] == 'no longer ready for 3 s: connection refused'
    assert there(drive) == old


def test_after_a_failure_no_other_is_begun_and_those_under_way_go_back():
    drive = surging(twice(NEVER), twice(Life(ready_after=60.0)), twice(), max_surge=2)
    before = there(drive, 'web')
    drive.operation.members[0].policy = None
    drive.end()
    assert there(drive, 'web') == before
    assert set(drive.entries('surge')) == {'web:0', 'web:1'}


@pytest.mark.parametrize('way', ['cancel', 'timeout'])
@pytest.mark.parametrize(
    'at', [0.5, 2.0]
)  # before the new one is ready, and while the old one is drained
def test_a_cancel_or_timeout_gives_the_name_back(way, at):
    program = twice(before_stop=[Script(5.0)], after_ready=[FINE])
    drive = surging(program, timeout=at if way == 'timeout' else None)
    old = there(drive)
    if way == 'cancel':
        drive.at(at, lambda: drive.operation.cancel('enough'))
    drive.end()
    assert told(drive)[0] == 'skipped'
    assert there(drive) == old
    assert [order for _, order in log(drive)][-1] == ('restore' if at < 1 else 'tell')


# -- the old one -----------------------------------------------------------------------------------


@pytest.mark.parametrize('how', ['die', 'stop'])
def test_without_the_old_one_the_new_one_goes_on(how):
    drive = surging(twice(startsecs=5.0))
    world = drive.world

    def end_it():
        old = world.processes['web:0.old']
        old.stop(world.now) if how == 'stop' else old._exit_by(world.now)

    drive.at(1.0, end_it)
    assert drive.end().state is State.SUCCEEDED
    assert log(drive) == [(0, 'surge')]
    assert drive.operation.lowest_ready == 0
    assert there(drive).keys() == {'web:0'}


@pytest.mark.parametrize('order', ['cancel', 'fail'])
def test_an_old_one_that_dies_cannot_have_its_name_back(order):
    program = twice(NEVER if order == 'fail' else Life(), startsecs=3.0)
    drive = surging(program, ready_timeout=4.0)
    world, operation = drive.world, drive.operation
    if order == 'cancel':
        drive.at(1.0, lambda: operation.cancel('enough'))
    drive.at(1.0 if order == 'cancel' else 4.0, lambda: world.processes['web:0.old']._exit_by(0))
    drive.end()
    assert there(drive).keys() == {'web:0'}
    assert told(drive)[0] == ('ready' if order == 'cancel' else 'failed')


@pytest.mark.parametrize(('way', 'expected'), [
    ('cancel', ('ready', None, '')),
    ('fail', ('failed', Code.START_FAILED, 'not ready within 1.5 s: connection refused')),
])  # fmt: skip
def test_an_old_one_that_dies_just_before_it_is_restored(way, expected):
    """Orders are carried out in slices, so that something may happen in between."""
    program = twice(NEVER if way == 'fail' else Life(), before_stop=[Script(5.0)])
    options = {'on_failure': 'continue', 'ready_timeout': 1.5, 'max_surge': 2}
    drive = surging(program, program, **options)
    world = drive.world
    drive.at(1.2, lambda: setattr(drive, 'orders_per_turn', 1))
    if way == 'cancel':
        drive.at(1.5, lambda: drive.operation.cancel('enough'))

    def kill_the_second():
        [entry] = [e for e in drive.log if e.order == 'restore']
        assert entry.name == 'web:0'
        world.processes['web:1.old']._exit_by(0)

    drive.at(1.50005, kill_the_second)
    drive.end()
    assert told(drive, 1) == expected
    assert there(drive, 'web:1').keys() == {'web:1'}
    assert [order for _, order in log(drive, 'web:1')][-1] != 'restore'


def test_an_old_one_that_dies_before_its_startsecs_is_not_waited_for():
    program = twice(startsecs=2.0)
    drive = surging(program, state=Seen.STARTING)
    drive.at(1.0, lambda: drive.world.processes['web:0.old']._exit_by(0))
    assert drive.end().state is State.SUCCEEDED
    assert there(drive).keys() == {'web:0'}


def test_an_old_one_that_cannot_be_stopped_is_a_failure():
    program = twice(kill_error='not permitted')
    drive = surging(program)
    drive.end()
    assert told(drive) == ('failed', Code.STOP_FAILED, 'not permitted')


def test_nor_can_it_be_stopped_where_others_stop_the_new_one_that_was_given_up():
    drive = surging(twice(kill_error='not permitted'), timeout=0.2)
    drive.at(0.2, lambda: drive.world.others_stop('web:0'))
    drive.end()
    assert told(drive) == ('failed', Code.STOP_FAILED, 'not permitted')


def test_at_the_timeout_an_old_one_may_still_be_stopping():
    drive = surging(twice(stop_seconds=60.0, stopwaitsecs=100.0), timeout=3.0).to(4.0)
    operation = drive.operation
    assert (operation.state, operation.finished) == (State.TIMED_OUT, False)
    assert [entry['text'] for entry in failures(operation)] == [
        'TIMEOUT: its old process is still stopping'
    ]
    drive.end()
    assert [entry['text'] for entry in outcome(operation)] == [
        'TIMEOUT: its old process had exited only after the timeout'
    ]


@pytest.mark.parametrize(
    ('life', 'code', 'text'),
    [
        (NEVER, Code.TIMEOUT, 'TIMEOUT: it is started and not ready yet'),
        (Life(1.5, 1), Code.START_FAILED, 'START_FAILED: state EXITED_BADLY'),
    ],
)
def test_of_a_new_one_with_a_trouble_of_its_own_that_is_told_at_the_timeout(life, code, text):
    drive = surging(twice(life, stop_seconds=60.0, stopwaitsecs=100.0), timeout=3.0)
    drive.at(0.5, lambda: drive.world.others_stop('web:0.old'))
    [entry] = failures(drive.to(4.0).operation)
    assert (entry['code'], text in entry['text']) == (code, True), entry


# -- other clients -------------------------------------------------------------------------------


@pytest.mark.parametrize('at', [0.5, 1.5])  # before it is ready, and while the old one is drained
def test_who_stops_the_new_one_wants_both_of_them_down(at):
    drive = surging(twice(before_stop=[Script(5.0)]))
    drive.at(at, lambda: drive.world.others_stop('web:0'))
    drive.end()
    drive.to(9.0)
    assert there(drive) == {}
    assert told(drive)[1] is Code.CANCELLED
    assert not drive.commands


@pytest.mark.parametrize('timeout', [None, 0.6])
def test_who_stops_the_new_one_in_the_moment_in_which_it_is_given_up_wants_both_down(timeout):
    drive = surging(twice(), timeout=timeout)
    operation, world = drive.operation, drive.world
    drive.to(0.5)
    if timeout is None:
        drive.at(0.6, lambda: operation.cancel('enough'))
    drive.at(0.6, lambda: world.others_stop('web:0'))
    drive.end()
    drive.to(9.0)
    assert there(drive) == {}


def test_a_group_that_is_removed_takes_both_with_it():
    drive = surging(twice())
    drive.at(0.5, lambda: drive.world.removed.add('web'))
    assert drive.end().state is State.CANCELLED
    assert [order for _, order in log(drive)] == ['surge']


def test_a_shutdown_touches_neither():
    drive = surging(twice())
    drive.at(0.5, lambda: drive.operation.abandon('shutting down'))
    drive.end()
    assert [order for _, order in log(drive)] == ['surge']
    assert there(drive).keys() == {'web:0', 'web:0.old'}
