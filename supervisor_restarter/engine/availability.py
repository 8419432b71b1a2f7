"""max_unavailable: who may be taken down while enough of the group stay ready. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.phases import DOWN, IN_FLIGHT, UP, Phase, Seen
from supervisor_restarter.engine.policy import Policy
from supervisor_restarter.options import Options
from supervisor_restarter.text import listed

# A process that is down and comes back without us, by autorestart or another client, does so within
# this time, in seconds.
BACK_BY_ITSELF = 3.0
STAYS_DOWN = DOWN | {Seen.WANTED_DOWN}


@dataclass
class Room:
    """What of one group is ready at this moment, and how much more may be taken down.

    coming: whether one that is left alone is STARTING; it has its startsecs, however many.
    """

    allowed: int = 0
    in_flight: int = 0
    coming: bool = False
    confirmed: bool = True  # whether the readiness of every process is
    not_ready: list[Member] = field(default_factory=list)  # those in flight among them

    def take(self, member: Member) -> bool:
        """Whether the member may be taken down now; if so, it counts as taken from here on.

        What is down already costs nothing. One that runs and is not ready costs no availability
        either, but only as many of them as are allowed are taken at once: should the probes be
        wrong, for instance on a machine under load, the service is still there.
        """
        seen = member.observed.seen
        if seen not in DOWN and seen is not Seen.BACKOFF:
            if not self.confirmed or self.in_flight >= self.allowed:
                return False
            if seen is Seen.READY:
                if len(self.not_ready) >= self.allowed:
                    return False
                self.not_ready.append(member)
        self.in_flight += 1
        return True

    def patience(self, ready_timeout: float) -> float | None:
        """Seconds to wait for room that only processes out of the restart's reach can make.
        None: for ever.
        """
        if all(member.observed.seen in STAYS_DOWN for member in self.not_ready):
            return BACK_BY_ITSELF
        return ready_timeout or None

    def full(self, policy: Policy | Options) -> str:
        """Why nothing more may be taken down."""
        others = listed(f'{member.namespec} ({_why(member)})' for member in self.not_ready)
        return (
            f'left as it is: not ready are {others}, '
            f'and max_unavailable = {policy.max_unavailable} allows {self.allowed}'
        )


def _why(member: Member) -> str:
    """Why it is not ready, or the state that Supervisor shows."""
    seen = member.observed.seen
    if seen in UP and member.unready:
        return member.unready
    return {Seen.EXITED_BADLY: 'EXITED', Seen.WANTED_DOWN: 'STOPPED'}.get(seen, seen.value)


def rooms(members: Iterable[Member], options: Options) -> dict[str, Room]:
    """The room in each group; `members` are all processes of the groups, also those not to be
    restarted.
    """
    found: dict[str, Room] = {}
    sizes: dict[str, int] = {}
    policies: dict[str, Policy | Options] = {}
    for member in members:
        room = found.setdefault(member.group, Room())
        sizes[member.group] = sizes.get(member.group, 0) + 1
        policies[member.group] = member.policy or options
        if member.phase in IN_FLIGHT:
            room.in_flight += 1
            room.not_ready.append(member)
        elif not member.serving:
            room.not_ready.append(member)
            starting = member.observed.seen is Seen.STARTING
            room.coming = room.coming or (starting and member.phase is Phase.KEPT)
        elif not member.observed.confirmed:
            room.confirmed = False
    for group, room in found.items():
        room.allowed = policies[group].allowed(sizes[group])
    return found


def floors(
    members: Iterable[Member], neighbours: Iterable[Member], options: Options
) -> dict[str, int]:
    """How many of `members` max_unavailable keeps ready in each group, if all of them are ready at
    first. neighbours: the other processes of their groups.
    """
    own: dict[str, int] = {}
    surging: dict[str, int] = {}
    policies: dict[str, Policy | Options] = {}
    for member in members:
        own[member.group] = own.get(member.group, 0) + 1
        surging[member.group] = surging.get(member.group, 0) + member.surges
        policies[member.group] = member.policy or options
    sizes = dict(own)
    for member in neighbours:
        sizes[member.group] = sizes.get(member.group, 0) + 1
    return {
        group: max(surging[group], own[group] - policies[group].allowed(sizes[group]))
        for group in own
    }


def _ready_timeout(room: Room, options: Options) -> float:
    """Seconds in which what is not ready should have become so, 0: no limit."""
    times = [(member.policy or options).ready_timeout for member in room.not_ready]
    return max(times, default=0.0) if all(times) else 0.0


class Full(NamedTuple):
    """A group that is full: since when (monotonic), since when with the same patience, and that in
    seconds.
    """

    began: float
    since: float
    patience: float | None
    until: float | None  # when it is given up


@dataclass
class Availability:
    """max_unavailable over the course of a restart: who may be taken down now, and who never will
    be.

    A group is full when nothing that the restart has in hand or waits for could make room. until:
    the monotonic time at which one of them is given up, None for never.
    """

    full: dict[str, Full] = field(default_factory=dict)
    until: float | None = None

    def choose(
        self, waiting: list[Member], everyone: Iterable[Member], options: Options, now: float
    ) -> tuple[list[Member], list[tuple[Member, str]]]:
        """Those of `waiting` (in the order of their turns) that may be taken down now, and those
        that are given up, each with the reason. everyone: all processes of the groups, also those
        not to be restarted.
        """
        self.until = None
        if not waiting:
            self.full = {}
            return [], []
        room = rooms(everyone, options)
        called, hopeless, refused = [], [], dict[str, list[Member]]()
        for member in waiting:
            if not (member.policy or options).rolling or room[member.group].take(member):
                called.append(member)
            else:
                refused.setdefault(member.group, []).append(member)
        self.full = {
            group: _full(self.full.get(group), room[group], options, now)
            for group in refused
            if room[group].confirmed and not room[group].in_flight and not room[group].coming
        }
        for group, full in self.full.items():
            if full.until is None:
                continue
            if now < full.until:
                self.until = min(full.until, self.until or full.until)
                continue
            for member in refused[group]:
                hopeless.append((member, room[group].full(member.policy or options)))
        return called, hopeless


def _full(before: Full | None, room: Room, options: Options, now: float) -> Full:
    """The group of this room as it is full now. One that dies and starts again and again is not
    waited for anew each time.
    """
    ready_timeout = _ready_timeout(room, options)
    patience = room.patience(ready_timeout)
    began = now if before is None else before.began
    since = before.since if before is not None and before.patience == patience else now
    if patience is None:
        return Full(began, since, patience, None)
    longest = began + BACK_BY_ITSELF + ready_timeout if ready_timeout else math.inf
    return Full(began, since, patience, min(since + patience, longest))
