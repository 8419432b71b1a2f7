"""What is said of an operation: how far it is, whether it is over, with what result. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.phases import ENDS, SETTLED, Phase


class State(str, Enum):
    """The state of an operation as a whole. After a timeout or a cancel it says so at once, while
    what is down is still being brought back; Operation.finished tells when that is over.
    """

    QUEUED = 'queued'
    RUNNING = 'running'
    SUCCEEDED = 'succeeded'
    FAILED = 'failed'
    CANCELLED = 'cancelled'
    TIMED_OUT = 'timed_out'


PENDING = {
    Phase.WAITING: 'its turn had not come',
    Phase.KEPT: 'it is left alone and is not ready yet',
    Phase.DUE: 'its turn had not come',
    Phase.TO_SIGNAL: 'its turn had not come',
    Phase.SIGNALLED: 'the signal was sent and it is not ready yet',
    Phase.STOPPING: 'it is still stopping and will be started when it has exited',
    Phase.STOPPED: 'it has exited and is about to be started',
    Phase.STARTING: 'it is started and not ready yet',
    Phase.WAVERING: 'it was ready and is not ready any more',
}
NOT_REACHED = 'not reached'  # how the error of a process begins whose turn did not come
GROUP_GONE = 'its process group was removed or replaced meanwhile'

# There is nothing left to be ordered for a process in these phases.
ORDERED = SETTLED | {Phase.KEPT, Phase.STARTING, Phase.SIGNALLED, Phase.WAVERING}


def is_over(member: Member, goal: Goal) -> bool:
    """Whether the process is at its end: whatever it does now changes nothing any more."""
    return member.phase in ENDS or (goal is Goal.STOP and member.phase is Phase.STOPPED)


def is_settled(member: Member, goal: Goal) -> bool:
    """Whether nothing is to be waited for. One that is settled and not over can still fail."""
    return member.phase in SETTLED or (goal is Goal.STOP and member.phase is Phase.STOPPED)


def is_ordered(members: Iterable[Member], goal: Goal) -> bool:
    """Whether each process is started or, if that is the goal, being stopped."""
    if goal is Goal.STOP:
        return all(member.phase not in (Phase.WAITING, Phase.DUE) for member in members)
    return all(member.phase in ORDERED for member in members)


def prospect(member: Member, goal: Goal) -> str:
    """What is still to come for a process that is not settled."""
    if goal is Goal.STOP and member.phase is Phase.STOPPING:
        return 'it is still stopping'
    return PENDING[member.phase]


def final_state(members: list[Member]) -> tuple[State, str]:
    """The state of an operation that has come to its end by itself, and why it is cancelled."""
    if any(member.error == GROUP_GONE for member in members):
        return State.CANCELLED, GROUP_GONE
    failed = any(member.code is not None for member in members)
    return State.FAILED if failed else State.SUCCEEDED, ''
