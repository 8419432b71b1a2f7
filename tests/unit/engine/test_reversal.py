"""The way back of an operation that is reversible."""

from __future__ import annotations

import pytest

from supervisor_restarter.engine import answers
from supervisor_restarter.engine.judging import GROUP_GONE
from supervisor_restarter.engine.member import TAKEN_OVER, Member
from supervisor_restarter.engine.operation import Operation, State
from supervisor_restarter.engine.phases import Phase, Seen
from supervisor_restarter.engine.policy import Policy
from supervisor_restarter.faults import Code
from supervisor_restarter.names import Match
from supervisor_restarter.options import Options
from tests.world import BEGINNING, Drive, Life, Program, World, applied, phases

OLD = Program(startsecs=1.0)
GOOD = Program(startsecs=2.0)
BAD = Program(startsecs=1.0, lives=[Life(0.5, 1)])
NEVER_READY = Program(lives=[Life(ready_after=None)])
BROKEN = Program(obstacle='no such file')


def changing(*new: Program, old=OLD, added=(), leaving=(), **options) -> Drive:
    """web:0, web:1 and so on are to run these from their next start on."""
    world = World()
    for number in range(len(new)):
        world.add(f'web:{number}', Seen.STOPPED if f'web:{number}' in added else Seen.RUNNING, old)
    for name in leaving:
        world.add(name)
    programs = {f'web:{number}': program for number, program in enumerate(new)}
    return applied(world, programs, added, leaving, **options)


def struct(drive, number):
    return answers.process_struct(drive.operation, drive.operation.members[number])


def ends_as_it_was(drive, *names):
    for name in names:
        process = drive.world.processes[name]
        assert (process.state, process.program) == (Seen.RUNNING, drive.old[name])


# -- why it turns back ---------------------------------------------------------------------------


def test_a_process_that_does_not_come_up_turns_it_back():
    drive = changing(GOOD, BAD, GOOD)
    operation = drive.end()
    why = 'web:1: state BACKOFF'
    assert (operation.state, operation.back, operation.why) == (State.ROLLED_BACK, why, why)
    ends_as_it_was(drive, 'web:0', 'web:1', 'web:2')
    assert phases(operation) == {'0': 'ready', '1': 'ready', '2': 'skipped'}
    assert [member.note for member in operation.members] == ['rolled back', 'rolled back', '']
    assert operation.members[2].error == 'not reached'
    assert operation.lowest_ready == 2
    assert 'web:2' not in drive.entries('stop')


@pytest.mark.parametrize(
    ('end', 'why'),
    [
        (lambda operation: operation.cancel('it was cancelled'), 'it was cancelled'),
        (
            lambda operation: setattr(operation, 'deadline', BEGINNING),
            'its timeout of 5 s was over',
        ),
    ],
)
def test_it_turns_back_when_it_is_cancelled_and_when_its_time_is_over(end, why):
    drive = changing(GOOD, GOOD, timeout=5.0)
    drive.at(1.0, lambda: end(drive.operation))
    operation = drive.end()
    assert (operation.state, operation.why, operation.pending) == (State.ROLLED_BACK, why, [])
    ends_as_it_was(drive, 'web:0', 'web:1')
    assert [member.errors for member in operation.members] == ['', 'not reached']


def test_in_the_queue_there_is_nothing_to_turn_back():
    drive = changing(GOOD)
    operation = drive.operation
    operation.state = State.QUEUED
    operation.cancel('enough')
    assert (operation.state, operation.turning) == (State.CANCELLED, '')


def test_what_is_foreseen_turns_it_back_before_anything_is_touched_and_all_of_it_is_told():
    drive = changing(GOOD, BROKEN, BROKEN)
    operation, why = drive.operation, 'left as it is: no such file'
    assert operation.turning == f'web:1: {why}'
    assert drive.end().state is State.ROLLED_BACK
    assert drive.log == []
    assert [member.errors for member in operation.members] == ['not reached', why, why]
    assert [entry['text'] for entry in answers.outcome(operation)] == 2 * [f'START_FAILED: {why}']


