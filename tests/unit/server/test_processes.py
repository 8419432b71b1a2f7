"""What is seen of a process: made anew when something has happened to it, and only then."""

from __future__ import annotations

import signal
import time
from types import SimpleNamespace

import pytest
from supervisor.datatypes import RestartUnconditionally, RestartWhenExitUnexpected
from supervisor.states import ProcessStates

from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.names import Match
from supervisor_restarter.server.actions import Actions
from supervisor_restarter.server.obituary import Obituary
from supervisor_restarter.server.processes import Processes


@pytest.fixture
def process():
    config = SimpleNamespace(
        name='0', startsecs=1, exitcodes=[0], autorestart=RestartWhenExitUnexpected
    )
    return SimpleNamespace(
        config=config,
        state=ProcessStates.RUNNING,
        pid=7,
        exitstatus=None,
        spawnerr=None,
        laststart=time.time() - 60,
        delay=0,
        finish=lambda pid, status: None,
    )


@pytest.fixture
def supervisord(process):
    group = SimpleNamespace(config=SimpleNamespace(name='web'), processes={'0': process})
    return SimpleNamespace(
        process_groups={'web': group}, options=SimpleNamespace(pidhistory={7: process})
    )


@pytest.fixture
def look(supervisord):
    processes = Processes(supervisord)
    actions = Actions(supervisord, processes)
    handle = processes.hold(Match('web', '0', True, True))

    def look():
        actions.attend(handle, time.monotonic())
        return handle.seen

    return look


def test_the_same_is_seen_as_long_as_nothing_happens(look):
    assert look() is look()


@pytest.mark.parametrize(
    ('change', 'seen'),
    [
        ({'state': ProcessStates.STOPPING, 'delay': 10}, Seen.STOPPING),
        ({'state': ProcessStates.FATAL, 'pid': 0, 'spawnerr': 'no such file'}, Seen.FATAL),
        ({'state': ProcessStates.EXITED, 'pid': 0, 'exitstatus': 0}, Seen.EXITED),
        ({'state': ProcessStates.EXITED, 'pid': 0, 'exitstatus': 1}, Seen.EXITED_BADLY),
        ({'pid': 8}, Seen.READY),
    ],
)
def test_what_has_happened_is_seen_at_once(look, process, change, seen):
    look()
    vars(process).update(change)
    assert (look().seen, look().pid) == (seen, process.pid)


def test_a_process_that_is_to_run_always_has_not_ended_well_whatever_its_exit_status_is(
    look, process
):
    process.config.autorestart = RestartUnconditionally
    process.state, process.pid, process.exitstatus = ProcessStates.EXITED, 0, 0
    assert look().seen is Seen.EXITED_BADLY


def test_a_group_that_was_replaced_is_not_seen(look, supervisord):
    look()
    supervisord.process_groups['web'] = object()
    assert look() is None


def test_a_clock_that_is_late_gives_another_time_to_wake_up(look, process):
    # else the loop would be woken without a pause until Supervisor moves the process on
    process.state, process.laststart = ProcessStates.STARTING, time.time() - 2
    first = look().due
    while time.monotonic() < first:
        pass
    assert look().due > first


def test_an_obituary_that_was_taken_away_comes_back(look, process, supervisord):
    process.state, process.laststart = ProcessStates.STARTING, time.time()
    look()
    supervisord.options.pidhistory[7] = process
    look()
    assert isinstance(supervisord.options.pidhistory[7], Obituary)


def test_how_a_process_ended_is_not_said_of_the_next_one_that_somebody_else_has_started(
    look, process, supervisord
):
    process.state, process.killing, process.delay = ProcessStates.STOPPING, True, time.time() + 60
    look()
    supervisord.options.pidhistory.pop(7).finish(7, signal.SIGTERM)
    process.state, process.pid = ProcessStates.STOPPED, 0
    assert look().why.startswith('terminated by SIGTERM')
    process.state, process.pid = (
        ProcessStates.RUNNING,
        8,
    )  # with startsecs=0 it is never seen STARTING
    supervisord.options.pidhistory[8] = process
    look()
    process.state, process.pid, process.exitstatus = ProcessStates.EXITED, 0, 3
    assert look().why == 'exit status 3; state EXITED'
