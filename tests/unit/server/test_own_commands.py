"""The commands of programs that run for a job, on the installed release's own loop, and the real
dispatchers of a process.
"""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from supervisor import events

from supervisor_restarter.engine.member import Hook, Member
from supervisor_restarter.names import Match
from supervisor_restarter.programs.child_command import adopt
from supervisor_restarter.readiness.shares import Places, Share
from supervisor_restarter.server.own_commands import LONGEST_DEATH, OwnCommands, log_as
from tests.unit.configuration.running import Running, program
from tests.unit.programs.reaping import is_gone, nothing_left, process_on


class Wanted(Member):
    """A member whose command is the one that the test says."""

    hook: Hook | None = None


class Commands:
    """Commands of one job, and what its operation is told."""

    def __init__(self, loop: Any, most: int = 100) -> None:
        self.loop, self.places = loop, Places(most)
        self.told: list[tuple[str, str]] = []
        self.own = OwnCommands({'web': Share(self.places)})
        self.process = process_on(loop)

    def member(self, name='web'):
        return Wanted(Match('web', name, False, False))

    def hook_ended(self, member, why, now):
        self.told.append((member.name, why))
        member.hook = None

    def begin(self, member, *command, hook=Hook.BEFORE_STOP, now=0.0):
        assert self.own.may_begin(member, now)
        why = self.own.begin(member, hook, self.process, command)
        member.hook = None if why else hook
        return why

    def mind(self):
        operation: Any = self
        self.own.mind(operation, 0.0)

    def run(self, *command):
        """Why the command has failed."""
        self.told.clear()
        self.begin(self.member(), *command)
        self.until(lambda: self.told)
        return self.told[0][1]

    def until(self, condition):
        def holds():
            self.mind()
            return condition()

        self.loop.until(holds)


@pytest.fixture
def running():
    with nothing_left() as loop:
        running = Commands(loop)
        yield running
        running.own.close()
        loop.until(lambda: not loop.pidhistory)
        assert running.places.taken == 0


# -- one command -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('script', 'why'),
    [
        ('echo fine; echo all right >&2', ''),
        ('exit 3', 'exit status 3'),
        ('echo a; echo b; exit 3', 'exit status 3: b'),
        ('echo b; echo a >&2; echo b; exit 3', 'exit status 3: a'),
        ('kill -9 $$', 'terminated by SIGKILL'),
        ('printf "\\033[2J\\n" >&2; exit 1', 'exit status 1: \\x1b[2J'),
    ],
)
def test_how_it_has_ended(running, script, why):
    assert running.run('sh', '-c', script) == why


def test_the_last_line_of_both_where_the_process_has_one_log(running):
    running.process.config.redirect_stderr = True
    assert running.run('sh', '-c', 'echo a >&2; echo b; exit 3') == 'exit status 3: b'


def test_one_that_cannot_be_run_takes_no_place(running):
    why = running.begin(running.member(), '/no/\x1b')
    assert (why, running.places.taken) == ('/no/\\x1b: No such file or directory', 0)
    assert running.told == []


def test_what_is_not_wanted_any_more_is_killed_and_not_told_of(running, tmp_path):
    member = running.member()
    running.begin(member, 'sh', '-c', f'sleep 1000 & echo $! > {tmp_path}/child; wait')
    child = running.loop.child(tmp_path / 'child')
    running.mind()
    assert not is_gone(child)
    member.hook = None
    running.until(lambda: is_gone(child) and not running.places.taken)
    assert running.told == []


def test_what_ended_in_the_moment_in_which_it_was_given_up_is_not_told_of(running):
    member = running.member()
    running.begin(member, 'true')
    running.loop.until(lambda: not running.loop.pidhistory)
    member.hook = Hook.AFTER_READY
    running.mind()
    assert running.told == []


# -- one after the other -----------------------------------------------------------------------


def test_the_next_one_waits_for_the_end_of_the_one_that_it_follows(running):
    member = running.member()
    running.begin(member, 'sleep', '1000')
    assert not running.own.may_begin(member, 0.0)  # it is killed by that
    running.loop.until(lambda: running.own.may_begin(member, 0.0))
    running.begin(member, 'true', hook=Hook.AFTER_READY)
    running.until(lambda: running.told)
    assert running.told == [('web', '')]


