"""When each of many things has to be looked at again. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Hashable
from typing import Generic, TypeVar

Thing = TypeVar('Thing', bound=Hashable)


class Agenda(Generic[Thing]):
    """A time for each thing, or none. To change one costs about the same however many there are."""

    def __init__(self) -> None:
        # In order. The number makes entries differ, and tells which is the last one of a thing; the
        # others are stale, and passed over.
        self._entries: list[tuple[float, int, Thing]] = []
        self._entered: dict[Thing, tuple[float, int]] = {}
        self._number = 0

    def enter(self, thing: Thing, at: float | None) -> None:
        """Look at the thing at this time, and at no other; None: at none."""
        if at is None:
            self._entered.pop(thing, None)
        elif thing not in self._entered or self._entered[thing][0] != at:
            self._number += 1
            self._entered[thing] = at, self._number
            insort(self._entries, (at, self._number, thing))

    def first(self, grain: float = 0.0) -> float | None:
        """The next time; or one up to `grain` seconds later, at which more can be looked at with it.
        None: there is none.
        """
        entries, stale = self._entries, 0
        while stale < len(entries) and self._is_stale(entries[stale]):
            stale += 1
        del entries[:stale]
        if not entries:
            return None
        last = bisect_right(entries, (entries[0][0] + grain, math.inf)) if grain else 1
        return entries[last - 1][0]

    def due(self, now: float) -> list[Thing]:
        """The things whose time has come; they have none from now on."""
        until = bisect_right(self._entries, (now, math.inf))
        found = [entry[2] for entry in self._entries[:until] if not self._is_stale(entry)]
        del self._entries[:until]
        for thing in found:
            del self._entered[thing]
        return found

    def _is_stale(self, entry: tuple[float, int, Thing]) -> bool:
        return self._entered.get(entry[2]) != entry[:2]