def test_what_is_refused_as_it_begins_turns_it_back():
    world = World()
    world.add('web:0')
    drive = applied(world, {'web:0': GOOD}, refused={'web:0': 'makes no sense'})
    assert drive.operation.turning == 'web:0: makes no sense'
    operation = drive.end()
    assert (operation.state, drive.log) == (State.ROLLED_BACK, [])
    assert operation.members[0].errors == 'makes no sense'


def test_a_start_that_fails_at_once_turns_it_back():
    drive = changing(GOOD, Program(unforeseen='no such file'), max_unavailable='100%')
    operation = drive.end()
    assert (operation.state, operation.why) == (State.ROLLED_BACK, 'web:1: no such file')
    ends_as_it_was(drive, 'web:0', 'web:1')


@pytest.mark.parametrize('reversible', [True, False])
@pytest.mark.parametrize('member', [True, False])
def test_what_another_client_stops_does_not_count_for_availability(member, reversible):
    world = World()
    for name in ('web:0', 'web:1', 'web:2'):
        world.add(name, Seen.RUNNING, OLD)
    programs = {'web:0': GOOD, 'web:1': GOOD, **({'web:2': GOOD} if member else {})}
    drive = applied(world, programs, reversible=reversible)
    drive.at(0.5, lambda: world.others_stop('web:2'))
    operation = drive.end()
    assert (operation.back, phases(operation)['1']) == ('', 'ready')
    assert world.processes['web:2'].state is Seen.STOPPED


def test_a_process_that_another_client_stops_does_not_turn_it_back():
    drive = changing(GOOD, GOOD, GOOD)
    drive.at(0.5, lambda: drive.world.others_stop('web:1'))
    operation = drive.end()
    assert (operation.state, operation.back) == (State.FAILED, '')
    assert phases(operation) == {'0': 'ready', '1': 'taken', '2': 'ready'}


def test_one_that_is_not_reversible_ends_as_ever():
    operation = changing(GOOD, BAD, reversible=False).end()
    assert (operation.state, operation.why) == (State.FAILED, '')


# -- turning -------------------------------------------------------------------------------------


def test_until_it_is_turned_back_nothing_is_ordered_and_it_does_not_end():
    drive = changing(GOOD, GOOD, timeout=5.0).to(0.0)
    operation, world = drive.operation, drive.world
    operation.cancel('it was cancelled')
    version = operation.version
    operation.cancel('once more')
    for _ in range(100):
        world.now += 0.1
        world.turn()
        operation.step(world.now, world.look)
        assert list(operation.orders()) == []
        wake_at = operation.wake_at()
        assert wake_at is not None
        assert wake_at <= world.now
    assert (operation.state, operation.turning) == (State.RUNNING, 'it was cancelled')
    assert operation.version > version  # web:0 has stopped since
    assert operation.members[0].phase is Phase.STOPPED
    assert drive.end().state is State.ROLLED_BACK


def test_what_fails_while_it_turns_is_no_second_reason():
    drive = changing(GOOD, GOOD, max_unavailable='100%').to(1.0)
    operation, world = drive.operation, drive.world
    operation.cancel('it was cancelled')
    world.processes['web:1']._exit_by(world.now)
    world.turn()
    operation.step(world.now, world.look)
    assert (operation.turning, operation.why) == ('it was cancelled', 'it was cancelled')
    assert drive.end().state is State.ROLLED_BACK
    assert struct(drive, 1)['error'] == 'state BACKOFF'


def test_it_can_be_abandoned_while_it_turns():
    drive = changing(GOOD, GOOD).to(0.0)
    drive.operation.cancel('it was cancelled')
    drive.operation.abandon('shutting down')
    assert (drive.operation.state, drive.operation.turning) == (State.CANCELLED, '')
    assert drive.operation.why == 'it was cancelled; then: shutting down'


def test_what_does_not_turn_cannot_be_turned_back():
    drive = changing(GOOD).to(0.0)
    before = drive.operation.version
    with pytest.raises(ValueError, match='nothing to turn back'):
        drive.operation.turn_back([], [], drive.world.now, drive.world.look)
    assert drive.operation.version == before


# -- the way back --------------------------------------------------------------------------------


def test_nothing_turns_it_back_a_second_time_and_nothing_ends_it():
    drive = changing(GOOD, BAD, GOOD, timeout=10.0)
    drive.at(4.0, lambda: drive.operation.cancel('enough'))
    operation = drive.to(4.0).operation
    assert (operation.state, operation.back) == (State.RUNNING, 'web:1: state BACKOFF')
    assert operation.deadline is None
    assert drive.end().why == 'web:1: state BACKOFF'


