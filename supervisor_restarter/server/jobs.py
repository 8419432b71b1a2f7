"""All jobs of one supervisord: those that run, those that wait for others, those remembered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.phases import Phase
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.programs.host import ProcessConfig, Subprocess
from supervisor_restarter.server.job import Job
from supervisor_restarter.text import shown

# Restarts that wait for others; each is looked at in every turn, and takes memory.
MOST_QUEUED = 100
# Starts and stops that are followed to their end though nothing is left to be ordered.
MOST_WATCHED = 10


class Jobs:
    """A job is in one of `running`, `queue` and `history`, or forgotten. history: how many restarts
    are remembered; starts and stops never are.
    """

    def __init__(self, history: int) -> None:
        self.running: list[Job] = []
        self.queue: list[Job] = []
        self.history: deque[Job] = deque(maxlen=history)

    @property
    def active(self) -> list[Job]:
        """Those that run and those that wait, in the order in which they were asked for."""
        return self.running + self.queue

    def get(self, wanted: Any) -> Job:
        """The restart with that id; Refusal NO_SUCH_RESTART."""
        if isinstance(wanted, str):
            for job in self._listed():
                if job.id == wanted:
                    return job
        raise Refusal(Code.NO_SUCH_RESTART, f'no restart {shown(wanted)} is running or remembered')

    def newest_first(self) -> list[Job]:
        """All restarts."""
        return sorted(self._listed(), key=lambda job: int(job.id), reverse=True)

    def _listed(self) -> Iterable[Job]:
        return (job for job in [*self.active, *self.history] if job.operation.goal is Goal.RESTART)

    # -- who is busy -------------------------------------------------------------------------

    def busy_with(
        self, groups: set[str], compared: set[str], before: Job | None = None
    ) -> Job | None:
        """The first restart that concerns one of the groups, or apply that changes one of those
        that were compared: what is true of it now need not last. before: a queued job; of those
        alone that were asked for earlier.
        """
        jobs = self.active if before is None else self.running + self._ahead_of(before)
        for job in jobs:
            concerned = groups if job.apply is None else groups | compared
            if job.operation.goal is Goal.RESTART and concerned & set(job.groups):
                return job
        return None

    def is_changing(self, group: str) -> bool:
        """Whether an apply that has begun changes the group."""
        return any(job.apply is not None and group in job.groups for job in self.running)

    def _ahead_of(self, job: Job) -> list[Job]:
        return self.queue[: self.queue.index(job)]

    def may_begin(self, groups: set[str], if_busy: str, compared: Iterable[str] = ()) -> Job | None:
        """None if a restart of these groups, or an apply for which also others were compared, may
        begin now, else the one that it has to wait for. Refusal BUSY if it may not wait either.
        """
        busy = self.busy_with(groups, {*compared})
        if busy is not None and if_busy == 'fail':
            group = next(group for group in busy.groups if group in {*groups, *compared})
            doing = 'restarted' if busy.apply is None else 'changed'
            raise Refusal(
                Code.BUSY,
                f'process group {shown(group)} is being {doing} already ({busy.kind} {busy.id})',
            )
        if busy is not None and len(self.queue) >= MOST_QUEUED:
            raise Refusal(
                Code.BUSY, f'{len(self.queue)} restarts are queued already, and no more can be'
            )
        return busy

    # -- what happens to them ----------------------------------------------------------------

    def run(self, job: Job) -> None:
        """The job begins."""
        if job in self.queue:
            self.queue.remove(job)
        self.running.append(job)

    def readdress(self, process: Subprocess, config: ProcessConfig) -> None:
        """The process has got this configuration: no job that holds it is to put back the one that it
        had found.
        """
        for job in self.active:
            for handle in job.handles.values():
                if handle.process is process:
                    handle.config = config

    def note(self, process: Subprocess) -> None:
        """Supervisor says that the process has changed its state."""
        for job in self.running:
            job.lookout.note(process)

    def note_all(self) -> None:
        """Something may have happened to any process."""
        for job in self.running:
            job.lookout.stir_all()

    def put_away(self, job: Job) -> None:
        """The job is over: remember it if it is a restart."""
        for jobs in (self.running, self.queue):
            if job in jobs:
                jobs.remove(job)
        if job.operation.goal is Goal.RESTART:
            if self.history:
                self.history[-1].forget_what_was_told()
            self.history.append(job)

    def surplus(self) -> list[Job]:
        """All but the latest of many starts and stops that have ordered everything, and for which
        no client waits.

        The rest is Supervisor's own affair. A client may ask for a stop again and again while a
        process takes an hour to exit, and each job looks at its processes again and again.
        """
        if len(self.running) <= MOST_WATCHED:
            return []
        over = [
            job
            for job in self.running
            if job.operation.goal is not Goal.RESTART
            and job.operation.ordered
            and (job.operation.decided or job.operation.until_ordered)
        ]
        return over[:-MOST_WATCHED]

    def heed(self, stopped: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """These processes are wanted down: the newer will wins. Returns those of them that a job
        has taken down already, and would have started again.
        """
        held = set()
        keys = set(stopped)
        for job in self.active:
            if job.operation.goal is not Goal.STOP:
                for member in job.operation.members:
                    key = member.match.key
                    if key in keys:
                        job.wanted_down.add(key)
                        job.lookout.stir(member)
                        if member.phase in (Phase.STOPPING, Phase.STOPPED):
                            held.add(key)
        return held