def test_it_does_not_wait_for_ever(running, monkeypatch):
    """For one that hangs in the kernel."""
    member = running.member()
    with monkeypatch.context() as patch:
        patch.setattr(os, 'killpg', lambda *args: None)
        running.begin(member, 'sleep', '1000')
        (pid,) = running.loop.pidhistory
        now = 1e9
        assert not running.own.may_begin(member, 0.0)
        assert running.own.may_begin(member, now + LONGEST_DEATH)
        running.begin(member, 'true', hook=Hook.AFTER_READY, now=now)
        running.until(lambda: running.told)
        assert (running.told, running.places.taken) == ([('web', '')], 1)
    os.kill(pid, signal.SIGKILL)


def test_each_group_has_its_share_of_the_places(running):
    running.places.most = 4
    members = [running.member(str(number)) for number in range(3)]
    for member in members[:2]:
        running.begin(member, 'sleep', '1000')
    assert not running.own.may_begin(members[2], 0.0)
    members[0].hook = None
    running.until(lambda: running.own.may_begin(members[2], 0.0))


def test_at_the_end_of_the_job_nothing_is_left_and_a_reloaded_supervisord_reaps_it(running):
    running.begin(running.member(), 'sleep', '1000')
    running.own.close()
    old, running.loop.pidhistory = running.loop.pidhistory, {}
    adopt(running.loop)
    assert running.loop.pidhistory == old


# -- what it says ------------------------------------------------------------------------------


BEGIN, END = b'<!--XSUPERVISOR:BEGIN-->', b'<!--XSUPERVISOR:END-->'


class Logged:
    """A process with its dispatchers, whose logs are files, and the events of what it says."""

    def __init__(self, directory, monkeypatch, kind='program', **keys):
        monkeypatch.setattr(events, 'callbacks', [])
        logs = {f'{channel}_logfile': directory / channel for channel in ('stdout', 'stderr')}
        site = Running(directory, program(kind=kind, **{**logs, **keys}))
        (self.process,) = site.supervisord.process_groups['web'].processes.values()
        self.process.pid = 7
        self.directory, self.events = directory, []
        events.subscribe(events.ProcessLogEvent, self._note)
        events.subscribe(events.ProcessCommunicationEvent, self._note)
        made, self.pipes = self.process.config.make_dispatchers(self.process)
        self.process.dispatchers = made

    def _note(self, event):
        self.events.append((type(event).__name__, event.pid, event.data))

    def says(self, data):
        """The process itself says this on its stdout."""
        its = self.process.dispatchers[self.pipes['stdout']]
        its.output_buffer += data
        its.record_output()

    def log(self, channel):
        return (self.directory / channel).read_bytes()

    def close(self):
        for its in self.process.dispatchers.values():
            for log in filter(
                None, (getattr(its, name, None) for name in ('normallog', 'childlog'))
            ):
                log.close()
        for descriptor in filter(None, self.pipes.values()):
            os.close(descriptor)


@pytest.fixture
def logged(tmp_path, monkeypatch):
    """logged(kind, **keys): such a process."""
    made = []

    def make(*args, **keys):
        made.append(Logged(tmp_path, monkeypatch, *args, **keys))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_it_is_as_if_the_process_had_said_it(logged):
    its = logged(stdout_events_enabled='true')
    log_as(its.process, 'stdout', b'out\n')
    log_as(its.process, 'stderr', b'err\n')
    assert (its.log('stdout'), its.log('stderr')) == (b'out\n', b'err\n')
    assert its.events == [('ProcessLogStdoutEvent', 7, b'out\n')]


def test_what_the_process_captures_is_left_alone(logged):
    its = logged(stdout_capture_maxbytes='1MB')
    its.says(b'a' + BEGIN + b'captured ')
    log_as(its.process, 'stdout', b'b')
    its.says(b'to the end' + END + b'c, and more of it that is long enough')
    assert its.events == [('ProcessCommunicationStdoutEvent', 7, b'captured to the end')]
    assert its.log('stdout').startswith(b'abc')


def test_the_stdout_of_a_listener_is_its_own(logged):
    its = logged('eventlistener', events='TICK_5')
    state = its.process.listener_state
    log_as(its.process, 'stdout', b'out\n')
    log_as(its.process, 'stderr', b'err\n')
    assert (its.log('stdout'), its.log('stderr')) == (b'', b'out\nerr\n')
    assert its.process.listener_state == state


def test_without_logs_it_is_said_to_nobody(logged):
    its = logged(stdout_logfile='NONE', stderr_logfile='NONE')
    log_as(its.process, 'stdout', b'out\n')
    its.process.dispatchers = {}  # it has exited
    log_as(its.process, 'stderr', b'err\n')
    assert not (its.directory / 'stdout').exists()
