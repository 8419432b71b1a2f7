"""Which processes take part in a run, in which order, and what is held of them while it lasts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.phases import SETTLED
from supervisor_restarter.engine.survey import Survey, survey
from supervisor_restarter.faults import Code, Refusal, shortage
from supervisor_restarter.names import Match, natural
from supervisor_restarter.options import Options
from supervisor_restarter.readiness.exec_probe import adopt
from supervisor_restarter.readiness.monitor import Probing, ReadinessMonitor
from supervisor_restarter.readiness.notify import NotifySocket
from supervisor_restarter.readiness.shares import (
    FEWEST_CONNECTIONS,
    MOST_COMMANDS,
    Places,
    Share,
    connections,
)
from supervisor_restarter.readiness.spec import Spec
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.processes import Processes
from supervisor_restarter.text import listed


class Resources:
    """The processes of runs on one supervisord."""

    def __init__(self, options: Any, processes: Processes) -> None:
        self._options = options
        self._processes = processes
        self._notify = NotifySocket(options)
        adopt(options)
        self._connections, self._commands = Places(FEWEST_CONNECTIONS), Places(MOST_COMMANDS)

    def members(self, matches: Iterable[Match]) -> list[Member]:
        """The processes in the order of their turns: by priority, then by name."""

        def turn(match: Match) -> tuple[Any, ...]:
            return self._processes.priority(match), natural(match.group), natural(match.name)

        return [Member(match) for match in sorted(matches, key=turn)]

    def others(self, members: list[Member]) -> list[Member]:
        """The other processes of their groups."""
        groups = dict.fromkeys(member.group for member in members)
        return self.members(self._processes.others(groups, [member.match for member in members]))

    def survey(self, members: list[Member], options: Options) -> Survey:
        """What is known of the members and the others of their groups, but for what only the disk
        knows; gives the members their policies. Refusal as survey() has it.
        """
        return survey(
            [self._processes.candidate(member) for member in members],
            [self._processes.candidate(member) for member in self.others(members)],
            options,
        )

    def malformed(self, groups: Iterable[str]) -> Iterator[str]:
        """What is wrong with what the programs of these groups say of their restarts, in lines that
        name the processes; those of the same trouble in one line.
        """
        everyone = self.members(self._processes.others(groups, []))
        troubles = {
            member: self._processes.malformed(self._processes.hold(member.match))
            for member in everyone
        }
        for text in dict.fromkeys(filter(None, troubles.values())):
            yield f'{listed(member.namespec for member in everyone if troubles[member] == text)}: {text}'

    def specs(self, known: Survey) -> dict[tuple[str, str], Spec]:
        """What makes the processes of the groups ready, where their programs say so.

        Refusal BAD_OPTION if what they say makes no sense in any of the groups, also outside of the
        restart: it says little good of the others. Refusal BAD_STATE if there can be no socket for
        READY=1.
        """
        known.refuse()
        specs, for_others = {}, False
        for candidate in [*known.candidates, *known.neighbours]:
            match = candidate.member.match
            if candidate.probed and match.group in known.policies:
                handle = self._processes.hold(match)
                spec = self._processes.readiness(handle)
                if spec is not None:
                    specs[match.key] = spec
                    for_others = for_others or (
                        spec.kind == 'notify' and self._processes.is_of_another_user(handle)
                    )
        if any(spec.kind == 'notify' for spec in specs.values()):
            self._notify.forget_others(self._processes.pids())
            try:
                self._notify.open(for_others)
            except OSError as error:
                raise Refusal(Code.BAD_STATE, shortage(error) or str(error)) from None
        return specs

    def hold(self, job: Job) -> None:
        """Take hold of the run's processes, have the probes asked that count, keep shared sockets
        open.
        """
        operation = job.operation
        operation.neighbours = self._neighbours(job) if operation.limited else []
        job.handles = {
            member: self._processes.hold(member.match)
            for member in operation.members + operation.neighbours
        }
        for member in operation.members:
            stopwaitsecs = self._processes.stopwaitsecs(job.handles[member])
            member.stop_limit = (
                stopwaitsecs
                if operation.options.stop_timeout is None
                else operation.options.stop_timeout
            )
        if operation.goal is not Goal.RESTART:
            return
        self._connections.most = connections(self._connections.taken)
        probing = {
            group: Probing(
                self._options, len(job.specs), Share(self._connections), Share(self._commands)
            )
            for group in job.groups
        }
        for member, handle in job.handles.items():
            spec = job.specs.get(member.match.key)
            if spec is not None:
                policy = member.policy or operation.options
                handle.monitor = ReadinessMonitor(
                    spec,
                    probing[member.group],
                    self._notify,
                    not policy.rolling,
                    policy.min_ready,
                    handle.process,
                )
        one_of_each = {member.group: handle for member, handle in job.handles.items()}
        held = {
            group: self._processes.shared_socket(handle) for group, handle in one_of_each.items()
        }
        job.sockets = {group: socket for group, socket in held.items() if socket is not None}

    def _neighbours(self, job: Job) -> list[Member]:
        """The other processes of the groups in which they decide how much may be taken down."""
        neighbours = self.others(
            [member for member in job.operation.members if member.policy and member.policy.rolling]
        )
        for member in neighbours:
            member.policy = job.policies[member.group].processes[member.name]
        return neighbours

    def let_sockets_go(self, job: Job) -> None:
        """Do not keep the sockets of groups open for longer than the restart is busy with them."""
        if job.sockets:
            busy = {member.group for member in job.operation.members if member.phase not in SETTLED}
            for group in job.sockets.keys() - busy:
                del job.sockets[group]

    def release(self, job: Job) -> None:
        """Give everything back that the run has held."""
        for handle in job.handles.values():
            self._processes.release(handle)
        job.handles.clear()
        job.sockets.clear()

    def close(self) -> None:
        """supervisord goes away."""
        self._notify.close()
