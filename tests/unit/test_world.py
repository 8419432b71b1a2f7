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

from supervisor_restarter.phases import Seen
from tests.unit.world import BEGINNING, MOMENT, Life, Process, Program

STATES = {Seen[getProcessStateDescription(code)]: code for name, code in vars(ProcessStates).items() if name.isupper()}


class FakeOptions:
    """As much of ServerOptions as a Subprocess needs that never forks."""

    mood = SupervisorStates.RUNNING

    def __init__(self) -> None:
        self.pidhistory: dict[int, object] = {}
        self.logger = SimpleNamespace(**dict.fromkeys(('debug', 'info', 'warn', 'critical'), lambda *args: None))
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
        self.options.kill_error = bool(program.kill_error)
        config = SimpleNamespace(
            name='x', options=self.options, exitcodes=[0], startsecs=program.startsecs,
            stopwaitsecs=program.stopwaitsecs, startretries=program.startretries, autostart=False,
            autorestart=program.autorestart and RestartUnconditionally,
            stopsignal=signal.SIGTERM, killasgroup=False, stopasgroup=False,
            make_dispatchers=lambda process: ({}, {}))
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

    def transition(self, now):
        pid = self.process.pid
        self.process.transition()
        if self.process.pid != pid:
            self.life, self.started = next(self.lives, Life()), now

    def reap(self, now):
        killed, stop_seconds = self.process.killing, self.program.stop_seconds
        if not self.process.pid:
            return
        if ((killed and stop_seconds is not None and now >= self.stopped_at + stop_seconds)
                or signal.SIGKILL in self.options.signals
                or (self.life.seconds is not None and now >= self.started + self.life.seconds)):
            self.process.finish(self.process.pid, self.life.status << 8)


def history(kind, state, program, actions, monkeypatch):
    """The states that a process goes through in 8 seconds of turns every tenth of a second."""
    process = kind(state, program, BEGINNING)
    seen = [(0, process.state.name, bool(process.pid))]
    for tenth in range(1, 81):
        now = BEGINNING + tenth / 10 + MOMENT
        monkeypatch.setattr(time, 'time', lambda now=now: now)
        trouble = ''
        if tenth in actions:
            trouble = getattr(process, actions[tenth])(now)
        process.transition(now)
        process.reap(now)
        now_seen = (process.state.name, bool(process.pid))
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
])
def test_a_simulated_process_goes_through_the_states_of_a_real_one(state, program, actions, last, monkeypatch):
    simulated = history(Process, state, program, actions, monkeypatch)
    assert simulated == history(Real, state, program, actions, monkeypatch)
    assert simulated[-1][1] == last
