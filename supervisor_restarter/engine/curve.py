"""How many processes were ready in the course of an operation. Pure."""

from __future__ import annotations

from typing import NamedTuple

# More points than any picture shows; a restart of 1,000 processes one after the other has 2,000.
MOST_POINTS = 4000


class Point(NamedTuple):
    """So many were ready from that moment on. offset: in seconds from the operation's begin."""

    version: int
    offset: float
    ready: int


class Curve:
    """`points` has a point for each change of the number, in the order of time.

    Beyond MOST_POINTS, which only processes reach that waver for hours, every second one goes: of
    two the higher, so that the lowest stays. The first and the last one are always there.
    """

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.lowest = 0

    @property
    def last(self) -> int:
        """How many are ready now; 0 before the beginning."""
        return self.points[-1].ready if self.points else 0

    def differs(self, ready: int) -> bool:
        """Whether this number makes a new point."""
        return not self.points or ready != self.points[-1].ready

    def note(self, version: int, offset: float, ready: int) -> None:
        """The number has changed."""
        self.lowest = min(ready, self.lowest) if self.points else ready
        if len(self.points) >= MOST_POINTS:
            self.points = [self.points[0], *_thinned(self.points[1:])]
        self.points.append(Point(version, round(max(0.0, offset), 6), ready))

    def since(self, version: int) -> list[tuple[float, int]]:
        """The offset and the number of each point that was noted after this version."""
        return [(point.offset, point.ready) for point in self.points if point.version > version]


def _thinned(points: list[Point]) -> list[Point]:
    pairs = (points[place : place + 2] for place in range(0, len(points), 2))
    return [min(pair, key=lambda point: point.ready) for pair in pairs]
