"""Surge: the new process is started beside the old one, which is stopped once the new one is ready.
Pure.

Both are there under one name, which the new one has from its start on. The member of the operation
is the new one; the old one is a member of its own, `member.old`, and lies aside. So does, for the
other way round, a new one that is not to stay and has given the name back. What lies aside is
looked at until it has exited.
"""

from __future__ import annotations

from collections.abc import Iterable

from supervisor_restarter.engine.member import Goal, Member, Observation
from supervisor_restarter.engine.phases import BESIDE, DOWN, UP, Order, Phase, Seen, after
from supervisor_restarter.faults import Code
from supervisor_restarter.options import Options

STILL_STOPPING = 'its old process is still stopping'


def surge(member: Member, aside: Member, now: float, pid: int) -> None:
    """A new process of that pid has the name of the member; `aside` is the old one."""
    member.old_served = member.serving
    member.old_pid = member.old_pid or member.observed.pid  # it was down, and Supervisor started it
    _lay_aside(member, aside)
    aside.successor, member.old = member, aside
    member.unready, member.ready_since = '', None
    member.started(now, pid)
    member.phase = Phase.SURGING


def lay_aside(member: Member, aside: Member, now: float) -> None:
    """The new process of the member has lost the name, and is being stopped."""
    _lay_aside(member, aside)
    aside.phase, aside.stop_at = Phase.STOPPING, now


def _lay_aside(member: Member, aside: Member) -> None:
    aside.goal, aside.leaving, aside.policy = Goal.STOP, True, member.policy
    aside.observed, aside.stop_limit = member.observed, member.stop_limit


def hand_over(member: Member) -> None:
    """The new process is ready: what is still to be done, before and with the old one's stop."""
    commands = ((member.before_stop, Order.DRAIN), (member.after_ready, Order.TELL))
    member.steps = [order for wanted, order in commands if wanted] + [Order.RETIRE]
    member.phase = Phase.HANDING_OVER


def next_step(member: Member, now: float) -> Order | None:
    """What is to be done now for a process in the phase HANDING_OVER: nothing as long as the new one
    is not ready.
    """
    if member.observed.seen is not Seen.READY:
        member.wavering_since = member.wavering_since or now
        return None
    member.wavering_since = 0.0
    return member.steps[0] if member.hook is None else None


def retire(member: Member, now: float, failed: bool) -> None:
    """The old process has been sent its stop signal, or could not be."""
    old, member.old = member.old, None
    assert old is not None, 'it is there as long as the member is beside it'
    old.phase, member.stop_at = Phase.STOPPING, now
    old.stopped(now)
    if after(member.phase, member.observed.seen) is Phase.TAKEN:
        member.take()
    elif not failed:
        member.phase, member.ready_at = Phase.READY, now
        member.new_pid = member.observed.pid or member.new_pid


def give_name_back(member: Member, aside: Member | None, now: float) -> None:
    """The old process has its name again. aside: the new one, which is being stopped; None: it is
    down.
    """
    old, member.old = member.old, None
    assert old is not None, 'it is there as long as the member is beside it'
    if aside is not None:
        lay_aside(member, aside, now)
    member.observed, member.followed = old.observed, None
    drained = member.drain_at is not None and member.after_ready
    member.phase, member.order = (
        (Phase.TO_RETURN, Order.TELL) if drained else (member.way_out, None)
    )


def watch(aside: Member, observation: Observation | None, setting: str, now: float) -> bool:
    """Take in what is seen of a process that lies aside; None: its group is gone. setting: the name
    of what its stop_limit comes from. Returns whether anything has changed for it.
    """
    before = aside.phase
    if observation is None:
        aside.drop('', Code.CANCELLED)
        return True
    aside.observed = observation
    seen = observation.seen
    if seen is Seen.UNKNOWN or (before is Phase.STOPPING and seen in UP):
        aside.leave()  # Supervisor has lost it, or another client has started it again
    elif seen in DOWN or seen is Seen.BACKOFF:  # it is not started again
        aside.exited(now, setting)
        aside.phase = Phase.STOPPED
    elif seen not in UP:
        aside.phase = Phase.STOPPING
    if aside.phase is before:
        return False
    if aside.successor is not None:
        _follow_the_old(aside.successor, aside)
    return True


def _follow_the_old(member: Member, old: Member) -> None:
    """The old process of the member has moved on."""
    member.exit_at = old.exit_at
    member.killed = old.killed
    if old.note:
        member.remark(f'its old process was {old.note}')
        old.note = ''
    if member.old is not old:
        return
    # It has died, or others have stopped it: the new one goes on alone, as after a plain start.
    member.old = None
    if member.phase is Phase.RESTORING and member.way_out is Phase.FAILED:
        member.phase, member.order = Phase.FAILED, None
    else:
        member.code, member.error, member.order = None, '', None
        member.phase = Phase.STARTING


def still_stopping(asides: Iterable[Member]) -> list[Member]:
    """The members whose old processes have not exited since their stop."""
    return [
        aside.successor
        for aside in asides
        if aside.successor is not None and aside.phase is Phase.STOPPING
    ]


def with_room(
    waiting: list[Member], members: Iterable[Member], options: Options
) -> tuple[list[Member], list[Member]]:
    """Of those that wait for their turn (in its order) those that are to surge and may now, and
    those that are not to surge. members: all of the operation.
    """
    rooms: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for member in members:
        sizes[member.group] = sizes.get(member.group, 0) + 1
        rooms[member.group] = rooms.get(member.group, 0) - (member.phase in BESIDE)
    called, plain = [], []
    for member in waiting:
        if not may_surge(member):
            plain.append(member)
            continue
        if rooms[member.group] + (member.policy or options).surging(sizes[member.group]) > 0:
            rooms[member.group] -= 1
            called.append(member)
    return called, plain


def may_surge(member: Member) -> bool:
    """Whether the new process of the member is started beside the old one, if its turn comes now."""
    return member.surges and member.observed.seen in UP
