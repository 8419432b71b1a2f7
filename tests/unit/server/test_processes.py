"""What is seen of one of Supervisor's processes: made anew when something has happened to it, and
only then.
"""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace

import pytest
from supervisor.datatypes import RestartUnconditionally
from supervisor.states import ProcessStates

from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.names import Match
from supervisor_restarter.programs.obstacles import Obstacles
from supervisor_restarter.server.obituary import Obituary
from tests.unit.server.subprocesses import PID, One


@pytest.fixture
def one():
    return One()


def change(one, **attributes):
    vars(one.process).update(attributes)


def test_the_same_is_seen_as_long_as_nothing_happens(one):
    assert one.look() is one.look()


@pytest.mark.parametrize(
    ('attributes', 'seen'),
    [
        ({'state': ProcessStates.STOPPING, 'delay': 10}, Seen.STOPPING),
        ({'state': ProcessStates.FATAL, 'pid': 0, 'spawnerr': 'no such file'}, Seen.FATAL),
        ({'state': ProcessStates.EXITED, 'pid': 0, 'exitstatus': 0}, Seen.EXITED),
        ({'state': ProcessStates.EXITED, 'pid': 0, 'exitstatus': 1}, Seen.EXITED_BADLY),
        ({'state': ProcessStates.UNKNOWN}, Seen.UNKNOWN),
        ({'state': 12345}, Seen.UNKNOWN),
        ({'pid': 8}, Seen.READY),
    ],
)
def test_what_has_happened_is_seen_at_once(one, attributes, seen):
    one.look()
    change(one, **attributes)
    assert (one.look().seen, one.look().pid) == (seen, one.process.pid)


@pytest.mark.parametrize(
    ('attributes', 'why'),
    [
        ({'exitstatus': 3}, 'exit status 3; state EXITED'),
        ({'exitstatus': -1}, 'terminated by a signal; state EXITED'),
        ({'spawnerr': 'no\nsuch file'}, 'no\\nsuch file; state EXITED'),
    ],
)
def test_why_a_process_is_down(one, attributes, why):
    change(one, state=ProcessStates.EXITED, pid=0, **attributes)
    assert one.look().why == why


def test_a_process_that_is_to_run_always_has_not_ended_well_whatever_its_exit_status_is(one):
    one.config.autorestart = RestartUnconditionally
    change(one, state=ProcessStates.EXITED, pid=0, exitstatus=0)
    assert one.look().seen is Seen.EXITED_BADLY


@pytest.mark.parametrize('others', [{}, {'web': object()}])
def test_a_group_that_was_removed_or_replaced_is_not_seen(one, others):
    one.look()
    assert one.processes.is_as_seen(one.handle)
    one.supervisord.process_groups = others
    assert one.look() is None
    assert not one.processes.is_as_seen(one.handle)


def test_a_clock_that_is_late_gives_another_time_to_wake_up(one):
    # else the loop would be woken without a pause until Supervisor moves the process on
    change(one, state=ProcessStates.STARTING, laststart=time.time() - 2)
    first = one.look().due
    while time.monotonic() < first:
        pass
    assert one.look().due > first


def test_a_question_changes_nothing(one):
    """Also of a process that another job holds: its stopwaitsecs, its obituary."""
    one.actions.signal_stop(one.handle, 3.0)
    copy, obituary = one.process.config, one.options.pidhistory[PID]
    member = Member(Match('web', '0', True, True))
    for state in (ProcessStates.STOPPING, ProcessStates.STARTING, ProcessStates.RUNNING):
        one.process.state = state
        other = one.hold()
        one.processes.candidate(member, other, Obstacles())
        assert other.config is one.config
        assert (one.process.config, one.options.pidhistory) == (copy, {PID: obituary})


# -- obituaries ----------------------------------------------------------------------------------


def test_an_obituary_that_was_taken_away_comes_back(one):
    change(one, state=ProcessStates.STARTING, laststart=time.time())
    one.look()
    one.options.pidhistory[PID] = one.process
    one.look()
    assert isinstance(one.options.pidhistory[PID], Obituary)


def test_two_jobs_share_an_obituary(one):
    change(one, state=ProcessStates.STARTING, laststart=time.time())
    one.look()
    other = one.hold()
    one.actions.attend(other, time.monotonic())
    assert other.obituary is one.handle.obituary is one.options.pidhistory[PID]


def test_how_a_process_ended_is_not_said_of_the_next_one_that_others_have_started(one):
    one.process.stop()
    one.look()
    one.exit(signal.SIGTERM)
    assert one.look().why.startswith('terminated by SIGTERM')
    assert one.look().ended_at <= time.monotonic()
    one.process.spawn()
    one.process.state = ProcessStates.RUNNING  # with startsecs=0 it is never seen STARTING
    one.look()
    change(one, state=ProcessStates.EXITED, pid=0, exitstatus=3)
    assert one.look().why == 'exit status 3; state EXITED'


