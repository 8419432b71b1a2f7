"""The simulated processes of the tests change their states as Supervisor's own do."""

from __future__ import annotations

import signal
import time
from types import SimpleNamespace

import pytest
from supervisor.datatypes import RestartUnconditionally
from supervisor.options import NotFound
from supervisor.process import Subprocess
from supervisor.states import ProcessStates, SupervisorStates, getProcessStateDescription

from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.names import Match
from supervisor_restarter.server.actions import Actions
from supervisor_restarter.server.processes import Processes
from tests.world import BEGINNING, LASTING, MOMENT, Life, Process, Program

STATES = {
    Seen[getProcessStateDescription(code)]: code
    for name, code in vars(ProcessStates).items()
    if name.isupper()
}


class FakeOptions:
    """As much of ServerOptions as a Subprocess needs that never forks."""

    mood = SupervisorStates.RUNNING

    def __init__(self) -> None:
        self.pidhistory: dict[int, object] = {}
        self.logger = SimpleNamespace(
            **dict.fromkeys(('debug', 'info', 'warn', 'critical'), lambda *args: None)
        )
        self.kill_error = False
        self.signals: list[int] = []

    def fork(self):
        return 4711

    def kill(self, pid, sig):
        if self.kill_error:
            raise PermissionError(1, 'not permitted')
        self.signals.append(sig)

    def close_parent_pipes(self, pipes):
        pass

    def close_child_pipes(self, pipes):
        pass


class Real:
    """A Subprocess of Supervisor, under the same script as a simulated process."""

    def __init__(self, state, program, now):
        self.options, self.program, self.lives = FakeOptions(), program, iter(program.lives)
        self.signalled = False
        self.options.kill_error = bool(program.kill_error)
        config = SimpleNamespace(
            name='x',
            options=self.options,
            exitcodes=[0],
            startsecs=program.startsecs,
            stopwaitsecs=program.stopwaitsecs,
            startretries=program.startretries,
            autostart=False,
            autorestart=program.autorestart and RestartUnconditionally,
            stopsignal=signal.SIGTERM,
            killasgroup=False,
            stopasgroup=False,
            make_dispatchers=lambda process: ({}, {}),
        )
        self.process = Subprocess(config)
        self.process.get_execv_args = self._command
        if state in (Seen.RUNNING, Seen.STARTING):
            self.spawn(now)
            self.process.state = STATES[state]
            self.process.laststart = now if state is Seen.STARTING else now - program.startsecs - 1
        elif state is Seen.EXITED_BADLY:
            self.process.state, self.process.exitstatus = ProcessStates.EXITED, 1
        else:
            self.process.state, self.process.exitstatus = STATES[state], 0
        if state is Seen.BACKOFF:
            self.process.backoff, self.process.delay = 1, now + 1
        group = SimpleNamespace(config=SimpleNamespace(name='x'), processes={'x': self.process})
        supervisord = SimpleNamespace(options=self.options, process_groups={'x': group})
        processes = Processes(supervisord)
        self.actions = Actions(supervisord, processes)
        self.handle = processes.hold(Match('x', 'x', True, False))

    def _command(self):
        if self.program.obstacle:
            raise NotFound(self.program.obstacle)
        return '/bin/x', ['x']

    @property
    def pid(self):
        return self.process.pid

    @property
    def state(self):
        state = Seen[getProcessStateDescription(self.process.state)]
        return Seen.EXITED_BADLY if state is Seen.EXITED and self.process.exitstatus else state

    def spawn(self, now):
        try:
            if self.process.spawn():
                self.life, self.started = next(self.lives, Life()), now
        except AssertionError as error:
            return str(error)
        return self.process.spawnerr or ''

    def stop(self, now):
        self.stopped_at = now
        return self.process.stop() or ''

    def signal(self, now):
        self.signalled = True
        failure = self.actions.signal(self.handle, 'HUP')
        return failure.why if failure else ''

    def observe(self, now):
        self.actions.attend(self.handle, now)
        return self.handle.seen

    def transition(self, now):
        pid = self.process.pid
        self.process.transition()
        if self.process.pid != pid:
            self.life, self.started = next(self.lives, Life()), now

    def reap(self, now):
        killed, stop_seconds = self.process.killing, self.program.stop_seconds
        if not self.process.pid:
            return
        dying = self.signalled and self.program.signal_status is not None
        if (
            dying
            or (killed and stop_seconds is not None and now >= self.stopped_at + stop_seconds)
            or signal.SIGKILL in self.options.signals
            or (self.life.seconds is not None and now >= self.started + self.life.seconds)
        ):
            self.process.finish(
                self.process.pid, (self.program.signal_status if dying else self.life.status) << 8
            )
            self.signalled = False


def state_of(process, now):
    return process.state.name, bool(process.pid)


