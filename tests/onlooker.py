"""Clients that look at operations from outside; what they make of them is held against the
operations themselves.
"""

from __future__ import annotations

from typing import Any

from supervisor_restarter.client.structs import merged, tells_news
from supervisor_restarter.engine.answers import process_struct
from supervisor_restarter.engine.changes import Changes
from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.server.job import Job

Struct = dict[str, Any]
# The spans of a process that are over when it comes to a phase.
OVER = {
    'stopping': ['waited_seconds'],
    'stopped': ['waited_seconds', 'stop_seconds'],
    'starting': ['waited_seconds', 'stop_seconds', 'down_seconds'],
    'ready': ['waited_seconds', 'stop_seconds', 'down_seconds', 'ready_seconds'],
}
SPANS = OVER['ready']
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
        for row in rows:
            assert sum(row[span] for span in SPANS) <= seconds + NEAR, row
            key = row['group'], row['name'], row['phase']
            # What it comes to again, or on the way back, was counted before.
            new = key not in self._come_to and not (operation.turning or operation.back)
            if new and row['phase'] in OVER:
                over = sum(row[span] for span in OVER[row['phase']])
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
        operation, points = self._operation, self._operation.readiness.since(-1)
        if not operation.begun_at:
            return
        assert points[0][0] == 0
        assert points[-1][1] == operation.ready
        assert min(ready for _, ready in points) == operation.lowest_ready
        for seconds, ready in self._counted.items():
            assert ready == [n for offset, n in points if offset <= seconds + NOTHING][-1]
