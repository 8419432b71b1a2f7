"""All restarts of one supervisord: begun, queued, driven on its loop, cancelled, remembered."""

from __future__ import annotations

import itertools
import math
import time
import traceback
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Callable

from supervisor import events
from supervisor.states import SupervisorStates

from supervisor_restarter.engine import answers
from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.member import Member, Observation
from supervisor_restarter.engine.operation import GROUP_GONE, Look, Operation
from supervisor_restarter.engine.phases import SETTLED, UP, Order, Phase, Seen
from supervisor_restarter.engine.planning import plan, warnings
from supervisor_restarter.engine.survey import survey
from supervisor_restarter.faults import Code, Refusal, shortage
from supervisor_restarter.names import Match
from supervisor_restarter.options import Options, Settings, with_call
from supervisor_restarter.programs.obstacles import Obstacles
from supervisor_restarter.server import stop_calls
from supervisor_restarter.server.configfile import ConfigurationFiles
from supervisor_restarter.server.events import announce
from supervisor_restarter.server.job import Find, Job
from supervisor_restarter.server.loop import Reactor
from supervisor_restarter.server.processes import Processes
from supervisor_restarter.server.resources import Resources
from supervisor_restarter.text import listed, printable, shown

SLICE = 0.01  # seconds of work in one turn of the loop; other clients are served in between
# restarts that wait for others; each is looked at in every turn, and takes memory
MOST_QUEUED = 100
# starts and stops that are watched to their end though nothing is left to be ordered
MOST_WATCHED = 10
# seconds after which a process that cannot be signalled yet is looked at again
EXEC_POLL_SECONDS = 0.005
INTERNAL_ERROR = "an internal error ended the restart; supervisord's log has more"
SHUTTING_DOWN = 'supervisord is shutting down or restarting'

_ids = itertools.count(1)  # of the whole process: an id must not come back after a reload


