"""max_unavailable, min_ready, ready_timeout and signals: one rule after the other, on the simulated
supervisord.
"""

from __future__ import annotations

import pytest

from supervisor_restarter.engine.availability import BACK_BY_ITSELF
from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.operation import Operation, State
from supervisor_restarter.engine.phases import Phase, Seen
from supervisor_restarter.engine.policy import Policy
from supervisor_restarter.faults import Code
from supervisor_restarter.names import Match
from supervisor_restarter.options import EVERYTHING, Options
from tests.world import BEGINNING, Drive, Life, Program, World, group, phases

CRASHES = Life(0.1, 3)
NEVER_READY = Life(ready_after=None)
RUNS = Life()
WEB = [f'web:{number}' for number in range(10)]


def program(new=RUNS, old=RUNS, **behaviour):
    """A program that runs as `old` now and as `new` after a restart."""
    return Program([old, new], **{'startsecs': 1.0, 'stop_seconds': 0.1, **behaviour})


def web(count=4, **options):
    """A restart of `count` running processes, begun."""
    return group(World(), *WEB[:count], **{'max_unavailable': 1, **options})


def world_of(*programs):
    world = World()
    for name, one in zip(WEB, programs):
        world.add(name, program=one)
    return world


def errors(operation):
    return {member.name: member.error for member in operation.members if member.error}


# -- how many at once ------------------------------------------------------------------------------


def test_one_after_the_other_each_when_the_one_before_is_ready():
    drive = web(3)
    assert drive.end().state is State.SUCCEEDED
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 1.1, 'web:2': 2.2}
    assert drive.operation.lowest_ready == 2


@pytest.mark.parametrize(('limit', 'size', 'stops'), [
    (1,      4,  [1, 1, 1, 1]),
    (3,      4,  [3, 1]),
    (4,      4,  [4]),
    (9,      4,  [4]),
    ('25%',  10, [2, 2, 2, 2, 2]),
    ('25%',  4,  [1, 1, 1, 1]),
    ('99%',  4,  [3, 1]),
    ('1%',   3,  [1, 1, 1]),
    ('100%', 4,  [4]),
])  # fmt: skip
def test_as_many_at_once_as_are_allowed(limit, size, stops):
    drive = web(size, max_unavailable=limit)
    drive.end()
    moments = sorted(drive.entries('stop').values())
    assert [moments.count(at) for at in sorted(set(moments))] == stops
    assert drive.operation.lowest_ready == size - max(stops)


def test_the_next_goes_when_one_of_several_is_ready_and_not_when_all_of_a_batch_are():
    drive = group(world_of(program(startsecs=4.0), program(), program()), max_unavailable=2)
    drive.end()
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 0.0, 'web:2': 1.1}


def test_groups_have_their_own_room():
    world = World()
    for name in ('web:0', 'web:1', 'api:0', 'api:1'):
        world.add(name)
    drive = group(world, max_unavailable=1)
    drive.end()
    assert drive.entries('stop') == {'web:0': 0.0, 'api:0': 0.0, 'web:1': 1.1, 'api:1': 1.1}


def test_processes_outside_of_the_restart_count():
    world = world_of(*[program() for _ in range(4)])
    chosen = [Member(Match('web', number, True, True)) for number in '01']
    neighbours = [Member(Match('web', number, True, True)) for number in '23']
    drive = Drive(
        world, Operation(chosen, Options(max_unavailable='50%', scout=0.0), neighbours)
    ).begin()
    world.processes['web:2'].stop(world.now)
    drive.end()
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 1.1}


def test_waves_and_max_unavailable_both_hold():
    drive = web(4, max_unavailable=2, stagger_factor=4, delay=0.2)
    drive.end()
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 0.2, 'web:2': 1.1, 'web:3': 1.3}


def test_an_order_that_is_not_carried_out_yet_is_reconsidered_when_something_dies_meanwhile():
    drive = web(4, max_unavailable=2)
    drive.orders_per_turn = 1
    drive.at(
        0.00005, lambda: drive.world.processes['web:3'].__setattr__('exits_at', drive.world.now)
    )
    drive.end()
    assert drive.entries('stop')['web:1'] >= 1.0
    assert drive.operation.lowest_ready == 2


