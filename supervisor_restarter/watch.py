"""Whether one process is ready, by its probe: asked again and again while a restart cares."""
from __future__ import annotations

from typing import Any, Callable

from supervisor_restarter import holders
from supervisor_restarter.members import Observation
from supervisor_restarter.notify import NotifySocket
from supervisor_restarter.phases import UP, Seen
from supervisor_restarter.probes import Attempt
from supervisor_restarter.readiness import Spec

ANSWER = 5.0             # seconds that one answer may take
SILENT = 1.0             # seconds after which it is told that there is no answer, and not what the last one was
SOONEST, LATEST = 0.02, 1.0
# Seconds between two attempts while a process is not ready: this part of the time it has been waited for.
PART = 0.1


class Watch:
    """Asks the probe of one process whether it is ready, and says so in what is seen of the process.

    recheck() gives the seconds after which one that is ready is asked again. patient: the process that
    runs at the beginning is not asked at all, but taken as ready.
    """

    def __init__(self, options: Any, spec: Spec, notify: NotifySocket, recheck: Callable[[], float],
                 patient: bool) -> None:
        self.spec = spec
        self._options, self._notify, self._recheck = options, notify, recheck
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
        self._since = self._next_at = 0.0

    def environment(self) -> dict[str, str]:
        """What a new process is to find in its environment beside its own."""
        return {'NOTIFY_SOCKET': self._notify.path} if self.spec.kind == 'notify' else {}

    def started(self, pid: int, now: float) -> None:
        """The process was started with environment()."""
        self._renew(pid, now)
        self._trusted, self._unproven = False, True
        if self.spec.kind == 'notify':
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
            return observation
        if not self._known and self._old:
            return observation._replace(known=False)
        seen = Seen.RUNNING if observation.seen is Seen.READY else observation.seen
        return observation._replace(seen=seen, unready=self._error or self._no_answer)

    def wake_at(self) -> float | None:
        """When (monotonic) it has to look again; None: when something happens on the loop."""
        if self._attempt is not None:
            return self._attempt.deadline
        return self._next_at or None

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
        self._told = self._old = self._idle = self._known = self._ready = False
        self._pid, self._since, self._error = pid, now, ''

    def _hear(self) -> None:
        answer = self._notify.is_ready(self._pid or 0)
        self._known = True
        self._ready = answer is not False         # None: somebody else started it, without our socket
        self._error = 'notify: no READY=1 has come'

    def _ask(self, now: float) -> None:
        if self._attempt is None and now >= self._next_at:
            self._attempt = Attempt(self._options, self.spec, now + ANSWER)
        if self._attempt is not None:
            self._attempt.expire(now)
            if not self._known or (not self._ready and now > self._attempt.deadline - ANSWER + SILENT):
                self._error = self._attempt.error
            if self._attempt.done:
                self._take(self._attempt, now)

    def _take(self, attempt: Attempt, now: float) -> None:
        self._known = True
        if attempt.ready and not self._trusted:
            self._trusted = holders.holds(self._pid or 0, self.spec) is not False
        if not attempt.ready:
            self._error, self._trusted = attempt.error, True
        elif not self._trusted:
            self._error = f'{self.spec.text}: answered, but not by this process: something else listens there'
        ready = attempt.ready and self._trusted
        if self._ready and not ready:
            self._since = now
        self._ready = ready
        self.close()
        self._next_at = now + (self._recheck() if ready else min(LATEST, max(SOONEST, (now - self._since) * PART)))
