"""A restart with what surrounds it: its id, the processes it holds, what the wall clock said."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Callable

from supervisor_restarter.engine import answers
from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.engine.policy import GroupPolicy
from supervisor_restarter.names import Match
from supervisor_restarter.options import DEFAULTS, Options
from supervisor_restarter.readiness.spec import Spec
from supervisor_restarter.server.processes import Handle
from supervisor_restarter.text import listed

WITNESSED = 2  # turns of the loop after which every waiting client has been asked
Find = Callable[[], list[Match]]


@dataclass(eq=False)
class Job:
    """A restart together with the processes it holds and what the wall clock said.

    specs: what makes the processes of its groups ready, where something is said of it. sockets:
    references that keep the listening sockets of fcgi programs open. unseen: in how many turns of
    the loop a process is still to be seen stopped by whoever stopped it. asked: the options as the
    call and the configuration have them. policies: what holds in its groups, by their programs,
    too. warnings: what its plan would have warned of.
    """

    id: str
    operation: Operation
    find: Find
    requested: float
    specs: dict[tuple[str, str], Spec] = field(default_factory=dict)
    asked: Options = DEFAULTS
    policies: dict[str, GroupPolicy] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    handles: dict[Member, Handle] = field(default_factory=dict)
    sockets: dict[str, Any] = field(default_factory=dict)
    wanted_down: set[tuple[str, str]] = field(default_factory=set)
    unseen: dict[Member, int] = field(default_factory=dict)
    started: float | None = None
    finished: float | None = None
    ended_at: float | None = None  # monotonic
    broken: bool = False  # an internal error has been met
    acting: bool = False  # an order is being carried out
    to_cancel: bool = False  # ... and is to be the last that takes something down

    @property
    def groups(self) -> list[str]:
        """The names of the process groups concerned."""
        return list(dict.fromkeys(member.group for member in self.operation.members))

    def expect_witnesses(self) -> None:
        """Note which processes somebody has stopped, or is stopping, as the restart begins.

        He may be waiting for that: Supervisor's stop calls look for the state STOPPED alone, and
        would wait for ever if they missed it.
        """
        self.unseen = {
            member: WITNESSED
            for member in self.operation.members
            if member.observed.seen in (Seen.STOPPING, Seen.STOPPED)
        }

    def defer_start(self, member: Member) -> bool:
        """Whether the process is not to be started in this turn yet, so that it is seen stopped."""
        turns = self.unseen.pop(member, 0)
        if turns > 1:
            self.unseen[member] = turns - 1
        return turns > 0

    def described(self) -> str:
        """The options that are not the defaults, and what its programs have decided: for the log;
        '' if nothing.
        """
        of_programs = (policy.of_programs() for policy in self.policies.values())
        options = ', '.join(self.asked.differing())
        return '; '.join(filter(None, [options, listed(filter(None, of_programs))]))

    def wake_at(self) -> float | None:
        """The monotonic time at which it has to be looked at again if nothing happens before; None:
        no time.
        """
        monitors = (handle.monitor.wake_at() for handle in self.handles.values() if handle.monitor)
        return min(
            (at for at in (self.operation.wake_at(), *monitors) if at is not None), default=None
        )

    def struct(self, with_processes: bool = True) -> dict[str, Any]:
        """The restart as XML-RPC clients see it."""
        operation = self.operation
        ended = self.ended_at or time.monotonic()
        struct = {
            'id': self.id,
            'groups': self.groups,
            'state': operation.state.value,
            'version': operation.version,
            'requested_at': answers.iso(self.requested),
            'started_at': answers.iso(self.started),
            'finished_at': answers.iso(self.finished),
            'duration': answers.between(operation.begun_at or None, ended),
            'options': operation.options.struct(),
            'total': len(operation.members),
            'done': operation.done,
            'failed': len(operation.failures),
            'killed': sum(member.killed for member in operation.members),
            'lowest_ready': operation.lowest_ready,
        }
        if with_processes:
            struct['policies'] = [policy.struct() for policy in self.policies.values()]
            struct['warnings'] = self.warnings
            struct['processes'] = [
                answers.process_struct(member, operation.begun_at) for member in operation.members
            ]
        return struct