# -- what is not ready -------------------------------------------------------------------------------


def test_what_is_down_costs_nothing_and_comes_first():
    world = world_of(*[program() for _ in range(4)])
    world.processes['web:3'].state, world.processes['web:3'].pid = Seen.FATAL, 0
    drive = group(world, max_unavailable=1)
    drive.end()
    assert drive.entries('start')['web:3'] == 0.0
    assert drive.entries('stop') == {'web:0': 1.0, 'web:1': 2.1, 'web:2': 3.2}


def test_what_runs_and_is_not_ready_comes_first():
    drive = group(world_of(program(), program(), program(old=NEVER_READY)), max_unavailable=1)
    drive.end()
    assert drive.entries('stop') == {'web:2': 0.0, 'web:0': 1.1, 'web:1': 2.2}


def test_of_those_that_run_and_are_not_ready_no_more_than_allowed_are_taken_at_once():
    drive = group(world_of(*[program(old=NEVER_READY) for _ in range(4)]), max_unavailable=2)
    drive.end()
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 0.0, 'web:2': 1.1, 'web:3': 1.1}


def test_one_that_dies_meanwhile_takes_the_room():
    drive = web(4, max_unavailable=1)
    drive.world.processes['web:3'].program.autorestart = False
    drive.at(0.5, lambda: drive.world.processes['web:3'].__setattr__('exits_at', drive.world.now))
    drive.end()
    assert drive.entries('start')['web:3'] == 0.5
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 1.5, 'web:2': 2.6}
    assert drive.operation.state is State.SUCCEEDED


def test_nothing_is_taken_down_before_every_probe_has_answered_once():
    world = world_of(*[program() for _ in range(3)])
    drive = group(world, max_unavailable=1)
    look, asked = world.look, []
    known_at = BEGINNING + 2.0

    def unknown(member):
        asked.append(member.name)
        seen = look(member)
        return seen._replace(confirmed=world.now >= known_at) if member.name == '2' else seen

    world.look = unknown
    drive.at(2.0, lambda: None).end()
    assert drive.entries('stop')['web:0'] == 2.0
    assert set(asked) == {'0', '1', '2'}


@pytest.mark.parametrize('on_failure', ['abort', 'continue'])
def test_where_nothing_can_make_room_the_rest_is_left_as_it_is(on_failure):
    world = world_of(*[program() for _ in range(3)])
    world.processes['web:2'].stop(world.now)
    world.now += 1
    world.turn()
    world.now = BEGINNING
    chosen = [Member(Match('web', number, True, True)) for number in '01']
    neighbours = [Member(Match('web', '2', True, True))]
    drive = Drive(
        world,
        Operation(chosen, Options(max_unavailable=1, on_failure=on_failure, scout=0.0), neighbours),
    ).begin()
    operation = drive.end()
    assert operation.state is State.FAILED
    assert operation.members[0].code is Code.BAD_STATE
    assert errors(operation)['0'] == (
        'left as it is: not ready are web:2 (STOPPED), and max_unavailable = 1 allows 1'
    )
    assert drive.entries('stop') == {}
    assert len(operation.failures) == (1 if on_failure == 'abort' else 2)


def test_it_waits_for_what_may_become_ready_by_itself():
    world = world_of(*[program() for _ in range(2)])
    world.add('web:2', Seen.STARTING, program(startsecs=5.0))
    chosen = [Member(Match('web', number, True, True)) for number in '01']
    drive = Drive(
        world,
        Operation(chosen, Options(max_unavailable=1), [Member(Match('web', '2', True, True))]),
    ).begin()
    assert drive.end().state is State.SUCCEEDED
    assert drive.entries('stop')['web:0'] == 5.0


def test_it_does_not_wait_for_ever_for_another_that_dies_and_starts_again_and_again():
    world = world_of(program(), Program([Life(2.0, 1, ready_after=None)] * 100, autorestart=True))
    chosen, other = world.members()
    drive = Drive(
        world, Operation([chosen], Options(max_unavailable=1, ready_timeout=6.0), [other])
    ).begin()
    assert errors(drive.end()) == {
        '0': 'left as it is: not ready are web:1 (connection refused), and max_unavailable = 1 allows 1'
    }
    assert drive.log == []
    assert world.now - BEGINNING == pytest.approx(6.0 + BACK_BY_ITSELF, abs=0.02)