def seen_of(process, now):
    observation = process.observe(now)
    return (
        observation.seen.name,
        bool(observation.pid),
        observation.due and round(observation.due - BEGINNING, 2),
    )


def history(kind, state, program, actions, monkeypatch, shown=state_of):
    """What a process goes through in 8 seconds of turns every tenth of a second."""
    for clock in ('time', 'monotonic'):
        monkeypatch.setattr(time, clock, lambda: BEGINNING)
    process = kind(state, program, BEGINNING)
    seen = [(0, *shown(process, BEGINNING))]
    for tenth in range(1, 81):
        now = BEGINNING + tenth / 10 + MOMENT
        for clock in ('time', 'monotonic'):
            monkeypatch.setattr(time, clock, lambda now=now: now)
        trouble = ''
        if tenth in actions:
            trouble = getattr(process, actions[tenth])(now)
        process.transition(now)
        process.reap(now)
        now_seen = shown(process, now)
        if now_seen != seen[-1][1:] or trouble:
            seen.append((tenth, *now_seen))
    return seen


DYING = Program(lives=[Life(0.35, 1)] * 9, startretries=2)


@pytest.mark.parametrize(('state', 'program', 'actions', 'last'), [
    (Seen.RUNNING, Program(), {}, 'RUNNING'),
    (Seen.STARTING, Program(), {}, 'RUNNING'),
    (Seen.STARTING, Program(startsecs=0), {}, 'RUNNING'),
    (Seen.RUNNING, Program(stop_seconds=0.35), {3: 'stop'}, 'STOPPED'),
    (Seen.RUNNING, Program(stop_seconds=0.35), {3: 'stop', 8: 'spawn'}, 'RUNNING'),
    (Seen.RUNNING, Program(stop_seconds=0.35), {3: 'stop', 5: 'spawn'}, 'STOPPED'),
    (Seen.STARTING, Program(stop_seconds=0.35), {3: 'stop'}, 'STOPPED'),
    (Seen.RUNNING, Program(stop_seconds=None, stopwaitsecs=2.05), {3: 'stop'}, 'STOPPED'),
    (Seen.RUNNING, Program(kill_error='no'), {3: 'stop'}, 'UNKNOWN'),
    (Seen.RUNNING, Program(kill_error='no'), {3: 'stop', 5: 'spawn'}, 'UNKNOWN'),
    (Seen.BACKOFF, Program(), {3: 'stop'}, 'STOPPED'),
    (Seen.BACKOFF, Program(), {}, 'RUNNING'),
    (Seen.BACKOFF, Program(startretries=0), {}, 'FATAL'),
    (Seen.BACKOFF, DYING, {}, 'FATAL'),
    (Seen.STOPPED, DYING, {2: 'spawn'}, 'FATAL'),
    (Seen.STOPPED, Program(), {3: 'stop'}, 'STOPPED'),
    (Seen.STOPPED, Program(), {3: 'spawn', 4: 'spawn'}, 'RUNNING'),
    (Seen.FATAL, Program(), {3: 'spawn'}, 'RUNNING'),
    (Seen.STOPPED, Program(obstacle='not found', startretries=1), {3: 'spawn'}, 'FATAL'),
    (Seen.STOPPED, Program(lives=[Life(1.55)]), {3: 'spawn'}, 'EXITED'),
    (Seen.STOPPED, Program(lives=[Life(1.55, 3)]), {3: 'spawn'}, 'EXITED_BADLY'),
    (Seen.STOPPED, Program(lives=[Life(1.55)], autorestart=True), {3: 'spawn'}, 'RUNNING'),
    (Seen.STOPPED, Program(lives=[Life(0.55)], startsecs=0), {3: 'spawn'}, 'EXITED'),
    (Seen.EXITED, Program(), {3: 'spawn'}, 'RUNNING'),
    (Seen.EXITED_BADLY, Program(autorestart=True), {}, 'RUNNING'),
    (Seen.RUNNING, Program(), {3: 'signal'}, 'RUNNING'),
    (Seen.RUNNING, Program(kill_error='no'), {3: 'signal'}, 'UNKNOWN'),
    (Seen.STOPPED, Program(), {3: 'signal'}, 'STOPPED'),
    (Seen.BACKOFF, Program(), {3: 'signal'}, 'RUNNING'),
    (Seen.STARTING, Program(), {3: 'signal'}, 'RUNNING'),
    (Seen.RUNNING, Program(stop_seconds=0.35), {3: 'stop', 5: 'signal'}, 'STOPPED'),
    (Seen.RUNNING, Program(signal_status=0), {3: 'signal'}, 'EXITED'),
    (Seen.RUNNING, Program(signal_status=1), {3: 'signal'}, 'EXITED_BADLY'),
    (Seen.RUNNING, Program(signal_status=1, autorestart=True), {3: 'signal'}, 'RUNNING'),
    (Seen.RUNNING, Program(signal_status=1), {3: 'signal', 5: 'spawn'}, 'RUNNING'),
    (Seen.RUNNING, Program(signal_status=1, stop_seconds=2.05), {3: 'stop', 5: 'signal'}, 'STOPPED'),
    (Seen.STARTING, Program(signal_status=1), {3: 'signal'}, 'RUNNING'),
    (Seen.STARTING, Program([LASTING, *DYING.lives], signal_status=1, startretries=1), {3: 'signal'}, 'FATAL'),
])  # fmt: skip
def test_a_simulated_process_goes_through_the_states_of_a_real_one(
    state, program, actions, last, monkeypatch
):
    simulated = history(Process, state, program, actions, monkeypatch)
    assert simulated == history(Real, state, program, actions, monkeypatch)
    assert simulated[-1][1] == last


