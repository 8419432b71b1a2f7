"""The turn back of an operation that is reversible: what becomes of each process. Pure.

On the way there, processes were stopped and started with something new. On the way back each of
them that has been touched enters the operation once more, by what is seen of it now, to run with
the old thing again; those that had not run before are to be gone; all others are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

from supervisor_restarter.engine.judging import GROUP_GONE, NOT_REACHED
from supervisor_restarter.engine.member import Goal, Look, Member
from supervisor_restarter.engine.phases import DOWN, IN_FLIGHT, ON_RETURN, UP, Phase, Seen
from supervisor_restarter.engine.policy import Policy
from supervisor_restarter.engine.waking import LONGEST_RETURN
from supervisor_restarter.faults import Code
from supervisor_restarter.options import Options

ROLLED_BACK = 'rolled back'


def turn(members: Iterable[Member], restored: set[Member], undone: set[Member], look: Look) -> None:
    """Have each member enter the operation once more, or leave it as it is. Also what is in hand is
    restored, whether it is named or not: nothing is lost.
    """
    for member in members:
        if member in restored | undone and look(member) is None:
            gone(member)
        elif member in undone:
            undo(member, look)
        elif member in restored or is_in_hand(member):
            restore(member)
        else:
            pass_over(member)


def restore(member: Member) -> None:
    """Have the member run as before. One that another client has stopped stays as it is."""
    seen = member.observed.seen
    if member.phase is Phase.TAKEN:
        return
    _enter(member)
    if seen is Seen.WANTED_DOWN:
        member.take()
    elif seen in UP:
        member.phase = Phase.WAITING
    else:
        member.phase = _in_hand(seen)


def undo(member: Member, look: Look) -> None:
    """Have the member, which had not been there before, gone: without waiting for the others."""
    _enter(member)
    member.leaving, member.goal = True, Goal.STOP
    # Anew: that another client wants it down does not matter any more.
    member.observed = look(member) or member.observed
    serves = member.before_stop and member.observed.seen in UP
    member.phase = Phase.TO_DRAIN if serves else _in_hand(member.observed.seen)


def pass_over(member: Member) -> None:
    """Leave the member as it is, without counting its failure as one of the way back."""
    if member.phase is Phase.FAILED or (
        member.phase in ON_RETURN and member.way_out is Phase.FAILED
    ):
        _keep_first_error(member)
    elif not member.settled:
        member.leave(NOT_REACHED)


def is_in_hand(member: Member) -> bool:
    """Whether something was done to it and it is not up and ready since."""
    touched = member.stop_at is not None or member.start_at is not None
    return touched and member.phase in IN_FLIGHT and member.phase is not Phase.DUE


def counts(member: Member) -> bool:
    """Whether it counts for availability where what was stopped on purpose, or was down anyway, does
    not.
    """
    return member.phase is not Phase.TAKEN and (bool(member.old_pid) or not member.over)


def limit_the_return(members: Iterable[Member], options: Options) -> None:
    """Give each of them a time in which it has to become ready, and no short one: what is down has
    to come back, and that must have an end.
    """
    for member in members:
        policy = member.policy or Policy(
            options.max_unavailable, options.min_ready, options.ready_timeout
        )
        member.policy = policy._replace(ready_timeout=max(policy.ready_timeout, LONGEST_RETURN))


def gone(member: Member) -> None:
    """Its process group is gone, and nothing can be brought back."""
    _keep_first_error(member)
    member.leave(GROUP_GONE, Code.CANCELLED)


def note_the_return(members: Iterable[Member]) -> None:
    """Have it said of those that are as they were before."""
    for member in members:
        if member.reverted and not member.error:
            member.remark(ROLLED_BACK)


def _in_hand(seen: Seen) -> Phase:
    if seen is Seen.STOPPING:
        return Phase.STOPPING
    return Phase.STOPPED if seen in DOWN else Phase.DUE


def _enter(member: Member) -> None:
    """Forget what belongs to the way there, but not its pids and times, and why it has failed."""
    _keep_first_error(member)
    member.reverted = True
    if member.stop_at is not None or member.start_at is not None:
        member.way_there = member.times
    member.failed_at = None
    member.order = member.followed = member.ready_since = member.ready_at = None


def _keep_first_error(member: Member) -> None:
    if Phase.FAILED in (member.phase, member.way_out):
        member.first_code, member.first_error = member.code, member.error
        member.way_out = Phase.SKIPPED
    member.code, member.error = None, ''
