"""One process in an operation: what is seen of it now, and what was measured so far. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Callable, NamedTuple, Optional

from supervisor_restarter.engine.phases import (
    ENDS,
    HOOKED,
    IN_FLIGHT,
    ON_RETURN,
    OUT_OF_SERVICE,
    SETTLED,
    TURN_HAS_COME,
    UNPROVEN,
    UP,
    Order,
    Phase,
    Seen,
    follow,
)
from supervisor_restarter.engine.policy import Policy
from supervisor_restarter.faults import Code
from supervisor_restarter.names import Match
from supervisor_restarter.text import printable

TAKEN_OVER = 'somebody else stopped it meanwhile; it was left so'
STOPPED_LATER = 'somebody else stopped it after it was restarted; it was left so'
RESTARTED_BY_OTHERS = 'somebody else restarted it meanwhile'
# What counts of a member for the operation as a whole: it notes itself when one of these changes.
NOTED = frozenset(
    {'phase', 'order', 'observed', 'goal', 'leaving', 'running_hook', 'old', 'old_served'}
)
# It is ready, and something is still to be done before it is taken as such.
READY_BUT = (Phase.TO_TELL, Phase.TELLING, Phase.HANDING_OVER)


class Observation(NamedTuple):
    """What is seen of a process at one moment.

    why: the reason, if it is down or failing. due: when (monotonic) Supervisor will move it on by
    itself, as from STARTING to RUNNING. ended_at: when (monotonic) its last process was reaped.
    unready: why its probe does not call it ready, '' if it does or there is none. confirmed: False
    while a process that was running before has not been probed yet, or is kept and has not been up
    for long enough, and while the probe of a ready one is not answered for long; it is seen as
    READY meanwhile. asked_at: when (monotonic) the probe was asked whose answer says that it is
    ready, None without one. killed: its last process did not heed the stop signal in time, and
    Supervisor has sent SIGKILL.
    """

    seen: Seen
    pid: int = 0
    why: str = ''
    due: float | None = None
    ended_at: float | None = None
    unready: str = ''
    confirmed: bool = True
    asked_at: float | None = None
    killed: bool = False


class Goal(Enum):
    """What an operation is to achieve; restarts are the ones users see listed."""

    RESTART = 'restart'
    START = 'start'  # quickStart: only what is down is started
    STOP = 'stop'  # quickStop: a process is done when it has exited


class Hook(Enum):
    """A command of the program's own that belongs to its restart."""

    BEFORE_STOP = 'before_stop'
    AFTER_READY = 'after_ready'

    @property
    def variable(self) -> str:
        """What names it in the program's environment."""
        return f'RESTARTER_{self.name}'


class Times(NamedTuple):
    """When what happened to a process (monotonic); None: it has not. stop_at: its stop signal, or
    when it was seen to be stopping. drain_at, drained_at: when its BEFORE_STOP began, and when it
    was over without a stop.
    """

    stop_at: float | None
    exit_at: float | None
    start_at: float | None
    ready_at: float | None
    failed_at: float | None
    drain_at: float | None = None
    drained_at: float | None = None


class Failure(NamedTuple):
    """Why an order could not be carried out."""

    code: Code
    why: str


