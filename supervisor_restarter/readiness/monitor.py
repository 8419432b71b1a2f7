"""Asks the probe of one process again and again, while an operation cares whether it is ready.

What follows from the answers is decided in verdict.py. Here it is decided when to ask, and here is
what has to be asked: the probe, the socket of READY=1, and /proc for who listens at an address.

`turn()` does what it is time for, and `seen()` only says what is known then. That takes one turn of
the loop after another, but there is nothing to do in nearly all of them: only when Supervisor shows
something else, or `due()` says so.
"""

from __future__ import annotations

import math
from typing import Any

from supervisor_restarter.engine.member import Observation
from supervisor_restarter.engine.phases import UP, Seen
from supervisor_restarter.engine.waking import LONGEST_WAVERING
from supervisor_restarter.programs.child_command import Identities
from supervisor_restarter.programs.host import ServerOptions, Subprocess
from supervisor_restarter.readiness import procfs
from supervisor_restarter.readiness.exec_probe import ExecProbe
from supervisor_restarter.readiness.listeners import Listeners
from supervisor_restarter.readiness.notify import NotifySocket
from supervisor_restarter.readiness.pace import LONGEST_RETRY, PACE_OF_COMMANDS, PACE_OF_CONNECTIONS
from supervisor_restarter.readiness.probe import ConnectProbe
from supervisor_restarter.readiness.question import Question
from supervisor_restarter.readiness.shares import Share
from supervisor_restarter.readiness.spec import Spec
from supervisor_restarter.readiness.verdict import (
    PRESUMED_READY,
    UNANSWERED,
    UNTRUSTED,
    Heard,
    Readiness,
    Verdict,
)

# Seconds that one answer may take.
ANSWER_SECONDS = 5.0
# Seconds until the next attempt where supervisord itself could make none.
RETRY_WHEN_SHORT = 0.5
# Seconds after which an error says that there is no answer, and not what the last one was.
SILENT_AFTER = 1.0
# Seconds until the next attempt where there is no place for one, if none is seen to be free before.
RETRY_WHEN_FULL = 0.5
NOT_BY_THIS = 'not by this process: something else listens there'


class Probing:
    """What the monitors of one group in an operation have in common: how many there are, and the
    places for questions.

    probed: how many processes of the whole operation have a probe. connections, commands: the
    group's shares. listeners: who listens at an address.
    """

    def __init__(
        self,
        options: ServerOptions,
        probed: int,
        connections: Share,
        commands: Share,
        listeners: Listeners,
    ) -> None:
        self.probed, self.listeners = probed, listeners
        self._options = options
        self._connections, self._commands = connections, commands
        self._identities: Identities = {}

    def share(self, spec: Spec) -> Share:
        """The places for such questions."""
        return self._commands if spec.command else self._connections

    def ask(self, spec: Spec, process: Subprocess, deadline: float, waits: bool) -> Question | None:
        """A new question; None if there are as many as there may be."""
        share = self.share(spec)
        if not share.take():
            return None
        if spec.command:
            return ExecProbe(process, spec, deadline, self._identities, share.give_back)
        return ConnectProbe(self._options, spec, deadline, waits, share.give_back)


