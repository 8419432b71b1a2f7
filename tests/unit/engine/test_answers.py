"""What clients are told of a restart."""

from __future__ import annotations

from xmlrpc.client import dumps

import pytest
from supervisor.xmlrpc import Faults

from supervisor_restarter.client.structs import Process
from supervisor_restarter.engine import answers
from supervisor_restarter.engine.judging import NOT_REACHED
from supervisor_restarter.engine.member import Goal, Member, Observation
from supervisor_restarter.engine.operation import Operation, State
from supervisor_restarter.engine.phases import (
    BESIDE,
    ON_RETURN,
    SETTLED,
    TURN_HAS_COME,
    Phase,
    Seen,
)
from supervisor_restarter.faults import Code
from supervisor_restarter.names import Match
from supervisor_restarter.options import Options
from supervisor_restarter.text import listed
from tests.world import BEGINNING, Life, Program, World, group

PHASES_SHOWN = {
    'waiting',
    'draining',
    'stopping',
    'stopped',
    'starting',
    'ready',
    'skipped',
    'failed',
}


def member(name='0', phase=Phase.READY, code=None, error='', single=False, group='web', **times):
    return Member(Match(group, name, True, single), phase=phase, code=code, error=error, **times)


def operation(*members, goal=Goal.RESTART, pending=(), state=State.RUNNING):
    for one in members:
        one.goal = goal
    return Operation(list(members), Options(), goal=goal, pending=list(pending), state=state)


@pytest.mark.parametrize(('group', 'name', 'shown'), [
    ('web',   '0',               'web:0'),
    ('nginx', 'nginx',           'nginx'),
    ('größe', 'höhe',            'größe:höhe'),
    ('we\nb', 'a\x1b[31m\u2028', r'we\nb:a\x1b[31m\u2028'),
])  # fmt: skip
def test_a_process_is_named_as_supervisorctl_shows_it(group, name, shown):
    assert member(name, group=group).namespec == shown


@pytest.mark.parametrize(('wall', 'text'), [
    (None,            ''),
    (0.0,             '1970-01-01T00:00:00.000Z'),
    (1704164645.5,    '2024-01-02T03:04:05.500Z'),
    (1704164645.0004, '2024-01-02T03:04:05.000Z'),
])  # fmt: skip
def test_times_are_iso_8601_in_utc(wall, text):
    assert answers.iso(wall) == text


@pytest.mark.parametrize(('start', 'end', 'seconds'), [
    (None, None,      0.0),
    (1.0,  None,      0.0),
    (None, 1.0,       0.0),
    (1.0,  3.5,       2.5),
    (3.0,  1.0,       0.0),
    (0.0,  0.0,       0.0),
    (1.0,  1.0000004, 0.0),
])  # fmt: skip
def test_seconds_between(start, end, seconds):
    assert answers.between(start, end) == seconds


@pytest.mark.parametrize(('count', 'text'), [
    (0,  ''),
    (1,  'p0'),
    (2,  'p0, p1'),
    (10, 'p0, p1, p2, p3, p4, p5, p6, p7, p8, p9'),
    (11, 'p0, p1, p2, p3, p4, p5, p6, p7, p8, p9 and 1 more'),
    (32, 'p0, p1, p2, p3, p4, p5, p6, p7, p8, p9 and 22 more'),
])  # fmt: skip
def test_at_most_ten_are_named(count, text):
    assert listed(f'p{number}' for number in range(count)) == text


def test_the_struct_of_a_process():
    world = World()
    world.add('web:0', program=Program(stop_seconds=0.5, startsecs=2.0))
    old = world.processes['web:0'].pid
    done = group(world).end()
    struct = answers.process_struct(done, done.members[0])
    assert struct == {
        'group': 'web',
        'name': '0',
        'action': 'restart',
        'phase': 'ready',
        'old_pid': old,
        'new_pid': world.processes['web:0'].pid,
        'waited_seconds': 0.0,
        'drain_seconds': 0.0,
        'stop_seconds': pytest.approx(0.5, abs=0.01),
        'down_seconds': pytest.approx(0.0, abs=0.01),
        'ready_seconds': pytest.approx(2.0, abs=0.01),
        'failed_seconds': 0.0,
        'error': '',
        'stop_limit': 0.0,
        'killed': False,
        'note': '',
        'way_there': {},
    }


