"""What a process's next phase brings with it, and what an order that was carried out does: its times,
its new pid, why it has failed. Pure.
"""

from __future__ import annotations

from supervisor_restarter.engine import beside, lifecycle
from supervisor_restarter.engine.judging import limit_of_stops
from supervisor_restarter.engine.member import Failure, Goal, Member
from supervisor_restarter.engine.phases import ON_RETURN, RENEWED, Order, Phase, Seen, after
from supervisor_restarter.faults import Code
from supervisor_restarter.options import Options


def enter(member: Member, phase: Phase, options: Options, now: float) -> Failure | None:
    """Take the member to the phase that follows from what is seen of it; if that is FAILED, leave
    it where it is and say why.
    """
    before, seen = member.phase, member.observed.seen
    if before is Phase.STOPPING and seen is not Seen.WANTED_DOWN:
        member.exited(now, limit_of_stops(options))
    if before is Phase.TAKEN:
        member.give_back()
    if before in ON_RETURN and phase is Phase.SKIPPED:
        member.end_return()
        return None
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
    if phase is Phase.HANDING_OVER:
        beside.hand_over(member)
    elif phase is Phase.STOPPING:
        member.stopping_since = now
    elif phase is Phase.WAVERING:
        member.wavering_since = now
    elif phase in (Phase.READY, Phase.ENDED) and before not in (Phase.READY, Phase.WAVERING):
        member.ready_at = now
        member.new_pid = member.observed.pid or member.new_pid
    return None


def carried_out(
    member: Member,
    order: Order | None,
    failure: Failure | None,
    now: float,
    pid: int,
    aside: Member | None,
) -> Failure | None:
    """The order was carried out, or could not be; see Operation.performed(). Returns the failure of
    the process that follows from it, if one does.
    """
    if order in lifecycle.OF_ORDERS:
        if failure is not None:
            return lifecycle.hook_over(member, lifecycle.OF_ORDERS[order], failure.why, now)
        lifecycle.hook_begun(member, order, now)
    elif order is Order.RETIRE:
        beside.retire(member, now, failure is not None)
    elif order is Order.RESTORE:
        beside.give_name_back(member, aside, now)
    elif failure is not None:
        if aside is not None:
            beside.lay_aside(member, aside, now)
    elif order is Order.SURGE:
        assert aside is not None, 'the old process is somewhere'
        beside.surge(member, aside, now, pid)
    elif order is Order.STOP:
        member.stopped(now)
        member.phase = after(member.phase, member.observed.seen)
    elif order is Order.SIGNAL:
        member.started(now, pid)
        member.phase = Phase.SIGNALLED
    elif member.phase is Phase.SIGNALLED:
        member.stop_at, member.exit_at = member.start_at, member.observed.ended_at
        member.started(now, pid)
        why = f'{member.observed.why}, after the signal; it was started again'
        return Failure(Code.START_FAILED, why)
    else:
        member.unready = ''  # that of the one before
        if member.old_pid and member.exit_at is None:
            member.exit_at = member.observed.ended_at  # it has died before its turn
        started(member, now, pid)
    return None if order is Order.RESTORE else failure


def failure_code(before: Phase, seen: Seen) -> Code:
    """What kind of failure it is that a process in the phase `before` is seen so."""
    if seen is not Seen.UNKNOWN:
        return Code.START_FAILED
    if before is Phase.STOPPED or (before in RENEWED and before is not Phase.SIGNALLED):
        return Code.START_FAILED
    return Code.STOP_FAILED if before is Phase.STOPPING else Code.BAD_STATE


def started(member: Member, now: float, pid: int) -> None:
    """The member has been started. pid: of the process now running."""
    if member.goal is Goal.STOP:
        member.leave('somebody else started it again', Code.CANCELLED)
    else:
        member.started(now, pid)
