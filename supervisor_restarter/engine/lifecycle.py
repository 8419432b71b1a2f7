"""Commands of a program's own that belong to its restart: what they mean for a process. Pure.

BEFORE_STOP takes it out of service before its stop is ordered, AFTER_READY puts the new one into
service. What was taken out and is not stopped after all is put back by AFTER_READY, too. A command
is wanted only as long as the process is in one of the phases HOOKED; the caller kills any other.
"""

from __future__ import annotations

from supervisor_restarter.engine.member import Failure, Hook, Member
from supervisor_restarter.engine.phases import ON_RETURN, Order, Phase, after
from supervisor_restarter.faults import Code

OF_ORDERS = {Order.DRAIN: Hook.BEFORE_STOP, Order.TELL: Hook.AFTER_READY}
CODES = {Hook.BEFORE_STOP: Code.STOP_FAILED, Hook.AFTER_READY: Code.START_FAILED}


def hook_begun(member: Member, order: Order, now: float) -> None:
    """The command that was ordered runs."""
    member.running_hook, member.hook_at = OF_ORDERS[order], now
    member.phase = after(member.phase, member.observed.seen)
    if order is Order.DRAIN:
        member.drain_at, member.drained_at = now, None
    elif member.phase is Phase.RETURNING:
        member.drained_at = now


def hook_over(member: Member, hook: Hook, why: str, now: float) -> Failure | None:
    """The command has ended, or could not be run. why: it has failed, '' if it has not. Returns
    the failure of the process that follows from it, if one does.
    """
    member.running_hook = None
    text = f'{hook.variable}: {why}' if why else ''
    if member.phase in ON_RETURN:
        member.end_return(text)
    elif text:
        member.drained_at = now if hook is Hook.BEFORE_STOP else None
        return Failure(CODES[hook], text)
    elif member.phase is Phase.DRAINING:
        member.phase = Phase.DRAINED
    elif member.phase is Phase.HANDING_OVER:
        del member.steps[0]
        member.followed = None
    else:
        member.phase, member.ready_at = Phase.READY, now
        member.new_pid = member.observed.pid or member.new_pid
    return None
