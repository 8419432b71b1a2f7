"""Which processes take part in a job, in which order, and what is held of them while it lasts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from supervisor_restarter.configuration.plan import LEFT_DOWN
from supervisor_restarter.configuration.rollout import Rollout
from supervisor_restarter.configuration.slots import Slot
from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.advice import gathered
from supervisor_restarter.engine.freshness import Change
from supervisor_restarter.engine.member import Hook, Member
from supervisor_restarter.engine.phases import SETTLED
from supervisor_restarter.engine.survey import Candidate, Survey, survey
from supervisor_restarter.faults import Code, Refusal, shortage
from supervisor_restarter.names import Match, natural
from supervisor_restarter.options import EVERYTHING, Options
from supervisor_restarter.programs.host import ProcessConfig, ServerOptions
from supervisor_restarter.programs.obstacles import Obstacles
from supervisor_restarter.readiness.listeners import Listeners
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
from supervisor_restarter.server.actions import Actions
from supervisor_restarter.server.apply import Apply
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.lookout import Lookout
from supervisor_restarter.server.own_commands import PlacesOfOwn
from supervisor_restarter.server.processes import Handle, Processes


class Party(NamedTuple):
    """The processes that take part in a job before it begins, each held once.

    members: in the order of their turns. others: the other processes of their groups, if that
    matters. specs: what makes them ready, where their programs say so.
    """

    members: list[Member]
    others: list[Member]
    handles: dict[Member, Handle]
    known: Survey
    specs: dict[Member, Spec | None]


class Resources:
    """What the jobs of one supervisord take of it, and give back: handles, probes, sockets.

    options: supervisord's, in whose loop the probes' connections are.
    """

    def __init__(
        self, options: ServerOptions, processes: Processes, actions: Actions, notify: NotifySocket
    ) -> None:
        self._options = options
        self._processes = processes
        self._actions = actions
        self._notify = notify
        self._connections, self._commands = Places(FEWEST_CONNECTIONS), Places(MOST_COMMANDS)
        self._own = PlacesOfOwn()
        self._listeners = Listeners()

    # -- before a job begins -----------------------------------------------------------------

    def members(self, matches: Iterable[Match]) -> list[Member]:
        """The processes in the order of their turns: by priority, then by name."""

        def turn(match: Match) -> tuple[object, ...]:
            return self._processes.priority(match), natural(match.group), natural(match.name)

        return [Member(match) for match in sorted(matches, key=turn)]

    def _others(self, members: list[Member]) -> list[Member]:
        """The other processes of their groups."""
        groups = dict.fromkeys(member.group for member in members)
        return self.members(self._processes.others(groups, [member.match for member in members]))

    def candidates(
        self, members: list[Member], obstacles: Obstacles, dated: bool = False
    ) -> tuple[list[Candidate], list[Candidate]]:
        """The members (dated: with the times of their starts) and the others of their groups, as a
        plan wants to know them.
        """
        hold, candidate = self._processes.hold, self._processes.candidate
        return (
            [candidate(member, hold(member.match), obstacles, dated) for member in members],
            [candidate(other, hold(other.match), obstacles) for other in self._others(members)],
        )

    def party(
        self, goal: Goal, members: list[Member], options: Options, change: Change | None = None
    ) -> Party:
        """The members, with what is known of them but for what only the disk knows; a restart gives
        them their policies. change: what options.newer_than amounts to.

        Refusal as survey() has it. Refusal BAD_OPTION if what their programs say makes no sense in
        any of the groups, also outside of the restart: it says little good of the others. Refusal
        BAD_STATE if there can be no socket for READY=1.
        """
        others = self._others(members) if goal is Goal.RESTART else []
        handles = {member: self._processes.hold(member.match) for member in [*members, *others]}
        if goal is not Goal.RESTART:
            return Party(members, others, handles, survey([], [], options), {})
        candidate, dated = self._processes.candidate, change is not None or options.starts_only
        known = survey(
            [candidate(member, handles[member], None, dated) for member in members],
            [candidate(member, handles[member]) for member in others],
            options,
            change,
        )
        known.refuse()
        configs = {member: handle.config for member, handle in handles.items()}
        return Party(members, others, handles, known, self._specs(known, configs))

    @staticmethod
    def slots_in_turn(rollout: Rollout) -> list[Slot]:
        """What an apply stops or starts in the order of its turns: by priority, then by name, what
        is to be gone last.
        """
        place = {group: number for number, group in enumerate(rollout.groups)}

        def turn(slot: Slot) -> tuple[object, ...]:
            config = slot.new or slot.old
            assert config is not None
            return slot.new is None, place[slot.group], config.priority, natural(config.name)

        return sorted(rollout.slots, key=turn)

    def party_of(self, apply: Apply, options: Options) -> Party:
        """Who takes part in an apply, as they will be when it is done; nothing is held yet. Refusal
        as party(), and BAD_OPTION if what a program is to say makes no sense.

        What stays down does not count for max_unavailable, and a group that becomes another one
        goes down as a whole.
        """
        places = {
            (slot.group, slot.new.name): member
            for member, slot in apply.slots.items()
            if slot.new is not None
        }
        candidates, neighbours, configs = [], [], {}
        for group in apply.rollout.configured:
            for config in group.process_configs:
                member = places.get((group.name, config.name))
                process = self._processes.find(group.name, config.name)
                if member is not None:
                    slot = apply.slots[member]
                    process = slot.process if slot.old is not None else None
                    candidates.append(self._processes.prospect(member, config, process))
                elif process is not None:
                    member = Member(Match(group.name, config.name, False, False))
                    one = self._processes.prospect(member, config, process)
                    neighbours += [] if one.seen in LEFT_DOWN else [one]
                if member is not None:
                    configs[member] = config
        known = survey(candidates, neighbours, options)
        for why in known.refused.values():
            raise Refusal(Code.BAD_OPTION, why)
        for member, slot in apply.slots.items():
            if slot.group in apply.rollout.replaced and member.policy is not None:
                member.policy = member.policy._replace(max_unavailable=EVERYTHING)
        specs = self._specs(known, configs)
        apply.specs = {member: specs.get(member) for member in apply.slots}
        apply.present = self._present_specs(apply)
        specs.update(apply.present)
        others = [candidate.member for candidate in neighbours]
        return Party(apply.members, others, {}, known, specs)

    def _present_specs(self, apply: Apply) -> dict[Member, Spec | None]:
        """What calls the processes ready that run now, where that makes sense. Added ones are the new
        ones from the beginning.
        """
        present: dict[Member, Spec | None] = dict.fromkeys(apply.slots)
        for member, slot in apply.slots.items():
            if slot.old is None:
                present[member] = apply.specs[member]
            elif not self._processes.malformed(slot.old):
                present[member] = self._processes.readiness(slot.old)
        return present

    def _specs(
        self, known: Survey, configs: dict[Member, ProcessConfig]
    ) -> dict[Member, Spec | None]:
        specs: dict[Member, Spec | None] = {}
        notified = []
        for candidate in [*known.candidates, *known.neighbours]:
            member = candidate.member
            asked = candidate.probed and member.group in known.policies
            spec = self._processes.readiness(configs[member]) if asked else None
            if spec is not None:
                specs[member] = spec
                if spec.kind == 'notify':
                    notified.append(configs[member])
        if notified:
            self._notify.forget_others(self._processes.pids())
            try:
                self._notify.open(any(map(self._processes.is_of_another_user, notified)))
            except OSError as error:
                raise Refusal(Code.BAD_STATE, shortage(error) or str(error)) from None
        return specs

    def malformed(self, groups: Iterable[str]) -> Iterator[str]:
        """What is wrong with what the programs of these groups say of their restarts, in lines that
        name the processes; those of the same trouble in one line.
        """
        troubles, hold = self._processes.troubles, self._processes.hold
        everyone = self.members(self._processes.others(groups, []))
        for text, names in gathered(
            (text, member) for member in everyone for text in troubles(hold(member.match).config)
        ):
            yield f'{names}: {text}'

    # -- while it lasts ----------------------------------------------------------------------

    def hold(self, job: Job, party: Party) -> None:
        """Take hold of the job's processes, have the probes asked that count, keep shared sockets
        open.
        """
        operation = job.operation
        operation.neighbours = _neighbours(party) if operation.limited else []
        job.handles = {
            member: party.handles[member] for member in party.members + operation.neighbours
        }
        stop_timeout = operation.options.stop_timeout
        for member in party.members:
            stopwaitsecs = self._processes.stopwaitsecs(job.handles[member])
            member.stop_limit = stopwaitsecs if stop_timeout is None else stop_timeout
        if operation.goal is Goal.RESTART:
            self._monitor(job, party.specs)
            self._prepare_hooks(job, party.members)
            self._keep_sockets(job)
        job.lookout = Lookout(job.handles)

    def _monitor(self, job: Job, specs: dict[Member, Spec | None]) -> None:
        if job.apply is not None or any(specs.values()):  # counting descriptors takes a while
            self._connections.most = connections(self._connections.taken)
        job.probing = {
            group: Probing(
                self._options,
                len(specs),
                Share(self._connections),
                Share(self._commands),
                self._listeners,
            )
            for group in job.groups
        }
        for member in job.handles:
            self.monitor(job, member, specs.get(member))

    def monitor(self, job: Job, member: Member, spec: Spec | None) -> None:
        """Have the process asked whether it is ready as the spec says, and in no other way; None: it
        is not asked.
        """
        handle = job.handles[member]
        if handle.monitor is not None:
            handle.monitor.close()
            handle.monitor = None
        if spec is None:
            return
        policy = member.policy or job.operation.options
        handle.monitor = ReadinessMonitor(
            spec,
            job.probing[member.group],
            self._notify,
            not policy.rolling and not member.kept,
            policy.min_ready,
            handle.process,
            kept=bool(member.kept),
        )

    def _prepare_hooks(self, job: Job, members: Iterable[Member]) -> None:
        job.own = self._own.shared_by(job.groups)
        for member in members:
            self.heed_hooks(job, member)

    def heed_hooks(self, job: Job, member: Member) -> None:
        """Tell the member which commands its process has for its restart, as it is configured now:
        none where that makes no sense, and none for a signal.
        """
        config = job.handles[member].config
        sound = not job.operation.options.signal and not self._processes.malformed(config)
        member.before_stop, member.after_ready = (
            sound and bool(self._processes.hook(config, hook.value)) for hook in Hook
        )

    def _keep_sockets(self, job: Job) -> None:
        one_of_each = {member.group: handle for member, handle in job.handles.items()}
        for group, handle in one_of_each.items():
            socket = self._processes.shared_socket(handle)
            if socket is not None:
                job.sockets[group] = socket

    def let_sockets_go(self, job: Job) -> None:
        """Do not keep the sockets of groups open for longer than the restart is busy with them."""
        if job.sockets:
            busy = {member.group for member in job.operation.members if member.phase not in SETTLED}
            for group in job.sockets.keys() - busy:
                del job.sockets[group]

    def release(self, job: Job) -> None:
        """Give everything back that the job has held."""
        job.own.close()
        for handle in job.handles.values():
            self._actions.release(handle)
        job.handles.clear()
        job.sockets.clear()
        self._listeners.forget()

    def close(self) -> None:
        """supervisord goes away."""
        self._notify.close()


def _neighbours(party: Party) -> list[Member]:
    """The others in those groups that decide how many of them may be taken down."""
    groups = {member.group for member in party.members if member.policy and member.policy.rolling}
    return [member for member in party.others if member.group in groups]
