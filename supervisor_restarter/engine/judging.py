"""What is said of an operation: how far it is, whether it is over, with what result. Pure."""

from __future__ import annotations

from enum import Enum

from supervisor_restarter.engine.member import Goal, Member
from supervisor_restarter.engine.phases import ON_RETURN, RENEWED, SETTLED, Phase
from supervisor_restarter.faults import Code
from supervisor_restarter.options import Options


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
    ROLLED_BACK = 'rolled_back'


PENDING = {
    Phase.WAITING: 'its turn had not come',
    Phase.KEPT: 'it is left alone and is not ready yet',
    Phase.DUE: 'its turn had not come',
    Phase.TO_SIGNAL: 'its turn had not come',
    Phase.TO_DRAIN: 'its turn had not come',
    Phase.DRAINING: 'it is being drained',
    Phase.DRAINED: 'it is drained and about to be stopped',
    Phase.TO_RETURN: 'it is left running and about to be put back into service',
    Phase.RETURNING: 'it is left running and being put back into service',
    Phase.TO_SURGE: 'its turn had not come',
    Phase.SURGING: 'its new process is not ready yet, and the old one is not stopped before',
    Phase.HANDING_OVER: 'its new process is ready, and the old one is about to be stopped',
    Phase.RESTORING: 'its new process is about to be stopped, and the old one goes on',
    Phase.TO_TELL: 'it is ready, and that is about to be told',
    Phase.TELLING: 'it is ready, and that is being told',
    Phase.SIGNALLED: 'the signal was sent and it is not ready yet',
    Phase.STOPPING: 'it is still stopping and will be started when it has exited',
    Phase.STOPPED: 'it has exited and is about to be started',
    Phase.STARTING: 'it is started and not ready yet',
    Phase.WAVERING: 'it was ready and is not ready any more',
}
NOT_REACHED = 'not reached'  # how the error of a process begins whose turn did not come
GROUP_GONE = 'its process group was removed or replaced meanwhile'

# A process in one of these phases is started, or left as it is.
ORDERED = (SETTLED | RENEWED | ON_RETURN) | {Phase.KEPT, Phase.SURGING, Phase.HANDING_OVER}


def is_ordered(member: Member) -> bool:
    """Whether the process is started or, if that is the goal, being stopped."""
    if member.goal is Goal.STOP:
        return member.phase not in (Phase.WAITING, Phase.DUE)
    return member.phase in ORDERED


def limit_of_stops(options: Options) -> str:
    """The name of the setting that says how long a process has from its stop signal to SIGKILL."""
    return 'stopwaitsecs' if options.stop_timeout is None else 'stop_timeout'


def prospect(member: Member) -> str:
    """What is still to come for a process that is not settled."""
    if member.goal is Goal.STOP and member.phase is Phase.STOPPING:
        return 'it is still stopping'
    return PENDING[member.phase]


def final_state(members: list[Member], back: str) -> tuple[State, str]:
    """The state of an operation that has come to its end by itself, and why it is cancelled or
    rolled back. back: why it has turned back, '' if it has not.
    """
    if any(member.error == GROUP_GONE for member in members):
        return State.CANCELLED, and_then(back, GROUP_GONE)
    failed = [member for member in members if member.code is not None]
    if not back:
        return State.FAILED if failed else State.SUCCEEDED, ''
    # What another client has stopped is left alone, and is no failure of the way back.
    failed = [m for m in failed if m.phase is not Phase.TAKEN and not is_as_before(m)]
    if not failed:
        return State.ROLLED_BACK, back
    return State.FAILED, and_then(back, said_of(failed[0]))


def is_as_before(member: Member) -> bool:
    """Whether it has failed on the way back, and had not run before the way there either. One that
    could not be stopped runs with the new thing.
    """
    end = member.way_out if member.phase in ON_RETURN else member.phase
    stopped = end is Phase.FAILED and member.code is not Code.STOP_FAILED
    return stopped and not member.leaving and not member.old_pid


def said_of(member: Member) -> str:
    """Why a process has failed, with its name."""
    return f'{member.namespec}: {member.error}'


def and_then(back: str, why: str) -> str:
    """Why an operation has ended that had turned back, or had not."""
    return f'{back}; then: {why}' if back else why
