"""The scout: in a restart that keeps processes ready, the first of each group goes alone. Pure.

A release that starts and dies two seconds later is ready for a moment, and so is one whose server
listens before it has loaded the application. So nothing further of a group is taken down before its
first new process has been up for `scout` seconds: a bad release costs one process. Once it is over,
the restart goes on as fast as it may.
"""

from __future__ import annotations

from collections.abc import Iterable

from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.phases import BESIDE, IN_FLIGHT, Phase
from supervisor_restarter.options import Options

# A process in one of these phases may turn out to be the scout: also one that is new already, of a
# restart that broke off, and has yet to prove that it is ready.
SCOUTING = IN_FLIGHT | BESIDE | {Phase.READY, Phase.KEPT}


def hold_back(
    waiting: Iterable[Member], members: Iterable[Member], options: Options, now: float
) -> tuple[list[Member], float | None]:
    """Those of `waiting` (in the order of their turns) that need not wait for the scout of their
    group, and when (monotonic) the first of the scouts under way will have been up for long enough;
    None: none of them is ready yet. members: all processes of the restart.
    """
    waiting = list(waiting)
    if not waiting or not scouting(options):
        return waiting, None
    groups: dict[str, list[Member]] = {}  # those of which some processes are to stay ready
    for member in members:
        if _is_careful(member, options):
            groups.setdefault(member.group, []).append(member)
    returned = {
        group
        for group, own in groups.items()
        if any(_has_returned(one, options.scout, now) for one in own)
    }
    going: list[Member] = []
    times: list[float] = []
    asked: set[str] = set()
    for member in waiting:
        group = member.group
        if not _is_careful(member, options) or group in returned:
            going.append(member)
        elif group not in asked:
            asked.add(group)
            begun = [one for one in groups[group] if one.phase in SCOUTING]
            times += [
                one.start_at + options.scout
                for one in begun
                if one.phase is Phase.READY and one.start_at is not None
            ]
            going += [] if begun else [member]
    return going, min(times, default=None)


def _is_careful(member: Member, options: Options) -> bool:
    """Whether others of its group are to stay ready, or itself, until its new process is."""
    return member.surges or (member.policy or options).rolling


def scouting(options: Options) -> bool:
    """Whether groups that are restarted a few processes at a time have scouts: not where the
    restart goes on after a failure anyway.
    """
    return options.scout > 0 and options.on_failure == 'abort'


def _has_returned(member: Member, seconds: float, now: float) -> bool:
    if member.phase is Phase.READY and member.start_at is not None:
        return now >= member.start_at + seconds
    return member.phase is Phase.ENDED