def test_when_a_process_has_failed():
    world = World()
    world.add('web:0', program=Program(stop_seconds=0.5, lives=[Life(), Life(0.25, 1)]))
    done = group(world).end()
    struct = answers.process_struct(done, done.members[0])
    assert struct['failed_seconds'] == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize(('pid', 'options', 'what', 'action'), [
    (0,  {},                       {},                'start'),
    (10, {},                       {},                'restart'),
    (10, {},                       {'surges': True},  'surge'),
    (0,  {},                       {'surges': True},  'start'),
    (10, {'method': 'signal:HUP'}, {},                'signal'),
    (0,  {'method': 'signal:HUP'}, {},                'start'),
    (10, {},                       {'leaving': True}, 'remove'),
])  # fmt: skip
@pytest.mark.parametrize('begun', [True, False])
def test_what_is_done_to_a_process_is_known_before_it_begins(pid, options, what, action, begun):
    one = member(old_pid=pid * begun, **what)
    one.observed = Observation(Seen.READY, 20 if begun else pid)
    asked = Operation([one], Options(**options), begun_at=BEGINNING * begun)
    assert answers.process_struct(asked, one)['action'] == action


def test_the_struct_of_a_process_has_what_clients_know_and_nothing_else():
    struct = answers.process_struct(operation(), member())
    assert set(struct) == set(Process.__annotations__)


def test_a_process_that_was_down_has_been_down_since_the_beginning():
    world = World()
    world.add('web:0', Seen.STOPPED)
    done = group(world).to(3.0).operation
    done.begun_at -= 3.0
    struct = answers.process_struct(done, done.members[0])
    assert (struct['old_pid'], struct['down_seconds']) == (0, 3.0)


def test_phases_are_shown_as_documented_and_without_null():
    other = {
        Phase.KEPT: 'waiting',
        **dict.fromkeys(TURN_HAS_COME, 'waiting'),
        Phase.DRAINED: 'draining',
        **dict.fromkeys(ON_RETURN, 'starting'),
        **dict.fromkeys(BESIDE - TURN_HAS_COME, 'starting'),
        Phase.TO_TELL: 'starting',
        Phase.TELLING: 'starting',
        Phase.SIGNALLED: 'starting',
        Phase.WAVERING: 'starting',
        Phase.ENDED: 'ready',
        Phase.TAKEN: 'skipped',
    }
    for phase in Phase:
        struct = answers.process_struct(operation(), member(phase=phase))
        assert struct['phase'] == other.get(phase, phase.value)
        assert struct['phase'] in PHASES_SHOWN
        assert dumps((struct,))  # no None, which XML-RPC cannot carry
        assert type(struct['phase']) is str


def test_failures_are_the_failed_processes_in_order():
    failed = operation(
        member('0'),
        member('1', Phase.FAILED, Code.START_FAILED, 'exit status 3'),
        member('2', Phase.SKIPPED, Code.CANCELLED, 'taken over'),
        member('3', Phase.SKIPPED, None, 'not reached'),
    )
    assert answers.failures(failed) == [
        {'group': 'web', 'name': '1', 'code': 0x430, 'text': 'START_FAILED: exit status 3'},
        {'group': 'web', 'name': '2', 'code': 0x470, 'text': 'CANCELLED: taken over'},
    ]


def test_after_a_timeout_the_pending_processes_are_entries_too():
    failed = member('0', Phase.FAILED, Code.STOP_FAILED, 'EPERM')
    slow = member('1', Phase.STOPPING)
    entries = answers.failures(
        operation(failed, slow, member('2'), pending=[(slow, 'still stopping')])
    )
    assert entries == [
        {'group': 'web', 'name': '0', 'code': 0x431, 'text': 'STOP_FAILED: EPERM'},
        {'group': 'web', 'name': '1', 'code': 0x420, 'text': 'TIMEOUT: still stopping'},
    ]
    assert all(type(entry['code']) is int for entry in entries)


def test_a_pending_process_that_has_failed_since_is_listed_once():
    slow = member('1', Phase.FAILED, Code.START_FAILED, 'exit status 1')
    assert [
        entry['code']
        for entry in answers.failures(operation(slow, pending=[(slow, 'still stopping')]))
    ] == [0x420]


def test_of_an_operation_that_is_over_it_is_told_what_became_of_those_that_were_pending():
    late, failed = member('0'), member('1', Phase.FAILED, Code.START_FAILED, 'exit status 1')
    over = operation(late, failed, member('2'), pending=[(late, 'slow'), (failed, 'slow')])
    assert [(entry['name'], entry['text']) for entry in answers.outcome(over)] == [
        ('0', 'TIMEOUT: it was ready only after the timeout'),
        ('1', 'START_FAILED: exit status 1'),
    ]


