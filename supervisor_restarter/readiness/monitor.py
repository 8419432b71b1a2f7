"""Whether one process is ready, by its probe: asked again and again while a restart cares."""

from __future__ import annotations

from typing import Any, NamedTuple

from supervisor_restarter.engine.member import Observation
from supervisor_restarter.engine.operation import LONGEST_WAVERING
from supervisor_restarter.engine.phases import UP, Seen
from supervisor_restarter.readiness import procfs
from supervisor_restarter.readiness.exec_probe import ExecProbe, Identities
from supervisor_restarter.readiness.notify import NotifySocket
from supervisor_restarter.readiness.probe import ConnectProbe
from supervisor_restarter.readiness.question import Question
from supervisor_restarter.readiness.shares import Share
from supervisor_restarter.readiness.spec import Spec

ANSWER = 5.0  # seconds that one answer may take
RETRY_WHEN_SHORT = 0.5  # seconds until the next attempt where supervisord itself could make none
# seconds after which it is told that there is no answer, and not what the last one was
SILENT = 1.0
FULL = 0.02  # seconds until the next attempt where there is no place for one
# Seconds between two attempts while a process is not ready: this part of the time it has been
# waited for.
RETRY_FRACTION = 0.1
LATEST = 1.0


class Pace(NamedTuple):
    """How often one sort of probes is asked.

    first: seconds from a process's start to the first question. soonest: seconds between two
    questions, at least. rechecks, attempts: questions per second of one restart, to processes that
    are ready and that are not. hung: seconds without an answer after which a process that was ready
    may have hung.
    """

    first: float
    soonest: float
    rechecks: float
    attempts: float
    hung: float


CONNECTIONS = Pace(first=0.0, soonest=0.02, rechecks=50, attempts=400, hung=0.5)
COMMANDS = Pace(first=0.2, soonest=1.0, rechecks=2, attempts=4, hung=2.5)  # dear: each is a process


class Probing:
    """How often the probes of one group in a restart are asked, and whether there is a place for
    one more.

    watches: how many processes of the whole restart have one. connections, commands: the group's
    shares.
    """

    def __init__(self, options: Any, watches: int, connections: Share, commands: Share) -> None:
        self._options = options
        self._watches = watches
        self._connections, self._commands = connections, commands
        self._identities: Identities = {}

    def attempt(self, spec: Spec, process: Any, deadline: float, waits: bool) -> Question | None:
        """A new attempt; None if there are as many as there may be."""
        share = self._commands if spec.command else self._connections
        if not share.take():
            return None
        if spec.command:
            return ExecProbe(process, spec, deadline, self._identities, share.give_back)
        return ConnectProbe(self._options, spec, deadline, waits, share.give_back)

    @staticmethod
    def pace(spec: Spec) -> Pace:
        return COMMANDS if spec.command else CONNECTIONS

    def pause(self, pace: Pace, ready: bool, seconds: float, min_ready: float) -> float:
        """Seconds until a process is asked again that has been ready, or has not been, for so many
        seconds.
        """
        if not ready:
            return max(
                pace.soonest, self._watches / pace.attempts, min(LATEST, seconds * RETRY_FRACTION)
            )
        recheck = max(1.0, self._watches / pace.rechecks)
        return recheck if seconds >= min_ready else min(recheck, max(pace.soonest, min_ready / 4))


