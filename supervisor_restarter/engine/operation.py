"""An operation: N processes are restarted, started or stopped. This is the heart; read it first.

It decides, and touches nothing: no process, no clock, no socket. The caller (server/driver.py)
tells it what is seen and what time it is, and carries out what it orders:

    begin(now, look)           once: it leaves the queue. Each process is left alone, is in hand
                               already because it is down, or waits for its wave (admission.py)
    step(now, look, changed)   again and again. 1. What is seen of each process that has changed, or
                               whose time has come, takes it to its next phase (phases.py: one
                               table), perhaps with an order, and is noted down (transitions.py).
                               2. Is all of it settled, or its time over (judging.py)? 3. Whose
                               turn is it (turns.py)?
    for member in orders():    what is to be done: STOP, START, SIGNAL, DRAIN or TELL
        ... the caller does it ...
        performed(member, now, failure, pid, aside)   how it went; only now the phase changes
    hook_ended(member, why, now)                  a command of DRAIN or TELL (lifecycle.py) has ended
    wake_at()                  when to call step() again though nothing happens (waking.py);
                               a child's exit or a client's request wakes the caller sooner

`now` is monotonic, in seconds. look(member) is an Observation, or None if the process is gone.
`changed` are the members and neighbours for which that is another one than at the last step: a step
costs as much as there is that has happened (attention.py).

One process goes from left to right. What happens to it otherwise stands in the table, too:

    WAITING --turn--> DUE --stop--> STOPPING --exit--> STOPPED --start--> STARTING --probe--> READY
    |<- nothing was done to it ->|  |<------------ it is in hand, and comes back ----------->|

A process that is *leaving* is to be gone at the end: it waits until all others are settled, and is
done when it has exited.

The operation as a whole:

    QUEUED --begin--> RUNNING --every process is settled------> SUCCEEDED or FAILED: finished
       |                 |
       +--cancel, deadline--> CANCELLED or TIMED_OUT: decided --what is down is back--> finished

One that is reversible turns back instead of ending early (reversal.py), at most once:

    RUNNING --failure, cancel, deadline--> turning --turn_back()--> back --> ROLLED_BACK or FAILED
       |                                   nothing is ordered       RUNNING still
       +--only what is leaving is left--> committed --> SUCCEEDED or FAILED

* *taking_down* is True as long as further processes may get a turn. A timeout, a cancel and, with
  on_failure = abort, the first failure end it, and never the bringing back: those that wait are
  SKIPPED ("not reached"), those that are down go on.
* *decided*: the result is certain and can be told, but what is down may still be on its way back.
  From then on min_ready is not waited for, and no probe has longer than LONGEST_RETURN seconds.
* *settled* is a process that is not waited for any more: READY, ENDED, TAKEN, SKIPPED, FAILED.
  The first three are still looked at, for what is said at the end has to be true at the end.
* *committed*: what is leaving has its turn. Nothing ends the taking down any more.
* *finished*: all are settled. Only now it is judged: SUCCEEDED without failures, else FAILED;
  CANCELLED if a process group was removed; ROLLED_BACK if nothing failed on the way back. Nothing
  changes after that.

`version` grows with every change that clients can see, so that they can wait for the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from supervisor_restarter.engine import beside, judging, lifecycle, reversal, waking
from supervisor_restarter.engine.admission import admit, put_on_trial, spread
from supervisor_restarter.engine.attention import Attention
from supervisor_restarter.engine.availability import floors
from supervisor_restarter.engine.freshness import ALREADY_STARTED
from supervisor_restarter.engine.headcount import Headcount
from supervisor_restarter.engine.judging import GROUP_GONE, NOT_REACHED, State
from supervisor_restarter.engine.member import Failure, Goal, Look, Member, Observation
from supervisor_restarter.engine.phases import (
    DOWN,
    OUT_OF_SERVICE,
    TURN_HAS_COME,
    UP,
    Order,
    Phase,
    Seen,
    follow,
)
from supervisor_restarter.engine.policy import Policy
from supervisor_restarter.engine.transitions import carried_out, enter
from supervisor_restarter.engine.turns import Turns, no_more_turns, take_back, turn_of
from supervisor_restarter.engine.waking import LONGEST_RETURN
from supervisor_restarter.faults import Code
from supervisor_restarter.options import Options

__all__ = ['Look', 'Operation', 'State']

TAKE_DOWN = (Order.DRAIN, Order.SURGE, Order.STOP, Order.SIGNAL)
# After its AFTER_READY.
TOLD = (Phase.TELLING, Phase.READY, Phase.WAVERING)
AS_TOLD = (Seen.STOPPING, Seen.STOPPED, Seen.WANTED_DOWN)


@dataclass(eq=False)
class Operation:
    """An operation on `members` (in the order of their turns) with `options`.

    neighbours: the other processes of the same groups, which count for max_unavailable. deadline:
    the monotonic time at which the taking down ends, None for no limit. until_ordered: the deadline
    is over when every process is started; their readiness is not waited for. reversible: it turns
    back instead of ending early; turning: why, as long as the caller has not turned it back; back:
    why, from then on. discounting: what other clients have stopped, or was down anyway, does not
    count for max_unavailable. why: why it was cancelled, or is being or was rolled back. staying:
    the members that are not leaving. asides: processes that have lost their names to those of
    members, or back to them, until they have exited (beside.py). headcount: how many of those that
    stay are ready. attention: whom a step looks at. ledger: which members are how.
    """

    members: list[Member]
    options: Options
    neighbours: list[Member] = field(default_factory=list)
    deadline: float | None = None
    goal: Goal = Goal.RESTART
    until_ordered: bool = False
    reversible: bool = False
    discounting: bool = False
    state: State = State.QUEUED
    version: int = 1
    why: str = ''
    turning: str = ''
    back: str = ''
    committed: bool = False
    staying: list[Member] = field(default_factory=list)
    asides: list[Member] = field(default_factory=list)
    finished: bool = False
    begun_at: float = 0.0
    taking_down: bool = True
    not_reached: str = ''  # why the taking down has ended early
    headcount: Headcount = field(default_factory=Headcount)
    pending: list[tuple[Member, str]] = field(default_factory=list)  # at the timeout
    stepped_at: float = 0.0
    turns: Turns = field(default_factory=Turns)

    def __post_init__(self) -> None:
        self._open()

    def _open(self) -> None:
        self.attention = Attention(self.members, self.neighbours, self._look_at)
        self.ledger = self.attention.ledger

    # -- beginning ---------------------------------------------------------------------------

    def renew(self, members: list[Member]) -> None:
        """It is still to begin, and with other members than it was asked for."""
        self.members = members
        self._open()
        self._changed()

    def begin(self, now: float, look: Look) -> None:
        """Leave the queue: decide for each process whether it is left alone, taken at once because
        it is down anyway, or waits for its wave.
        """
        self.state, self.begun_at = State.RUNNING, now
        self._open()  # the neighbours are known now
        for member in self.members:
            member.goal = Goal.STOP if member.leaving else self.goal
            self._observe(member, look(member), now)
            member.old_pid = member.observed.pid
            if member.phase is Phase.WAITING:  # else it is gone already
                admit(member, self.options, now)
        self._who_stays()
        spread(self.staying, self.options, now)
        put_on_trial(self.staying, self.options)
        self.headcount.begin(self.staying)
        self._count_ready(now)
        refused = [member for member in self.members if member.phase is Phase.FAILED]
        if refused and self.reversible:
            self._turn(judging.said_of(refused[0]))
        self._changed()

    def to_be_stopped(self) -> Iterator[Member]:
        """The members that are to be stopped and started again. Each is looked at when it is asked
        for: a failure of one may have ended the taking down of the rest.
        """
        if self.goal is Goal.RESTART and not self.options.signal:
            for member in self.staying:
                in_backoff = member.phase is Phase.DUE and member.observed.seen is Seen.BACKOFF
                # One that turns back tells of all failures, for nothing is touched yet.
                going = self.taking_down or self.turning
                if going and (member.phase is Phase.WAITING or in_backoff):
                    yield member

    def foreseen(self, member: Member, failure: Failure) -> None:
        """It is known, before anything is done, that the member cannot be brought back."""
        self._fail(member, failure.code, failure.why)

    # -- going on ----------------------------------------------------------------------------

    def step(self, now: float, look: Look, changed: Iterable[Member] | None = None) -> None:
        """Take in what has changed since the last step. changed: the members and neighbours of which
        something else is seen than at that step, None: perhaps of all.
        """
        if self.finished:
            return
        self.stepped_at, taking_down = now, self.taking_down
        if self.state is not State.QUEUED:
            self._take_in(now, look, changed)
            self._let_go(now)
        self._finish_if_settled()  # what is ready at the deadline is in time
        deadline = self._deadline()
        if deadline is not None and now >= deadline:
            self._time_out()
        if self.taking_down and self.state is State.RUNNING:
            self._call_turns(now)
        if taking_down and not self.taking_down and self.begun_at:
            self._count_ready(now)  # what was being drained is in service again
        self._finish_if_settled()

    def orders(self) -> Iterator[Member]:
        """The members with an order that is to be carried out now, those first that are to be
        started: what is down already tries out whether a start works. Each is looked at when it is
        asked for: a failure of one may have ended the taking down of the rest.
        """
        for starting in (True, False):
            member = self.ledger.next_order(starting)
            while member is not None and not self.turning:
                yield member
                member = self.ledger.next_order(starting, member)

    def performed(
        self,
        member: Member,
        now: float,
        failure: Failure | None = None,
        pid: int = 0,
        aside: Member | None = None,
    ) -> None:
        """The member's order was carried out, or could not be. pid: of the process now started.
        aside: what has lost the member's name to another process by that.
        """
        order, member.order = member.order, None
        if order is Order.RESTORE and member.old is not None:
            self.asides.remove(member.old)
        if aside is not None:
            self.asides.append(aside)
            self.ledger.watch(aside)
        failed = carried_out(member, order, failure, now, pid, aside)
        if failed is not None:
            self._fail(member, failed.code, failed.why)
        self._changed()
        if member.settled:
            self._finish_if_settled()

    def hook_ended(self, member: Member, why: str, now: float) -> None:
        """The command that runs for the member has ended. why: it has failed, '' if it has not."""
        assert member.hook is not None, 'it runs as long as it is wanted'
        failed = lifecycle.hook_over(member, member.hook, why, now)
        if failed is not None:
            self._fail(member, failed.code, failed.why)
            member.failed_at = now
        self._changed()

    def recount(self, now: float) -> None:
        """Orders have been carried out: count how many are ready. The next step would do that, too,
        but what changes in a step asks for one more turn of the loop.
        """
        if not self.finished:
            self._count_ready(now)

    def once_more(self, member: Member) -> None:
        """Another client has started the member, which was down, with what it is not to run with:
        its turn comes again. Where no turn comes any more, it was not reached.
        """
        if member.phase is Phase.TAKEN:
            member.give_back()
        member.phase, member.order, member.start_at = Phase.WAITING, None, None
        if not self.taking_down and not self.turning:
            member.leave(self.not_reached)
        self._changed()

    def rename(self, member: Member, name: str) -> None:
        """The process of this name has taken the member's place."""
        if name != member.name:
            member.match = member.match._replace(name=name)
            self._changed()

    def wake_at(self, grain: float = 0.0) -> float | None:
        """The monotonic time of what comes next without a child's exit; None: nothing does. grain:
        how much later it may be (seconds) if more comes until then.
        """
        if self.finished:
            return None
        if self.turning:
            return self.stepped_at  # at once: nothing goes on before it is turned back
        times = [self._deadline(), *(self.turns.until if self.taking_down else ())]
        if self.state is not State.QUEUED:
            times += [self.attention.next_at(grain), *map(self._time_of, self.asides)]
        return waking.earliest(*times)

    def is_last(self, changed: set[Member]) -> bool:
        """Whether none but these is waited for, so that it may be over when they are looked at."""
        self.ledger.update()
        return self.ledger.unsettled <= changed

    # -- ending ------------------------------------------------------------------------------

    def cancel(self, why: str) -> None:
        """Take nothing further down; what is down comes back. One that is reversible turns back.
        Nothing, if it is decided, committed, or turns back already.
        """
        if self.decided or self.committed or self.turning or self.back:
            return
        if self.reversible and self.state is State.RUNNING:
            self._turn(why)
            return
        self._halt(State.CANCELLED, f'{NOT_REACHED}: {why}')
        self.why = why
        self._finish_if_settled()

    def turn_back(
        self, restored: Iterable[Member], undone: Iterable[Member], now: float, look: Look
    ) -> None:
        """Begin the way back of one that is `turning`; ValueError if it is not.

        restored: the members that are to run with the old thing again, with the policies that hold
        for them then. undone: those that had not been there, and are to be gone. TAKEN ones stay
        so; all others are left as they are. look: of now, not of before the last order.
        """
        if not self.turning:
            raise ValueError('there is nothing to turn back')
        self._take_in(now, look)
        self.back, self.turning = self.turning, ''
        self.deadline, self.taking_down, self.turns = None, True, Turns(scouts=False)
        reversal.limit_the_return(self.members + self.neighbours, self.options)
        reversal.turn(self.members, set(restored), set(undone), look)
        self._who_stays()
        for cached in ('limited', '_careful'):
            self.__dict__.pop(cached, None)  # with other policies
        self.ledger.touch_all()
        self._changed()
        self._finish_if_settled()

    def abandon(self, why: str) -> None:
        """End at once and touch nothing any more: supervisord is going away."""
        if self.finished:
            return
        if not self.decided:
            self.state = State.CANCELLED
            self.why = judging.and_then(self.turning or self.back, why)
            self.turning = ''
        for member in self.members:
            if not member.settled:
                member.drop(why, Code.CANCELLED)
        self.asides.clear()  # Supervisor's own affair
        self._finish()

    # -- what is said of it ------------------------------------------------------------------

    @cached_property
    def limited(self) -> bool:
        """Whether max_unavailable keeps some processes of a group ready while others are restarted.

        Asked again and again, and for the first time when it begins: the members and their policies do
        not change any more then, unless it turns back.
        """
        return self.goal is Goal.RESTART and any(
            self._policy(member).rolling for member in self.members if not member.leaving
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
        self.ledger.update()
        return not self.ledger.unordered

    @property
    def ready(self) -> int:
        """How many processes are ready now, as of the last step."""
        return self.headcount.curve.last

    @property
    def lowest_ready(self) -> int:
        """The fewest that were ready at any moment."""
        return self.headcount.curve.lowest

    @property
    def allowed(self) -> int:
        """How many processes stay ready, as max_unavailable has it, if all are ready when it begins;
        0 before that, and for starts and stops.
        """
        return sum(self.headcount.allowed_of.values())

    @property
    def old_stopping(self) -> int:
        """How many old processes still stop whose new ones have taken their places."""
        return len(beside.still_stopping(self.asides))

    @property
    def failures(self) -> list[Member]:
        """The processes that count as failed, in order."""
        return [member for member in self.members if member.failed]

    @property
    def done(self) -> int:
        """How many processes are as they should be: ready, or left alone on purpose."""
        return sum(member.settled and not member.errors for member in self.members)

    # -- inside: each process ----------------------------------------------------------------

    def _take_in(self, now: float, look: Look, changed: Iterable[Member] | None = None) -> None:
        moved = self._take_in_asides(now, look)  # first, for it may change members
        members, neighbours = self.attention.turn_to(now, changed)
        for member in neighbours:
            member.observed = look(member) or Observation(Seen.UNKNOWN)
            member.unready = member.observed.unready
        for member in members:
            observation, timed = look(member), (member.policy or self.options).min_ready > 0
            # Mostly nothing has happened to it; then nothing follows, unless a time runs that only
            # it ends.
            timed = timed or bool(member.unready) or member.hook is not None
            if timed or (observation, member.phase) != member.followed:
                moved = True
                self.ledger.unscheduled.add(member)
                self._observe(member, observation, now)
                if observation is not None and not member.over:
                    self._follow(member, now)
                    self._mind_the_time(member, now)
                kept = member.phase is Phase.KEPT  # its times run on, whatever is seen
                member.followed = None if kept else (observation, member.phase)
        if moved:
            self._count_ready(now)

    def _look_at(self, member: Member) -> float | None:
        # Also what is not ours, or done, decides about the room.
        due = member.observed.due if self.limited else None
        return waking.earliest(self._time_of(member), due)

    def _time_of(self, member: Member) -> float | None:
        return waking.look_at(
            member,
            self.stepped_at,
            self._min_ready(member),
            self._ready_timeout(member),
            self._hook_timeout,
        )

    def _take_in_asides(self, now: float, look: Look) -> bool:
        """Take in what is seen of what lies aside. Returns whether that is something else."""
        setting, moved = judging.limit_of_stops(self.options), False
        for aside in self.asides:
            before = aside.observed
            if not aside.settled and beside.watch(aside, look(aside), setting, now):
                moved = True
                self._changed()
            moved = moved or aside.observed != before
        return moved

    def _mind_the_time(self, member: Member, now: float) -> None:
        hook_by = waking.hook_by(member, self._hook_timeout)
        if hook_by is not None and now >= hook_by:
            self.hook_ended(member, f'not finished within {self._hook_timeout:g} s', now)
        why = waking.overdue(member, self._ready_timeout(member), now)
        if why:
            self._fail(member, Code.START_FAILED, why)

    def _count_ready(self, now: float) -> None:
        self.ledger.update()
        if self.headcount.count(self.ledger.serving, self.version + 1, now - self.begun_at):
            self._changed()

    def _observe(self, member: Member, observation: Observation | None, now: float) -> None:
        if observation is not None:
            member.take_in(observation, now, self._min_ready(member))
            return
        member.observed = Observation(Seen.UNKNOWN)
        if not member.settled:
            member.drop(GROUP_GONE, Code.CANCELLED)
            self._changed()

    def _follow(self, member: Member, now: float) -> None:
        before = member.phase
        if before is Phase.WAITING and member.leaving:
            return  # until all others are done, it does not matter how it is
        on_its_way = before in TURN_HAS_COME | OUT_OF_SERVICE
        if on_its_way and member.leaving and member.observed.seen is Seen.STOPPING:
            before = Phase.DUE  # another client stops it, which is to be stopped; drained or not
        phase, member.order = follow(before, member.observed.seen)
        if phase is Phase.READY and member.after_ready and before not in TOLD:
            phase, member.order = follow(Phase.TO_TELL, member.observed.seen)
        if on_its_way and self._no_longer_due(member, now):
            self._changed()
            return
        if before is Phase.KEPT and phase is Phase.SKIPPED and not member.observed.confirmed:
            return  # taken as ready, which it has yet to prove
        if member.goal is Goal.STOP and phase in (Phase.STOPPED, Phase.STARTING):
            member.order = None
        if phase is not before:
            failure = enter(member, phase, self.options, now)
            if failure is not None:
                self._fail(member, failure.code, failure.why)
            self._changed()
        if member.phase is Phase.HANDING_OVER and member.order is None:
            member.order = beside.next_step(member, now)

    def _no_longer_due(self, member: Member, now: float) -> bool:
        # Between the admission of a process and its order, its state and the operation's may have
        # changed.
        if member.goal is Goal.STOP and member.observed.seen in DOWN:
            member.leave()
        elif member.leaving:
            return False  # nothing takes its turn back
        elif member.order in TAKE_DOWN and not self.taking_down:
            member.leave(self.not_reached)
        elif self.options.starts_only and member.observed.seen in UP:
            # Supervisor has started it anew since.
            member.keep_an_eye_on(ALREADY_STARTED, now)
            member.kept_until = now + self._min_ready(member)
        else:
            return False
        return True

    def _fail(self, member: Member, code: Code, why: str) -> None:
        member.fail(code, why)
        member.failed_at = max(self.begun_at, self.stepped_at)
        aborting = self.reversible or self.options.on_failure == 'abort'
        if self.back and judging.is_as_before(member):
            pass  # it did not run before either
        elif aborting and self.goal is Goal.RESTART and self.taking_down and not self.committed:
            if self.reversible and not self.back:
                self._turn(judging.said_of(member))
            else:
                first = f'{member.namespec} failed first (on_failure = abort)'
                self._halt(self.state, f'{NOT_REACHED}: {first}')
        self._changed()

    def _who_stays(self) -> None:
        self.staying = [member for member in self.members if not member.leaving]
        if self.goal is Goal.RESTART:
            self.headcount.allowed_of = floors(self.staying, self.neighbours, self.options)

    # -- inside: the whole -------------------------------------------------------------------

    def _policy(self, member: Member) -> Policy | Options:
        return member.policy or self.options

    # When the result is certain, what is down has to come back, and that must have an end.

    def _min_ready(self, member: Member) -> float:
        return 0.0 if self.decided else self._policy(member).min_ready

    def _ready_timeout(self, member: Member) -> float:
        return self._policy(member).ready_timeout or (LONGEST_RETURN if self.decided else 0.0)

    @property
    def _hook_timeout(self) -> float:
        returning = self.decided or self.back
        return self.options.hook_timeout or (LONGEST_RETURN if returning else 0.0)

    def _deadline(self) -> float | None:
        """When the taking down ends, unless it is too late for a timeout."""
        in_time = self.decided or self.committed or (self.until_ordered and self.ordered)
        return None if in_time or self.turning else self.deadline

    @cached_property
    def _careful(self) -> bool:
        """Whether it matters for the turns who is ready, or has been called before."""
        return self.limited or any(member.surges for member in self.members)

    def _call_turns(self, now: float) -> None:
        self.ledger.update()
        until = waking.earliest(*self.turns.until)
        if not self.ledger.stirred and (until is None or now < until):
            return  # nothing has happened since the last call, and no time is over
        counting, neighbours = self.staying, self.neighbours
        if self.discounting:
            counting = [member for member in counting if reversal.counts(member)]
            neighbours = [one for one in neighbours if one.observed.seen not in AS_TOLD]
        if self._careful:
            take_back(counting)
            self.ledger.update()
        self.ledger.stirred = False
        waiting = self.ledger.in_turn(self.ledger.waiting)
        if len(counting) < len(self.members):
            waiting = [member for member in counting if member.phase is Phase.WAITING]
        called, hopeless = self.turns.call(
            waiting, counting, neighbours, self.options, self.limited, now
        )
        for member in called:
            member.phase = turn_of(member, self.options)
            self._follow(member, now)
        for member, why in hopeless:
            # The first may have ended the taking down for all.
            if member.phase is Phase.WAITING and self.taking_down:
                self._fail(member, Code.BAD_STATE, why)

    def _let_go(self, now: float) -> None:
        # Once all others are settled, all that is leaving has its turn.
        if not self.taking_down or len(self.staying) == len(self.members):
            return
        self.ledger.update()
        if all(member.leaving for member in self.ledger.unsettled):
            for member in self.ledger.in_turn(self.ledger.waiting):
                self.committed, member.phase = True, turn_of(member, self.options)
                self._follow(member, now)
                self._changed()

    def _time_out(self) -> None:
        if self.reversible and self.state is State.RUNNING:
            self._turn(f'its timeout of {self.options.timeout or 0.0:g} s was over')
            return
        unsettled = [member for member in self.members if not member.settled]
        self.pending = [(member, judging.prospect(member)) for member in unsettled]
        self.pending += [
            (member, beside.STILL_STOPPING)
            for member in beside.still_stopping(self.asides)
            if member.settled and not member.failed  # else that is what there is to say of it
        ]
        self._halt(State.TIMED_OUT, f'{NOT_REACHED} before the timeout')

    def _turn(self, why: str) -> None:
        self.turning = self.why = why
        self.taking_down, self.not_reached = False, NOT_REACHED
        self._changed()

    def _halt(self, state: State, why: str) -> None:
        # Only the taking down ends here: members that are down, or being stopped, go on.
        self.state, self.taking_down, self.not_reached = state, False, why
        self.ledger.touch_all()  # other times hold
        no_more_turns(self.members, state, why)
        self._changed()

    def _finish_if_settled(self) -> None:
        if self.finished or self.turning or self.state is State.QUEUED:
            return  # it may get other members when it begins
        self.ledger.update()
        if self.ledger.unsettled or not all(aside.settled for aside in self.asides):
            return
        if self.begun_at and self.ledger.ready != self.headcount.curve.last:
            return  # what was being drained is in service again; the next step counts it first
        self._finish()

    def _finish(self) -> None:
        if self.state is State.RUNNING:
            self.state, self.why = judging.final_state(self.members, self.back)
            reversal.note_the_return(self.members)
        self.finished = True
        self._changed()

    def _changed(self) -> None:
        self.version += 1