class ReadinessMonitor:
    """The probe of one process: asks it, and says in what is seen of the process whether it is
    ready.

    patient: the process that runs at the beginning is not asked at all, but taken as ready. kept:
    it is to be left alone, and a yes has to be its own. min_ready: for how many seconds a new one
    has to be ready. process: Supervisor's Subprocess, as which commands run.
    """

    def __init__(
        self,
        spec: Spec,
        probing: Probing,
        notify: NotifySocket,
        patient: bool,
        min_ready: float = 0.0,
        process: Any = None,
        kept: bool = False,
    ) -> None:
        self.spec = spec
        self._min_ready, self._kept = min_ready, kept
        self._probing, self._notify, self._process = probing, notify, process
        self._notified = spec.kind == 'notify'
        self._pace = PACE_OF_COMMANDS if spec.command else PACE_OF_CONNECTIONS
        self._verdict = Verdict(spec.text, patient)
        self._question: Question | None = None
        self._next_at = 0.0
        self._places: Share | None = None  # where there was no room for a question
        self._heard: bool | None = None  # what the socket of READY=1 had to say in the last turn
        # When the next turn has something to do if nothing happens before; -inf: in any case.
        self._due_at = -math.inf
        self._shown = self._said = Observation(Seen.UNKNOWN)

    # -- what is done to the process -----------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """What a new process is to find in its environment beside its own."""
        if self._notified and self._notify.path:
            return {'NOTIFY_SOCKET': self._notify.path}
        return {}

    def started(self, pid: int, now: float) -> None:
        """The process was started with environment()."""
        self._withdraw(pid)
        self._verdict.started(pid, now)
        if self._pace.first:
            self._next_at = now + self._pace.first
        if self.environment():
            self._notify.expect(pid)

    def signalled(self, now: float) -> None:
        """The process is about to be told to renew itself: only answers from now on count."""
        pid = self._verdict.pid or 0
        self._withdraw(pid)
        self._verdict.signalled(now)
        if self._notify.is_ready(pid) is not None:
            self._notify.expect(pid)

    # -- each turn -----------------------------------------------------------------------------

    def see(self, observation: Observation, now: float) -> Observation:
        """What is seen of the process, after a turn() if that would bring anything new. While nothing
        has changed, it is the same object.
        """
        if self.due(now) or observation is not self._shown:
            self.turn(observation, now)
        return self._said

    def due(self, now: float) -> bool:
        """Whether there is something to do or to say, even if Supervisor shows of the process what
        it showed in the last turn: a time has come, an answer, or something was done to it.
        """
        question = self._question
        return (
            now >= self._due_at
            or (question is not None and question.done)
            or (self._places is not None and self._places.has_room)
            or (self._notified and self._listened() is not self._heard)
        )

    def turn(self, observation: Observation, now: float) -> None:
        """Do what it is time for, now that Supervisor shows this: begin or end a question, take in
        an answer.
        """
        asks = False
        if self._verdict.pid is None:
            self._verdict.first_seen(observation.pid, now)
        elif observation.pid != self._verdict.pid:
            self._withdraw(observation.pid)
            self._verdict.replaced(observation.pid, now)
        if observation.seen not in UP:
            self.close()
        elif self._verdict.state is not Readiness.UNASKED and observation.seen is not Seen.RUNNING:
            # Supervisor's RUNNING is shown as RUNNING, and not as READY, right after a signal, when
            # an answer may still be one from before.
            if self._notified:
                self._hear()
            else:
                self._ask(now)
                asks = True
        self._heard = self._listened()
        self._due_at = self._next_due(now) if asks else math.inf
        said = self.seen(observation, now)
        self._shown, self._said = observation, self._said if said == self._said else said

    def seen(self, observation: Observation, now: float) -> Observation:
        """The observation that turn() was given last, with what is known of the readiness."""
        hung = self._question is not None and now >= self._hung_at(self._question)
        return self._verdict.of(observation, hung)

    def wake_at(self) -> float | None:
        """When (monotonic) the next turn is due; None: when something happens on the loop, or at
        once, if something was done to the process.
        """
        return self._due_at if math.isfinite(self._due_at) else None

    def close(self) -> None:
        """Ask no more, until the process is seen running again."""
        if self._question is not None:
            self._question.close()
            self._question = None
        self._next_at, self._places = 0.0, None
        self._due_at = -math.inf

    # -- inside --------------------------------------------------------------------------------

    def _withdraw(self, pid: int) -> None:
        """What was asked so far is of no interest any more, now that the process has this pid."""
        self.close()
        if pid != self._verdict.pid:
            self._notify.forget(self._verdict.pid or 0)

    def _hung_at(self, question: Question) -> float:
        return question.deadline - ANSWER_SECONDS + self._pace.hung

    def _next_due(self, now: float) -> float:
        """When the next turn has something to do, if there is no answer before."""
        question, state = self._question, self._verdict.state
        if question is None:
            return self._next_at
        if state is Readiness.READY:
            soon = self._hung_at(question)
        elif state in UNANSWERED:
            soon = question.deadline
        else:
            soon = _silent_at(question)
        at = soon if now < soon else question.deadline
        return at if question.again_at is None else min(at, question.again_at)

    def _listened(self) -> bool | None:
        """Whether the process has said READY=1; None if it is not expected to."""
        return self._notify.is_ready(self._verdict.pid or 0) if self._notified else None

    def _hear(self) -> None:
        if self._listened() is False:
            self._verdict.said(Heard.NO, 'notify: no READY=1 has come')
        elif self._verdict.state is not Readiness.READY:
            # It has said so; or it was started by other means, without the socket.
            self._verdict.said(Heard.YES, '')

    def _ask(self, now: float) -> None:
        state = self._verdict.state
        has_room = self._places is not None and self._places.has_room
        if self._question is None and (now >= self._next_at or has_room):
            waits, self._places = state in PRESUMED_READY, None
            self._question = self._probing.ask(
                self.spec, self._process, now + ANSWER_SECONDS, waits
            )
            if self._question is None:
                self._next_at = now + RETRY_WHEN_FULL
                self._places = self._probing.share(self.spec)
        question = self._question
        if question is None:
            return
        question.look(now)
        silent = state is not Readiness.READY and now >= _silent_at(question)
        if state in UNANSWERED or silent:
            self._verdict.error = question.error
        if question.done:
            self._take(question, now)

    def _take(self, question: Question, now: float) -> None:
        """Take in the answer, and decide when to ask again."""
        self.close()
        if question.blind:  # that says something about supervisord, and nothing about the process
            self._next_at = now + RETRY_WHEN_SHORT
            return
        asked_at, verdict = question.deadline - ANSWER_SECONDS, self._verdict
        heard = self._meaning(question)
        foreign = f'{self.spec.text}: answered, but {NOT_BY_THIS}'
        error = foreign if heard is Heard.FOREIGN_YES else question.error
        verdict.answered(heard, asked_at, error)
        seconds = asked_at - verdict.since
        pause = self._pace.pause(
            self._probing.probed, verdict.state is Readiness.READY, seconds, self._min_ready
        )
        # One bad answer is no failure: it has to be asked again, however many there are, before it
        # counts as one.
        wavers = verdict.state is Readiness.LAPSED and seconds < LONGEST_WAVERING
        self._next_at = now + (min(LONGEST_RETRY, pause) if wavers else pause)

    def _meaning(self, question: Question) -> Heard:
        if not question.ready:
            return Heard.NO
        state = self._verdict.state
        if state in UNTRUSTED or (self._kept and state is Readiness.ASSUMED):
            # Who listened before the answer came is another question.
            pid, listeners = self._verdict.pid or 0, self._probing.listeners
            listens = procfs.holds(pid, self.spec, listeners, question.done_at)
            return Heard.FOREIGN_YES if listens is False else Heard.YES
        return Heard.YES


def _silent_at(question: Question) -> float:
    return question.deadline - ANSWER_SECONDS + SILENT_AFTER
