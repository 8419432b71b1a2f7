"""What is said of an operation, word by word; the rest is said in test_answers.py."""

from __future__ import annotations

import pytest

from supervisor_restarter.engine.judging import PENDING, prospect
from supervisor_restarter.engine.member import Goal, Member
from supervisor_restarter.engine.phases import ENDS, SETTLED, Phase, Seen
from supervisor_restarter.engine.transitions import failure_code
from supervisor_restarter.faults import Code
from supervisor_restarter.names import Match


def member(phase, goal=Goal.RESTART):
    return Member(Match('web', '0', True, False), goal, phase=phase)


@pytest.mark.parametrize(('before', 'seen', 'code'), [
    (Phase.STOPPING, Seen.BACKOFF,      Code.START_FAILED),
    (Phase.STARTING, Seen.EXITED_BADLY, Code.START_FAILED),
    (Phase.STOPPED,  Seen.UNKNOWN,      Code.START_FAILED),
    (Phase.STARTING, Seen.UNKNOWN,      Code.START_FAILED),
    (Phase.READY,    Seen.UNKNOWN,      Code.START_FAILED),
    (Phase.WAVERING, Seen.UNKNOWN,      Code.START_FAILED),
    (Phase.STOPPING, Seen.UNKNOWN,      Code.STOP_FAILED),
    (Phase.WAITING,  Seen.UNKNOWN,      Code.BAD_STATE),
])  # fmt: skip
def test_what_kind_of_failure_it_is(before, seen, code):
    assert failure_code(before, seen) is code


@pytest.mark.parametrize(
    ('goal', 'over'),
    [(Goal.RESTART, ENDS), (Goal.START, ENDS), (Goal.STOP, ENDS | {Phase.STOPPED})],
)
def test_when_a_process_is_over_and_when_settled(goal, over):
    assert {phase for phase in Phase if member(phase, goal).over} == over
    assert {phase for phase in Phase if member(phase, goal).settled} == SETTLED | over


def test_something_is_still_to_come_for_every_process_that_is_not_settled():
    assert set(PENDING) == set(Phase) - SETTLED
    assert prospect(member(Phase.STOPPING, Goal.STOP)) == 'it is still stopping'
    assert prospect(member(Phase.STOPPING)).startswith('it is still stopping and will')