# -- failures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(('new', 'options', 'reason'), [
    (CRASHES, {}, 'state BACKOFF'),
    (NEVER_READY, {'ready_timeout': 5.0}, 'not ready within 5 s: connection refused'),
    (Life(2.0, 0), {'min_ready': 3.0}, 'state EXITED_BADLY; it had been ready for 1.0 s'),
    (Life(2.0, 0, ready_after=None), {}, 'state EXITED_BADLY; before it was ready (connection refused)'),
    (Life(2.0, 7, ready_after=3.0), {}, 'state EXITED_BADLY; before it was ready (connection refused)'),
])  # fmt: skip
def test_the_first_that_does_not_become_ready_ends_the_taking_down(new, options, reason):
    good = [program() for _ in range(2)]
    drive = group(
        world_of(*good, program(new), *[program() for _ in range(3)]), max_unavailable=1, **options
    )
    operation = drive.end()
    assert operation.state is State.FAILED
    assert errors(operation)['2'].replace('state EXITED;', 'state EXITED_BADLY;') == reason
    assert sorted(drive.entries('stop')) == ['web:0', 'web:1', 'web:2']
    assert list(phases(operation).values()) == [
        'ready',
        'ready',
        'failed',
        'skipped',
        'skipped',
        'skipped',
    ]
    assert errors(operation)['3'] == 'not reached: web:2 failed first (on_failure = abort)'


def test_with_continue_the_others_go_on_as_far_as_there_is_room():
    programs = [program(NEVER_READY), *[program() for _ in range(3)]]
    drive = group(world_of(*programs), max_unavailable=2, on_failure='continue', ready_timeout=3.0)
    operation = drive.end()
    assert phases(operation) == {'0': 'failed', '1': 'ready', '2': 'ready', '3': 'ready'}
    assert operation.lowest_ready == 2


def test_with_continue_and_no_room_left_the_rest_is_given_up_in_the_end():
    drive = group(
        world_of(program(NEVER_READY), program(), program()),
        max_unavailable=1,
        on_failure='continue',
        ready_timeout=3.0,
    )
    operation = drive.end()
    assert phases(operation) == {'0': 'failed', '1': 'failed', '2': 'failed'}
    assert list(drive.entries('stop')) == ['web:0']
    assert errors(operation)['1'] == (
        'left as it is: not ready are web:0 (connection refused), and max_unavailable = 1 allows 1'
    )


def test_half_of_the_group_is_fatal_beforehand_and_stays_so():
    world = world_of(*[program() for _ in range(4)])
    for name in ('web:1', 'web:3'):
        world.processes[name].__init__(Seen.FATAL, Program([CRASHES] * 9), world.now)
    drive = group(world, max_unavailable='50%')
    operation = drive.end()
    assert operation.state is State.FAILED
    assert drive.entries('stop') == {}
    assert phases(operation) == {'0': 'skipped', '1': 'failed', '2': 'skipped', '3': 'failed'}


def test_half_of_the_group_is_fatal_beforehand_and_comes_up():
    world = world_of(*[program() for _ in range(4)])
    for name in ('web:1', 'web:3'):
        world.processes[name].__init__(Seen.FATAL, Program(), world.now)
    drive = group(world, max_unavailable='50%')
    assert drive.end().state is State.SUCCEEDED
    assert drive.entries('stop') == {'web:0': 1.0, 'web:2': 1.0}
    assert drive.operation.lowest_ready == 2


def test_without_a_ready_timeout_it_waits():
    drive = group(
        world_of(program(Life(ready_after=300.0)), program()), max_unavailable=1, ready_timeout=0.0
    )
    assert drive.end().state is State.SUCCEEDED
    assert drive.entries('stop')['web:1'] == pytest.approx(300.1)


def test_ready_timeout_is_for_probes_and_not_for_startsecs():
    drive = group(world_of(program(startsecs=60.0)), max_unavailable=1, ready_timeout=5.0)
    assert drive.end().state is State.SUCCEEDED


# -- min_ready -----------------------------------------------------------------------------------------


