"""From what a client asks for to a job, when it asks and again when the job leaves the queue."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from supervisor_restarter.configuration.rollout import Rollout
from supervisor_restarter.configuration.twin import Unreadable
from supervisor_restarter.configuration.wording import masked
from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.advice import gathered
from supervisor_restarter.engine.freshness import Change
from supervisor_restarter.engine.judging import GROUP_GONE
from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.engine.planning import plan, warnings
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.names import Match
from supervisor_restarter.options import Options
from supervisor_restarter.programs.obstacles import Obstacles
from supervisor_restarter.server.apply import Apply, ApplyRequest, planned
from supervisor_restarter.server.changes import youngest
from supervisor_restarter.server.clock import Clock
from supervisor_restarter.server.configfile import ConfigurationFiles
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.processes import Processes
from supervisor_restarter.server.request import Request, Selection
from supervisor_restarter.server.resources import Party, Resources
from supervisor_restarter.text import printable

_ids = itertools.count(1)  # of the whole process: an id must not come back after a reload


class Intake:
    """Makes jobs, and plans of them."""

    def __init__(
        self, processes: Processes, resources: Resources, files: ConfigurationFiles, clock: Clock
    ) -> None:
        self._processes = processes
        self._resources = resources
        self._files = files
        self._clock = clock

    def members(self, selection: Selection) -> list[Member]:
        """The processes that are named, in the order of their turns; Refusal BAD_GROUP."""
        return self._resources.members(selection.resolved(self._processes.groups()))

    def change(self, options: Options) -> Change | None:
        """What options.newer_than amounts to at this moment; Refusal BAD_OPTION as youngest()."""
        return youngest(options.newer_than, self._clock.wall())

    def job(
        self, request: Request, members: list[Member], change: Change | None = None
    ) -> tuple[Job, Party]:
        """A job for these processes; Refusal as Resources.party() has it."""
        party = self._resources.party(request.goal, members, request.options, change)
        limit = request.limit(party.known.rolling)
        operation = Operation(
            members,
            replace(request.options, timeout=limit or 0.0),
            goal=request.goal,
            until_ordered=request.until_ordered,
            deadline=None if limit is None else self._clock.monotonic() + limit,
        )
        restart = request.goal is Goal.RESTART
        job = Job(
            str(next(_ids)) if restart else '',
            operation,
            request.selection,
            self._clock.wall(),
            request.options,
            party.known.policies,
            [*warnings(party.known), *self._of_files()] if restart else [],
            self._clock,
        )
        return job, party

    def apply(self, request: ApplyRequest) -> Apply:
        """What is to be applied as things are now; nothing is touched. Unreadable, and Refusal as
        Planner.compare().
        """
        return planned(request, self._resources.slots_in_turn)

    def in_vain(self, rollout: Rollout, secrets: bool) -> list[str]:
        """Why an apply of this would end before it touches anything, in lines that name the
        processes. secrets: also what looks like one is shown.
        """
        obstacles = Obstacles()
        troubles = [
            (self._processes.malformed(config), 'an apply would be refused', group.name, config)
            for group in rollout.configured
            for config in group.process_configs
        ]
        for slot in rollout.slots:
            why = rollout.obstacle(slot, obstacles)
            if why and slot.new is not None:
                text = f'cannot be started: {why}'
                troubles.append((text, 'an apply would touch nothing', slot.group, slot.new))
        told = gathered(
            (f'{text}; {then}', Member(Match(group, config.name, True, True)))
            for text, then, group, config in troubles
            if text
        )
        lines = [printable(f'{names}: {text}') for text, names in told]
        return lines if secrets else list(map(masked, lines))

    def job_of(self, apply: Apply) -> tuple[Job, Party]:
        """A job for this apply; Refusal as Resources.party_of()."""
        wanted = apply.request.options
        party = self._resources.party_of(apply, wanted.options)
        limit = wanted.options.timeout_or()
        operation = Operation(
            apply.members,
            replace(wanted.options, timeout=limit or 0.0),
            reversible=wanted.rollback,
            discounting=True,
            deadline=None if limit is None else self._clock.monotonic() + limit,
        )
        job = Job(
            str(next(_ids)),
            operation,
            Selection(apply.groups),
            self._clock.wall(),
            wanted.options,
            party.known.policies,
            warnings(party.known),
            self._clock,
            apply=apply,
        )
        return job, party

    def _renewed_apply(self, job: Job, before: Apply) -> Party:
        job.apply = apply = self.apply(before.request)
        job.operation.renew(apply.members)
        return self._resources.party_of(apply, job.asked)

    def renewed(self, job: Job) -> Party | None:
        """Who takes part now that a queued job is to begin: groups may have come, gone or changed
        since the request, and so may files. None if it cannot begin any more; it is cancelled then.
        """
        operation = job.operation
        try:
            if job.apply is not None:
                party = self._renewed_apply(job, job.apply)
            else:
                operation.renew(self.members(job.selection))
                change = self.change(job.asked)
                party = self._resources.party(operation.goal, operation.members, job.asked, change)
        except Refusal as refusal:
            operation.cancel(GROUP_GONE if refusal.code is Code.BAD_GROUP else refusal.text)
            return None
        except Unreadable as error:
            operation.cancel(f'the configuration files could not be read: {error}')
            return None
        job.policies = party.known.policies
        return party

    def plan(self, request: Request) -> dict[str, Any]:
        """What a restart would do; nothing is touched. Refusal as survey() and change() have it."""
        members, change = self.members(request.selection), self.change(request.options)
        candidates, others = self._resources.candidates(members, Obstacles(), change is not None)
        options = replace(request.options, timeout=request.limit() or 0.0)
        planned = plan(candidates, others, options, change)
        planned['warnings'] += self._of_files()
        return planned

    def _of_files(self) -> list[str]:
        """The warning about changed configuration files, if there is one."""
        warning = self._files.warning()
        return [warning] if warning else []
