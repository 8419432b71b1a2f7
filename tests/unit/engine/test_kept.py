"""What is left alone because it is new enough, or up already: nothing is done to it, and it must be
ready all the same.
"""

from __future__ import annotations

import math

import pytest

from supervisor_restarter.engine import answers
from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.operation import Operation, State
from supervisor_restarter.engine.phases import Phase, Seen
from supervisor_restarter.faults import Code
from supervisor_restarter.options import Options
from tests.world import BEGINNING, Drive, Life, Program, World, phases

NEWER = 'already newer than /srv/app/current'
NEVER = Program([Life(ready_after=None)])
UNASKED = Program(answers_after=math.inf)  # its probe never answers


def world_of(*programs):
    """web:0, web:1 and so on, which run."""
    world = World()
    for number, program in enumerate(programs):
        world.add(f'web:{number}', program=program or Program())
    return world


def leaving(world, *numbers, timeout=None, up_for=100.0, **options):
    """A restart of everything that leaves these processes alone, which have been up for so many
    seconds, begun.
    """
    members = world.members()
    for number in numbers:
        members[number].kept, members[number].up_since = NEWER, world.now - up_for
    taken = Options(**{'scout': 0.0, **options})
    deadline = None if timeout is None else world.now + timeout
    return Drive(world, Operation(members, taken, deadline=deadline)).begin()


def struct(drive, number=0):
    return answers.process_struct(drive.operation, drive.operation.members[number])


def ready_in(world, seconds, name='web:0'):
    """The process runs, and its probe will call it ready so many seconds after the beginning."""
    world.processes[name].ready_at = BEGINNING + seconds


# -- ready ---------------------------------------------------------------------------------------


def test_what_is_ready_is_left_alone_at_once_and_the_others_are_restarted():
    drive = leaving(world_of(None, None), 0)
    assert struct(drive)['phase'] == 'waiting'
    drive.to(0.5)
    assert phases(drive.operation) == {'0': 'skipped', '1': 'starting'}
    assert drive.end().state is State.SUCCEEDED
    assert {entry.name for entry in drive.log} == {'web:1'}
    assert (drive.operation.done, drive.operation.lowest_ready) == (2, 1)
    seen = struct(drive)
    assert (seen['error'], seen['note'], seen['new_pid']) == ('', NEWER, 0)
    assert (seen['down_seconds'], seen['ready_seconds'], seen['stop_seconds']) == (0, 0, 0)


def test_what_is_not_ready_yet_is_waited_for():
    world = world_of(None, None)
    ready_in(world, 3.0)
    drive = leaving(world, 0).to(2.9)
    assert struct(drive)['phase'] == 'waiting'
    assert drive.end().state is State.SUCCEEDED
    assert world.now - BEGINNING == pytest.approx(3.0, abs=0.01)
    assert (struct(drive)['note'], drive.log) == (NEWER, drive.log[:2])


def test_what_is_starting_is_waited_for_until_it_runs():
    world = World()
    world.add('web:0', Seen.STARTING, Program(startsecs=2.0))
    drive = leaving(world, 0).to(1.9)
    assert phases(drive.operation) == {'0': 'kept'}
    assert (drive.end().state, drive.log) == (State.SUCCEEDED, [])


@pytest.mark.parametrize(('up_for', 'waited'), [(5.0, 0.0), (60.0, 0.0), (2.3, 2.7)])
def test_what_is_left_alone_must_have_been_up_for_as_long_as_a_new_process(up_for, waited):
    drive = leaving(world_of(None), 0, min_ready=5.0, ready_timeout=1.0, up_for=up_for)
    assert drive.end().state is State.SUCCEEDED
    assert drive.world.now - BEGINNING == pytest.approx(waited, abs=0.01)
    assert drive.operation.lowest_ready == 1


@pytest.mark.parametrize('status', [0, 1])
def test_what_dies_again_and_again_is_not_called_good_because_it_is_just_up(status):
    world = world_of(Program([Life(2.0, status)]))
    drive = leaving(world, 0, min_ready=5.0, up_for=1.0)
    assert drive.end().state is State.FAILED
    assert struct(drive)['error'].startswith(f'{NEWER}, but state EXITED')


@pytest.mark.parametrize(('up_for', 'stopped_at'), [(10.0, 0.0), (1.3, 3.7)])
def test_what_is_young_is_the_scout_of_those_that_are_older(up_for, stopped_at):
    drive = leaving(world_of(None, None), 0, max_unavailable=1, scout=5.0, up_for=up_for)
    drive.end()
    assert drive.entries('stop')['web:1'] == pytest.approx(stopped_at, abs=0.01)


