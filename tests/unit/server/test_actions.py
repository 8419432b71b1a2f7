"""What is done to one of Supervisor's processes, and what of it is put back."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest
from supervisor.states import ProcessStates

from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.faults import Code
from supervisor_restarter.server.obituary import Obituary
from tests.unit.server.subprocesses import PID, One

NOTHING = SimpleNamespace(of=lambda process: '', harm=lambda process: '')


class Monitor:
    """Notes what it is told; environment: what a new process is given."""

    def __init__(self, **environment):
        self.told = []
        self.given = environment

    def see(self, observation, now):
        self.told.append('see')
        return observation._replace(unready='no answer yet')

    def environment(self):
        return self.given

    def started(self, pid, now):
        self.told.append(f'started {pid}')

    def signalled(self, now):
        self.told.append('signalled')

    def close(self):
        self.told.append('closed')


@pytest.fixture
def one():
    return One()


def stopped(one):
    one.process.stop()
    one.exit(0)
    return one


# -- stop ----------------------------------------------------------------------------------------


def test_a_stop_is_supervisors_own(one):
    assert one.actions.signal_stop(one.handle, None) is None
    assert (one.process.state, one.options.signals) == (ProcessStates.STOPPING, [signal.SIGTERM])
    assert one.process.config is one.config
    assert one.handle.obituary.kill_at == one.process.delay


def test_a_stop_timeout_holds_for_this_stop_alone(one):
    one.actions.signal_stop(one.handle, 3.0)
    assert one.process.config.stopwaitsecs == 3.0
    assert one.config.stopwaitsecs == 10
    assert one.hold().config is one.config  # who holds it meanwhile gets its own
    one.look()
    assert one.process.config.stopwaitsecs == 3.0
    one.exit(0)
    one.look()
    assert one.process.config is one.config


def test_a_stop_that_fails_is_told_in_one_line(one):
    one.options.kill_error = PermissionError(1, 'not permitted')
    failure = one.actions.signal_stop(one.handle, None)
    assert (failure.code, one.process.state) == (Code.STOP_FAILED, ProcessStates.UNKNOWN)
    assert failure.why == 'PermissionError: [Errno 1] not permitted'


# -- signal --------------------------------------------------------------------------------------


def test_a_signalled_process_counts_as_ready_when_it_has_had_time_to_die(one):
    one.handle.monitor = monitor = Monitor()
    assert one.actions.signal(one.handle, 'HUP') is None
    assert one.options.signals == [signal.SIGHUP]
    assert isinstance(one.options.pidhistory[PID], Obituary)
    assert (one.look().seen, one.look().due) == (Seen.RUNNING, one.handle.signalled_at + 1)
    one.handle.signalled_at -= 2
    assert (one.look().seen, one.look().due) == (Seen.READY, None)
    assert monitor.told == ['signalled', 'see', 'see', 'see', 'see']


def test_a_process_that_is_down_cannot_be_signalled(one):
    failure = stopped(one).actions.signal(one.handle, 'HUP')
    assert failure.code is Code.STOP_FAILED
    assert 'running' in failure.why


# -- start ---------------------------------------------------------------------------------------


def test_a_start_has_all_of_its_retries(one):
    stopped(one).process.backoff = 2
    assert one.actions.start(one.handle) is None
    assert (one.process.state, one.process.pid) == (ProcessStates.STARTING, PID + 1)
    assert one.process.backoff == 0
    assert isinstance(one.options.pidhistory[PID + 1], Obituary)
    assert one.handle.obituary is one.options.pidhistory[PID + 1]


def test_only_the_child_sees_what_the_probe_adds_to_its_environment(one):
    one.config.environment = {'A': '1'}
    stopped(one)
    one.handle.monitor = monitor = Monitor(NOTIFY_SOCKET='/x')
    seen = []

    def fork():
        seen.append(one.process.config.environment)
        return PID + 1

    one.options.fork = fork
    one.actions.start(one.handle)
    assert seen == [{'A': '1', 'NOTIFY_SOCKET': '/x'}]
    assert (one.process.config, one.config.environment) == (one.config, {'A': '1'})
    assert monitor.told == [f'started {PID + 1}']


def test_a_copy_of_its_config_for_the_child_is_not_taken_for_the_processs_own(one):
    """By who takes hold of the process while it is being started."""
    stopped(one)
    one.handle.monitor = Monitor(NOTIFY_SOCKET='/x')
    held = []

    def fork():
        held.append(one.hold().config)
        return PID + 1

    one.options.fork = fork
    one.actions.start(one.handle)
    assert held == [one.config]


def test_a_start_ends_the_time_after_a_signal(one):
    one.actions.signal(one.handle, 'HUP')
    stopped(one).actions.start(one.handle)
    assert one.handle.signalled_at is None


def test_a_start_that_fails_is_told_with_its_reason(one):
    stopped(one)
    one.options.fork = lambda: 1 / 0
    failure = one.actions.start(one.handle)
    assert failure.code is Code.START_FAILED
    assert failure.why.startswith('ZeroDivisionError: division by zero; state ')
    assert one.options.lines == ["restarter: spawn failed: ZeroDivisionError('division by zero')"]


def test_a_process_that_runs_is_not_started(one):
    one.process.pid = 0
    failure = one.actions.start(one.handle)
    assert failure.why.startswith('AssertionError')


def test_what_was_down_is_started_only_where_that_does_no_harm(one):
    harm = SimpleNamespace(harm=lambda process: 'its log cannot be opened')
    failure = stopped(one).actions.start_idle(one.handle, harm)
    assert failure.why == (
        'not tried, for it cannot be started: its log cannot be opened; state STOPPED'
    )
    assert one.actions.start_idle(one.handle, NOTHING) is None


# -- give back -----------------------------------------------------------------------------------


def test_a_process_is_given_back_as_if_it_had_never_been_held(one):
    one.handle.monitor = monitor = Monitor()
    one.actions.signal(one.handle, 'HUP')
    one.actions.release(one.handle)
    assert one.options.pidhistory[PID] is one.process
    assert one.process.config is one.config
    assert monitor.told[-1] == 'closed'


def test_one_that_is_being_stopped_keeps_its_stop_timeout_to_its_end(one):
    # Supervisor would take the difference for a clock that was put back, and kill it too soon.
    one.actions.signal_stop(one.handle, 3.0)
    one.actions.release(one.handle)
    assert one.process.config.stopwaitsecs == 3.0
    one.exit(0)
    assert one.process.config is one.config
