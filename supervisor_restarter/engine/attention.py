"""At whom a step of an operation looks, and when the next step is due though nothing happens. Pure.

At all members it would cost more with each process in each turn of the loop, and mostly nothing has
happened to any. So a step looks at those of which something else is seen than last time, those that
have changed since they were followed last (ledger.py), and those whose time has come (agenda.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable, NamedTuple, Optional

from supervisor_restarter.engine.agenda import Agenda
from supervisor_restarter.engine.ledger import Ledger
from supervisor_restarter.engine.member import Member

LookAt = Callable[[Member], Optional[float]]


class Sight(NamedTuple):
    """Whom to look at: members in the order of their turns, and neighbours."""

    members: list[Member]
    neighbours: list[Member]


class Attention:
    """look_at: when (monotonic) a member or neighbour must be looked at again, as it is now; None: at
    no time.
    """

    def __init__(self, members: list[Member], neighbours: list[Member], look_at: LookAt) -> None:
        self._all = Sight(members, neighbours)
        self._look_at = look_at
        self._agenda: Agenda[Member] = Agenda()
        self.ledger = Ledger(members, neighbours)

    def turn_to(self, now: float, changed: Iterable[Member] | None) -> Sight:
        """Whom to look at now. changed: of whom something else is seen; None: perhaps of all."""
        self._schedule()
        ledger, due = self.ledger, self._agenda.due(now)
        if due:
            ledger.stirred = True
            ledger.unscheduled.update(due)
        asked = {*(changed or ()), *due, *ledger.unfollowed}
        ledger.unfollowed.clear()
        if changed is None:
            return self._all
        return Sight(ledger.in_turn(asked), list(ledger.neighbours & asked))

    def next_at(self, grain: float) -> float | None:
        """When one of them must be looked at, or up to `grain` seconds later; see Agenda.first()."""
        self._schedule()
        return self._agenda.first(grain)

    def _schedule(self) -> None:
        """Enter when those must be looked at again that have changed, or were looked at."""
        self.ledger.update()
        for member in self.ledger.unscheduled:
            self._agenda.enter(member, self._look_at(member))
        self.ledger.unscheduled.clear()
