"""All restarts of one supervisord: begun, queued, driven on its loop, cancelled, remembered.

A job is an operation of the engine with what surrounds it: an id, the processes that it holds, the
times by the wall clock. Restarts are jobs, and so are quick starts and stops, which have no id and
are never listed. This is a job's life, with what moves it on:

    request() --> queued --> running ----> decided -------> finished --> history
                  |          |             |                |
                  |          |             |                what was held is given back
                  |          |             the result is certain (a timeout, a cancel) and nothing
                  |          |             further is taken down; what is down is on its way back
                  |          its processes are held: Handles, probes, sockets
                  an earlier restart concerns one of its groups; it holds nothing

Nothing here waits. The reactor calls step() once in each turn of supervisord's loop, after
supervisord has served its clients and reaped its children, and before it sleeps:

    Reactor --> Service.step() --> for each running job:
                  |                  Driver --> Lookout               whom has something happened to?
                  |                    |--> Actions.attend()          them alone: the only look at
                  |                    |                              Supervisor's objects
                  |                    |--> Operation.step()          the engine decides
                  |                    `--> Actions.start(), stop()   its orders, for a slice of time
                  |                  finished? --> history, a line in the log, an event
                  |--> the queue: begin what is free now, end what is too late
                  `--> seconds until the next turn is wanted, which ends the loop's sleep

The slices (pacing.py) are short because supervisord has one thread: to start 500 processes takes half a second,
in which no other client would be answered and no child reaped. What is left over is carried out in
the next turn, which comes at once. While there is no job, nothing of ours is hooked into the loop.

State lives in one place each: of a process in a restart in Member.phase; of a restart in Operation;
of which job runs, waits or is over in Jobs; of what a job holds in Job.handles; of a process itself
in Supervisor's Subprocess. Clients wait by looking: their deferred answers ask the Operation, and
poke() lets them all ask once more soon after a version has grown, and at once when a job is as far as
most of them wait for.

When something of ours breaks, supervisord lives on and the log has the traceback. An error in one
job ends the taking down there, and what is down comes back (Driver.rescue); at a second one the job
is given up, after one more attempt to start what is down. An error that no single job is to blame
for ends all of them.
"""

from __future__ import annotations

import math
from typing import Any, Callable, NamedTuple

from supervisor_restarter.configuration.planner import ALL, Comparison, Planner
from supervisor_restarter.configuration.rollout import Rollout
from supervisor_restarter.configuration.scales import Scale
from supervisor_restarter.engine import answers
from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.waking import earliest
from supervisor_restarter.faults import Code, Refusal, shortage
from supervisor_restarter.options import ApplyOptions, Options, for_retry
from supervisor_restarter.server.apply import ApplyRequest
from supervisor_restarter.server.clock import Clock
from supervisor_restarter.server.configfile import ConfigurationFiles, Marks
from supervisor_restarter.server.driver import INTERNAL_ERROR, Driver, look
from supervisor_restarter.server.intake import Intake
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.jobs import Jobs
from supervisor_restarter.server.journal import Journal
from supervisor_restarter.server.loop import Reactor
from supervisor_restarter.server.request import Call, Request, Selection, still_there
from supervisor_restarter.server.resources import Party, Resources
from supervisor_restarter.server.stop_calls import StopRequests

SHUTTING_DOWN = 'supervisord is shutting down or restarting'


class Parts(NamedTuple):
    """What a service is made of; plugin.py joins it.

    stop_requests: None if stop calls of others are not heeded. leaving: whether supervisord is
    shutting down or restarting. rollout: carries out a comparison; whether groups are removed that
    are no longer in the files.
    """

    jobs: Jobs
    intake: Intake
    driver: Driver
    resources: Resources
    reactor: Reactor
    stop_requests: StopRequests | None
    journal: Journal
    leaving: Callable[[], bool]
    clock: Clock
    planner: Planner
    files: ConfigurationFiles
    rollout: Callable[[Comparison, bool], Rollout]


class HowFar(NamedTuple):
    """What of a job clients wait for."""

    version: int
    ordered: bool
    decided: bool
    finished: bool


