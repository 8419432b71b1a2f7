"""Whether one process is ready, by its probe: asked again and again while a restart cares."""
from __future__ import annotations

from typing import Any

from supervisor_restarter import holders
from supervisor_restarter.members import Observation
from supervisor_restarter.notify import NotifySocket
from supervisor_restarter.phases import UP, Seen
from supervisor_restarter.probes import Attempt
from supervisor_restarter.readiness import Spec

ANSWER = 5.0             # seconds that one answer may take
HUNG = 0.5               # seconds without an answer after which one that was ready may have hung
BLIND = 0.5              # seconds until the next attempt where supervisord itself could make none
SILENT = 1.0             # seconds after which it is told that there is no answer, and not what the last one was
# Seconds between two attempts while a process is not ready: this part of the time it has been waited for.
PART = 0.1
SOONEST, LATEST = 0.02, 1.0
# What all probes of one restart may cost: attempts per second, of processes that are ready and that are not; and
# of one supervisord: attempts at the same time, each of which takes a descriptor.
RECHECKS, ATTEMPTS = 50, 400
MOST_AT_ONCE = 50


class Probing:
    """How often the probes of one restart are asked.

    watches: how many processes have one. min_ready: the restart's, in seconds. in_flight: the attempts of
    all restarts that are under way.
    """

    def __init__(self, options: Any, watches: int, min_ready: float, in_flight: set[Attempt]) -> None:
        self._options = options
        self._in_flight = in_flight
        self._min_ready = min_ready
        self._recheck = max(1.0, watches / RECHECKS)
        self._soonest = max(SOONEST, watches / ATTEMPTS)

    def attempt(self, spec: Spec, deadline: float) -> Attempt | None:
        """A new attempt; None if there are as many as there may be."""
        if len(self._in_flight) >= MOST_AT_ONCE:
            return None
        attempt = Attempt(self._options, spec, deadline)
        self._in_flight.add(attempt)
        return attempt

    def over(self, attempt: Attempt) -> None:
        """The attempt is done with."""
        attempt.close()
        self._in_flight.discard(attempt)

    def pause(self, ready: bool, seconds: float) -> float:
        """Seconds until a process is asked again that has been ready, or has not been, for so many seconds."""
        if not ready:
            return max(self._soonest, min(LATEST, seconds * PART))
        return self._recheck if seconds >= self._min_ready else min(self._recheck, max(SOONEST, self._min_ready / 4))


class Watch:
    """Asks the probe of one process whether it is ready, and says so in what is seen of the process.

    patient: the process that runs at the beginning is not asked at all, but taken as ready.
    """

    def __init__(self, spec: Spec, probing: Probing, notify: NotifySocket, patient: bool) -> None:
        self.spec = spec
        self._probing, self._notify = probing, notify
        self._idle = patient
        self._attempt: Attempt | None = None
        self._pid: int | None = None        # None: not seen yet
        self._old = True                    # it runs since before the restart, and was not signalled
        self._told = False                  # it was signalled, and may not have heeded that yet
        self._unproven = False              # it was started, and not ready so far
        self._known = False                 # whether there was an answer for this pid
        self._ready = False
        # Whether a good answer can be believed to come from this very process. It cannot while the probe
        # has said yes ever since the spawn: something else may hold the port.
        self._trusted = True
        self._error = ''
        self._since = self._next_at = self._asked_at = self._seen_at = 0.0

    def environment(self) -> dict[str, str]:
        """What a new process is to find in its environment beside its own."""
        return {'NOTIFY_SOCKET': self._notify.path} if self.spec.kind == 'notify' and self._notify.path else {}

    def started(self, pid: int, now: float) -> None:
        """The process was started with environment()."""
        self._renew(pid, now)
        self._trusted, self._unproven = False, True
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
            hung = self._attempt is not None and now >= self._attempt.deadline - ANSWER + HUNG
            return observation._replace(known=not hung, asked_at=self._asked_at or None)
        if not self._known and self._old:
            return observation._replace(known=False)
        seen = Seen.RUNNING if observation.seen is Seen.READY else observation.seen
        return observation._replace(seen=seen, unready=self._error or self._no_answer)

    def wake_at(self) -> float | None:
        """When (monotonic) it has to look again; None: when something happens on the loop."""
        if self._attempt is None:
            return self._next_at or None
        hung_at = self._attempt.deadline - ANSWER + HUNG
        return hung_at if self._ready and self._seen_at < hung_at else self._attempt.deadline

    def close(self) -> None:
        """Ask no more, until the process is seen running again."""
        if self._attempt is not None:
            self._probing.over(self._attempt)
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
        self._told = self._old = self._idle = self._known = self._ready = False
        self._pid, self._since, self._error, self._asked_at = pid, now, '', 0.0

    def _hear(self) -> None:
        answer = self._notify.is_ready(self._pid or 0)
        self._known = True
        self._ready = answer is not False         # None: somebody else started it, without our socket
        self._error = 'notify: no READY=1 has come'

    def _ask(self, now: float) -> None:
        if self._attempt is None and now >= self._next_at:
            self._attempt = self._probing.attempt(self.spec, now + ANSWER)
            if self._attempt is None:
                self._next_at = now + SOONEST
        if self._attempt is not None:
            self._attempt.expire(now)
            if not self._known or (not self._ready and now > self._attempt.deadline - ANSWER + SILENT):
                self._error = self._attempt.error
            if self._attempt.done:
                self._take(self._attempt, now)

    def _take(self, attempt: Attempt, now: float) -> None:
        asked_at = attempt.deadline - ANSWER
        self.close()
        if attempt.blind:                   # that says something about supervisord, and nothing about the process
            self._next_at = now + BLIND
            return
        self._known = True
        if attempt.ready and not self._trusted:
            self._trusted = holders.holds(self._pid or 0, self.spec) is not False
        ready = attempt.ready and self._trusted
        if not attempt.ready:
            self._error, self._trusted = attempt.error, True
        elif not ready:
            self._error = f'{self.spec.text}: answered, but not by this process: something else listens there'
        if ready != self._ready:
            self._ready, self._since = ready, asked_at
        self._asked_at = asked_at
        self._next_at = now + self._probing.pause(ready, asked_at - self._since)
