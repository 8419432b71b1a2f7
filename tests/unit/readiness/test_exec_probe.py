"""Commands that are asked whether a process is ready, on the installed release's own loop."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from supervisor_restarter.programs import access
from supervisor_restarter.programs.child_command import MOST_KEPT, MOST_SAID, adopt
from supervisor_restarter.readiness.exec_probe import ExecProbe
from supervisor_restarter.readiness.question import MOST_NAME
from supervisor_restarter.readiness.spec import parse
from tests.unit.programs.reaping import is_gone, nothing_left, process_on
from tests.unit.readiness.loop import PATIENCE

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='only root can run commands as others')


class Asked:
    """A process that is asked about, the loop, and the commands that were run."""

    def __init__(self, loop):
        self.loop, self.over, self.identities = loop, [], {}
        self.process = process_on(loop)
        self.config = self.process.config

    def begin(self, command, seconds=PATIENCE):
        spec, deadline = parse(f'exec:{command}'), time.monotonic() + seconds
        over = lambda: self.over.append(command)  # noqa: E731
        return ExecProbe(self.process, spec, deadline, self.identities, over)

    def ask(self, command):
        """A finished question, with nothing left of it."""
        asked = self.begin(command)
        self.finish(asked)
        return asked

    def finish(self, asked):
        self.loop.until(lambda: asked.done and not self.loop.pidhistory)


@pytest.fixture
def asked():
    with nothing_left() as loop:
        yield Asked(loop)


# -- answers -----------------------------------------------------------------------------------


def test_exit_status_0_is_a_yes(asked):
    command = asked.begin('true')
    assert (command.done, command.ready, asked.over) == (False, False, [])
    assert command.error == 'exec:true: no answer yet'
    asked.finish(command)
    assert (command.ready, command.error, asked.over) == (True, '', ['true'])


@pytest.mark.parametrize(
    ('command', 'why'),
    [
        ('sh -c "exit 77"', 'exit status 77'),
        ('sh -c "kill -9 $$"', 'terminated by SIGKILL'),
        ('sh -c "echo first >&2; echo last >&2; echo >&2; echo no; exit 1"', 'exit status 1: last'),
        ('sh -c "printf %0999d 7 >&2; exit 1"', 'exit status 1: ' + '0' * MOST_SAID),
        ('sh -c \'printf "\\033[2J\\377x" >&2; exit 1\'', 'exit status 1: \\x1b[2J\ufffdx'),
        ('sh -c "yes no 2>/dev/null | head -c 999999 >&2; exit 3"', 'exit status 3: no'),
        ('/no/such/command', '/no/such/command: No such file or directory'),
        ('/etc/passwd', '/etc/passwd: Permission denied'),
    ],
)
def test_everything_else_is_a_no_with_its_reason(asked, command, why):
    answer = asked.ask(command)
    assert not answer.ready
    assert not answer.blind
    assert answer.error == f'exec:{command}: {why}'
    assert asked.over == [command]


def test_what_it_has_said_when_it_ends_is_heard_before_the_loop_has_read_it(asked):
    command = asked.begin('sh -c "echo last >&2; exit 1"')
    (pid,) = asked.loop.pidhistory
    asked.loop.pidhistory.pop(pid).finish(*os.waitpid(pid, 0))
    assert command.error.endswith(': exit status 1: last')


def test_what_it_says_is_no_matter_when_it_is_ready(asked):
    assert asked.ask('sh -c "yes 2>/dev/null | head -c 1000000 >&2; yes | head -c 1000000"').ready


def test_the_reason_is_short_whatever_the_command(asked):
    name = f'exec:false {"x" * (MOST_NAME - 11)}...'
    assert asked.ask('false ' + 'x' * 900).error == f'{name}: exit status 1'


# -- as whom, where and with what --------------------------------------------------------------


def test_it_has_the_environment_of_its_program_and_the_pid_that_is_meant(asked, tmp_path):
    asked.config.environment = {'PORT': '8001', 'PATH': f'{tmp_path}:/usr/bin:/bin'}
    asked.config.directory, asked.config.umask = str(tmp_path), 0o027
    (tmp_path / 'check').write_text('#!/bin/sh\nenv > it; umask >> it; pwd >> it; test -z "$1"\n')
    (tmp_path / 'check').chmod(0o755)
    assert asked.ask('check "" x').error == ''
    said = (tmp_path / 'it').read_text(errors='replace').splitlines()  # whatever else is in ours
    for one in ('PORT=8001', 'RESTARTER_PID=4711', 'SUPERVISOR_PROCESS_NAME=web'):
        assert one in said
    assert said[-2:] == ['0027', str(tmp_path)]
    assert asked.ask('./check').ready  # in its directory


def test_it_has_no_descriptors_but_its_own(asked, tmp_path):
    kept = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(kept, True)
    assert asked.ask(f'sh -c "test ! -e /proc/self/fd/{kept}"').ready
    os.close(kept)
    assert asked.ask('sh -c "read x; test $? = 1"').ready  # nothing comes on its stdin


@needs_root
def test_it_runs_as_the_user_of_its_program(asked):
    asked.config.uid = NOBODY
    assert asked.ask(f'sh -c "test $(id -u) = {NOBODY}"').error == ''
    assert not asked.ask('sh -c "id -G | grep -qw 0"').ready
    assert asked.identities[NOBODY].uid == NOBODY


@needs_root
def test_who_a_user_is_is_looked_up_once(asked, monkeypatch):
    def identity(uid):
        asked_for.append(uid)
        return real(uid)

    asked.config.uid, real = NOBODY, access.identity
    asked_for: list[int] = []
    monkeypatch.setattr(access, 'identity', identity)
    for _ in range(3):
        asked.ask('true')
    assert asked_for == [NOBODY]


@pytest.mark.parametrize(
    ('setting', 'value', 'why'),
    [
        ('uid', 4_000_000, "it cannot be run: Can't find uid 4000000"),
        ('directory', '/no/where', '/no/where: No such file'),
    ],
)
def test_where_it_cannot_become_what_its_program_is_it_does_not_run(
    asked, monkeypatch, setting, value, why
):
    monkeypatch.setattr(os, 'getuid', lambda: 0)
    setattr(asked.config, setting, value)
    answer = asked.ask('true')
    assert answer.error.startswith(f'exec:true: {why}')
    assert asked.over == ['true']


def test_without_rights_it_does_not_run_as_somebody_else(asked, monkeypatch):
    monkeypatch.setattr(os, 'getuid', lambda: 12345)
    asked.config.uid = NOBODY
    why = "it cannot be run: Can't drop privilege as nonroot user"
    assert asked.ask('true').error == f'exec:true: {why}'


# -- the end -----------------------------------------------------------------------------------


def test_at_the_deadline_it_is_killed_with_all_it_has_started(asked, tmp_path):
    command = asked.begin(f'sh -c "sleep 1000 & echo $! > {tmp_path}/child; wait"', 5)
    child = asked.loop.child(tmp_path / 'child')
    command.look(command.deadline - 0.01)
    assert not command.done
    assert asked.over == []
    command.look(command.deadline)
    assert command.error.endswith(': no answer within 5 s')
    assert asked.over == []  # it takes its place until it is reaped
    asked.finish(command)
    assert len(asked.over) == 1
    asked.loop.until(lambda: is_gone(child))
    assert command.error.endswith(': no answer within 5 s')


def test_close_gives_up_and_may_be_called_again(asked):
    command = asked.begin('sleep 1000')
    for _ in range(2):
        command.close()
        assert command.error == 'exec:sleep 1000: given up'
        assert asked.loop.is_clean()
    asked.finish(command)
    command.close()
    assert asked.over == ['sleep 1000']


def test_what_it_leaves_behind_is_killed(asked, tmp_path):
    assert asked.ask(f'sh -c "sleep 1000 & echo $! > {tmp_path}/child"').ready
    child = asked.loop.child(tmp_path / 'child')
    asked.loop.until(lambda: is_gone(child))


def test_nobody_else_is_killed_when_it_is_gone(asked, monkeypatch):
    command = asked.ask('true')
    monkeypatch.setattr(os, 'killpg', lambda *args: pytest.fail('killed'))
    command.close()
    command.look(command.deadline)


def test_where_it_may_not_be_killed_it_is_reaped_when_it_ends(asked, monkeypatch):
    def refuse(*args):
        raise PermissionError(errno.EPERM, 'Operation not permitted')

    with monkeypatch.context() as patch:
        patch.setattr(os, 'killpg', refuse)
        command = asked.begin('sleep 1000')
        command.close()
        asked.loop.turn()
        assert asked.over == []
    (pid,) = asked.loop.pidhistory
    os.kill(pid, signal.SIGKILL)
    asked.finish(command)
    assert len(asked.over) == 1


@pytest.mark.parametrize(
    ('code', 'of', 'at'), [(errno.EMFILE, os, 'pipe'), (errno.EAGAIN, subprocess, 'Popen')]
)
def test_where_there_is_no_room_for_it_nothing_is_known(asked, monkeypatch, code, of, at):
    def refuse(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(of, at, refuse)
    command = asked.begin('true')
    assert command.done
    assert command.blind
    assert asked.over == ['true']


def test_no_other_child_is_reaped_by_mistake(asked):
    """subprocess reaps what it has lost sight of, whenever it starts something."""
    command = asked.begin('false')
    subprocess.run([sys.executable, '-S', '-E', '-c', ''], check=True, timeout=60)
    del asked.loop.pidhistory[next(iter(asked.loop.pidhistory))]
    asked.loop.until(lambda: asked.loop.said)  # so it is still there to be reaped
    assert asked.loop.said.pop().startswith('reaped unknown pid')
    command._command.finish(0, 256)


def test_after_a_reload_it_is_reaped_by_the_new_supervisord(asked):
    command = asked.begin('sleep 1000')
    command.close()
    old, asked.loop.pidhistory = asked.loop.pidhistory, {}
    adopt(asked.loop)
    assert asked.loop.pidhistory == old
    asked.finish(command)
    adopt(asked.loop)
    assert asked.loop.pidhistory == {}


def test_no_turn_of_the_loop_waits_for_it(asked):
    commands = [asked.begin(text) for text in ('sleep 1000', 'sh -c "yes >&2"', 'yes')]
    asked.loop.nap = 0.0
    for _ in range(200):
        before = time.thread_time()
        asked.loop.turn()
        assert time.thread_time() - before < 1.0
    for command in commands:
        assert not command.done
        assert len(command._said._kept) <= MOST_KEPT
        command.close()


def test_what_it_says_ends_the_sleep_of_the_turn_in_which_it_was_begun(asked):
    """Or one that says much would wait for a second until the pipe has room again."""
    made, asked.loop.nap = [], PATIENCE

    def make():
        asked.loop.before_poll = lambda: None
        made.append(asked.begin('sh -c "echo x >&2; exec sleep 1000"'))

    asked.loop.before_poll = make
    began = time.monotonic()
    asked.loop.turn()
    assert time.monotonic() - began < PATIENCE / 2
    asked.loop.nap = 0.02
    made[0].close()
