"""How many processes of an operation are ready, group by group, and how many were at the least. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from supervisor_restarter.engine.curve import Curve
from supervisor_restarter.engine.member import Member


class Headcount:
    """curve: how many were ready, from the beginning on. lowest_of: the fewest that were ready at any
    moment, by group; allowed_of: the fewest that max_unavailable allows, if all are ready at first.
    """

    def __init__(self) -> None:
        self.curve = Curve()
        self.lowest_of: dict[str, int] = {}
        self.allowed_of: dict[str, int] = {}

    def begin(self, members: Iterable[Member]) -> None:
        """These are counted from now on; none of them is lowest yet."""
        self.lowest_of = dict(Counter(member.group for member in members))  # at most

    def count(self, serving: Counter[str], version: int, offset: float) -> bool:
        """So many are ready now, by group. Returns whether these are more or fewer than before,
        which is noted as of `version`, and `offset` seconds from the beginning.
        """
        for group, lowest in self.lowest_of.items():
            self.lowest_of[group] = min(lowest, serving[group])
        ready = sum(serving.values())
        if not self.curve.differs(ready):
            return False
        self.curve.note(version, offset, ready)
        return True
