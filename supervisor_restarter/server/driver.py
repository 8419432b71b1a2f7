"""One job, a turn of the loop further: its processes are attended to, the engine decides, its
orders are carried out, in slices.
"""

from __future__ import annotations

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.lifecycle import CODES, OF_ORDERS
from supervisor_restarter.engine.member import Failure, Member, Observation
from supervisor_restarter.engine.operation import Look
from supervisor_restarter.engine.phases import Order, Phase, Seen
from supervisor_restarter.programs.obstacles import Obstacles
from supervisor_restarter.server.actions import Actions
from supervisor_restarter.server.changeover import Changeover, Means
from supervisor_restarter.server.clock import Clock
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.journal import Journal
from supervisor_restarter.server.lookout import Lookout
from supervisor_restarter.server.loop import Reactor
from supervisor_restarter.server.own_commands import LONGEST_DEATH
from supervisor_restarter.server.processes import Handle, Processes
from supervisor_restarter.server.resources import Party, Resources
from supervisor_restarter.server.surge import Surge

# Seconds after which a process that cannot be signalled yet is looked at again.
EXEC_POLL_SECONDS = 0.005
SPAWN = (Order.START, Order.SURGE)
# To be done all the same where a client has stopped the process meanwhile.
OF_TWO = (Order.RETIRE, Order.RESTORE)
TO_COME = Observation(Seen.STOPPED)  # a process that is not there yet
INTERNAL_ERROR = "an internal error ended the restart; supervisord's log has more"