def test_what_failed_or_was_not_reached_can_be_retried_and_nothing_else():
    over = operation(
        member('0'),
        member('1', Phase.FAILED, Code.START_FAILED, 'exit status 1'),
        member('2', Phase.SKIPPED, None, f'{NOT_REACHED}: the restart was cancelled'),
        member('3', Phase.SKIPPED, Code.CANCELLED, 'its group is gone'),
        member('4', Phase.TAKEN, Code.CANCELLED, 'others have stopped it'),
    )
    assert [one.name for one in answers.unfinished(over)] == ['1', '2']


def test_the_text_of_a_timeout_names_what_is_pending():
    slow = [member('1'), member('nginx', group='nginx')]
    text = answers.timeout_text(
        operation(member('0'), *slow, pending=[(slow[0], 'stopping'), (slow[1], 'starting')])
    )
    assert text == '2 of 3 processes were pending: web:1 (stopping), nginx (starting)'


BEGUN = SETTLED | {Phase.KEPT, Phase.STARTING, Phase.SIGNALLED, Phase.WAVERING}
BEGUN |= {Phase.TO_TELL, Phase.TELLING, Phase.TO_RETURN, Phase.RETURNING}
BEGUN |= {Phase.SURGING, Phase.HANDING_OVER}
STOPPED = set(Phase) - {Phase.WAITING, Phase.DUE}


@pytest.mark.parametrize(
    ('goal', 'ordered'), [(Goal.RESTART, BEGUN), (Goal.START, BEGUN), (Goal.STOP, STOPPED)]
)
def test_when_everything_is_ordered(goal, ordered):
    for phase in Phase:
        one = operation(member(), member(phase=phase), goal=goal)
        assert one.ordered is (phase in ordered), phase


def test_the_status_codes_are_supervisors_own():
    assert {status.name: status.value for status in answers.Status} == {
        status.name: getattr(Faults, status.name) for status in answers.Status
    }


@pytest.mark.parametrize(('goal', 'process', 'status', 'description'), [
    (Goal.RESTART, member(), 80, 'OK'),
    (Goal.START, member(phase=Phase.STARTING), 80, 'OK'),
    (Goal.STOP, member(phase=Phase.STOPPED), 80, 'OK'),
    (Goal.STOP, member(phase=Phase.STOPPING), 80, 'OK'),
    (Goal.START, member(phase=Phase.FAILED, code=Code.START_FAILED, error='why'), 50, 'SPAWN_ERROR: why'),
    (Goal.STOP, member(phase=Phase.FAILED, code=Code.STOP_FAILED, error='why'), 30, 'FAILED: why'),
    (Goal.STOP, member(phase=Phase.FAILED, code=Code.BAD_STATE, error='why'), 30, 'FAILED: why'),
    (Goal.START, member(phase=Phase.SKIPPED, code=Code.CANCELLED, error='why'), 0x470, 'CANCELLED: why'),
    (Goal.RESTART, member(phase=Phase.SKIPPED, error='not reached'), 0x470, 'CANCELLED: not reached'),
    (Goal.START, member(phase=Phase.SKIPPED, single=True), 60, 'ALREADY_STARTED: web:0'),
    (Goal.STOP, member(phase=Phase.SKIPPED, single=True), 70, 'NOT_RUNNING: web:0'),
    (Goal.RESTART, member(phase=Phase.SKIPPED, single=True), 70, 'NOT_RUNNING: web:0'),
    (Goal.RESTART, member(phase=Phase.SKIPPED, single=True, kept='already started'), 60, 'ALREADY_STARTED: web:0'),
])  # fmt: skip
def test_the_status_of_a_process(goal, process, status, description):
    rows = answers.statuses(operation(process, goal=goal))
    assert rows == [{'name': '0', 'group': 'web', 'status': status, 'description': description}]
    assert type(rows[0]['status']) is int


def test_what_is_as_wanted_already_and_not_named_by_itself_is_passed_over():
    for goal in Goal:
        assert answers.statuses(operation(member(phase=Phase.SKIPPED), goal=goal)) == []


def test_a_pending_process_has_the_status_timeout():
    slow = member('1', Phase.STOPPING)
    rows = answers.statuses(
        operation(member(), slow, pending=[(slow, 'still stopping')], goal=Goal.STOP)
    )
    assert [(row['status'], row['description']) for row in rows] == [
        (80, 'OK'),
        (0x420, 'TIMEOUT: still stopping'),
    ]


def test_after_a_cancel_a_process_that_is_not_ready_yet_is_not_said_to_be_ok():
    for phase in (Phase.STOPPING, Phase.STOPPED, Phase.STARTING, Phase.SIGNALLED):
        (row,) = answers.statuses(operation(member(phase=phase), state=State.CANCELLED))
        assert row['status'] == Code.CANCELLED