@pytest.mark.parametrize('options', [{'max_unavailable': 1}, {'max_unavailable': '100%'}])
def test_a_new_process_counts_when_it_has_been_ready_for_min_ready_seconds(options):
    drive = group(world_of(program(), program()), min_ready=2.0, **options)
    operation = drive.end()
    assert operation.state is State.SUCCEEDED
    assert operation.members[0].ready_at == pytest.approx(BEGINNING + 3.1, abs=0.01)


def test_min_ready_begins_anew_when_a_process_was_not_ready_in_between():
    world = world_of(program(), program())
    drive = group(world, max_unavailable=1, min_ready=2.0)
    drive.at(2.5, lambda: world.processes['web:0'].__setattr__('ready_at', BEGINNING + 4.0))
    drive.end()
    assert drive.entries('stop')['web:1'] == pytest.approx(6.0, abs=0.01)


def test_min_ready_is_over_when_an_answer_says_so_that_was_asked_for_after_it():
    world = world_of(program(), program())
    drive = group(world, max_unavailable=1, min_ready=2.0)
    look, asked = world.look, {'at': BEGINNING}

    def probed(member):
        seen = look(member)
        return seen._replace(asked_at=asked['at']) if seen.seen is Seen.READY else seen

    world.look = probed
    for seconds in (1.05, 3.0, 5.0, 20.0):
        drive.at(seconds, lambda: asked.update(at=world.now))
    drive.to(30.0)
    assert drive.entries('stop')['web:1'] == 5.0


@pytest.mark.parametrize('at', [0.5, 3.0])  # before it is ready, and while it only has to stay so
def test_after_a_cancel_min_ready_keeps_nobody_waiting(at):
    drive = group(world_of(program(), program()), max_unavailable=1, min_ready=100_000.0)
    drive.at(at, lambda: drive.operation.cancel('enough')).to(5.0)
    assert drive.operation.finished
    assert phases(drive.operation) == {'0': 'ready', '1': 'skipped'}


def test_after_a_timeout_a_process_that_never_becomes_ready_is_not_waited_for_for_ever():
    drive = group(
        world_of(program(NEVER_READY), program()), max_unavailable=1, ready_timeout=0.0, timeout=1.0
    )
    assert drive.end().state is State.TIMED_OUT
    assert errors(drive.operation)['0'] == 'not ready within 30 s: connection refused'


def test_old_processes_are_ready_without_min_ready():
    assert web(2, min_ready=5.0).to(0.1).entries('stop') == {'web:0': 0.0}


# -- what was ready and dies, or does not answer any more -------------------------------------------------

SOON = Life(2.0, 1)  # ready after startsecs, and dead a second later


@pytest.mark.parametrize('autorestart', [True, False])
def test_one_that_was_ready_and_dies_ends_the_taking_down_and_is_the_one_that_is_named(autorestart):
    drive = group(
        world_of(
            *[program(SOON, autorestart=autorestart)] * 1,
            *[program(SOON, autorestart=autorestart) for _ in range(4)],
        ),
        max_unavailable=1,
    )
    operation = drive.end()
    assert operation.state is State.FAILED
    assert set(drive.entries('stop')) == {'web:0', 'web:1'}
    failed = {
        name: error
        for name, error in errors(operation).items()
        if not error.startswith('not reached')
    }
    assert failed['0'] == 'state EXITED_BADLY; it had been ready for 1.0 s'
    assert {operation.members[number].phase for number in (2, 3, 4)} == {Phase.SKIPPED}


def test_one_that_was_ready_and_dies_has_failed_without_max_unavailable_too():
    drive = group(world_of(program(SOON), program(startsecs=4.0)))
    operation = drive.end()
    assert operation.state is State.FAILED
    assert phases(operation) == {'0': 'failed', '1': 'ready'}


def test_with_continue_the_others_are_restarted_all_the_same():
    drive = group(
        world_of(program(SOON, autorestart=True), program(), program()),
        max_unavailable=1,
        on_failure='continue',
    )
    operation = drive.end()
    assert operation.state is State.FAILED
    assert phases(operation) == {'0': 'failed', '1': 'ready', '2': 'ready'}


def test_one_that_ends_as_its_exitcodes_say_has_not_failed():
    drive = group(world_of(program(Life(2.0, 0)), program(startsecs=4.0)))
    operation = drive.end()
    assert operation.state is State.SUCCEEDED
    assert phases(operation) == {'0': 'ended', '1': 'ready'}
    assert operation.members[0].ready_at == pytest.approx(BEGINNING + 1.1, abs=0.01)