@dataclass(eq=False)
class Member:
    """One process in an operation, with what was measured of it (monotonic times).

    goal: what is to become of it, from the beginning of the operation on. leaving: it is to be gone
    at the end, so it is stopped and not started; that another client stops it is no reason to leave
    it alone, and look() does not say so. reverted: the operation has turned back for it, and it is
    to be as it was before; first_code, first_error: why it had failed until then.

    before_stop, after_ready: whether its program has such a command. running_hook: which of them was
    begun last, None: it has ended. way_out: the phase that it ends in once it has been put back.
    surges: whether its new process is to be started beside the old one. old: that, as long as it is
    not being stopped; old_served: it counted as ready. steps: what is still to be done for it while
    it hands over. successor: of an old one, whose name the new one has.

    policy: what holds for it, None: what the options of the operation say. refused: why its group
    is not restarted. kept: why it is left alone although it is up, '' if it is not; it has to prove
    that it is ready all the same, from kept_at on, and to stay up until kept_until. up_since: when
    it was started, if it may be kept. followed: what was seen when `phase` was last decided, and
    that phase, None: that is to be decided anew. touched: where it notes itself when something
    of it has changed that counts.
    """

    match: Match
    goal: Goal = Goal.RESTART
    leaving: bool = False
    reverted: bool = False
    policy: Policy | None = None
    before_stop: bool = False
    after_ready: bool = False
    surges: bool = False
    old: Member | None = None
    old_served: bool = False
    steps: list[Order] = field(default_factory=list)
    successor: Member | None = None
    refused: str = ''
    kept: str = ''
    kept_at: float | None = None
    kept_until: float = 0.0
    up_since: float = 0.0
    phase: Phase = Phase.WAITING
    order: Order | None = None
    observed: Observation = Observation(Seen.UNKNOWN)
    followed: tuple[Observation | None, Phase] | None = None
    code: Code | None = None  # set: this process counts as failed
    error: str = ''
    first_code: Code | None = None
    first_error: str = ''
    note: str = ''  # something to be said that is no error
    unready: str = ''  # why it was not ready when it was last seen running
    stop_limit: float = 0.0  # seconds from the stop signal to SIGKILL
    killed: bool = False  # it ran into that limit
    running_hook: Hook | None = None
    hook_at: float = 0.0
    way_out: Phase = Phase.SKIPPED
    turn_at: float = 0.0
    old_pid: int = 0
    new_pid: int = 0
    stop_at: float | None = None
    stopping_since: float | None = None  # seen to be stopping, when another client has stopped it
    drain_at: float | None = None
    drained_at: float | None = None
    exit_at: float | None = None
    start_at: float | None = None
    failed_at: float | None = None
    ready_since: float | None = None  # without a break, while min_ready is waited for
    ready_at: float | None = None
    way_there: Times | None = None  # its times until the operation turned back for it
    wavering_since: float = 0.0  # in the phase WAVERING
    touched: set[Member] = field(default_factory=set)

    def __setattr__(self, name: str, value: object) -> None:
        known = self.__dict__
        if name in NOTED and 'touched' in known and known[name] != value:
            known['touched'].add(self)
        known[name] = value

    @property
    def group(self) -> str:
        return self.match.group

    @property
    def name(self) -> str:
        return self.match.name

    @property
    def namespec(self) -> str:
        """The name under which supervisorctl shows it, for texts: a name may contain line ends and
        worse.
        """
        return printable(self.name if self.name == self.group else f'{self.group}:{self.name}')

    @property
    def serving(self) -> bool:
        """Whether it counts as ready: not while the operation has it in hand, unless its turn has
        only come. Where there are two of it, one of them is enough.
        """
        if self.old is not None and self.old.serving and self.old_served:
            return True
        if self.phase in (Phase.SURGING, Phase.RESTORING):
            return False
        if self.observed.seen is not Seen.READY:
            return False
        return self.phase not in IN_FLIGHT or self.phase in TURN_HAS_COME

    @property
    def hook(self) -> Hook | None:
        """The command of its own that is to run now; whichever else does is to be killed."""
        return self.running_hook if self.phase in HOOKED else None

    @property
    def over(self) -> bool:
        """Whether it is at its end: whatever it does now changes nothing any more."""
        return self.phase in ENDS or (self.goal is Goal.STOP and self.phase is Phase.STOPPED)

    @property
    def settled(self) -> bool:
        """Whether nothing is to be waited for. One that is settled and not over can still fail."""
        return self.phase in SETTLED or (self.goal is Goal.STOP and self.phase is Phase.STOPPED)

    @property
    def failed(self) -> bool:
        """Whether it counts as failed, now or before the operation has turned back."""
        return self.code is not None or self.first_code is not None

    @property
    def errors(self) -> str:
        """Why it has failed, before the operation has turned back and since."""
        return '; then: '.join(filter(None, [self.first_error, self.error]))

    @property
    def times(self) -> Times:
        """When what happened to it, in the turn that it had last."""
        stop_at = self.stopping_since if self.stop_at is None else self.stop_at
        return Times(
            stop_at,
            self.exit_at,
            self.start_at,
            self.ready_at,
            self.failed_at,
            self.drain_at,
            self.drained_at,
        )

    # -- what is seen of it ------------------------------------------------------------------

    def take_in(self, observation: Observation, now: float, min_ready: float) -> None:
        """Note what is seen now. A new process is seen as READY only when it has been so for
        min_ready seconds, and its end before that is a failure whatever its exit status is. One
        that is kept is taken as ready, and not confirmed, until it has been up for long enough.
        """
        seen = observation.seen
        unknown = self.unready or not self.observed.confirmed
        if self.phase is Phase.KEPT and seen is Seen.EXITED and unknown:
            seen = Seen.EXITED_BADLY
        elif self.phase is Phase.KEPT and seen is Seen.READY and now < self.kept_until:
            observation = observation._replace(confirmed=False)
        if seen in UP or observation.unready:
            self.unready = observation.unready
        if self.phase in UNPROVEN:
            if seen is Seen.READY:
                sure = now if observation.asked_at is None else observation.asked_at
                if self.ready_since is None or observation.pid != self.observed.pid:
                    self.ready_since = sure
                if sure < self.ready_since + min_ready:
                    seen = Seen.RUNNING
            elif seen in UP:
                self.ready_since = None
            elif seen is Seen.EXITED and (min_ready or self.unready):
                seen = Seen.EXITED_BADLY
            if self.phase is Phase.SIGNALLED and seen in UP and observation.pid != self.new_pid:
                seen = Seen.STARTING  # it died of the signal, and Supervisor has started another
        self.observed = observation if seen is observation.seen else observation._replace(seen=seen)

    def exited(self, now: float, setting: str) -> None:
        """Note the end of the process that was to be stopped. setting: the name of what its
        stop_limit comes from.
        """
        self.exit_at = self.observed.ended_at or now
        self.killed = self.observed.killed
        if not self.killed:
            return
        after = ''
        if self.stop_at is not None:
            after = f' after {round(self.exit_at - self.stop_at, 1):g} s'
        self.remark(f'killed{after}: did not stop within {setting}')

    def reason(self, before: Phase, now: float) -> str:
        """Why it has failed, having been in the phase `before`."""
        why = self.observed.why
        if before is Phase.KEPT:
            never = f'; before it was ready ({self.unready})' if self.unready else ''
            return f'{self.kept}, but {why or "it ended"}{never}'
        up_for = '' if self.ready_since is None else f'{max(0.0, now - self.ready_since):.1f} s'
        if before is Phase.SIGNALLED:
            return f'{why or "it ended"}, after the signal'
        if before in (Phase.READY, Phase.WAVERING, *READY_BUT):
            gone = why or 'it ended, and was started again'
            return f'{gone}; it had been ready for {up_for}'
        if before in (Phase.STARTING, Phase.SURGING) and up_for:
            return f'{why}; it had been ready for {up_for}'
        if before in (Phase.STARTING, Phase.SURGING) and self.unready:
            return f'{why}; before it was ready ({self.unready})'
        return why

    # -- what becomes of it ------------------------------------------------------------------

    def remark(self, text: str) -> None:
        """Have something said of it that is no error."""
        self.note = f'{self.note}; {text}' if self.note else text

    def stopped(self, now: float) -> None:
        """It has been sent its stop signal; what was measured of a turn before does not count."""
        self.stop_at, self.exit_at, self.start_at, self.ready_at = now, None, None, None

    def started(self, now: float, pid: int) -> None:
        """It has been started, or signalled, and is to become ready. pid: of the new process."""
        self.phase, self.start_at, self.new_pid = Phase.STARTING, now, pid

    def fail(self, code: Code, why: str) -> None:
        """It has failed, and is at its end, or is still to be put back."""
        if self.phase is Phase.KEPT:
            self.new_pid = self.old_pid  # it is new, and what it wrote is of interest
        self._go(Phase.FAILED, why, code)

    def leave(self, why: str = '', code: Code | None = None) -> None:
        """It is left as it is, perhaps after it has been put back. code: this counts as a failure."""
        self._go(Phase.SKIPPED, why, code)

    def drop(self, why: str, code: Code) -> None:
        """It is at its end, whatever was begun with it, and this counts as a failure."""
        self.phase, self.code, self.error, self.order = Phase.SKIPPED, code, why, None
        self.old = None

    def end_return(self, why: str = '') -> None:
        """It is at its end, and has been put back. why: that has failed."""
        self.error = '; then: '.join(filter(None, [self.error, why]))
        self.phase, self.order = self.way_out, None

    def _go(self, end: Phase, why: str, code: Code | None) -> None:
        if self.phase in ON_RETURN or self.phase is Phase.RESTORING:
            return  # it goes there already, for the first reason
        self.code, self.error, self.way_out = code, why, end
        if self.phase in OUT_OF_SERVICE and self.after_ready and self.observed.seen in UP:
            self.phase, self.order = Phase.TO_RETURN, Order.TELL
        elif self.old is not None:
            # Unless another client has just stopped the new one: then both are to go.
            self.phase, self.order = follow(Phase.RESTORING, self.observed.seen)
        else:
            self.phase, self.order = end, None

    def keep_an_eye_on(self, why: str, now: float) -> None:
        """Leave it alone, for this reason, if it proves to be ready."""
        self.phase, self.kept, self.kept_at, self.order = Phase.KEPT, why, now, None

    def keep(self) -> None:
        """It is at its end, and left as it is, for the reason `kept`."""
        self.leave()
        self.remark(self.kept)

    def take(self) -> None:
        """Another client has stopped it."""
        self.phase, self.order = Phase.TAKEN, None
        if self.ready_at is None:
            self.code, self.error = Code.CANCELLED, TAKEN_OVER
        else:  # the operation has done its part with it
            self.remark(STOPPED_LATER)

    def give_back(self) -> None:
        """Another client that has stopped it has started it again."""
        self.code, self.error = None, ''
        self.remark(RESTARTED_BY_OTHERS)


Look = Callable[[Member], Optional[Observation]]  # None: the process is no longer there