@pytest.mark.parametrize(('status', 'killed'), [(signal.SIGKILL, True), (signal.SIGTERM, False)])
def test_a_process_was_killed_if_it_did_not_stop_in_time(one, status, killed):
    one.process.stop()
    one.look()
    one.process.delay += 1  # as Supervisor does after it has sent SIGKILL
    assert one.look().due is None
    one.exit(status)
    assert one.look().killed is killed


def test_a_kill_by_others_is_none_of_supervisors(one):
    one.process.stop()
    one.look()
    one.exit(signal.SIGKILL)
    assert one.look().killed is False


def test_an_obituary_is_the_process_for_everybody_else(one):
    change(one, state=ProcessStates.STARTING, laststart=time.time())
    one.look()
    assert one.options.pidhistory[PID].config is one.config


# -- questions -----------------------------------------------------------------------------------


def test_what_is_asked_of_all_processes(one):
    assert one.processes.groups() == {'web': ['0']}
    assert list(one.processes.pids()) == [PID]
    assert one.processes.priority(Match('web', '0', True, True)) == (5, 999)
    assert one.processes.others(['web'], []) == [Match('web', '0', False, False)]
    assert one.processes.others(['web'], [Match('web', '0', True, True)]) == []


@pytest.mark.parametrize(
    ('environment', 'kind', 'malformed'),
    [
        ({}, None, ''),
        (None, None, ''),
        ({'RESTARTER_READY': 'tcp://127.0.0.1:80'}, 'tcp', ''),
        ({'RESTARTER_READY': 'x'}, None, "RESTARTER_READY = 'x'"),
        ({'RESTARTER_MAX_UNAVAILABLE': 'x'}, None, "RESTARTER_MAX_UNAVAILABLE = 'x'"),
        ({'RESTARTER_SURGE': 'x'}, None, "RESTARTER_SURGE = 'x'"),
        ({'RESTARTER_BEFORE_STOP': ''}, None, "RESTARTER_BEFORE_STOP = ''"),
        ({'RESTARTER_AFTER_READY': '"'}, None, "RESTARTER_AFTER_READY = '\"'"),
    ],
)
def test_what_its_program_says(environment, kind, malformed):
    one = One(environment=environment)
    assert one.processes.malformed(one.handle.config).startswith(malformed)
    candidate = one.processes.candidate(Member(Match('web', '0', True, True)), one.handle)
    assert candidate.malformed.startswith(malformed)
    assert (candidate.probed, bool(candidate.malformed)) == (kind is not None, bool(malformed))
    if not malformed:
        spec = one.processes.readiness(one.handle.config)
        assert (spec and spec.kind) == kind


def test_the_state_has_supervisors_name(one):
    assert one.processes.state_name(one.handle) == 'RUNNING'
    assert one.processes.state('web', '0') == (Seen.READY, 'RUNNING', PID)
    assert one.processes.is_up(one.handle)
    assert one.processes.stopwaitsecs(one.handle) == 10.0


def test_whose_the_process_is(one):
    assert not one.processes.is_of_another_user(one.handle.config)
    one.config.uid = os.getuid() + 1
    assert one.processes.is_of_another_user(one.handle.config)


@pytest.mark.parametrize(('age', 'pid', 'execed'), [
    (0, os.getpid(), False),  # it still shows supervisord's command line
    (60, os.getpid(), True),  # it is not looked at any more
    (-60, os.getpid(), True),  # the wall clock was put back
    (0, 0, True),
    (0, 2**30, True),  # it is gone
], ids=['young', 'old', 'clock put back', 'down', 'gone'])  # fmt: skip
def test_a_young_process_has_execed_when_its_command_line_is_its_own(one, age, pid, execed):
    change(one, pid=pid, laststart=time.time() - age)
    assert one.processes.has_execed(one.handle) is execed


@pytest.mark.parametrize(('pid', 'age', 'execed'), [(0, 0, True), (1, 0, False), (0, 1, False)])
def test_one_of_which_that_is_known_is_not_looked_at(one, pid, age, execed):
    change(one, pid=os.getpid(), laststart=time.time())
    one.process.restarter_execed = (os.getpid() - pid, one.process.laststart - age)
    assert one.processes.has_execed(one.handle) is execed


def test_a_shared_socket_is_that_of_the_group_if_it_is_open(one):
    assert one.processes.shared_socket(one.handle) is None
    manager = SimpleNamespace(get_socket=lambda: 'socket', is_prepared=lambda: False)
    one.group.socket_manager = manager
    assert one.processes.shared_socket(one.handle) is None
    manager.is_prepared = lambda: True
    assert one.processes.shared_socket(one.handle) == 'socket'


def test_what_could_not_be_started_again_is_an_obstacle(one):
    assert one.processes.obstacle(one.handle, Obstacles()) is None
    obstacles = SimpleNamespace(of=lambda process: 'no such file')
    failure = one.processes.obstacle(one.handle, obstacles)
    assert failure.why == 'left as it is, for it could not be started again: no such file'
