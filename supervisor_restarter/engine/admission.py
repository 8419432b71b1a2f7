"""Which processes of a restart are left alone, and in which order the others have their turn. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from supervisor_restarter.engine.member import Member, Observation
from supervisor_restarter.engine.phases import DOWN, UP, Seen
from supervisor_restarter.names import Match
from supervisor_restarter.options import Options


class Goal(Enum):
    """What a run is to achieve; restarts are the ones users see listed."""

    RESTART = 'restart'
    START = 'start'  # quickStart: only what is down is started
    STOP = 'stop'  # quickStop: a process is done when it has exited


def left_alone(goal: Goal, options: Options, match: Match, observed: Observation) -> str:
    """Why a process is left alone from the beginning, '' if it is not."""
    down = observed.seen in DOWN
    if goal is Goal.START:
        return 'already started' if observed.seen in UP or observed.seen is Seen.BACKOFF else ''
    if goal is Goal.STOP:
        return 'not running' if down else ''
    if options.only_running and observed.seen not in UP:
        return 'not running'
    if observed.seen in (Seen.STOPPED, Seen.STOPPING) and not match.outright:
        return 'stopped on purpose, and not named outright'
    return ''


def unready_first(members: Iterable[Member]) -> list[Member]:
    """The members in the order of their turns: to take down what is not ready costs no
    availability.
    """
    return sorted(members, key=lambda member: member.observed.seen is Seen.READY)


def waves(count: int, factor: int) -> Iterable[int]:
    """The wave (0, 1, ...) of each of `count` processes when they are spread evenly over `factor`."""
    number = max(1, min(factor, count))
    return (index * number // count for index in range(count))
