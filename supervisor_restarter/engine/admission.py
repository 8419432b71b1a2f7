"""The beginning of an operation: which processes are left alone, which are in hand already, and in
which wave the others have their turn. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from supervisor_restarter.engine.freshness import ALREADY_STARTED
from supervisor_restarter.engine.member import Goal, Member
from supervisor_restarter.engine.phases import DOWN, UP, Phase, Seen
from supervisor_restarter.engine.scout import scouting
from supervisor_restarter.faults import Code
from supervisor_restarter.options import Options

__all__ = ['Goal', 'admit', 'left_alone', 'put_on_trial', 'spread', 'waves']


def left_alone(options: Options, member: Member) -> str:
    """Why a process is left alone from the beginning, '' if it is not."""
    seen, goal = member.observed.seen, member.goal
    if goal is Goal.START:
        return ALREADY_STARTED if seen in UP or seen is Seen.BACKOFF else ''
    if goal is Goal.STOP:
        return 'not running' if seen in DOWN else ''
    if options.only_running and seen not in UP:
        return 'not running'
    if seen in (Seen.STOPPED, Seen.STOPPING) and not member.match.outright:
        return 'stopped on purpose, and not named outright'
    # Whether one of a group that is refused is ready cannot be told.
    return '' if member.refused or seen not in UP else member.kept


def admit(member: Member, options: Options, now: float) -> None:
    """Give the member, as it is seen now, the phase in which it enters the operation."""
    seen, goal = member.observed.seen, member.goal
    if member.leaving:
        return  # it waits for all others, however it is: until then it may still be wanted
    if left_alone(options, member):
        if goal is Goal.RESTART and seen in UP:
            member.keep_an_eye_on(member.kept, now)
        else:
            member.phase = Phase.SKIPPED
    elif member.refused:
        member.fail(Code.BAD_OPTION, member.refused)
    elif seen is Seen.STOPPING:
        # Another client has done the first half.
        member.phase, member.stopping_since = Phase.STOPPING, now
    elif seen in DOWN:
        member.phase = Phase.STOPPED
    elif goal is not Goal.RESTART or seen not in UP:
        member.phase = Phase.DUE


def spread(members: Iterable[Member], options: Options, now: float) -> None:
    """Set the time (monotonic) at which the wave comes of each member that waits for its turn."""
    waiting = [member for member in members if member.phase is Phase.WAITING]
    for member, wave in zip(waiting, waves(len(waiting), options.stagger_factor)):
        member.turn_at = now + wave * options.delay


def put_on_trial(members: list[Member], options: Options) -> None:
    """Set the time (monotonic) until which each member that is kept must have stayed up, counted from
    its start: as long as a new process, and as long as a scout where others of its group wait. Else
    what dies again and again would be called good whenever it is just up.
    """
    waited_for = {member.group for member in members if member.phase is Phase.WAITING}
    for member in members:
        if member.phase is Phase.KEPT:
            policy = member.policy or options
            first = policy.rolling and scouting(options) and member.group in waited_for
            seconds = max(policy.min_ready, options.scout if first else 0.0)
            member.kept_until = member.up_since + seconds


def waves(count: int, factor: int) -> Iterable[int]:
    """The wave (0, 1, ...) of each of `count` processes, spread evenly over `factor` waves."""
    number = max(1, min(factor, count))
    return (index * number // count for index in range(count))
