"""One process in a restart: what is seen of it at a moment, and what was measured so far. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from supervisor_restarter.engine.phases import IN_FLIGHT, UP, Order, Phase, Seen
from supervisor_restarter.engine.policy import Policy
from supervisor_restarter.faults import Code
from supervisor_restarter.names import Match
from supervisor_restarter.text import printable

# Phases in which a process that is seen running is a new one, or has been told to renew itself.
BROUGHT_BACK = frozenset(
    {Phase.STOPPING, Phase.STOPPED, Phase.STARTING, Phase.SIGNALLED, Phase.ENDED, Phase.TAKEN}
)


class Observation(NamedTuple):
    """What is seen of a process at one moment.

    why: the reason, if it is down or failing. due: when (monotonic) Supervisor will move it on by
    itself, as from STARTING to RUNNING. ended_at: when (monotonic) its last process was reaped.
    unready: why its probe does not call it ready, '' if it does or there is none. known: False
    while a process that was running before has not been probed yet, and while the probe of a ready
    one is not answered for long; it is seen as READY meanwhile. asked_at: when (monotonic) the
    probe was asked whose answer says that it is ready, None without one. killed: its last process
    did not heed the stop signal in time, and Supervisor has sent SIGKILL.
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


class Failure(NamedTuple):
    """Why an order could not be carried out."""

    code: Code
    why: str


@dataclass(eq=False)
class Member:
    """One process in a restart, with what was measured of it (monotonic times).

    policy: what holds for it, None: what the options of the restart say. refused: why its group is
    not restarted.
    """

    match: Match
    policy: Policy | None = None
    refused: str = ''
    phase: Phase = Phase.WAITING
    order: Order | None = None
    observed: Observation = Observation(Seen.UNKNOWN)
    # what was looked at when `phase` was last decided
    followed: tuple[Observation | None, Phase] | None = None
    code: Code | None = None  # set: this process counts as failed
    error: str = ''
    note: str = ''  # something to be said that is no error
    unready: str = ''  # why it was not ready when it was last seen running
    stop_limit: float = 0.0  # seconds from the stop signal to SIGKILL
    killed: bool = False  # it ran into that limit
    turn_at: float = 0.0
    old_pid: int = 0
    new_pid: int = 0
    stop_at: float | None = None
    exit_at: float | None = None
    start_at: float | None = None
    ready_since: float | None = None  # without a break, while min_ready is waited for
    ready_at: float | None = None
    wavering_since: float = 0.0  # in the phase WAVERING

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
        """Whether it counts as ready: not while the restart has it in hand, unless its turn has
        only come.
        """
        in_hand = self.phase in IN_FLIGHT and self.phase not in (Phase.DUE, Phase.TO_SIGNAL)
        return self.observed.seen is Seen.READY and not in_hand

    def take_in(self, observation: Observation, now: float, min_ready: float) -> None:
        """Note what is seen now. A new process is seen as READY only when it has been so for
        min_ready seconds, and its end before that is a failure whatever its exit status is.
        """
        seen = observation.seen
        if seen in UP or observation.unready:
            self.unready = observation.unready
        if self.phase in BROUGHT_BACK:
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

    def steady_at(self, min_ready: float) -> float | None:
        """When (monotonic) it will have been ready for min_ready seconds; None if its probe has to
        say so.
        """
        if (
            self.ready_since is None
            or self.observed.asked_at is not None
            or self.phase not in BROUGHT_BACK
        ):
            return None
        return self.ready_since + min_ready

    def ready_by(self, ready_timeout: float) -> float | None:
        """When (monotonic) it counts as failed, if its probe still does not call it ready then."""
        if (
            self.start_at is None
            or self.phase not in BROUGHT_BACK
            or self.observed.seen not in UP
            or not self.unready
            or not ready_timeout
        ):
            return None
        return self.start_at + ready_timeout

    def back_by(self, longest_wavering: float) -> float | None:
        """When (monotonic) it counts as failed, if it was ready and is still not so again then."""
        return self.wavering_since + longest_wavering if self.phase is Phase.WAVERING else None

    def exited(self, now: float, limit: str) -> None:
        """Note the end of the process that was to be stopped. limit: what its stop_limit comes
        from.
        """
        self.exit_at = self.observed.ended_at or now
        self.killed = self.observed.killed
        if self.killed:
            after = (
                ''
                if self.stop_at is None
                else f' after {round(self.exit_at - self.stop_at, 1):g} s'
            )
            self.remark(f'killed{after}: did not stop within {limit}')

    def remark(self, text: str) -> None:
        """Have something said of it that is no error."""
        self.note = f'{self.note}; {text}' if self.note else text

    def reason(self, before: Phase, now: float) -> str:
        """Why it has failed, having been in the phase `before`."""
        why = self.observed.why
        if before is Phase.SIGNALLED:
            return f'{why or "it ended"}, after the signal'
        if before in (Phase.READY, Phase.WAVERING):
            gone = why or 'it ended, and was started again'
            return (
                f'{gone}; it had been ready for {max(0.0, now - (self.ready_since or now)):.1f} s'
            )
        if before is Phase.STARTING and self.ready_since is not None:
            return f'{why}; it had been ready for {now - self.ready_since:.1f} s'
        return (
            f'{why}; before it was ready ({self.unready})'
            if before is Phase.STARTING and self.unready
            else why
        )