def test_a_way_back_that_fails_ends_and_both_reasons_are_told():
    world = World()
    world.add('web:0')
    world.add('web:1', program=Program(lives=[Life(), Life(0.3, 7)], startsecs=1.0))
    drive = applied(world, {'web:0': GOOD, 'web:1': BAD})
    drive.old['web:1'] = Program(startsecs=1.0, lives=[Life(0.3, 7)])
    operation = drive.end()
    assert operation.state is State.FAILED
    assert operation.why == 'web:1: state BACKOFF; then: web:1: state BACKOFF'
    assert struct(drive, 1)['error'] == 'state BACKOFF; then: state BACKOFF'
    assert answers.failures(operation)[0]['text'] == (
        'START_FAILED: state BACKOFF; then: state BACKOFF'
    )
    assert operation.members[0].error.startswith('not reached: web:1 failed first')
    assert (struct(drive, 0)['note'], struct(drive, 1)['note']) == ('', '')
    assert (operation.done, len(operation.failures)) == (0, 1)


def test_a_process_that_failed_keeps_its_reason_though_it_runs_again():
    drive = changing(BAD)
    operation = drive.end()
    told = struct(drive, 0)
    assert (told['phase'], told['error']) == ('ready', 'state BACKOFF')
    assert (operation.done, len(operation.failures)) == (0, 1)
    assert answers.outcome(operation) == [
        {
            'group': 'web',
            'name': '0',
            'code': Code.START_FAILED,
            'text': 'START_FAILED: state BACKOFF',
        }
    ]


def test_what_was_added_is_gone_at_once():
    drive = changing(GOOD, BAD, GOOD, GOOD, added=['web:2', 'web:3'])
    operation = drive.end()
    assert operation.state is State.ROLLED_BACK
    assert phases(operation) == {'0': 'ready', '1': 'ready', '2': 'stopped', '3': 'stopped'}
    assert [struct(drive, number)['action'] for number in range(4)] == 2 * ['restart'] + 2 * [
        'start'
    ]
    assert drive.world.dropped == {'web:2', 'web:3'}
    back_at = next(
        entry.seconds for entry in drive.log if entry.name == 'web:2' and entry.order == 'stop'
    )
    assert drive.entries('stop')['web:3'] == round(back_at, 2)
    ends_as_it_was(drive, 'web:0', 'web:1')


def test_what_was_to_be_gone_stays():
    drive = changing(BAD, leaving=['web:9'])
    operation = drive.end()
    assert phases(operation) == {'0': 'ready', '9': 'skipped'}
    assert drive.world.processes['web:9'].state is Seen.RUNNING
    assert struct(drive, 1)['action'] == 'remove'


@pytest.mark.parametrize('heeded', [True, False])
def test_what_another_client_has_stopped_stays_so_and_is_no_failure_of_the_way_back(heeded):
    drive = changing(GOOD, GOOD, BAD)
    drive.at(3.0, lambda: drive.world.others_stop('web:0', heeded))
    drive.at(5.7, lambda: drive.world.others_stop('web:1', heeded))
    operation = drive.end()
    assert operation.state is State.ROLLED_BACK
    assert [operation.members[number].phase for number in (0, 1)] == 2 * [Phase.TAKEN]
    assert operation.members[1].error == TAKEN_OVER
    assert drive.world.processes['web:0'].state is Seen.STOPPED


def test_a_group_that_is_gone_ends_the_way_back_as_ever():
    drive = changing(GOOD, BAD)
    drive.to(3.0)
    drive.at(3.0, lambda: drive.world.removed.add('web'))
    operation = drive.end()
    assert operation.state is State.CANCELLED
    assert operation.why == f'web:1: state BACKOFF; then: {GROUP_GONE}'


def turned(drive, restored=(), undone=()):
    """The operation of the drive, turned back for the members with these numbers, at this moment."""
    operation, world = drive.operation, drive.world
    operation.cancel('it was cancelled')
    members = operation.members
    of = [[members[number] for number in numbers] for numbers in (restored, undone)]
    world.next = drive.old
    drive._checked(lambda: operation.turn_back(*of, world.now, world.look))
    return operation