def test_a_bad_release_costs_no_further_process_with_each_run():
    dying, unready = Program([Life(2.0, 1)]), Program([Life(ready_after=None)])
    for bad in (dying, unready):
        world = world_of(bad, None, None)
        drive = leaving(world, 0, max_unavailable=2, scout=5.0, up_for=1.0)
        assert (drive.end().state, drive.log) == (State.FAILED, [])


def test_what_has_yet_to_answer_is_taken_as_ready_and_not_called_so():
    world = world_of(Program(answers_after=2.0))
    drive = leaving(world, 0).to(1.9)
    assert (phases(drive.operation), drive.operation.lowest_ready) == ({'0': 'kept'}, 1)
    assert drive.end().state is State.SUCCEEDED
    assert world.now - BEGINNING == pytest.approx(2.0, abs=0.01)


# -- not ready -----------------------------------------------------------------------------------


@pytest.mark.parametrize(('program', 'why'), [
    (NEVER, 'connection refused'),
    (UNASKED, 'its probe has not answered'),
    (Program([Life(ready_after=None)], answers_after=2.0), 'connection refused'),
])  # fmt: skip
def test_what_never_becomes_ready_has_failed(program, why):
    drive = leaving(world_of(program), 0, ready_timeout=5.0)
    assert drive.end().state is State.FAILED
    assert drive.world.now - BEGINNING == pytest.approx(5.0, abs=0.01)
    seen = struct(drive)
    assert seen['error'] == f'{NEWER}, but not ready within 5 s: {why}'
    assert (seen['phase'], seen['note'], drive.log) == ('failed', '', [])
    assert seen['old_pid'] == seen['new_pid'] != 0
    assert (seen['down_seconds'], seen['ready_seconds']) == (0, 0)
    assert answers.unfinished(drive.operation) == drive.operation.members


def test_what_dies_before_it_was_ready_has_failed():
    world = world_of(Program([Life(2.0, 3, ready_after=None)]))
    drive = leaving(world, 0)
    assert drive.end().state is State.FAILED
    assert struct(drive)['error'] == (
        f'{NEWER}, but state EXITED_BADLY; before it was ready (connection refused)'
    )


@pytest.mark.parametrize(('program', 'state'), [
    (Program([Life(2.0, 0, ready_after=None)]), State.FAILED),
    (Program([Life(2.0, 0)], answers_after=math.inf), State.FAILED),
    (Program([Life(2.0, 0)], startsecs=0.0, answers_after=1.0), State.SUCCEEDED),
])  # fmt: skip
def test_an_end_as_expected_is_a_good_one_only_if_it_was_ready(program, state):
    assert leaving(world_of(program), 0).end().state is state


def test_what_ends_as_expected_without_having_had_a_probe_is_left_alone(monkeypatch):
    world = World()
    world.add('web:0', Seen.STARTING, Program([Life(1.0, 0)], startsecs=0.5))
    monkeypatch.setattr(
        world.processes['web:0'], 'transition', lambda now: None
    )  # the end comes first
    drive = leaving(world, 0)
    assert (drive.end().state, struct(drive)['note']) == (State.SUCCEEDED, NEWER)


def test_the_group_that_is_refused_has_failed_as_a_whole():
    world = world_of(None)
    members = world.members()
    members[0].kept, members[0].refused = NEWER, 'left as it is: nonsense'
    drive = Drive(world, Operation(members, Options(scout=0.0))).begin()
    drive.end()
    assert struct(drive)['error'] == 'left as it is: nonsense'


# -- others --------------------------------------------------------------------------------------


def test_what_another_client_stops_is_left_so():
    world = world_of(NEVER, None)
    drive = leaving(world, 0).at(1.0, lambda: world.others_stop('web:0'))
    assert drive.end().state is State.FAILED
    assert struct(drive)['error'] == 'somebody else stopped it meanwhile; it was left so'
    assert 'web:0' not in {entry.name for entry in drive.log}


def test_a_failure_ends_the_taking_down_and_the_others_are_still_judged():
    drive = leaving(world_of(NEVER, NEVER, None), 0, 1, ready_timeout=5.0, max_unavailable=2)
    drive.end()
    assert {name: phase for name, phase in phases(drive.operation).items() if name != '2'} == {
        '0': 'failed',
        '1': 'failed',
    }
    assert (phases(drive.operation)['2'], drive.log) == ('skipped', [])
    assert drive.operation.members[2].error.startswith('not reached: web:0 failed first')