def how_far(job: Job) -> HowFar:
    """How far the job is."""
    operation = job.operation
    return HowFar(operation.version, operation.ordered, operation.decided, operation.finished)


class Service:
    """The restarts of one supervisord, however many HTTP servers it has."""

    def __init__(self, parts: Parts) -> None:
        self._jobs, self._intake, self._driver = parts.jobs, parts.intake, parts.driver
        self._resources, self._reactor = parts.resources, parts.reactor
        self._stop_requests, self._leaving = parts.stop_requests, parts.leaving
        self._journal, self._clock = parts.journal, parts.clock
        self._planner, self._rollout = parts.planner, parts.rollout
        self._files = parts.files
        self._known: dict[Job, HowFar] = {}  # in the last turn
        self._over = False  # whether a job has ended since
        self._untold, self._told_at = False, 0.0  # whether clients that wait have to be asked again

    # -- what clients ask --------------------------------------------------------------------

    def request(self, request: Request) -> Job:
        """Begin a job over the processes that are asked for, or queue it.

        Refusal: BAD_GROUP as the selection has it, BUSY, BAD_OPTION for a max_unavailable that is
        too large, where a path of newer_than is missing or a program's own policy makes no sense,
        and BAD_STATE where there are no descriptors left.
        """
        goal, options = request.goal, request.options
        members = self._intake.members(request.selection)
        change = self._intake.change(options)
        busy = None
        if goal is Goal.RESTART:
            busy = self._jobs.may_begin({member.group for member in members}, options.if_busy)
        self._attach_or_refuse()
        job, party = self._intake.job(request, members, change)
        if goal is Goal.STOP:
            self._jobs.heed([member.match.key for member in members])
        if busy is not None:
            self._jobs.queue.append(job)
            self._journal.note(job, f'waits for {busy.kind} {busy.id}')
            return job
        self._begin(job, party)
        if goal is Goal.STOP:
            # All of it at once: a start or restart that comes in the same turn is the newer will.
            self._driver.advance(job, math.inf)
        return job

    def apply(self, groups: Any, options: ApplyOptions) -> Job:
        """Begin to apply the configuration files as they are, or queue that.

        Unreadable; Refusal BAD_GROUP for names that are nowhere, BUSY, BAD_OPTION for a
        max_unavailable that is too large, and BAD_STATE if it cannot be begun.
        """
        planner = self._planner
        files, everything = self._files, not groups or groups == ALL
        marks: Marks = {}

        def rollout() -> Rollout:
            marks.update(files.marks())
            return self._rollout(planner.compare(groups), options.prune)

        def applied() -> None:
            planner.applied()
            if everything:
                files.applied(marks)

        return self._apply(ApplyRequest(rollout, options, applied))

    def scale(self, program: Any, number: Any, options: ApplyOptions) -> Job:
        """Begin to make it so many processes of the program, or queue that; as apply().

        Refusal BAD_OPTION for a number that is none, BAD_STATE if the program cannot have so many,
        or has been changed in the files and that is not applied.
        """
        planner = self._planner
        wanted: tuple[str, Scale] | None = None

        def rollout() -> Rollout:
            nonlocal wanted
            compared = planner.scale(program, number, self._jobs.is_changing)
            assert compared.scale is not None, 'it was asked for'
            wanted = compared.changes[0].name, compared.scale
            return self._rollout(compared, True)

        def applied() -> None:
            if wanted is not None:
                planner.keep(program, *wanted)

        return self._apply(ApplyRequest(rollout, options, applied))

    def plan_config(self, groups: Any, secrets: bool) -> dict[str, Any]:
        """What the files would change; nothing is touched. Unreadable, Refusal BAD_GROUP."""
        compared = self._planner.compare(groups, secrets)
        planned = self._planner.plan(compared, secrets)
        planned['warnings'] += self._intake.in_vain(self._rollout(compared, True), secrets)
        return planned

    def _apply(self, request: ApplyRequest) -> Job:
        apply = self._intake.apply(request)
        if_busy = request.options.options.if_busy
        busy = self._jobs.may_begin(set(apply.groups), if_busy, apply.compared)
        job, party = self._intake.job_of(apply)
        self._attach_or_refuse()
        if busy is None:
            self._begin(job, party)
        else:
            self._jobs.queue.append(job)
            self._journal.note(job, f'waits for {busy.kind} {busy.id}')
        return job

    def get(self, wanted: Any) -> Job:
        """The restart with that id; Refusal NO_SUCH_RESTART."""
        return self._jobs.get(wanted)

    def restarts(self) -> list[Job]:
        """Running and queued restarts and those remembered, newest first."""
        return self._jobs.newest_first()

    def cancel(self, wanted: Any) -> None:
        """Cancel the restart; Refusal NO_SUCH_RESTART, or BAD_STATE if it has ended."""
        job = self.get(wanted)
        operation, why = job.operation, ''
        if operation.finished:
            why = f'has ended already: {operation.state.value}'
        elif operation.back:
            why = f'is being rolled back already: {operation.back}'
        elif operation.committed:
            why = 'cannot be cancelled any more: only what it removes is still stopping'
        if why:
            raise Refusal(Code.BAD_STATE, f'{job.kind} {job.id} {why}')
        self._driver.cancel(job)

    def retry(self, wanted: Any, given: Any) -> Job:
        """A new restart of what failed or was not reached in the one with that id, with its
        options; those `given` come first.

        only_running and newer_than hold only if they are given: what has failed is mostly not
        running, or it is new and failed all the same. Refusal NO_SUCH_RESTART, BAD_STATE if it has
        not ended or there is nothing to be retried, BAD_GROUP if nothing of that is there any more,
        and as for request().
        """
        job = self.get(wanted)
        if job.apply is not None:
            raise Refusal(Code.BAD_STATE, f'apply {job.id} cannot be retried: apply again')
        options = for_retry(job.asked, given)
        state, again = job.operation.state.value, answers.unfinished(job.operation)
        if not job.operation.finished:
            raise Refusal(Code.BAD_STATE, f'restart {job.id} has not ended yet: {state}')
        if not again:
            raise Refusal(
                Code.BAD_STATE, f'restart {job.id} {state}: nothing failed or was left out'
            )
        selection = Selection([member.match for member in again], still_there)
        return self.request(Request(Goal.RESTART, selection, options, Call.DETACHED))

    def plan(self, selection: Selection, options: Options) -> dict[str, Any]:
        """What a detached restart would do; nothing is touched. Refusal as for request()."""
        return self._intake.plan(Request(Goal.RESTART, selection, options, Call.DETACHED))

    def timer(self, seconds: float) -> Callable[[], bool]:
        """A question whose answer becomes true after `seconds`; waiting clients are asked again
        then.
        """
        at = self._clock.monotonic() + seconds
        self._reactor.alarm(at)
        return lambda: self._clock.monotonic() >= at

    # -- what happens ------------------------------------------------------------------------

    def shut_down(self) -> None:
        """supervisord goes away."""
        self._abandon_all(SHUTTING_DOWN)
        self._resources.close()

    def step(self) -> float | None:
        """Take one turn of the loop. Returns the seconds until the next one is wanted; None: when
        something happens.
        """
        try:
            return self._turn()
        except Exception:
            # A defect of ours that no single job is to blame for. supervisord must live on.
            self._journal.error()
            self._abandon_all(INTERNAL_ERROR)
            return 0.0

    def _turn(self) -> float | None:
        if self._leaving():
            self._abandon_all(SHUTTING_DOWN)
            return 0.0
        self._attach()  # others may have thrown ours away
        now = self._clock.monotonic()
        changed, waits = False, []
        for job in list(self._jobs.running):
            version = job.operation.version
            waits.append(self._advance(job))
            changed = changed or job.operation.version != version
            if job.operation.finished:
                self._retire(job)
        self._let_some_go()
        for job in list(self._jobs.queue):
            changed = self._serve_safely(job, now) or changed
        waits.append(self._tell(changed, now))
        if not self._jobs.active:
            self._detach()
        grain = self._reactor.pacing.grain
        wake_ats = [job.wake_at(grain) for job in self._jobs.active]
        return earliest(*waits, *(at and at - now for at in wake_ats))

    def _tell(self, changed: bool, now: float) -> float | None:
        """Have clients that wait asked once more if a job has changed: at once if one has come, gone
        or got as far as they may wait for, else with the next turn that there is anyway, or soon.
        Returns the seconds until the turn in which that is done; None: there is nothing to tell.
        """
        # Calls of clients change them, too: a new one waits, one is cancelled.
        known = {job: how_far(job) for job in self._jobs.active}
        self._untold = self._untold or changed or self._over or known != self._known
        urgent = {job: far[1:] for job, far in known.items()} != {
            job: far[1:] for job, far in self._known.items()
        }
        urgent, self._over = urgent or self._over, False
        self._known = known
        if not self._untold:
            return None
        soon = self._told_at + self._reactor.pacing.grain - now
        if soon > 0 and not urgent:
            return soon
        self._untold, self._told_at = False, now
        self._reactor.poke()
        return 0.0

    def _advance(self, job: Job) -> float | None:
        try:
            return self._driver.advance(job, self._reactor.pacing.slice)
        except Exception:
            self._driver.rescue(job)
            return 0.0

    def _serve_safely(self, job: Job, now: float) -> bool:
        try:
            return self._serve(job, now)
        except Exception:
            # Nothing of it was taken down yet.
            self._journal.error()
            job.operation.abandon(INTERNAL_ERROR)
            if job in self._jobs.queue:
                self._retire(job)
            return True

    def _serve(self, job: Job, now: float) -> bool:
        """Begin a queued job if its groups are free, end it if its time is over. Returns whether
        it has left the queue.
        """
        job.operation.step(now, look(job))
        party = None
        if not job.operation.finished:
            if self._jobs.busy_with(set(job.groups), job.compared, before=job) is not None:
                return False
            party = self._intake.renewed(job)
            # What is named may lie in other groups by now.
            if self._jobs.busy_with(set(job.groups), job.compared, before=job) is not None:
                return False
            if party is not None:
                try:
                    self._begin(job, party)
                    return True
                except Refusal as refusal:
                    job.operation.cancel(refusal.text)
        self._retire(job)
        return True

    def _begin(self, job: Job, party: Party) -> None:
        try:
            self._driver.begin(job, party)
        except Exception:
            self._resources.release(job)  # nothing was taken down yet
            if job.apply is not None and job.apply.begun:
                job.apply.rollout.undo()
            raise
        self._jobs.run(job)
        self._journal.begins(job)

    def _retire(self, job: Job) -> None:
        self._over = True
        self._put_away(job)
        self._journal.ends(job)

    def _put_away(self, job: Job) -> None:
        job.finished, job.ended_at = self._clock.wall(), self._clock.monotonic()
        self._jobs.put_away(job)
        try:
            self._resources.release(job)
        except Exception:
            self._journal.error()  # it is over all the same, and the others are to go on
        if job.apply is not None:
            job.apply.forget()
        self._jobs.note_all()  # the obituary of a process may have been another job's, too

    def _let_some_go(self) -> None:
        for job in self._jobs.surplus():
            self._retire(job)

    def _abandon_all(self, why: str) -> None:
        """End everything at once; no process is touched any more."""
        ending = self._jobs.active
        for job in ending:
            job.operation.abandon(why)
            self._put_away(job)
        # Only now: a subscriber that is told of an end may ask for the next restart, which is not
        # to be swept away with these.
        for job in ending:
            self._journal.ends(job)
        self._reactor.poke()
        if not self._jobs.active:
            self._detach()

    def _attach_or_refuse(self) -> None:
        try:
            self._attach()
        except OSError as error:
            raise Refusal(Code.BAD_STATE, shortage(error) or str(error)) from None

    def _attach(self) -> None:
        self._reactor.attach()
        if self._stop_requests is not None:
            self._stop_requests.install()

    def _detach(self) -> None:
        self._reactor.detach()
        if self._stop_requests is not None:
            self._stop_requests.remove()