class Service:
    """The restarts of one supervisord, however many HTTP servers it has."""

    def __init__(self, supervisord: Any, settings: Settings) -> None:
        self._supervisord = supervisord
        self._processes = Processes(supervisord, settings.fast_spawn)
        self._reactor = Reactor(supervisord, self._step)
        self._resources = Resources(supervisord.options, self._processes)
        self._stop_requests = (
            stop_calls.StopRequests(supervisord, self._heed) if settings.heed_stops else None
        )
        self._running: list[Job] = []
        self._queue: list[Job] = []
        self._history: deque[Job] = deque(maxlen=settings.history)
        self._files = ConfigurationFiles(supervisord.options)
        events.subscribe(
            events.SupervisorRunningEvent, lambda event: self._tell_malformed(self.groups())
        )
        events.subscribe(
            events.ProcessGroupAddedEvent, lambda event: self._tell_malformed([event.group])
        )
        events.subscribe(events.SupervisorStoppingEvent, lambda event: self._shut_down())

    # -- what clients ask --------------------------------------------------------------------

    def groups(self) -> dict[str, list[str]]:
        """The names of all process groups and of the processes in each."""
        return self._processes.groups()

    def request(
        self,
        goal: Goal,
        find: Find,
        options: Options,
        default_limit: float,
        until_ordered: bool = False,
        unless_rolling: bool = False,
    ) -> Job:
        """Begin a run over the processes that `find` names, or queue it.

        default_limit: seconds until its timeout if none is set, 0 for none; unless_rolling: none
        either if some processes are to stay ready. until_ordered: see Operation. Refusal: whatever
        `find` refuses, BUSY, BAD_OPTION for a max_unavailable that is too large, or where a
        program's own policy makes no sense, and BAD_STATE where there are no descriptors left.
        """
        members = self._resources.members(find())
        busy = (
            self._busy_with({member.group for member in members}) if goal is Goal.RESTART else None
        )
        if busy is not None and options.if_busy == 'fail':
            group = next(
                group for group in busy.groups if any(member.group == group for member in members)
            )
            raise Refusal(
                Code.BUSY,
                f'process group {shown(group)} is being restarted already (restart {busy.id})',
            )
        if busy is not None and len(self._queue) >= MOST_QUEUED:
            raise Refusal(
                Code.BUSY, f'{len(self._queue)} restarts are queued already, and no more can be'
            )
        try:
            self._attach()
        except OSError as error:
            raise Refusal(Code.BAD_STATE, shortage(error) or str(error)) from None
        known = (
            self._resources.survey(members, options)
            if goal is Goal.RESTART
            else survey([], [], options)
        )
        specs = self._resources.specs(known)
        limit = options.timeout_or(0.0 if unless_rolling and known.rolling else default_limit)
        operation = Operation(
            members,
            replace(options, timeout=limit or 0.0),
            goal=goal,
            until_ordered=until_ordered,
            deadline=None if limit is None else time.monotonic() + limit,
        )
        job = Job(
            str(next(_ids)) if goal is Goal.RESTART else '',
            operation,
            find,
            time.time(),
            specs,
            options,
            known.policies,
            [*warnings(known), *self._of_files()] if goal is Goal.RESTART else [],
        )
        if goal is Goal.STOP:
            self._heed([(member.group, member.name) for member in members])
        if busy is None:
            self._begin(job)
            if goal is Goal.STOP:
                # all of it at once, for a start or restart that comes in the same turn is the newer
                # will
                self._advance(job, time.monotonic(), math.inf)
        else:
            self._queue.append(job)
            self._log(job, f'waits for restart {busy.id}')
        return job

    def get(self, wanted: Any) -> Job:
        """The restart with that id; Refusal NO_SUCH_RESTART."""
        if isinstance(wanted, str):
            for job in self._listed():
                if job.id == wanted:
                    return job
        raise Refusal(Code.NO_SUCH_RESTART, f'no restart {shown(wanted)} is running or remembered')

    def cancel(self, wanted: Any) -> None:
        """Cancel the restart with that id; Refusal NO_SUCH_RESTART, or BAD_STATE if it has ended."""
        job = self.get(wanted)
        if job.operation.finished:
            raise Refusal(
                Code.BAD_STATE, f'restart {job.id} has ended already: {job.operation.state.value}'
            )
        if job.acting:
            # by a subscriber that is told of what is being done; that is to be noted first
            job.to_cancel = True
        else:
            self._cancel(job)

    def _cancel(self, job: Job) -> None:
        job.to_cancel = False
        if not job.operation.decided:
            job.operation.cancel('the restart was cancelled')
            self._reactor.poke()
            self._log(job, 'cancelled; what is down comes back')

    def retry(self, wanted: Any, given: Any) -> Job:
        """A new restart of what failed or was not reached in the one with that id, with its
        options; those `given` come first.

        only_running holds only if it is given: what has failed is mostly not running. Refusal
        NO_SUCH_RESTART, BAD_STATE if it has not ended or there is nothing to be retried, BAD_GROUP
        if nothing of that is there any more, and as for request().
        """
        job = self.get(wanted)
        options = with_call(replace(job.asked, only_running=False), given)
        if not job.operation.finished:
            raise Refusal(
                Code.BAD_STATE, f'restart {job.id} has not ended yet: {job.operation.state.value}'
            )
        again = answers.unfinished(job.operation)
        if not again:
            raise Refusal(
                Code.BAD_STATE,
                f'restart {job.id} {job.operation.state.value}: nothing failed or was left out',
            )

        def find() -> list[Match]:
            there = {(group, name) for group, names in self.groups().items() for name in names}
            found = [
                Match(*member.match.key, True, True)
                for member in again
                if member.match.key in there
            ]
            if not found:
                gone = listed(member.namespec for member in again)
                raise Refusal(
                    Code.BAD_GROUP, f'nothing is there any more of what is to be retried: {gone}'
                )
            return found

        return self.request(Goal.RESTART, find, options, 0.0)

    def restarts(self) -> list[Job]:
        """Running and queued restarts and those remembered, newest first."""
        return sorted(self._listed(), key=lambda job: int(job.id), reverse=True)

    def timer(self, seconds: float) -> Callable[[], bool]:
        """A question whose answer becomes true after `seconds`; waiting clients are asked again
        then.
        """
        at = time.monotonic() + seconds
        self._reactor.alarm(at)
        return lambda: time.monotonic() >= at

    def plan(self, find: Find, options: Options, default_limit: float) -> dict[str, Any]:
        """What a restart would do; nothing is touched. Refusal as for request()."""
        members, obstacles = self._resources.members(find()), Obstacles()
        planned = plan(
            [self._processes.candidate(member, obstacles) for member in members],
            [
                self._processes.candidate(member, obstacles)
                for member in self._resources.others(members)
            ],
            replace(options, timeout=options.timeout_or(default_limit) or 0.0),
        )
        planned['warnings'] += self._of_files()
        return planned

    # -- on the loop -------------------------------------------------------------------------

    def _step(self) -> float | None:
        """What the reactor calls in each turn of the loop; see _turn()."""
        try:
            return self._turn()
        except Exception:
            # A defect of ours that no single run is to blame for. supervisord must live on.
            self._log_error()
            self._abandon_all(INTERNAL_ERROR)
            return 0.0

    def _turn(self) -> float | None:
        """Take in what changed, carry out what is due. Seconds until the next turn is wanted."""
        if self._supervisord.options.mood < SupervisorStates.RUNNING:
            self._abandon_all(SHUTTING_DOWN)
            return 0.0
        self._attach()  # others may have thrown ours away
        now = time.monotonic()
        changed, wait = False, None
        for job in list(self._running):
            version = job.operation.version
            try:
                again = self._advance(job, now)
            except Exception:
                again = self._rescue(job)
            if again is not None:
                wait = again if wait is None else min(wait, again)
            changed = changed or job.operation.version != version
            if job.operation.finished:
                self._retire(job)
        self._let_some_go()
        changed = self._serve_queue(now) or changed
        if changed:
            self._reactor.poke()
        if not self._running and not self._queue:
            self._detach()
        if changed:
            return 0.0
        wakes = [
            at - now
            for at in (job.wake_at() for job in self._running + self._queue)
            if at is not None
        ]
        return min(wakes if wait is None else [*wakes, wait], default=None)

    def _advance(self, job: Job, now: float, at_most: float = SLICE) -> float | None:
        """Drive one run on, with so many seconds of work at the most. Seconds after which orders
        that are left over can be carried out, None if none are left.
        """
        again, forgotten, obstacles = None, False, Obstacles()
        job.operation.step(now, self._look(job))
        self._resources.let_sockets_go(job)
        if any(member.order is Order.START for member in job.unseen):
            # Only now: asked again in every turn, clients that wait for anything would keep the
            # loop from sleeping.
            self._reactor.poke()
        until = (
            time.monotonic() + at_most
        )  # not counting the look, or a large group would never get on
        put_off = False
        for member in job.operation.orders():
            if put_off and member.order is not Order.START:
                break  # nothing is taken down before what is down was tried
            if member.match.key in job.wanted_down or not self._processes.is_as_seen(
                job.handles[member]
            ):
                return 0.0  # others were told of the orders before, and have changed things
            if member.order is not Order.START and not self._processes.has_execed(
                job.handles[member]
            ):
                again = EXEC_POLL_SECONDS if again is None else again
                continue
            if member.order is Order.START and job.defer_start(member):
                again, put_off = 0.0, True
                continue
            if member.order is Order.START and not forgotten:
                self._reactor.forget_closed()
                forgotten = True
            self._carry_out(job, member, obstacles)
            if time.monotonic() > until:
                return 0.0
        return again

    def _carry_out(self, job: Job, member: Member, obstacles: Obstacles) -> None:
        handle, job.acting = job.handles[member], True
        if member.order is Order.START and not member.old_pid:
            failure = self._processes.start_idle(handle, obstacles)
        elif member.order is Order.START:
            failure = self._processes.start(
                handle
            )  # it ran: better an attempt of Supervisor's than none
        elif member.order is Order.SIGNAL:
            failure = self._processes.signal(handle, job.operation.options.signal)
        elif job.operation.goal is Goal.STOP:
            failure = self._processes.signal_stop(handle, job.operation.options.stop_timeout)
        else:
            failure = self._processes.stop(handle, job.operation.options.stop_timeout, obstacles)
        job.acting = False
        job.operation.performed(member, time.monotonic(), failure, handle.process.pid)
        if job.to_cancel:
            self._cancel(job)

    def _rescue(self, job: Job) -> float:
        """An internal error, a defect of ours: what is down must come back all the same.

        The run takes nothing further down and goes on; at a second error it is given up, after an
        attempt to start what is down.
        """
        self._log_error()
        job.acting = job.to_cancel = False
        if not job.broken:
            job.broken = True
            job.operation.cancel(INTERNAL_ERROR)
            return 0.0
        self._reactor.forget_closed()
        for member in job.operation.members:
            if member.phase is Phase.STOPPED and job.operation.goal is not Goal.STOP:
                self._processes.start(job.handles[member])
        job.operation.abandon(INTERNAL_ERROR)
        return 0.0

    def _log_error(self) -> None:
        self._supervisord.options.logger.critical(f'restarter: {traceback.format_exc()}')

    def _look(self, job: Job) -> Look:
        def look(member: Member) -> Observation | None:
            observation = observe(handles[member])
            if observation is not None and job.wanted_down and member.match.key in job.wanted_down:
                if (
                    member.phase in SETTLED
                    and member.phase is not Phase.READY
                    and observation.seen in UP
                ):
                    job.wanted_down.discard(member.match.key)  # somebody has started it again
                    return observation
                return observation._replace(seen=Seen.WANTED_DOWN)
            return observation

        handles, observe = job.handles, self._processes.observe
        return look

    def _serve_queue(self, now: float) -> bool:
        """Begin queued restarts whose groups are free, end those whose time is over."""
        changed = False
        for job in list(self._queue):
            job.operation.step(now, self._look(job))
            earlier = self._running + self._queue[: self._queue.index(job)]
            if not job.operation.finished:
                if self._busy_with(set(job.groups), earlier) is not None:
                    continue
                # Groups may have come, gone or changed since the request.
                try:
                    job.operation.members = self._resources.members(job.find())
                    known = self._resources.survey(job.operation.members, job.asked)
                    job.specs, job.policies = self._resources.specs(known), known.policies
                except Refusal as refusal:
                    job.operation.cancel(
                        GROUP_GONE if refusal.code is Code.BAD_GROUP else refusal.text
                    )
                if self._busy_with(set(job.groups), earlier) is not None:
                    continue
            self._queue.remove(job)
            if job.operation.finished:
                self._retire(job)
            else:
                self._begin(job)
            changed = True
        return changed

    def _begin(self, job: Job) -> None:
        self._resources.hold(job)
        # A stop that was asked for while the run was queued, and a start since: the start is the
        # newer will.
        job.wanted_down -= {
            member.match.key
            for member, handle in job.handles.items()
            if self._processes.is_up(handle)
        }
        job.started = time.time()
        job.operation.begin(time.monotonic(), self._look(job))
        self._foresee(job)
        job.expect_witnesses()
        self._running.append(job)
        described = job.described()
        self._log(
            job,
            f'begins: {len(job.operation.members)} processes'
            + (f' ({described})' if described else ''),
        )
        announce(job, self._supervisord.options.logger)

    def _foresee(self, job: Job) -> None:
        """Before the first stop: a process that would be stopped and could not be started again has
        failed already.
        """
        obstacles = Obstacles()
        for member in job.operation.to_be_stopped():
            failure = self._processes.obstacle(job.handles[member], obstacles)
            if failure is not None:
                job.operation.foreseen(member, failure)

    def _retire(self, job: Job) -> None:
        self._put_away(job)
        self._tell_end(job)

    def _put_away(self, job: Job) -> None:
        job.finished, job.ended_at = time.time(), time.monotonic()
        if job in self._running:
            self._running.remove(job)
        self._resources.release(job)
        if job.operation.goal is Goal.RESTART:
            self._history.append(job)

    def _tell_end(self, job: Job) -> None:
        operation = job.operation
        failed = listed(f'{member.namespec} ({member.error})' for member in operation.failures)
        killed = listed(
            f'{member.namespec} ({member.note})' for member in operation.members if member.killed
        )
        self._log(
            job,
            f'{operation.state.value} after {answers.between(operation.begun_at or None, job.ended_at):.3f} s: '
            f'{operation.done} of {len(operation.members)} done'
            + (f'; failed: {failed}' if failed else '')
            + (f'; killed: {killed}' if killed else ''),
        )
        announce(job, self._supervisord.options.logger)

    def _let_some_go(self) -> None:
        """Watch only the latest of many starts and stops that have ordered everything, and for
        which no client waits.

        The rest is Supervisor's own affair. Somebody may ask for a stop again and again while a
        process takes an hour to exit, and each run looks at all of its processes in every turn.
        """
        if len(self._running) > MOST_WATCHED:
            over = [
                job
                for job in self._running
                if job.operation.goal is not Goal.RESTART
                and job.operation.ordered
                and (job.operation.decided or job.operation.until_ordered)
            ]
            for job in over[:-MOST_WATCHED]:
                self._retire(job)

    def _abandon_all(self, why: str) -> None:
        """End everything at once; no process is touched any more."""
        ending = self._running + self._queue
        # A subscriber that is told of an end may ask for the next restart, which is not to be swept
        # away with these.
        self._running, self._queue = [], []
        for job in ending:
            job.operation.abandon(why)
            self._put_away(job)
        for job in ending:
            self._tell_end(job)
        self._reactor.poke()
        if not self._running and not self._queue:
            self._detach()

    def _shut_down(self) -> None:
        self._abandon_all(SHUTTING_DOWN)
        self._resources.close()

    def _heed(self, stopped: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Somebody wants these processes down: the newer will wins. Those of them that a run has
        taken down already, and would have started again.
        """
        held = set()
        keys = set(stopped)
        for job in self._running + self._queue:
            if job.operation.goal is not Goal.STOP:
                phases = {member.match.key: member.phase for member in job.operation.members}
                mine = phases.keys() & keys
                job.wanted_down |= mine
                held |= {key for key in mine if phases[key] in (Phase.STOPPING, Phase.STOPPED)}
        return held

    # -- inside ------------------------------------------------------------------------------

    def _tell_malformed(self, groups: Iterable[str]) -> None:
        """Log what is wrong with RESTARTER_READY and its kin, before somebody meets with it at the
        first restart.
        """
        try:
            for line in self._resources.malformed(groups):
                self._supervisord.options.logger.warn(f'restarter: {line}')
        except Exception:
            self._log_error()  # from here it would end supervisord

    def _of_files(self) -> list[str]:
        """The warning about changed configuration files, if there is one."""
        return [warning] if (warning := self._files.warning()) else []

    def _busy_with(self, groups: set[str], jobs: Iterable[Job] | None = None) -> Job | None:
        for job in self._running + self._queue if jobs is None else jobs:
            if job.operation.goal is Goal.RESTART and groups & set(job.groups):
                return job
        return None

    def _listed(self) -> Iterable[Job]:
        return (
            job
            for job in [*self._running, *self._queue, *self._history]
            if job.operation.goal is Goal.RESTART
        )

    def _attach(self) -> None:
        self._reactor.attach()
        if self._stop_requests is not None:
            self._stop_requests.install()

    def _detach(self) -> None:
        self._reactor.detach()
        if self._stop_requests is not None:
            self._stop_requests.remove()

    def _log(self, job: Job, text: str) -> None:
        if job.operation.goal is Goal.RESTART:
            self._supervisord.options.logger.info(
                printable(f'restarter: restart {job.id} of {listed(job.groups)} {text}')
            )