def unready(drive, name, seconds):
    process = drive.world.processes[name]
    return lambda: setattr(process, 'ready_at', drive.world.now + seconds)


def test_one_that_does_not_answer_for_a_moment_holds_the_rest_up_and_no_more():
    drive = web(3)
    drive.at(1.05, lambda: None).to(1.05)
    drive.at(1.6, unready(drive, 'web:0', 2.0))  # while web:1 is on its way
    operation = drive.end()
    assert operation.state is State.SUCCEEDED
    assert drive.entries('stop')['web:2'] == pytest.approx(3.6, abs=0.02)


def test_one_that_does_not_answer_for_longer_has_failed():
    drive = web(3)
    drive.at(1.6, unready(drive, 'web:0', 60.0))
    operation = drive.end()
    assert operation.state is State.FAILED
    assert errors(operation)['0'] == 'no longer ready for 3 s: connection refused'
    assert 'web:2' not in drive.entries('stop')


def test_the_last_one_ready_does_not_end_a_restart_in_which_another_is_not():
    drive = group(world_of(program(), program()), max_unavailable=2)
    drive.at(0.9, unready(drive, 'web:0', 0.0))
    drive.world.processes['web:1'].program.startsecs = 2.0
    drive.at(1.5, unready(drive, 'web:0', 60.0))
    assert drive.end().state is State.FAILED


# -- the scout ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(('limit', 'then'), [(1, [5.1, 6.2]), (2, [5.1, 5.1]), ('99%', [5.1, 5.1])])
def test_the_first_goes_alone_until_it_has_been_up_for_long_enough(limit, then):
    drive = web(3, max_unavailable=limit, scout=5.0)
    assert drive.end().state is State.SUCCEEDED
    stops = drive.entries('stop')
    assert stops.pop('web:0') == 0.0
    assert sorted(stops.values()) == then


def test_a_slow_start_counts():
    drive = group(world_of(program(startsecs=7.0), program()), max_unavailable=1, scout=5.0)
    drive.end()
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 7.1}


def test_a_scout_that_dies_costs_one_process():
    drive = group(
        world_of(*[program(Life(4.0, 1)) for _ in range(5)]), max_unavailable=2, scout=5.0
    )
    operation = drive.end()
    assert set(drive.entries('stop')) == {'web:0'}
    assert operation.state is State.FAILED
    assert operation.lowest_ready == 4


def test_each_group_has_its_own_scout():
    world = World()
    for name in ('web:0', 'web:1', 'api:0', 'api:1'):
        world.add(name)
    drive = group(world, max_unavailable=1, scout=3.0)
    drive.end()
    assert drive.entries('stop') == {'web:0': 0.0, 'api:0': 0.0, 'web:1': 3.1, 'api:1': 3.1}


def test_a_scout_that_ends_as_its_exitcodes_say_is_waited_for_no_longer():
    drive = group(
        world_of(program(Life(2.0, 0)), program(), program()), max_unavailable=2, scout=5.0
    )
    assert drive.end().state is State.SUCCEEDED
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 2.1, 'web:2': 3.2}


def test_a_group_without_a_limit_needs_no_scout_beside_one_that_has_one():
    world = World()
    for name in ('web:0', 'web:1', 'api:0', 'api:1'):
        world.add(name)
    operation = Operation(world.members(), Options(max_unavailable=1, scout=3.0))
    for member in operation.members[:2]:
        member.policy = Policy(EVERYTHING)
    drive = Drive(world, operation).begin()
    drive.end()
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 0.0, 'api:0': 0.0, 'api:1': 3.1}


def test_what_is_down_and_started_first_is_the_scout():
    world = world_of(program(), program())
    world.processes['web:1'].state, world.processes['web:1'].pid = Seen.FATAL, 0
    drive = group(world, max_unavailable=1, scout=3.0)
    drive.end()
    assert drive.entries('start')['web:1'] == 0.0
    assert drive.entries('stop') == {'web:0': 3.0}


