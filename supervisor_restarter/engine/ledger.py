"""What is true of which processes of an operation, kept up as they change instead of looked up in
all of them. Pure.

A member notes itself in `touched` when something of it changes that counts (member.py: NOTED).
What follows from that is worked out when it is asked for, once for each member that has changed: so
a turn of the loop costs as much as there is that has happened, however many processes there are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from supervisor_restarter.engine.judging import is_ordered
from supervisor_restarter.engine.member import Goal, Member
from supervisor_restarter.engine.phases import Order, Phase, Seen


class Entry(NamedTuple):
    """What of a member counts."""

    phase: Phase
    order: Order | None
    seen: Seen
    confirmed: bool
    serving: bool
    goal: Goal
    leaving: bool


class Ledger:
    """The members of an operation, in the order of their turns, and their neighbours.

    unsettled, waiting, unordered: the members that are waited for, that are in the phase WAITING, that
    are neither started nor left as they are. serving: how many are ready of those that stay, by
    group. Before one of these is read, update() is called.

    unfollowed, unscheduled: who has changed since it was followed last, and since the time was
    entered at which it is to be looked at again; stirred: whether anyone has since turns were called.
    Who does so empties them.
    """

    def __init__(self, members: Iterable[Member], neighbours: Iterable[Member] = ()) -> None:
        self._members = list(members)
        self._places = {member: place for place, member in enumerate(self._members)}
        self.neighbours = frozenset(neighbours)
        self._entries: dict[Member, Entry] = {}
        self._starts: list[int] = []  # places of those that are to be started
        self._orders: list[int] = []  # ... that have another order
        self._touched: set[Member] = set()
        self.unsettled: set[Member] = set()
        self.waiting: set[Member] = set()
        self.unordered: set[Member] = set()
        self.serving: Counter[str] = Counter()
        self.unfollowed: set[Member] = set()
        self.unscheduled: set[Member] = set()
        self.stirred = True
        for member in [*self._members, *self.neighbours]:
            self.watch(member)

    def watch(self, member: Member) -> None:
        """The member notes its changes here from now on."""
        member.touched = self._touched
        self._touched.add(member)

    @property
    def ready(self) -> int:
        """How many are ready of those that stay."""
        return sum(self.serving.values())

    def touch_all(self) -> None:
        """What holds for all has changed: nothing is known of any of them."""
        self._touched.update(self._entries)
        self.stirred = True

    def update(self) -> None:
        """Take in what has changed."""
        while self._touched:
            member = self._touched.pop()
            # What lies aside counts only in so far as its successor serves by it.
            member = member.successor or member
            if member in self._places or member in self.neighbours:
                self._note(member)

    def in_turn(self, members: Iterable[Member]) -> list[Member]:
        """Those that are members, in the order of their turns."""
        places = self._places
        return sorted((member for member in members if member in places), key=places.__getitem__)

    def next_order(self, starting: bool, after: Member | None = None) -> Member | None:
        """The first with an order, or the first after that member; None: there is none. starting: of
        those alone that are to be started, or of the others.
        """
        self.update()
        places = self._starts if starting else self._orders
        at = 0 if after is None else bisect_right(places, self._places[after])
        return self._members[places[at]] if at < len(places) else None

    def _note(self, member: Member) -> None:
        before = self._entries.get(member)
        entry = self._entries[member] = Entry(
            member.phase,
            member.order,
            member.observed.seen,
            member.observed.confirmed,
            member.serving,
            member.goal,
            member.leaving,
        )
        self.unscheduled.add(member)
        self.unfollowed.add(member)
        if entry == before:
            return
        self.stirred = True
        if member not in self._places:
            return
        _list(member, self.unsettled, not member.settled)
        _list(member, self.waiting, entry.phase is Phase.WAITING)
        _list(member, self.unordered, not is_ordered(member))
        was = before is not None and before.serving and not before.leaving
        self.serving[member.group] += (entry.serving and not entry.leaving) - was
        self._enqueue(member, None if before is None else before.order, entry.order)

    def _enqueue(self, member: Member, before: Order | None, order: Order | None) -> None:
        place = self._places[member]
        if before is not None:
            places = self._starts if before is Order.START else self._orders
            del places[bisect_left(places, place)]
        if order is not None:
            insort(self._starts if order is Order.START else self._orders, place)


def _list(member: Member, among: set[Member], is_one: bool) -> None:
    (among.add if is_one else among.discard)(member)
