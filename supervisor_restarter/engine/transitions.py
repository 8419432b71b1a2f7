"""What a process's next phase brings with it: its times, its new pid, why it has failed. Pure."""

from __future__ import annotations

from supervisor_restarter.engine.member import Failure, Goal, Member
from supervisor_restarter.engine.phases import RENEWED, Phase, Seen
from supervisor_restarter.faults import Code
from supervisor_restarter.options import Options


def enter(member: Member, phase: Phase, options: Options, now: float) -> Failure | None:
    """Take the member to the phase that follows from what is seen of it; if that is FAILED, leave
    it where it is and say why.
    """
    before, seen = member.phase, member.observed.seen
    if before is Phase.STOPPING and seen is not Seen.WANTED_DOWN:
        member.exited(now, 'stopwaitsecs' if options.stop_timeout is None else 'stop_timeout')
    if before is Phase.TAKEN:
        member.give_back()
    if phase is Phase.FAILED:
        return Failure(failure_code(before, seen), member.reason(before, now))
    if phase in (Phase.STARTING, Phase.READY, Phase.ENDED) and before not in RENEWED:
        started(member, now, member.observed.pid)  # by another client
        if member.goal is Goal.STOP:
            return None
    if phase is Phase.TAKEN:
        member.take()
    elif phase is Phase.SKIPPED:
        member.keep()
    member.phase = phase
    if phase is Phase.STOPPING:
        member.stopping_since = now
    elif phase is Phase.WAVERING:
        member.wavering_since = now
    elif phase in (Phase.READY, Phase.ENDED) and before not in (Phase.READY, Phase.WAVERING):
        member.ready_at = now
        member.new_pid = member.observed.pid or member.new_pid
    return None


def failure_code(before: Phase, seen: Seen) -> Code:
    """What kind of failure it is that a process in the phase `before` is seen so."""
    if seen is not Seen.UNKNOWN:
        return Code.START_FAILED
    if before in (Phase.STOPPED, Phase.STARTING, Phase.READY, Phase.WAVERING):
        return Code.START_FAILED
    return Code.STOP_FAILED if before is Phase.STOPPING else Code.BAD_STATE


def started(member: Member, now: float, pid: int) -> None:
    """The member has been started. pid: of the process now running."""
    if member.goal is Goal.STOP:
        member.leave('somebody else started it again', Code.CANCELLED)
    else:
        member.started(now, pid)