def test_where_somebody_stops_the_scout_the_next_one_is_it():
    drive = web(3, scout=5.0)
    drive.at(2.0, lambda: drive.world.others_stop('web:0'))
    drive.end()
    assert drive.entries('stop') == {'web:0': 0.0}  # one is down, and no more may be
    drive = web(3, scout=5.0, max_unavailable=2)
    drive.at(2.0, lambda: drive.world.others_stop('web:0'))
    drive.end()
    assert drive.entries('stop') == {'web:0': 0.0, 'web:1': 2.0, 'web:2': 7.1}


def test_there_is_no_scout_where_it_would_change_nothing():
    for given in ({'on_failure': 'continue'}, {'max_unavailable': '100%'}):
        drive = web(3, **{'scout': 5.0, 'max_unavailable': 2, **given})
        drive.end()
        assert max(drive.entries('stop').values()) <= 1.1


def test_one_process_needs_no_scout():
    drive = web(1, scout=5.0)
    drive.end()
    assert drive.world.now == pytest.approx(BEGINNING + 1.1, abs=0.02)


def test_a_signal_has_a_scout_too():
    drive = web(3, scout=5.0, method='signal:HUP')
    drive.end()
    assert drive.entries('signal') == {'web:0': 0.0, 'web:1': 5.0, 'web:2': 6.0}


# -- ends ---------------------------------------------------------------------------------------------


def test_a_cancel_in_the_middle_leaves_the_rest_and_brings_back_what_is_down():
    drive = web(4)
    drive.at(1.15, lambda: drive.operation.cancel('enough'))
    operation = drive.end()
    assert operation.state is State.CANCELLED
    assert phases(operation) == {'0': 'ready', '1': 'ready', '2': 'skipped', '3': 'skipped'}


def test_a_timeout_in_the_middle_leaves_the_rest_and_brings_back_what_is_down():
    operation = web(4, timeout=1.5).end()
    assert operation.state is State.TIMED_OUT
    assert phases(operation) == {'0': 'ready', '1': 'ready', '2': 'skipped', '3': 'skipped'}
    assert [member.name for member, _ in operation.pending] == ['1', '2', '3']


def test_it_wakes_when_one_that_has_died_runs_again():
    drive = group(
        world_of(
            program(autorestart=True, startsecs=0.3), program(startsecs=0.3), program(startsecs=0.3)
        ),
        max_unavailable=1,
        min_ready=1.0,
        on_failure='continue',
    )
    drive.at(1.45, lambda: drive.world.processes['web:0'].__setattr__('exits_at', drive.world.now))
    drive.end()
    assert drive.entries('stop')['web:2'] == pytest.approx(2.8, abs=0.02)


def test_it_sleeps_while_it_waits():
    drive = group(
        world_of(program(Life(ready_after=50.0)), program()), max_unavailable=1, ready_timeout=90.0
    )
    drive.end()
    assert drive.turns < 150  # supervisord's own turns of a second, and a few


def test_it_sleeps_while_a_scout_that_was_up_for_long_enough_does_not_answer():
    drive = web(3, scout=5.0)
    drive.at(4.0, unready(drive, 'web:0', 2.5))
    operation = drive.end()
    assert operation.state is State.SUCCEEDED
    assert drive.entries('stop')['web:1'] == pytest.approx(6.5, abs=0.02)
    assert drive.turns < 150


def restarted_by_others(state=Seen.STARTING, **options):
    """A restart, ended, in which somebody else restarts web:0 when it is ready; it is seen in that
    state then.
    """
    drive = group(world_of(program(startsecs=3.0), program(startsecs=30.0)), **options)
    world = drive.world

    def start():
        world.others_start('web:0')
        world.processes['web:0'].state = state

    drive.at(10.0, lambda: world.others_stop('web:0', heeded=False)).at(11.0, start).end()
    return drive


def test_it_sleeps_while_one_starts_that_was_ready_and_that_somebody_else_has_restarted():
    drive = restarted_by_others()
    assert drive.operation.state is State.SUCCEEDED
    assert drive.turns < 150


def test_one_that_somebody_else_has_restarted_counts_after_min_ready_too():
    drive = restarted_by_others(Seen.RUNNING, min_ready=5.0)
    assert drive.operation.members[0].ready_at == pytest.approx(BEGINNING + 16.0, abs=0.02)


