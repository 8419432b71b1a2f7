"""One restart of N processes: whose turn it is, when it ends and with what result.

Nothing here touches a process or reads a clock. The caller (driver.py) repeats:

    restart.step(now, look)                    what has changed; `look` tells what is seen of a member
    for member in restart.orders():            what is to be done
        ... carry out member.order ...
        restart.performed(member, now, ...)    and how it went

and sleeps until restart.wake_at(now) or until a child exits. `now` is monotonic, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Callable, Optional

from supervisor_restarter.engine.admission import Goal, left_alone, unready_first, waves
from supervisor_restarter.engine.availability import Availability
from supervisor_restarter.engine.member import Failure, Member, Observation
from supervisor_restarter.engine.phases import (
    DOWN,
    ENDS,
    SETTLED,
    UP,
    Order,
    Phase,
    Seen,
    after,
    follow,
)
from supervisor_restarter.engine.policy import Policy
from supervisor_restarter.engine.scout import hold_back
from supervisor_restarter.faults import Code
from supervisor_restarter.options import Options


class State(str, Enum):
    """The state of a restart as a whole. After a timeout or a cancel it says so at once, while what
    is down is still being brought back; Operation.finished tells when that is over.
    """

    QUEUED = 'queued'
    RUNNING = 'running'
    SUCCEEDED = 'succeeded'
    FAILED = 'failed'
    CANCELLED = 'cancelled'
    TIMED_OUT = 'timed_out'


Look = Callable[[Member], Optional[Observation]]  # None: the process is no longer there

PENDING = {
    Phase.WAITING: 'its turn had not come',
    Phase.DUE: 'its turn had not come',
    Phase.TO_SIGNAL: 'its turn had not come',
    Phase.SIGNALLED: 'the signal was sent and it is not ready yet',
    Phase.STOPPING: 'it is still stopping and will be started when it has exited',
    Phase.STOPPED: 'it has exited and is about to be started',
    Phase.STARTING: 'it is started and not ready yet',
    Phase.WAVERING: 'it was ready and is not ready any more',
}
# seconds that a process has to become ready after a timeout or cancel, if nothing else is set
LONGEST_RETURN = 30.0
# Phases of a process that is the new one.
BROUGHT_UP = (Phase.STARTING, Phase.SIGNALLED, Phase.READY, Phase.WAVERING)
# Seconds in which a process that was ready and does not answer its probe must be ready again: one
# bad answer of a busy server is no failure, but nothing further is taken down meanwhile.
LONGEST_WAVERING = 3.0
NOT_REACHED = 'not reached'  # how the error of a process begins whose turn did not come
TAKEN_OVER = 'somebody else stopped it meanwhile; it was left so'
STOPPED_LATER = 'somebody else stopped it after it was restarted; it was left so'
RESTARTED_BY_OTHERS = 'somebody else restarted it meanwhile'
GROUP_GONE = 'its process group was removed or replaced meanwhile'


@dataclass(eq=False)
class Operation:
    """A restart of `members` (in the order of their turns) with `options`.

    neighbours: the other processes of the same groups, which count for max_unavailable. deadline:
    the monotonic time at which the taking down ends, None for no limit. until_ordered: the deadline
    is over when every process is started; nobody waits until they are ready.
    """

    members: list[Member]
    options: Options
    neighbours: list[Member] = field(default_factory=list)
    deadline: float | None = None
    goal: Goal = Goal.RESTART
    until_ordered: bool = False
    state: State = State.QUEUED
    version: int = 1
    why: str = ''  # why it was cancelled
    finished: bool = False
    begun_at: float = 0.0
    taking_down: bool = True
    not_reached: str = ''  # why the taking down has ended early
    lowest_ready: int = 0
    pending: list[tuple[Member, str]] = field(default_factory=list)  # at the timeout
    stepped_at: float = 0.0
    limit: Availability = field(default_factory=Availability)
    # when (monotonic) the first process of a group will have been up for long enough
    scout_until: float | None = None

    # -- beginning ---------------------------------------------------------------------------

    def begin(self, now: float, look: Look) -> None:
        """Leave the queue: decide for each process whether it is left alone, taken at once because
        it is down anyway, or waits for its wave.
        """
        self.state, self.begun_at = State.RUNNING, now
        for member in self.members:
            self._observe(member, look(member), now)
            member.old_pid = member.observed.pid
            self._admit(member)
        waiting = [member for member in self.members if member.phase is Phase.WAITING]
        for member, wave in zip(waiting, waves(len(waiting), self.options.stagger_factor)):
            member.turn_at = now + wave * self.options.delay
        self.lowest_ready = sum(member.serving for member in self.members)
        self._changed()

    def _admit(self, member: Member) -> None:
        if member.phase is not Phase.WAITING:
            return  # gone before it began
        seen = member.observed.seen
        if left_alone(self.goal, self.options, member.match, member.observed):
            member.phase = Phase.SKIPPED
        elif member.refused:
            member.phase, member.code, member.error = Phase.FAILED, Code.BAD_OPTION, member.refused
        elif seen is Seen.STOPPING:
            member.phase = Phase.STOPPING  # somebody else has done the first half
        elif seen in DOWN:
            member.phase = Phase.STOPPED
        elif self.goal is not Goal.RESTART or seen not in UP:
            member.phase = Phase.DUE

    def to_be_stopped(self) -> Iterator[Member]:
        """The members that are to be stopped and started again. Each is looked at when it is asked
        for: a failure of one may have ended the taking down of the rest.
        """
        if self.goal is Goal.RESTART and not self.options.signal:
            for member in self.members:
                if self.taking_down and (
                    member.phase is Phase.WAITING
                    or (member.phase is Phase.DUE and member.observed.seen is Seen.BACKOFF)
                ):
                    yield member

    def foreseen(self, member: Member, failure: Failure) -> None:
        """It is known, before anything is done, that the member cannot be brought back."""
        self._fail(member, failure.code, failure.why)
        self._changed()

    # -- going on ----------------------------------------------------------------------------

    def step(self, now: float, look: Look) -> None:
        """Take in what has changed since the last step."""
        if self.finished:
            return
        self.stepped_at = now
        if self.state is not State.QUEUED:
            for member in self.neighbours:
                member.observed = look(member) or Observation(Seen.UNKNOWN)
                member.unready = member.observed.unready
            for member in self.members:
                observation, timed = look(member), (member.policy or self.options).min_ready > 0
                # Mostly nothing has happened to it; then nothing follows, unless a time runs that
                # only it ends.
                if timed or member.unready or (observation, member.phase) != member.followed:
                    self._observe(member, observation, now)
                    if observation is not None and not self._over(member):
                        self._follow(member, now)
                        self._expect_readiness(member, now)
                    member.followed = observation, member.phase
            ready = sum(member.serving for member in self.members)
            if ready < self.lowest_ready:
                self.lowest_ready = ready
                self._changed()
        self._finish_if_settled()  # what is ready at the deadline is in time
        limit = self._time_limit()
        if limit is not None and now >= limit:
            self._time_out()
        if self.taking_down and self.state is State.RUNNING:
            self._call_turns(now)
        self._finish_if_settled()

    def orders(self) -> Iterator[Member]:
        """The members with an order that is to be carried out now, those first that are to be
        started: what is down already tries out whether a start works. Each is looked at when it is
        asked for: a failure of one may have ended the taking down of the rest.
        """
        for starting in (True, False):
            for member in self.members:
                if member.order is not None and (member.order is Order.START) is starting:
                    yield member

    def performed(
        self, member: Member, now: float, failure: Failure | None = None, pid: int = 0
    ) -> None:
        """The member's order was carried out, or could not be. pid: of the process now started."""
        order, member.order = member.order, None
        if failure is not None:
            self._fail(member, failure.code, failure.why)
        elif order is Order.STOP:
            member.stop_at = now
            member.phase = after(member.phase, member.observed.seen)
        elif order is Order.SIGNAL:
            member.phase, member.start_at, member.new_pid = Phase.SIGNALLED, now, pid
        elif member.phase is Phase.SIGNALLED:
            member.exit_at, member.start_at, member.new_pid = member.observed.ended_at, now, pid
            self._fail(
                member,
                Code.START_FAILED,
                f'{member.observed.why}, after the signal; it was started again',
            )
        else:
            self._started(member, now, pid)
        self._changed()
        if self._settled(member):
            self._finish_if_settled()

    def wake_at(self) -> float | None:
        """The monotonic time of the next thing that happens without a child's exit; None: nothing."""
        if self.finished:
            return None
        limit = self._time_limit()
        times = [limit, *((self.limit.until, self.scout_until) if self.taking_down else ())]
        if self.state is not State.QUEUED:
            if self.limited:  # also what is not ours, or done, decides about the room
                times += [member.observed.due for member in self.members + self.neighbours]
            for member in self.members:
                if member.phase is Phase.WAITING:
                    times.append(member.turn_at if member.turn_at > self.stepped_at else None)
                elif not self._settled(member):
                    times += [
                        member.observed.due,
                        member.steady_at(self._min_ready(member)),
                        member.ready_by(self._ready_timeout(member)),
                        member.back_by(LONGEST_WAVERING),
                    ]
        return min((at for at in times if at is not None), default=None)

    # -- ending ------------------------------------------------------------------------------

    def cancel(self, why: str) -> None:
        """Take nothing further down; what is down comes back."""
        if not self.decided:
            self._halt(State.CANCELLED, f'{NOT_REACHED}: {why}')
            self.why = why
            self._finish_if_settled()

    def abandon(self, why: str) -> None:
        """End at once and touch nothing any more: supervisord is going away."""
        if self.finished:
            return
        if not self.decided:
            self.state, self.why = State.CANCELLED, why
        for member in self.members:
            if not self._settled(member):
                self._leave(member, why, Code.CANCELLED)
        self._finish_if_settled()

    @cached_property
    def limited(self) -> bool:
        """Whether max_unavailable keeps some processes of a group ready while others are restarted.

        Asked in each turn, and for the first time when it begins: the members do not change any
        more then.
        """
        return self.goal is Goal.RESTART and any(
            self._policy(member).rolling for member in self.members
        )

    @property
    def decided(self) -> bool:
        """Whether the result is certain; what is down may still be on its way back."""
        return self.state not in (State.QUEUED, State.RUNNING)

    @property
    def ordered(self) -> bool:
        """Whether everything is ordered: each process is started or, if that is the goal, being
        stopped.
        """
        if self.goal is Goal.STOP:
            return all(member.phase not in (Phase.WAITING, Phase.DUE) for member in self.members)
        return all(
            member.phase in SETTLED
            or member.phase in (Phase.STARTING, Phase.SIGNALLED, Phase.WAVERING)
            for member in self.members
        )

    @property
    def failures(self) -> list[Member]:
        """The processes that count as failed, in order."""
        return [member for member in self.members if member.code is not None]

    @property
    def done(self) -> int:
        """How many processes are as they should be: ready, or left alone on purpose."""
        return sum(1 for member in self.members if self._settled(member) and not member.error)

    def prospect(self, member: Member) -> str:
        """What is still to come for a process that is not at its end."""
        if self.goal is Goal.STOP and member.phase is Phase.STOPPING:
            return 'it is still stopping'
        return PENDING[member.phase]

    # -- inside ------------------------------------------------------------------------------

    # When the result is certain, what is down has to come back, and that must have an end.

    def _min_ready(self, member: Member) -> float:
        return 0.0 if self.decided else self._policy(member).min_ready

    def _ready_timeout(self, member: Member) -> float:
        return self._policy(member).ready_timeout or (LONGEST_RETURN if self.decided else 0.0)

    def _policy(self, member: Member) -> Policy | Options:
        return member.policy or self.options

    def _time_limit(self) -> float | None:
        in_time = self.decided or (self.until_ordered and self.ordered)
        return None if in_time else self.deadline

    def _observe(self, member: Member, observation: Observation | None, now: float) -> None:
        if observation is not None:
            member.take_in(observation, now, self._min_ready(member))
            return
        member.observed = Observation(Seen.UNKNOWN)
        if not self._settled(member):
            self._leave(member, GROUP_GONE, Code.CANCELLED)
            self._changed()

    def _follow(self, member: Member, now: float) -> None:
        before, seen = member.phase, member.observed.seen
        phase, member.order = follow(before, seen)
        if before in (Phase.DUE, Phase.TO_SIGNAL) and self._no_longer_due(member):
            return
        if self.goal is Goal.STOP and phase in (Phase.STOPPED, Phase.STARTING):
            member.order = None
        if phase is before:
            return
        if before is Phase.STOPPING and seen is not Seen.WANTED_DOWN:
            member.exited(
                now, 'stopwaitsecs' if self.options.stop_timeout is None else 'stop_timeout'
            )
        if before is Phase.TAKEN:
            member.code, member.error = None, ''
            member.remark(RESTARTED_BY_OTHERS)
        if phase in (Phase.STARTING, Phase.READY, Phase.ENDED) and before not in BROUGHT_UP:
            self._started(member, now, member.observed.pid)  # by somebody else
            if self.goal is not Goal.STOP:
                member.phase = phase
        elif phase is Phase.FAILED:
            self._fail(member, _failure_code(before, seen), member.reason(before, now))
        elif phase is Phase.TAKEN:
            self._take(member)
        else:
            member.phase = phase
        if phase is Phase.WAVERING:
            member.wavering_since = now
        elif member.phase in (Phase.READY, Phase.ENDED) and before not in (
            Phase.READY,
            Phase.WAVERING,
        ):
            member.ready_at = now
            member.new_pid = member.observed.pid or member.new_pid
        self._changed()

    def _no_longer_due(self, member: Member) -> bool:
        # Between the admission of a process and its order, its state and the restart's may have
        # changed.
        if self.goal is Goal.STOP and member.observed.seen in DOWN:
            self._leave(member, '', None)
        elif member.order in (Order.STOP, Order.SIGNAL) and not self.taking_down:
            self._leave(member, self.not_reached, None)
        else:
            return False
        self._changed()
        return True

    def _started(self, member: Member, now: float, pid: int) -> None:
        if self.goal is Goal.STOP:
            self._leave(member, 'somebody else started it again', Code.CANCELLED)
        else:
            member.phase, member.start_at, member.new_pid = Phase.STARTING, now, pid

    def _expect_readiness(self, member: Member, now: float) -> None:
        within = self._ready_timeout(member)
        limit, back_by = member.ready_by(within), member.back_by(LONGEST_WAVERING)
        if limit is not None and now >= limit:
            self._fail(
                member, Code.START_FAILED, f'not ready within {within:g} s: {member.unready}'
            )
            self._changed()
        elif back_by is not None and now >= back_by:
            self._fail(
                member,
                Code.START_FAILED,
                f'no longer ready for {LONGEST_WAVERING:g} s: {member.unready}',
            )
            self._changed()

    def _call_turns(self, now: float) -> None:
        if self.limited:
            # Something may have died since an order was given that is not carried out yet.
            for member in self.members:
                if member.order in (Order.STOP, Order.SIGNAL):
                    member.phase, member.order = Phase.WAITING, None
        waiting = unready_first(
            member
            for member in self.members
            if member.phase is Phase.WAITING and member.turn_at <= now
        )
        hopeless: list[tuple[Member, str]] = []
        if waiting and any(member.phase is Phase.WAVERING for member in self.members):
            self.scout_until = self.limit.until = (
                None  # times of other holds; past ones would keep the loop awake
            )
            return
        if self.limited:
            waiting, self.scout_until = hold_back(waiting, self.members, self.options, now)
            waiting, hopeless = self.limit.choose(
                waiting, self.members + self.neighbours, self.options, now
            )
        for member in waiting:
            member.phase = Phase.TO_SIGNAL if self.options.signal else Phase.DUE
            self._follow(member, now)
        for member, why in hopeless:
            if member.phase is Phase.WAITING:  # the first may have ended the taking down for all
                self._fail(member, Code.BAD_STATE, why)
                self._changed()

    def _fail(self, member: Member, code: Code, why: str) -> None:
        member.phase, member.code, member.error, member.order = Phase.FAILED, code, why, None
        if self.options.on_failure == 'abort' and self.goal is Goal.RESTART and self.taking_down:
            self._halt(
                self.state, f'{NOT_REACHED}: {member.namespec} failed first (on_failure = abort)'
            )

    def _leave(self, member: Member, why: str, code: Code | None) -> None:
        member.phase, member.code, member.error, member.order = Phase.SKIPPED, code, why, None

    def _take(self, member: Member) -> None:
        member.phase, member.order = Phase.TAKEN, None
        if member.ready_at is None:
            member.code, member.error = Code.CANCELLED, TAKEN_OVER
        else:  # the restart has done its part with it
            member.remark(STOPPED_LATER)

    def _time_out(self) -> None:
        self.pending = [
            (member, self.prospect(member)) for member in self.members if not self._settled(member)
        ]
        self._halt(State.TIMED_OUT, f'{NOT_REACHED} before the timeout')

    def _halt(self, state: State, why: str) -> None:
        # Only the taking down ends here: members that are down, or being stopped, go on.
        self.state, self.taking_down, self.not_reached = state, False, why
        for member in self.members:
            if member.phase in (Phase.WAITING, Phase.TO_SIGNAL) or (
                member.phase is Phase.DUE and member.order is Order.STOP
            ):
                self._leave(member, why, None)
        self._changed()

    def _settled(self, member: Member) -> bool:
        return member.phase in SETTLED or self._over(member)

    def _over(self, member: Member) -> bool:
        return member.phase in ENDS or (self.goal is Goal.STOP and member.phase is Phase.STOPPED)

    def _finish_if_settled(self) -> None:
        if self.finished or not all(self._settled(member) for member in self.members):
            return
        if self.state is State.RUNNING:
            self.state = State.FAILED if self.failures else State.SUCCEEDED
            if any(member.error == GROUP_GONE for member in self.members):
                self.state, self.why = State.CANCELLED, GROUP_GONE
        self.finished = True
        self._changed()

    def _changed(self) -> None:
        self.version += 1


def _failure_code(phase: Phase, seen: Seen) -> Code:
    if seen is not Seen.UNKNOWN or phase in (
        Phase.STOPPED,
        Phase.STARTING,
        Phase.READY,
        Phase.WAVERING,
    ):
        return Code.START_FAILED
    return Code.STOP_FAILED if phase is Phase.STOPPING else Code.BAD_STATE