@pytest.mark.parametrize(
    ('state', 'program', 'actions'),
    [
        (Seen.RUNNING, Program(), {}),
        *(
            (state, Program(startsecs=startsecs), {})
            for state in (Seen.STARTING, Seen.BACKOFF)
            for startsecs in (0.0, 2.0)
        ),
        (Seen.RUNNING, Program(stop_seconds=0.35, stopwaitsecs=3.0), {3: 'stop', 9: 'spawn'}),
        *(
            (Seen.RUNNING, Program(startsecs=startsecs), {3: 'signal'})
            for startsecs in (0.0, 0.1, 2.0)
        ),
        (Seen.RUNNING, Program(startsecs=2.0), {3: 'signal', 11: 'signal'}),
        (Seen.RUNNING, Program(startsecs=0.5), {3: 'signal', 5: 'stop'}),
        *((Seen.RUNNING, Program(signal_status=status), {3: 'signal'}) for status in (0, 1)),
        (Seen.RUNNING, Program(lives=[LASTING, Life(1.55, 3)]), {3: 'stop', 9: 'spawn'}),
    ],
)
def test_a_simulated_process_is_seen_as_a_real_one(state, program, actions, monkeypatch):
    assert history(Process, state, program, actions, monkeypatch, seen_of) == history(
        Real, state, program, actions, monkeypatch, seen_of
    )


# -- readiness, of which Supervisor knows nothing ------------------------------------------------


def readiness(state, program, actions=()):
    """When (seconds) a process becomes ready and not ready in its first 8 seconds, and why it is
    not.
    """
    process = Process(state, program, BEGINNING)
    seen: list[tuple[float, bool, str]] = []
    for tenth in range(81):
        now = BEGINNING + tenth / 10 + MOMENT
        if tenth in actions:
            getattr(process, actions[tenth])(now)
        process.transition(now)
        process.reap(now)
        observation = process.observe(now)
        now_seen = observation.seen is Seen.READY, observation.unready
        if not seen or now_seen != seen[-1][1:]:
            seen.append((tenth / 10, *now_seen))
    return seen


REFUSED = 'connection refused'


@pytest.mark.parametrize(('state', 'life', 'times'), [
    (Seen.STARTING, Life(),                 [(0.0, False, ''), (1.0, True, '')]),
    (Seen.STOPPED,  Life(),                 [(0.0, False, ''), (1.1, True, '')]),
    (Seen.STOPPED,  Life(ready_after=3.0),  [(0.0, False, REFUSED), (3.0, True, '')]),
    (Seen.STOPPED,  Life(ready_after=0.5),  [(0.0, False, REFUSED), (0.5, False, ''), (1.1, True, '')]),
    (Seen.STOPPED,  Life(ready_after=None), [(0.0, False, REFUSED)]),
    (Seen.RUNNING,  Life(ready_after=3.0),  [(0.0, True, '')]),  # it has been running for long
    (Seen.RUNNING,  Life(ready_after=None), [(0.0, False, REFUSED)]),
])  # fmt: skip
def test_a_simulated_process_is_ready_when_it_runs_and_its_probe_says_so(state, life, times):
    actions = {0: 'spawn'} if state is Seen.STOPPED else {}
    assert readiness(state, Program([life]), actions) == times


@pytest.mark.parametrize(('program', 'times'), [
    (Program(),                         [(0.0, True, ''), (0.3, False, ''), (1.3, True, '')]),  # as startsecs say
    (Program(startsecs=0.0),            [(0.0, True, ''), (0.3, False, ''), (0.5, True, '')]),
    (Program(ready_again=3.0),          [(0.0, True, ''), (0.3, False, REFUSED), (3.3, True, '')]),
    (Program([Life(ready_after=None)]), [(0.0, False, REFUSED)]),
    (Program(signal_status=1),          [(0.0, True, ''), (0.3, False, '')]),
])  # fmt: skip
def test_a_signalled_process_is_ready_again_when_it_has_not_died_and_its_probe_says_so(
    program, times
):
    assert readiness(Seen.RUNNING, program, {3: 'signal'}) == times