def test_it_sleeps_after_a_timeout_that_came_while_a_group_was_full():
    world = world_of(program(), program())
    world.processes['web:1'].__init__(Seen.STOPPED, Program(), world.now)
    world.add('api:0', program=program(startsecs=60.0))
    drive = group(world, max_unavailable=1, timeout=0.5, only_running=True)
    assert drive.end().state is State.TIMED_OUT
    assert drive.turns < 150


# -- signals -------------------------------------------------------------------------------------------


def test_a_signal_is_sent_in_the_same_batches():
    drive = group(world_of(*[program() for _ in range(3)]), max_unavailable=2, method='signal:HUP')
    operation = drive.end()
    assert operation.state is State.SUCCEEDED
    assert drive.entries('signal') == {'web:0': 0.0, 'web:1': 0.0, 'web:2': 1.0}
    assert drive.entries('stop') == drive.entries('start') == {}
    assert all(member.old_pid == member.new_pid for member in operation.members)


def test_the_next_is_signalled_when_the_probe_of_the_one_before_answers_again():
    drive = group(
        world_of(*[program(ready_again=3.0) for _ in range(2)]),
        max_unavailable=1,
        method='signal:HUP',
    )
    assert drive.end().state is State.SUCCEEDED
    assert drive.entries('signal') == {'web:0': 0.0, 'web:1': 3.0}


@pytest.mark.parametrize('autorestart', [True, False])
def test_one_that_dies_of_the_signal_comes_back_and_counts_as_failed(autorestart):
    programs = [program(signal_status=1, autorestart=autorestart), program()]
    world = world_of(*programs)
    drive = group(world, max_unavailable=1, method='signal:HUP')
    operation = drive.end()
    assert phases(operation) == {'0': 'failed', '1': 'skipped'}
    assert errors(operation)['0'].startswith('state EXITED')
    drive.to(20.0)
    assert world.processes['web:0'].state is Seen.RUNNING
    assert (
        world.processes['web:0'].pid == operation.members[0].new_pid != operation.members[0].old_pid
    )


def test_one_that_died_of_the_signal_and_was_started_again_before_it_was_looked_at_has_failed():
    drive = group(world_of(program(ready_again=3.0)), method='signal:HUP').to(1.0)
    drive.world.processes['web:0'].pid += 1
    operation = drive.end()
    assert errors(operation) == {'0': 'it ended, after the signal'}
    assert operation.state is State.FAILED


def test_one_that_never_answers_again_after_the_signal_fails():
    drive = group(
        world_of(program(ready_again=99.0), program()), max_unavailable=1, method='signal:HUP'
    )
    assert drive.end().state is State.FAILED
    assert errors(drive.operation)['0'] == 'not ready within 30 s: connection refused'
    assert list(drive.entries('signal')) == ['web:0']


def test_what_is_down_is_started_instead():
    world = world_of(program(), program())
    world.processes['web:1'].__init__(Seen.FATAL, Program(), world.now)
    drive = group(world, method='signal:HUP')
    assert drive.end().state is State.SUCCEEDED
    assert list(drive.entries('signal')) == ['web:0']
    assert list(drive.entries('start')) == ['web:1']


def test_one_that_is_starting_is_signalled_when_it_runs():
    world = World()
    world.add('web:0', Seen.STARTING, program(startsecs=4.0))
    drive = group(world, method='signal:HUP')
    assert drive.end().state is State.SUCCEEDED
    assert drive.entries('signal') == {'web:0': 4.0}


def test_one_that_dies_before_its_signal_is_started():
    drive = group(world_of(program(), program()), max_unavailable=1, method='signal:HUP')
    drive.at(0.5, lambda: drive.world.processes['web:1'].__setattr__('exits_at', drive.world.now))
    drive.end()
    assert drive.entries('start') == {'web:1': 0.5}
    assert drive.operation.members[1].phase is Phase.READY


def test_one_that_is_stopped_by_others_before_its_signal_is_left_so():
    world = World()
    world.add('web:0', Seen.STARTING, program(startsecs=4.0))
    drive = group(world, method='signal:HUP')
    drive.at(1.0, lambda: world.others_stop('web:0', heeded=False))
    assert phases(drive.end()) == {'0': 'taken'}