def test_a_policy_can_be_another_one_on_the_way_back():
    drive = changing(GOOD, GOOD, NEVER_READY, max_unavailable='100%')
    operation = drive.to(1.0).operation
    assert len(drive.entries('start')) == 3
    for member in operation.members:
        member.policy = Policy(1, 0.0, 5.0)
    assert drive.end().state is State.ROLLED_BACK
    stops = sorted(entry.seconds for entry in drive.log[6:] if entry.order == 'stop')
    assert min(late - early for early, late in zip(stops, stops[1:])) > OLD.startsecs


def test_there_are_no_scouts_on_the_way_back_but_the_processes_go_as_they_may():
    drive = changing(GOOD, GOOD, BAD, scout=30.0, timeout=40.0)
    operation = drive.to(32.0).operation
    assert phases(operation) == {'0': 'ready', '1': 'starting', '2': 'waiting'}
    drive.end()
    assert operation.state is State.ROLLED_BACK
    assert drive.world.now < BEGINNING + 45.0


def test_what_is_down_is_brought_back_whether_it_is_named_or_not():
    drive = changing(GOOD, GOOD).to(0.05)
    operation = turned(drive)
    assert operation.members[0].phase is Phase.STOPPING
    assert drive.end().state is State.ROLLED_BACK
    ends_as_it_was(drive, 'web:0', 'web:1')


def test_what_has_happened_since_the_last_step_is_seen_before_it_turns_back():
    drive = changing(GOOD, GOOD).to(3.0)
    drive.world.others_stop('web:0')
    operation = turned(drive, restored=[0, 1])
    assert operation.members[0].phase is Phase.TAKEN
    assert drive.end().state is State.ROLLED_BACK


def test_what_has_failed_and_another_client_wants_down_stays_down():
    drive = changing(BAD, GOOD).to(0.5)
    operation, world = drive.operation, drive.world
    world.now += 0.2
    world.turn()
    operation.step(world.now, world.look)
    assert operation.turning == 'web:0: state BACKOFF'
    world.others_stop('web:0')
    turned(drive, restored=[0])
    assert operation.members[0].phase is Phase.TAKEN
    assert operation.state is State.ROLLED_BACK
    assert struct(drive, 0)['error'] == f'state BACKOFF; then: {TAKEN_OVER}'


def test_what_another_client_has_started_again_is_restored():
    drive = changing(GOOD, GOOD)
    drive.at(2.5, lambda: drive.world.others_stop('web:0', heeded=False)).to(2.9)
    assert drive.operation.members[0].phase is Phase.TAKEN
    drive.world.others_start('web:0')
    operation = turned(drive, restored=[0, 1])
    assert drive.end().state is State.ROLLED_BACK
    assert phases(operation) == {'0': 'ready', '1': 'ready'}
    ends_as_it_was(drive, 'web:0', 'web:1')


def test_what_did_not_run_before_may_fail_on_the_way_back():
    world = World()
    world.add('web:0', Seen.FATAL, Program(unforeseen='as ever'))
    world.add('web:1')
    world.add('web:2')
    drive = applied(world, {'web:0': GOOD, 'web:1': GOOD, 'web:2': BAD})
    operation = drive.end()
    assert operation.state is State.ROLLED_BACK
    assert phases(operation) == {'0': 'failed', '1': 'ready', '2': 'ready'}
    assert operation.members[0].error == 'as ever'
    ends_as_it_was(drive, 'web:1', 'web:2')


def test_what_was_added_is_stopped_even_if_the_way_back_fails():
    drive = changing(
        BAD, GOOD, GOOD, GOOD, added=['web:1', 'web:2', 'web:3'], max_unavailable='100%'
    )
    drive.orders_per_turn = 1
    drive.old['web:0'] = Program(unforeseen='gone')
    operation = drive.end()
    assert operation.why == 'web:0: state BACKOFF; then: web:0: gone'
    assert phases(operation) == {'0': 'failed', '1': 'stopped', '2': 'stopped', '3': 'stopped'}
    stops = drive.entries('stop')
    failed_at = drive.entries('start')['web:0']
    assert max(stops.values()) >= failed_at


