"""An operation with what surrounds it: its id, the processes it holds, what the wall clock said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from supervisor_restarter.engine import answers
from supervisor_restarter.engine.changes import Changes
from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.engine.phases import SETTLED, UP, Order, Phase, Seen
from supervisor_restarter.engine.policy import GroupPolicy
from supervisor_restarter.engine.waking import earliest
from supervisor_restarter.options import DEFAULTS, Options
from supervisor_restarter.programs.host import SharedSocket
from supervisor_restarter.readiness.monitor import Probing
from supervisor_restarter.server.apply import Apply
from supervisor_restarter.server.ascii_text import NumberedStruct, SharedStruct
from supervisor_restarter.server.clock import Clock
from supervisor_restarter.server.lookout import Lookout
from supervisor_restarter.server.own_commands import OwnCommands
from supervisor_restarter.server.processes import Handle
from supervisor_restarter.server.request import Selection
from supervisor_restarter.server.told import Told
from supervisor_restarter.text import listed

WITNESSED = 2  # turns of the loop after which every waiting client has been asked


@dataclass(eq=False)
class Job:
    """An operation together with the processes it holds and what the wall clock said.

    requested, started, finished: by the wall clock. ended_at: by the monotonic one. asked: the
    options as the call and the configuration have them. policies: what holds in its groups, by
    their programs, too. warnings: what its plan would have warned of. sockets: references that keep
    the listening sockets of fcgi programs open. wanted_down: the processes that a client has had
    stopped since. lookout: which of the handles are to be looked at. unseen: in how many turns of the
    loop a process is still to be seen stopped by the client that stopped it. broken: an internal
    error has been met. acting: an order is being carried out; to_cancel: it is to be the last that
    takes something down. apply: what makes it an apply; None: it is a restart, a start or a stop.
    probing: what the probes of a group share. own: the commands of its programs that run. told: what
    clients were told of it last; None: that is not kept any more. unforeseen: those of which it is to
    be found out whether they could be started again, before anything is stopped.
    """

    id: str
    operation: Operation
    selection: Selection
    requested: float
    asked: Options = DEFAULTS
    policies: dict[str, GroupPolicy] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    handles: dict[Member, Handle] = field(default_factory=dict)
    lookout: Lookout = field(default_factory=lambda: Lookout({}))
    sockets: dict[str, SharedSocket] = field(default_factory=dict)
    wanted_down: set[tuple[str, str]] = field(default_factory=set)
    unseen: dict[Member, int] = field(default_factory=dict)
    started: float | None = None
    finished: float | None = None
    ended_at: float | None = None
    broken: bool = False
    acting: bool = False
    to_cancel: bool = False
    apply: Apply | None = None
    probing: dict[str, Probing] = field(default_factory=dict)
    own: OwnCommands = field(default_factory=OwnCommands)
    told: Told | None = field(default_factory=Told)
    unforeseen: Iterator[Member] = field(default_factory=lambda: iter(()))

    @property
    def kind(self) -> str:
        """What clients see it as."""
        return 'restart' if self.apply is None else 'apply'

    @property
    def groups(self) -> list[str]:
        """The names of the process groups concerned."""
        if self.apply is not None:
            return self.apply.groups
        return list(dict.fromkeys(member.group for member in self.operation.members))

    @property
    def compared(self) -> set[str]:
        """The names of the groups that an apply has looked at, also where nothing changes."""
        return self.apply.compared if self.apply is not None else set()

    def expect_witnesses(self) -> None:
        """Note which processes were stopped by others, or are being stopped, as the job begins.

        A client may be waiting for that: Supervisor's stop calls look for the state STOPPED alone,
        and would wait for ever if they missed it.
        """
        self.unseen = {
            member: WITNESSED
            for member in self.operation.members
            if member.observed.seen in (Seen.STOPPING, Seen.STOPPED)
        }

    def defer_starts(self) -> set[Member]:
        """Count one turn of the loop. Returns the processes that are not to be started in it, so
        that each is seen stopped.
        """
        deferred = {member for member in self.unseen if member.order is Order.START}
        for member in deferred:
            self.unseen[member] -= 1
            if not self.unseen[member]:
                del self.unseen[member]
        return deferred

    def forgive(self) -> None:
        """What others have started again after a stop is no longer wanted down."""
        if self.wanted_down:
            for member, handle in self.handles.items():
                done = member.phase in SETTLED and member.phase is not Phase.READY
                if done and handle.seen is not None and handle.seen.seen in UP:
                    self.wanted_down.discard(member.match.key)
                    self.lookout.stir(member)

    def described(self) -> str:
        """The options that are not the defaults, and what its programs have decided: for the log;
        '' if nothing.
        """
        of_programs = (policy.of_programs() for policy in self.policies.values())
        options = ', '.join(self.asked.differing())
        return '; '.join(filter(None, [options, listed(filter(None, of_programs))]))

    def wake_at(self, grain: float) -> float | None:
        """The monotonic time at which it has to be looked at again if nothing happens before; None:
        no time. grain: how much later that may be (seconds) if more comes until then.
        """
        return earliest(self.operation.wake_at(grain), self.lookout.wake_at(grain))

    def struct(self, with_processes: bool = True) -> dict[str, Any]:
        """The job as XML-RPC clients see it."""
        if not with_processes:
            return self.header()
        return {**self.header(), **self.particulars(), 'processes': list(self.changes().rows)}

    def struct_since(self, version: int) -> dict[str, Any]:
        """What has changed in struct() since this version: the header, the particulars if they have
        changed, and those processes that have, each with its `index` in the whole array. All of
        it for a version that has not come yet: it is that of another restart, of a supervisord that
        was there before.
        """
        told = self._told()
        version = -1 if version > self.operation.version else version
        struct = self.header()
        for _, particulars in told.particulars.since(version):
            struct.update(particulars)
        struct['processes'] = [
            NumberedStruct(place, process) for place, process in told.processes.since(version)
        ]
        return struct

    def header(self) -> dict[str, Any]:
        """What a list of restarts shows of it."""
        operation = self.operation
        ended = self.ended_at or self.clock.monotonic()
        own = self.apply.struct() if self.apply is not None else {}
        return {
            'id': self.id,
            'kind': self.kind,
            'groups': self.groups,
            'state': operation.state.value,
            'why': operation.why,
            'version': operation.version,
            'requested_at': answers.iso(self.requested),
            'started_at': answers.iso(self.started),
            'finished_at': answers.iso(self.finished),
            'duration': answers.between(operation.begun_at or None, ended),
            'options': {**operation.options.struct(), **own},
            'total': len(operation.members),
            'done': operation.done,
            'failed': len(operation.failures),
            'killed': sum(member.killed for member in operation.members),
            'lowest_ready': operation.lowest_ready,
            'ready': operation.ready,
            'allowed': operation.allowed,
            'old_stopping': operation.old_stopping,
        }

    def particulars(self) -> dict[str, Any]:
        """What is shown beside, of one restart; no list has it."""
        shown: dict[str, Any] = {
            'policies': [policy.struct() for policy in self.policies.values()],
            'warnings': self.warnings,
        }
        if self.apply is not None:
            shown['at_once'] = self.apply.at_once
        return shown

    def changes(self) -> Changes[SharedStruct]:
        """Its processes as structs, with the version at which each of them changed. They are made
        at most once for each version, however many clients ask.
        """
        return self._told().processes

    def forget_what_was_told(self) -> None:
        """Those who have followed it have heard of its end: who asks again is told everything."""
        self.told = None

    def _told(self) -> Told:
        told = self.told or Told()
        if told.processes.version != self.operation.version:
            told.note(self.operation, self.particulars())
        return told

    def ready_points(self, since: int) -> list[tuple[float, int]]:
        """How many of its processes were ready, and from when on (seconds from its begin): the
        points that came after this version.
        """
        return self.operation.headcount.curve.since(since)
