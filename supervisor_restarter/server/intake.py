"""From what a client asks for to a job, when it asks and again when the job leaves the queue."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.freshness import Change
from supervisor_restarter.engine.judging import GROUP_GONE
from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.engine.planning import plan, warnings
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.options import Options
from supervisor_restarter.programs.obstacles import Obstacles
from supervisor_restarter.server.changes import youngest
from supervisor_restarter.server.clock import Clock
from supervisor_restarter.server.configfile import ConfigurationFiles
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.processes import Processes
from supervisor_restarter.server.request import Request, Selection
from supervisor_restarter.server.resources import Party, Resources

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

    def renewed(self, job: Job) -> Party | None:
        """Who takes part now that a queued job is to begin: groups may have come, gone or changed
        since the request, and so may files. None if it cannot begin any more; it is cancelled then.
        """
        operation = job.operation
        try:
            operation.members = self.members(job.selection)
            change = self.change(job.asked)
            party = self._resources.party(operation.goal, operation.members, job.asked, change)
        except Refusal as refusal:
            operation.cancel(GROUP_GONE if refusal.code is Code.BAD_GROUP else refusal.text)
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