def test_what_is_not_ready_counts_against_max_unavailable():
    world = world_of(None, None, None)
    ready_in(world, 3.0)
    drive = leaving(world, 0, max_unavailable=1)
    assert drive.end().state is State.SUCCEEDED
    assert drive.entries('stop')['web:1'] == 3.0
    assert drive.operation.lowest_ready == 2


def test_what_is_starting_is_waited_for_however_long_it_takes():
    world = World()
    world.add('web:0', Seen.STARTING, Program(startsecs=60.0))
    world.add('web:1')
    drive = leaving(world, 0, max_unavailable=1, ready_timeout=5.0)
    assert drive.end().state is State.SUCCEEDED
    assert drive.entries('stop')['web:1'] >= 60.0


def test_nothing_is_taken_down_before_its_probe_has_answered():
    drive = leaving(world_of(Program(answers_after=2.0), None), 0, max_unavailable=1)
    drive.end()
    assert drive.entries('stop') == {'web:1': 2.0}


def test_a_cancel_leaves_it_without_an_error():
    drive = leaving(world_of(NEVER), 0)
    drive.at(1.0, lambda: drive.operation.cancel('enough'))
    assert drive.end().state is State.CANCELLED
    assert (struct(drive)['phase'], struct(drive)['error']) == ('skipped', '')
    assert struct(drive)['note'] == NEWER


def test_a_timeout_names_it_and_leaves_it_to_a_retry():
    drive = leaving(world_of(NEVER), 0, timeout=1.0)
    assert drive.end().state is State.TIMED_OUT
    error = f'not reached before the timeout; {NEWER}, and not ready yet'
    assert (struct(drive)['phase'], struct(drive)['error']) == ('skipped', error)
    assert (drive.operation.done, answers.unfinished(drive.operation)) == (
        0,
        drive.operation.members,
    )
    assert [entry['text'] for entry in answers.failures(drive.operation)] == [
        'TIMEOUT: it is left alone and is not ready yet'
    ]
    assert [(entry['code'], entry['text']) for entry in answers.outcome(drive.operation)] == [
        (Code.TIMEOUT, f'TIMEOUT: {error}')
    ]


def test_without_a_limit_it_is_waited_for_until_somebody_cancels():
    drive = leaving(world_of(NEVER), 0, ready_timeout=0.0).to(100.0)
    assert phases(drive.operation) == {'0': 'kept'}
    drive.at(101.0, lambda: drive.operation.cancel('enough'))
    assert drive.end().state is State.CANCELLED


@pytest.mark.parametrize('goal', [Goal.START, Goal.STOP])
def test_other_goals_know_nothing_of_it(goal):
    world = world_of(None)
    members = world.members()
    drive = Drive(world, Operation(members, Options(), goal=goal)).begin()
    drive.end()
    assert members[0].phase is (Phase.SKIPPED if goal is Goal.START else Phase.STOPPED)


# -- method = start ------------------------------------------------------------------------------


def starting(world, **options):
    members = world.members()
    for member in members:
        member.kept = 'already started'
    return Drive(world, Operation(members, Options(method='start', **options))).begin()


def test_a_start_starts_what_is_down_and_leaves_the_rest():
    world = World()
    down = (Seen.STOPPED, Seen.EXITED, Seen.EXITED_BADLY, Seen.FATAL, Seen.BACKOFF, Seen.STOPPING)
    for number, seen in enumerate((Seen.RUNNING, Seen.STARTING, *down)):
        world.add(f'web:{number}', seen)
    drive = starting(world)
    assert drive.end().state is State.SUCCEEDED
    assert set(drive.entries('start')) == {f'web:{number}' for number in range(2, 8)}
    assert set(drive.entries('stop')) == {'web:6'}  # ends Supervisor's own retries
    assert struct(drive)['note'] == struct(drive, 1)['note'] == 'already started'


@pytest.mark.parametrize(('life', 'state'), [
    (Life(), State.SUCCEEDED),
    (Life(4.0, 1), State.FAILED),
])  # fmt: skip
def test_what_supervisord_has_started_anew_by_itself_is_not_stopped(life, state):
    world = World()
    world.add('web:0', Seen.BACKOFF, Program([life]))
    world.processes['web:0'].delay = BEGINNING - 1  # its next attempt is due
    drive = starting(world, min_ready=5.0)
    assert drive.end().state is state
    assert (drive.log, drive.operation.members[0].kept) == ([], 'already started')
