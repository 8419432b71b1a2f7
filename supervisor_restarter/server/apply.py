"""What makes a job an apply: the comparison that it carries out, and how far that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, NamedTuple

from supervisor_restarter.configuration.rollout import Rollout
from supervisor_restarter.configuration.slots import Slot
from supervisor_restarter.engine.member import Failure, Member
from supervisor_restarter.names import Match
from supervisor_restarter.options import ApplyOptions
from supervisor_restarter.readiness.spec import Spec

REMOVE = 'remove'  # the action of a slot whose process is to be gone


class ApplyRequest(NamedTuple):
    """What a client asks for. rollout: compares the files as they are now with what runs; it is
    asked anew when a queued apply begins. applied: what is to be done when all of it is applied.
    """

    rollout: Callable[[], Rollout]
    options: ApplyOptions
    applied: Callable[[], None] = lambda: None


@dataclass(eq=False)
class Apply:
    """An apply, from its request to its end.

    slots: what each member of the operation stops or starts. groups: those that change, of those
    that were compared. present: what makes the process of a
    member ready that was there before, specs: what is to make its new one ready. foreseen: what
    cannot be started as it is configured now. kept: why those have failed that are started again as
    they were. held: those that must not be started yet. gone: those that are no longer there.
    before: the state of each process that was down though it should run. begun: Supervisor's
    objects have been touched. back: it is being rolled back. Once it is over, only what clients are told of it is left.
    """

    request: ApplyRequest
    rollout: Rollout = field(repr=False)
    slots: dict[Member, Slot]
    groups: list[str]
    compared: set[str]
    at_once: list[dict[str, str]]
    present: dict[Member, Spec | None] = field(default_factory=dict)
    specs: dict[Member, Spec | None] = field(default_factory=dict)
    foreseen: dict[Member, Failure] = field(default_factory=dict)
    kept: dict[Member, Failure] = field(default_factory=dict)
    held: set[Member] = field(default_factory=set)
    gone: set[Member] = field(default_factory=set)
    before: dict[Member, int] = field(default_factory=dict)
    begun: bool = False
    back: bool = False

    @property
    def members(self) -> list[Member]:
        """The members of its operation, in the order of their turns."""
        return list(self.slots)

    @property
    def hopeless(self) -> bool:
        """Whether it is certain before anything is touched that it would be given up."""
        return bool(self.foreseen) and self.request.options.options.on_failure == 'abort'

    def struct(self) -> dict[str, bool]:
        """What its options have beside those of a restart."""
        options = self.request.options
        return {'rollback': options.rollback, 'prune': options.prune}

    def forget(self) -> None:
        """It is over: the configurations that it has compared are not needed any more."""
        self.slots, self.present, self.specs, self.foreseen = {}, {}, {}, {}
        self.kept = {}
        self.held, self.gone, self.before = set(), set(), {}
        self.rollout.close()
        del self.rollout


def planned(request: ApplyRequest, in_turn: Callable[[Rollout], list[Slot]]) -> Apply:
    """The apply that carries out the request as things are now; nothing is touched. in_turn: the
    slots in the order of their turns. Unreadable and Refusal as Planner.compare().
    """
    rollout = request.rollout()
    slots = {
        Member(Match(slot.group, slot.name, True, True), leaving=slot.action == REMOVE): slot
        for slot in in_turn(rollout)
    }
    return Apply(request, rollout, slots, rollout.groups, rollout.compared, rollout.at_once)