def test_what_was_added_and_is_stopped_by_another_client_is_gone():
    drive = changing(GOOD, GOOD, added=['web:1']).to(3.0)
    drive.at(3.0, lambda: drive.world.others_stop('web:1')).to(3.5)
    operation = turned(drive, restored=[0], undone=[1])
    assert operation.members[1].phase is Phase.STOPPED
    assert drive.end().state is State.ROLLED_BACK
    assert operation.members[1].errors == ''


def test_what_was_added_and_cannot_be_stopped_fails_the_way_back():
    stubborn = Program(startsecs=1.0, kill_error='not permitted')
    operation = changing(BAD, stubborn, added=['web:1']).end()
    assert operation.why == 'web:0: state BACKOFF; then: web:1: not permitted'
    assert operation.state is State.FAILED


def test_a_group_that_is_gone_when_it_turns_back_cannot_be_brought_back():
    drive = changing(GOOD, GOOD).to(3.0)
    assert phases(drive.operation)['0'] == 'ready'
    drive.world.removed.add('web')
    operation = turned(drive, restored=[0, 1])
    assert (operation.state, operation.finished) == (State.CANCELLED, True)
    assert operation.members[0].error == GROUP_GONE


@pytest.mark.parametrize('new', [GOOD, NEVER_READY])
def test_a_reason_of_the_way_back_does_not_tell_of_the_way_there(new):
    drive = changing(new, BAD, max_unavailable='100%', ready_timeout=40.0)
    drive.old['web:0'] = Program(lives=[Life(0.0, 1)])  # not once seen up
    operation = drive.end()
    assert operation.members[0].error == 'state BACKOFF'


def test_of_those_for_which_there_is_no_room_the_first_turns_it_back():
    world = World()
    for name in ('web:0', 'web:1'):
        world.add(name)
    world.add('web:2', Seen.FATAL)
    operation = applied(world, {'web:0': GOOD, 'web:1': GOOD}).end()
    assert operation.state is State.ROLLED_BACK
    assert [bool(member.first_error) for member in operation.members] == [True, False]
    assert operation.why.startswith('web:0: left as it is: not ready are web:2 (FATAL)')


def test_a_way_back_that_takes_for_ever_has_an_end():
    world = World()
    world.add('web:0')
    drive = applied(world, {'web:0': BAD}, ready_timeout=0.0)
    drive.old['web:0'] = NEVER_READY
    operation = drive.end()
    assert operation.state is State.FAILED
    assert operation.why.endswith('web:0: not ready within 30 s: connection refused')


# -- once more -----------------------------------------------------------------------------------


def running(phase: Phase) -> tuple[Operation, Member]:
    member = Member(Match('web', '0', True, True))
    operation = Operation([member], Options(), state=State.RUNNING)
    member.phase = phase
    return operation, member


@pytest.mark.parametrize('phase', [Phase.STOPPED, Phase.TAKEN])
def test_what_others_have_started_with_the_old_thing_has_another_turn(phase):
    operation, member = running(phase)
    if phase is Phase.TAKEN:
        member.take()
    version = operation.version
    operation.once_more(member)
    assert (member.phase, member.order, member.code, member.error) == (
        Phase.WAITING,
        None,
        None,
        '',
    )
    assert operation.version == version + 1


def test_where_no_turn_comes_any_more_it_was_not_reached():
    operation, member = running(Phase.STOPPED)
    operation.cancel('enough')
    operation.once_more(member)
    assert (member.phase, member.error) == (Phase.SKIPPED, 'not reached: enough')


def test_what_happened_on_the_way_there_is_told_beside_what_happened_on_the_way_back():
    drive = changing(GOOD, BAD, GOOD)
    drive.end()
    first, second, third = (struct(drive, number) for number in range(3))
    assert first['way_there']['ready_seconds'] == pytest.approx(2.0, abs=0.01)
    there = second['way_there']
    lived = there['failed_seconds'] - there['waited_seconds'] - there['stop_seconds']
    assert lived == pytest.approx(0.5, abs=0.02)
    assert first['waited_seconds'] >= there['failed_seconds']
    assert [one['failed_seconds'] for one in (first, second, third)] == [0, 0, 0]
    assert third['way_there'] == {}