class ReadinessMonitor:
    """Asks the probe of one process whether it is ready, and says so in what is seen of the
    process.

    patient: the process that runs at the beginning is not asked at all, but taken as ready.
    min_ready: for how many seconds a new one has to be ready. process: Supervisor's Subprocess, as
    which commands run.
    """

    def __init__(
        self,
        spec: Spec,
        probing: Probing,
        notify: NotifySocket,
        patient: bool,
        min_ready: float = 0.0,
        process: Any = None,
    ) -> None:
        self.spec = spec
        self._min_ready = min_ready
        self._probing, self._notify, self._process = probing, notify, process
        self._pace = probing.pace(spec)
        self._idle = patient
        self._attempt: Question | None = None
        self._pid: int | None = None  # None: not seen yet
        self._old = True  # it runs since before the restart, and was not signalled
        self._told = False  # it was signalled, and may not have heeded that yet
        self._unproven = False  # it was started, and not ready so far
        self._known = False  # whether there was an answer for this pid
        self._ready = False
        self._lapsed = False  # it was ready, and is not any more
        # Whether a good answer can be believed to come from this very process. It cannot while the
        # probe has said yes ever since the spawn: something else may hold the port.
        self._trusted = True
        self._error = ''
        self._since = self._next_at = self._asked_at = self._seen_at = 0.0

    def environment(self) -> dict[str, str]:
        """What a new process is to find in its environment beside its own."""
        return (
            {'NOTIFY_SOCKET': self._notify.path}
            if self.spec.kind == 'notify' and self._notify.path
            else {}
        )

    def started(self, pid: int, now: float) -> None:
        """The process was started with environment()."""
        self._renew(pid, now)
        self._trusted, self._unproven = False, True
        if self._pace.first:
            self._next_at = now + self._pace.first
        if self.environment():
            self._notify.expect(pid)

    def signalled(self, now: float) -> None:
        """The process was told to renew itself: only answers from now on count."""
        pid = self._pid or 0
        self._renew(pid, now)
        self._told = True
        if self._notify.is_ready(pid) is not None:
            self._notify.expect(pid)

    def see(self, observation: Observation, now: float) -> Observation:
        """The observation with what is known of the process's readiness; asks if it is time to."""
        self._seen_at = now
        if observation.pid != self._pid:
            first = self._pid is None
            if first:
                self._pid, self._since = observation.pid, now
            else:
                self._renew(observation.pid, now)
                self._trusted = False
        if observation.seen not in UP:
            self.close()
            ended = self._unproven and observation.seen is Seen.EXITED
            return observation._replace(unready=self._no_answer) if ended else observation
        if self._idle:
            return observation
        if self._told and observation.seen is Seen.RUNNING:
            return observation._replace(unready=self._no_answer)
        if self.spec.kind == 'notify':
            self._hear()
        else:
            self._ask(now)
        if self._ready:
            self._unproven = False
            hung = (
                self._attempt is not None
                and now >= self._attempt.deadline - ANSWER + self._pace.hung
            )
            return observation._replace(confirmed=not hung, asked_at=self._asked_at or None)
        if not self._known and self._old:
            return observation._replace(confirmed=False)
        seen = Seen.RUNNING if observation.seen is Seen.READY else observation.seen
        return observation._replace(seen=seen, unready=self._error or self._no_answer)

    def wake_at(self) -> float | None:
        """When (monotonic) it has to look again; None: when something happens on the loop."""
        if self._attempt is None:
            return self._next_at or None
        hung_at = self._attempt.deadline - ANSWER + self._pace.hung
        until = hung_at if self._ready and self._seen_at < hung_at else self._attempt.deadline
        return until if self._attempt.again_at is None else min(until, self._attempt.again_at)

    def close(self) -> None:
        """Ask no more, until the process is seen running again."""
        if self._attempt is not None:
            self._attempt.close()
            self._attempt = None
        self._next_at = 0.0

    # -- inside ------------------------------------------------------------------------------

    @property
    def _no_answer(self) -> str:
        return f'{self.spec.text}: no answer yet'

    def _renew(self, pid: int, now: float) -> None:
        self.close()
        if pid != self._pid:
            self._notify.forget(self._pid or 0)
        self._told = self._old = self._idle = self._known = self._ready = self._lapsed = False
        self._pid, self._since, self._error, self._asked_at = pid, now, '', 0.0

    def _hear(self) -> None:
        answer = self._notify.is_ready(self._pid or 0)
        self._known = True
        self._ready = answer is not False  # None: somebody else started it, without our socket
        self._error = 'notify: no READY=1 has come'

    def _ask(self, now: float) -> None:
        if self._attempt is None and now >= self._next_at:
            # One that is ready, or was when the restart began, has not hung because it is too busy
            # to accept.
            waits = self._ready or (self._old and not self._known)
            self._attempt = self._probing.attempt(self.spec, self._process, now + ANSWER, waits)
            if self._attempt is None:
                self._next_at = now + FULL
        if self._attempt is not None:
            self._attempt.look(now)
            if not self._known or (
                not self._ready and now > self._attempt.deadline - ANSWER + SILENT
            ):
                self._error = self._attempt.error
            if self._attempt.done:
                self._take(self._attempt, now)

    def _take(self, attempt: Question, now: float) -> None:
        asked_at = attempt.deadline - ANSWER
        self.close()
        if attempt.blind:  # that says something about supervisord, and nothing about the process
            self._next_at = now + RETRY_WHEN_SHORT
            return
        self._known = True
        if attempt.ready and not self._trusted:
            self._trusted = procfs.holds(self._pid or 0, self.spec) is not False
        ready = attempt.ready and self._trusted
        if not attempt.ready:
            self._error, self._trusted = attempt.error, True
        elif not ready:
            self._error = (
                f'{self.spec.text}: answered, but not by this process: something else listens there'
            )
        if ready != self._ready:
            self._ready, self._since, self._lapsed = ready, asked_at, not ready
        self._asked_at = asked_at
        pause = self._probing.pause(self._pace, ready, asked_at - self._since, self._min_ready)
        # One bad answer is no failure: it has to be asked again, however many there are, before it
        # counts as one.
        wavers = self._lapsed and asked_at - self._since < LONGEST_WAVERING
        self._next_at = now + (min(LATEST, pause) if wavers else pause)
