"""Clients that look at operations from outside; what they make of them is held against the
operations themselves.
"""

from __future__ import annotations

from typing import Any

from supervisor_restarter.client.structs import merged, tells_news
from supervisor_restarter.engine.answers import process_struct
from supervisor_restarter.engine.changes import Changes
from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.engine.phases import ON_RETURN, Phase
from supervisor_restarter.server.job import Job

Struct = dict[str, Any]
# The spans of a process that are over when it comes to a phase.
SPANS = ['waited_seconds', 'drain_seconds', 'stop_seconds', 'down_seconds', 'ready_seconds']
OVER = {
    phase: SPANS[:number]
    for number, phase in enumerate(('draining', 'stopping', 'stopped', 'starting', 'ready'), 1)
}
# ... where the new one was started beside the old one.
OVER_BESIDE = {'starting': ['waited_seconds'], 'ready': ['waited_seconds', 'ready_seconds']}
# Phases that are shown as starting, for a process that is not restarted after all.
GIVEN_UP = ON_RETURN | {Phase.RESTORING}
NEAR = 0.01  # seconds by which what is told may differ from what was seen
NOTHING = 1e-6  # what is lost by rounding


class Follower:
    """A client of a service that looks at every `pause`-th chance at all restarts and applies, and is
    sent what has changed in those that it knows.
    """

    def __init__(self, pause: int) -> None:
        self._pause = pause
        self._chances = 0
        self._known: dict[str, Any] = {}

    def look(self, jobs: list[Job]) -> None:
        self._chances += 1
        if self._chances % self._pause:
            return
        for job in jobs:
            known = self._known.get(job.id)
            if known is not None and known['finished_at']:
                continue  # nothing changes any more
            if known is None:
                now: Any = job.struct()
                assert tells_news(now)
            else:
                now = merged(known, job.struct_since(known['version']))
            assert {**now, 'duration': 0.0} == as_it_is(job)
            self._known[job.id] = now


def as_it_is(job: Job) -> Struct:
    """The struct of a job, but for its duration: nothing in it is as it was noted before."""
    operation = job.operation
    processes = [process_struct(operation, member) for member in operation.members]
    return {**job.header(), **job.particulars(), 'processes': processes, 'duration': 0.0}


def put_together(known: list[Struct], total: int, changed: list[tuple[int, Struct]]) -> list[Any]:
    """What a client knows that puts the changed rows in their places."""
    rows = [*known, *[None] * total][:total]
    for place, row in changed:
        rows[place] = row
    return rows


class Onlooker:
    """A client that asks at every `pause`-th chance for what has changed, and knows all of it."""

    def __init__(self, changes: Changes[Struct], pause: int) -> None:
        self._changes, self._pause = changes, pause
        self._chances = 0
        self._version = -1
        self._known: list[Struct] = []

    def look(self, version: int, rows: list[Struct]) -> None:
        self._chances += 1
        if self._chances % self._pause:
            return
        self._changes.note(rows, version)
        self._known = put_together(self._known, len(rows), self._changes.since(self._version))
        self._version = version
        assert self._known == rows


def is_there_twice(member: Member) -> bool:
    """Whether its new process was started before the old one had exited."""
    if not member.surges or member.start_at is None:
        return False
    return member.exit_at is None or member.start_at < member.exit_at


def was_down_already(member: Member) -> bool:
    """Whether its stop has only ended Supervisor's attempts to start it again: it has been down since
    before that, and so its row says.
    """
    stop_at, exit_at = member.stop_at, member.exit_at
    return stop_at is not None and exit_at is not None and exit_at < stop_at


class Onlookers:
    """Some who ask at different times, one who measures times, and one who counts."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        changes: Changes[Struct] = Changes()
        self._clients = [Onlooker(changes, pause) for pause in (1, 3, 8)]
        self._come_to: set[tuple[str, str, str]] = set()
        self._counted: dict[float, int] = {}  # the last one of each moment

    def look(self, now: float) -> None:
        operation = self._operation
        rows = [process_struct(operation, member) for member in operation.members]
        for client in self._clients:
            client.look(operation.version, rows)
        if operation.begun_at:
            self._measure(rows, now - operation.begun_at)

    def _measure(self, rows: list[Struct], seconds: float) -> None:
        operation = self._operation
        for member, row in zip(operation.members, rows):
            twice = is_there_twice(member)
            assert (max if twice else sum)(row[span] for span in SPANS) <= seconds + NEAR, row
            key = row['group'], row['name'], row['phase']
            # What it comes to again, or on the way back, was counted before.
            new = key not in self._come_to and not (operation.turning or operation.back)
            spans = (OVER_BESIDE if twice else OVER).get(row['phase'])
            if new and spans and member.phase not in GIVEN_UP and not was_down_already(member):
                over = sum(row[span] for span in spans)
                assert abs(over - seconds) < NEAR, (seconds, row)
            self._come_to.add(key)

    def count(self, now: float) -> None:
        """After a step: how many are ready at this moment."""
        operation = self._operation
        ready = sum(member.serving for member in operation.staying)
        assert operation.ready == ready
        self._counted[now - operation.begun_at] = ready

    def conclude(self) -> None:
        """At the end: the curve passes through all that was counted."""
        operation, points = self._operation, self._operation.headcount.curve.since(-1)
        if not operation.begun_at:
            return
        assert points[0][0] == 0
        assert points[-1][1] == operation.ready
        assert min(ready for _, ready in points) == operation.lowest_ready
        for seconds, ready in self._counted.items():
            assert ready == [n for offset, n in points if offset <= seconds + NOTHING][-1]
