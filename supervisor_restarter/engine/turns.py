"""Whose turn it is: which of the processes that wait may be taken down at this moment. Pure.

Three rules stand one behind the other. While a process that was ready does not answer its probe,
none has its turn. The first process of a group goes alone (scout.py). And max_unavailable keeps
enough of each group ready (availability.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from supervisor_restarter.engine.availability import Availability
from supervisor_restarter.engine.beside import may_surge, with_room
from supervisor_restarter.engine.judging import State
from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.phases import (
    BESIDE,
    OUT_OF_SERVICE,
    TURN_HAS_COME,
    UP,
    Order,
    Phase,
    Seen,
)
from supervisor_restarter.engine.scout import hold_back
from supervisor_restarter.options import Options


@dataclass
class Turns:
    """The turns of one operation. scouts: whether groups have scouts. scout_until: when (monotonic)
    the first process of a group will have been up for long enough, None: none waits for that.
    """

    availability: Availability = field(default_factory=Availability)
    scouts: bool = True
    scout_until: float | None = None

    @property
    def until(self) -> tuple[float | None, float | None]:
        """When (monotonic) a turn may come, or be given up, though nothing has happened."""
        return self.availability.until, self.scout_until

    def call(
        self,
        waiting: Iterable[Member],
        members: list[Member],
        neighbours: list[Member],
        options: Options,
        limited: bool,
        now: float,
    ) -> tuple[list[Member], list[tuple[Member, str]]]:
        """The members whose turn has come, and those whose turn never will, each with the reason.

        waiting: those of `members` in the phase WAITING. limited: whether some processes are to stay
        ready, in which case the neighbours count, too.
        """
        waiting = unready_first(member for member in waiting if member.turn_at <= now)
        if waiting and any(member.phase is Phase.WAVERING for member in members):
            # The times of other turns would keep the loop awake when they are over.
            self.scout_until = self.availability.until = None
            return [], []
        surging = any(member.surges for member in waiting)
        if not limited and not surging:
            self.scout_until = self.availability.until = None
            return waiting, []
        if self.scouts:
            waiting, self.scout_until = hold_back(waiting, members, options, now)
        beside, waiting = with_room(waiting, members, options) if surging else ([], waiting)
        if not limited:
            return beside + waiting, []
        called, hopeless = self.availability.choose(waiting, members + neighbours, options, now)
        return beside + called, hopeless


def no_more_turns(members: Iterable[Member], state: State, why: str) -> None:
    """Leave the members as they are to which nothing was done, for this reason; what is leaving and
    has its turn keeps it. state: that of the operation from now on.
    """
    for member in members:
        due = member.phase is Phase.DUE and member.order is Order.STOP
        due = due or member.phase in OUT_OF_SERVICE | BESIDE | {Phase.TO_DRAIN}
        if member.phase in (Phase.WAITING, Phase.TO_SIGNAL) or (due and not member.leaving):
            member.leave(why)
        elif member.phase is Phase.KEPT and state is State.TIMED_OUT:
            member.leave(f'{why}; {member.kept}, and not ready yet')
        elif member.phase is Phase.KEPT and state is State.CANCELLED:
            member.keep()


def turn_of(member: Member, options: Options) -> Phase:
    """The phase that its turn takes the member to."""
    if options.signal:
        return Phase.TO_SIGNAL
    if may_surge(member):
        return Phase.TO_SURGE
    if member.before_stop and member.observed.seen in UP:
        return Phase.TO_DRAIN
    return Phase.DUE


def unready_first(members: Iterable[Member]) -> list[Member]:
    """The members in the order of their turns: to take down what is not ready costs no
    availability.
    """
    return sorted(members, key=lambda member: member.observed.seen is Seen.READY)


def take_back(members: Iterable[Member]) -> None:
    """Let those wait again whose order is not carried out yet: a process may have died since."""
    for member in members:
        if member.phase in TURN_HAS_COME and member.order not in (None, Order.START):
            member.phase, member.order = Phase.WAITING, None