class Driver:
    """Drives jobs, one at a time."""

    def __init__(
        self,
        processes: Processes,
        actions: Actions,
        resources: Resources,
        reactor: Reactor,
        journal: Journal,
        clock: Clock,
        means: Means,
    ) -> None:
        self._processes = processes
        self._actions = actions
        self._resources = resources
        self._reactor = reactor
        self._journal = journal
        self._clock = clock
        self._means = means

    def begin(self, job: Job, party: Party) -> None:
        """The job leaves the queue: take hold of its processes, and decide what becomes of each.

        Refusal BAD_STATE if what an apply changes at once cannot be put in place.
        """
        if job.apply is not None:
            party = Changeover(self._means, job, job.apply).begin(party)
        self._resources.hold(job, party)
        # A stop that was asked for while the job was queued, and a start since: the start is the
        # newer will.
        job.wanted_down -= {
            member.match.key
            for member, handle in job.handles.items()
            if self._processes.is_up(handle)
        }
        job.started, now = self._clock.wall(), self._clock.monotonic()
        self._attend(job, now)
        job.operation.begin(now, look(job))
        if job.apply is None:
            job.unforeseen = job.operation.to_be_stopped()
        else:
            for member, failure in job.apply.foreseen.items():
                job.operation.foreseen(member, failure)
            if not job.operation.turning:
                Changeover(self._means, job, job.apply).renew(now)
        job.expect_witnesses()

    def _foresee(self, job: Job, until: float) -> bool:
        """Before the first stop: a process that would be stopped and could not be started again has
        failed already. Returns whether all were looked at, for with hundreds that takes several
        turns.
        """
        obstacles, deadline = Obstacles(), job.operation.deadline
        for member in job.unforeseen:
            if member.match.key not in job.wanted_down:
                failure = self._processes.obstacle(job.handles[member], obstacles)
                if failure is not None:
                    job.operation.foreseen(member, failure)
            now = self._clock.monotonic()
            if deadline is not None and now >= deadline:
                break  # and nothing will be stopped
            if now > until:
                return False
        return True

    def advance(self, job: Job, at_most: float) -> float | None:
        """Drive the job on, for at most `at_most` seconds of work. Returns the seconds after which
        orders that are left over can be carried out; None: none are left.
        """
        if not self._foresee(job, self._clock.monotonic() + at_most):
            return 0.0
        now = self._clock.monotonic()
        changed = self._attend(job, now)
        changeover = None if job.apply is None else Changeover(self._means, job, job.apply)
        job.own.mind(job.operation, now)
        if changeover is not None:
            changeover.mind_others(look(job))
        job.operation.step(now, look(job), changed)
        if changeover is not None:
            changeover.advance(now, look(job))
        self._resources.let_sockets_go(job)
        deferred = job.defer_starts()
        if deferred:
            # Only now: asked again in every turn, clients that wait for anything would keep the
            # loop from sleeping.
            self._reactor.poke()
        # The looking does not count, or a large group would never get on.
        version = job.operation.version
        again = self._carry_out_all(job, deferred, self._clock.monotonic() + at_most)
        if job.operation.version != version:
            job.operation.recount(self._clock.monotonic())
        if changeover is not None and job.operation.finished:  # also by an order that failed
            changeover.end(now)
        return again

    def _carry_out_all(self, job: Job, deferred: set[Member], until: float) -> float | None:
        again, now = 0.0 if deferred else None, self._clock.monotonic()
        forgotten, obstacles = False, Obstacles()
        held = job.apply.held if job.apply is not None else ()
        for member in job.operation.orders():
            if deferred and member.order is not Order.START:
                break  # nothing is taken down before what is down was tried
            if self._has_changed(job, member):
                job.lookout.stir_all()
                return 0.0  # others were told of the orders before, and have changed things
            if member in deferred or member in held:
                continue
            pause = self._pause(job, member, now)
            if pause is not None:
                again = pause if again is None else min(again, pause)
                continue
            if member.order in SPAWN and not forgotten:
                self._reactor.forget_closed()
                forgotten = True
            self._carry_out(job, member, obstacles)
            if self._clock.monotonic() > until:
                return 0.0
        return again

    def _pause(self, job: Job, member: Member, now: float) -> float | None:
        """The seconds until the member's order can be carried out, perhaps; None: it can be now."""
        if member.order in SPAWN:
            return None
        if member.order in OF_ORDERS:
            return None if job.own.may_begin(member, now) else LONGEST_DEATH
        execed = self._processes.has_execed(self._concerned(job, member))
        return None if execed else EXEC_POLL_SECONDS

    @staticmethod
    def _concerned(job: Job, member: Member) -> Handle:
        """The process that the order is about: of two of the member, perhaps the old one."""
        if member.old is not None and member.order in (Order.DRAIN, Order.RETIRE):
            return job.handles[member.old]
        return job.handles[member]

    def _has_changed(self, job: Job, member: Member) -> bool:
        """Whether something has happened to the member since it got its order."""
        if member.old is not None and not self._processes.is_as_seen(job.handles[member.old]):
            return True
        # Who stops the new one of two has both stopped.
        wanted_down = member.match.key in job.wanted_down and member.order not in OF_TWO
        wanted_down = wanted_down and not member.leaving
        return wanted_down or not self._processes.is_as_seen(job.handles[member])

    def _carry_out(self, job: Job, member: Member, obstacles: Obstacles) -> None:
        failure, aside, order = None, None, member.order
        if member.order in (Order.DRAIN, Order.STOP) and member.old is None:
            failure = self._obstacle(job, member, obstacles)
        if failure is not None and member.order is Order.DRAIN:
            job.operation.foreseen(member, failure)  # that is not its command's fault
            return
        job.acting = True
        if member.order is Order.SURGE:
            failure, aside = Surge(self._means, job).begin(member, obstacles)
        elif member.order is Order.RESTORE:
            aside = Surge(self._means, job).restore(member)
        else:
            failure = failure or self._do(job, member, obstacles)
        if job.apply is not None and failure is None:
            failure = job.apply.kept.pop(member, None)
        job.acting = False
        pid = job.handles[member].process.pid
        job.operation.performed(member, self._clock.monotonic(), failure, pid, aside)
        self._watch(job, member, order)
        if job.to_cancel:
            self.cancel(job)

    @staticmethod
    def _watch(job: Job, member: Member, order: Order | None) -> None:
        """The order was carried out."""
        job.lookout.stir(member)
        if order in (Order.SURGE, Order.RESTORE):  # another process has the name
            job.lookout = Lookout(job.handles)

    def _do(self, job: Job, member: Member, obstacles: Obstacles) -> Failure | None:
        handle, options = self._concerned(job, member), job.operation.options
        if member.order is Order.START and not member.old_pid:
            return self._actions.start_idle(handle, obstacles)
        if member.order is Order.START:
            # It ran: better an attempt of Supervisor's than none.
            return self._actions.start(handle)
        if member.order is Order.SIGNAL:
            return self._actions.signal(handle, options.signal)
        if member.order in OF_ORDERS:
            hook = OF_ORDERS[member.order]
            command = self._processes.hook(handle.config, hook.value)
            why = job.own.begin(member, hook, handle.process, command)
            return Failure(CODES[hook], why) if why else None
        return self._actions.signal_stop(handle, options.stop_timeout)

    def _obstacle(self, job: Job, member: Member, obstacles: Obstacles) -> Failure | None:
        """Failure START_FAILED if the process, once stopped, could not be started again, and is to
        be.
        """
        if job.operation.goal is Goal.STOP or member.leaving:
            return None
        if job.apply is not None:
            return Changeover(self._means, job, job.apply).obstacle(member, obstacles)
        return self._processes.obstacle(job.handles[member], obstacles)

    def cancel(self, job: Job) -> None:
        """Have nothing further taken down; nothing if the result is certain already."""
        if job.acting:
            # By a subscriber that is told of what is being done; that is to be noted first.
            job.to_cancel = True
            return
        job.to_cancel = False
        if not job.operation.decided:
            job.operation.cancel(f'the {job.kind} was cancelled')
            self._reactor.poke()
            also = '' if job.apply is not None else '; what is down comes back'
            self._journal.note(job, f'cancelled{also}')

    def rescue(self, job: Job) -> None:
        """An internal error, a defect of ours: what is down must come back all the same.

        The job takes nothing further down and goes on; at a second error it is given up, after an
        attempt to start what is down.
        """
        self._journal.error()
        job.acting = job.to_cancel = False
        job.lookout = Lookout(job.handles)  # it may have broken in the middle of anything
        if not job.broken:
            job.broken = True
            job.operation.cancel(INTERNAL_ERROR)
            return
        self._reactor.forget_closed()
        for member in job.operation.members:
            if member.phase is Phase.STOPPED and member.goal is not Goal.STOP:
                self._actions.start(job.handles[member])
            elif member.old is not None and job.handles[member.old].process.pid:
                Surge(self._means, job).restore(member)
        job.operation.abandon(INTERNAL_ERROR)

    def _attend(self, job: Job, now: float) -> set[Member] | None:
        """Attend to what something has happened to; None: to all of it. An apply exchanges processes
        itself, and what is said at the end is to be true of all.
        """
        members = None if job.apply is not None else job.lookout.to_be_looked_at(now)
        if members is not None and job.operation.is_last(members):
            members = None
        attended = job.handles if members is None else members
        for member in attended:
            self._actions.attend(job.handles[member], now)
        job.lookout.looked_at(attended)
        job.forgive()
        return members


def look(job: Job) -> Look:
    """A question: what is seen of a process in this turn, None if it is no longer there."""
    handles, wanted_down = job.handles, job.wanted_down

    def seen(member: Member) -> Observation | None:
        return handles[member].seen

    def seen_or_to_come(member: Member) -> Observation | None:
        # Of an apply that is given up before anything is touched.
        return handles[member].seen if member in handles else TO_COME

    def seen_or_wanted_down(member: Member) -> Observation | None:
        observation = handles[member].seen
        # That somebody stops what is to be gone is no reason to leave it alone.
        if observation is not None and member.match.key in wanted_down and not member.leaving:
            return observation._replace(seen=Seen.WANTED_DOWN)
        return observation

    if job.apply is not None and not job.apply.begun:
        return seen_or_to_come
    return seen_or_wanted_down if wanted_down else seen
