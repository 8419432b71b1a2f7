"""What has become of restarts and applies since supervisord's start or reload, as counts by group.
Pure; families.py makes metrics of it.

A group that is no longer there is forgotten, so that the memory is bounded by what is configured.
Starts and stops are not counted, for clients do not see them listed either.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Callable, NamedTuple, Protocol

from supervisor_restarter.engine.judging import State
from supervisor_restarter.engine.operation import Operation

# Upper bounds of the buckets, in seconds: from a process that stops at once to a slow one's warm-up.
BOUNDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
# What each kind of operation can end with.
RESULTS = {
    'restart': (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.TIMED_OUT),
    'apply': (
        *(State.SUCCEEDED, State.FAILED, State.CANCELLED, State.TIMED_OUT),
        State.ROLLED_BACK,
    ),
}


class Tallied(Protocol):
    """A job, as far as it is counted. finished: by the wall clock, None while it goes on."""

    @property
    def id(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def groups(self) -> list[str]: ...

    @property
    def operation(self) -> Operation: ...

    @property
    def finished(self) -> float | None: ...


class Durations:
    """How often something took how long. counts: of each bucket by itself; the last one has what is
    longer than all BOUNDS. sum: in seconds.
    """

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """One more; a bucket has what is not longer than its bound."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds


class Last(NamedTuple):
    """How the last operation went in one group. finished: by the wall clock."""

    lowest_ready: int
    allowed: int
    finished: float


@dataclass
class GroupTally:
    """The counts of one group.

    ended: by kind and result. down: from the exit of a process to its new one. ready: from the
    start of a process until it was ready. last: None if nothing has been restarted yet.
    """

    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    down: Durations = field(default_factory=Durations)
    ready: Durations = field(default_factory=Durations)
    last: Last | None = None


class Tally:
    """The counts of all groups. there: the names of the groups that there are now."""

    def __init__(self, there: Callable[[], Collection[str]]) -> None:
        self._there = there
        self._groups: dict[str, GroupTally] = {}
        self._running: dict[str, list[str]] = {}

    def note(self, job: Tallied) -> None:
        """The job has begun or, if it is finished, is over."""
        if job.finished is None:
            self._running[job.id] = job.groups
            return
        self._running.pop(job.id, None)
        result = job.operation.state.value
        for group in job.groups:
            self._of(group).ended[job.kind, result] += 1
        self._measure(job.operation)
        self._judge(job.operation, job.finished)
        self._forget()

    def groups(self) -> dict[str, GroupTally]:
        """The counts of each group that there is; all 0 where nothing has happened."""
        self._forget()
        return {group: self._groups.get(group) or GroupTally() for group in self._there()}

    def running(self) -> Counter[str]:
        """How many restarts and applies go on in each group."""
        return Counter(group for groups in self._running.values() for group in groups)

    def _of(self, group: str) -> GroupTally:
        return self._groups.setdefault(group, GroupTally())

    def _forget(self) -> None:
        there = self._there()
        self._groups = {group: one for group, one in self._groups.items() if group in there}

    def _measure(self, operation: Operation) -> None:
        for member in operation.members:
            tally, start = self._of(member.group), member.start_at
            if start is None:
                continue
            # What had been down before the operation was not down because of it.
            if member.old_pid and member.exit_at is not None:
                tally.down.add(max(0.0, start - member.exit_at))
            if member.ready_at is not None:
                tally.ready.add(max(0.0, member.ready_at - start))

    def _judge(self, operation: Operation, finished: float) -> None:
        for group, lowest in operation.headcount.lowest_of.items():
            allowed = operation.headcount.allowed_of.get(group, 0)
            self._of(group).last = Last(lowest, allowed, finished)
