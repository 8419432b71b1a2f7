"""Which processes are new enough to be left alone: those that started after a file changed. Pure.

Times are seconds since 1970 on the wall clock of now. What cannot be told exactly errs to the same
side everywhere: a change as late, and a start as early, as it can have been. So what is left alone
is surely newer, and what started in the same moment is restarted once more.
"""

from __future__ import annotations

from typing import NamedTuple

from supervisor_restarter.engine.phases import UP, Seen
from supervisor_restarter.options import Options
from supervisor_restarter.text import brief

# By so much (seconds) a file may have changed later than it says: Linux stamps it with a clock that it
# moves on with the kernel's timer, which ticks every 10 ms at the slowest, and in virtual machines late.
LATER_THAN_TOLD = 0.02
ALREADY_STARTED = 'already started'
# By so much (seconds) two clocks that were read one after the other may seem to differ.
CLOCK_JITTER = 0.001


class Change(NamedTuple):
    """The youngest change of the paths that a restart is asked to be newer than.

    at: its time. seen_at: when it was looked at.
    """

    path: str
    at: float
    seen_at: float


def exact_start(laststart: float, kernels: float | None, tick: float) -> float:
    """When a process was started.

    laststart: what Supervisor noted just before: exact, but by the wall clock of then, which may
    have been wrong. kernels: what the kernel says, None if it does not: right, but rounded down to
    a multiple of `tick`.
    """
    if kernels is None or kernels <= laststart < kernels + tick + CLOCK_JITTER:
        return laststart
    return kernels


def kept(options: Options, change: Change | None, seen: Seen, started_at: float) -> str:
    """Why a process that is seen so is left alone although it is up; '' if it is not."""
    if seen not in UP:
        return ''
    if options.starts_only:
        return ALREADY_STARTED
    if change is not None and started_at > change.at + LATER_THAN_TOLD:
        return f'already newer than {brief(change.path)}'
    return ''
