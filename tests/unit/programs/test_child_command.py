"""Commands that are run for a process, and what is heard of them; see test_exec_probe.py, too."""

from __future__ import annotations

import errno
import os
import subprocess

import pytest

from supervisor_restarter.programs import child_command as module
from supervisor_restarter.programs.child_command import (
    MOST_KEPT,
    MOST_SAID,
    CannotRun,
    ChildCommand,
    LastLine,
)
from tests.unit.programs.reaping import nothing_left, process_on


class Heard:
    """What a command has said, and whether it is over."""

    def __init__(self, loop):
        self.loop, self.process = loop, process_on(loop)
        self.said, self.ends = {'stdout': b'', 'stderr': b''}, 0

    def begin(self, *command, channels=('stdout', 'stderr'), **more):
        ears = {channel: self.ear(channel) for channel in channels}
        return ChildCommand(self.process, command, {}, ears, self.end, **more)

    def ear(self, channel):
        def hear(data):
            self.said[channel] += data

        return hear

    def end(self):
        self.ends += 1

    def run(self, *command, **more):
        """A command that has ended."""
        self.ends = 0
        ran = self.begin(*command, **more)
        self.loop.until(lambda: self.ends)
        return ran


@pytest.fixture
def heard():
    with nothing_left() as loop:
        yield Heard(loop)


# -- what it says ------------------------------------------------------------------------------


def test_each_channel_is_heard_to_the_end(heard):
    script = 'yes out | head -c 300000; yes err | head -c 300000 >&2; exit 7'
    assert heard.run('sh', '-c', script).why == 'exit status 7'
    assert heard.said == {'stdout': b'out\n' * 75000, 'stderr': b'err\n' * 75000}


def test_merged_they_are_heard_in_their_order(heard):
    command = heard.run('sh', '-c', 'echo 1; echo 2 >&2; echo 3', channels=['stdout'], merged=True)
    assert command.why == ''
    assert heard.said['stdout'] == b'1\n2\n3\n'


def test_without_ears_it_says_nothing(heard):
    assert heard.run('sh', '-c', 'echo 1; echo 2 >&2', channels=()).why == ''
    assert heard.run('sh', '-c', 'echo 1; echo 2 >&2', channels=['stderr']).why == ''
    assert heard.said == {'stdout': b'', 'stderr': b'2\n'}


def test_a_command_that_has_closed_its_ends_is_waited_for(heard):
    command = heard.begin('sh', '-c', 'exec >&- 2>&-; exec sleep 1000')
    heard.loop.until(lambda: not heard.loop.map)
    assert heard.ends == 0
    command.kill()
    heard.loop.until(lambda: heard.ends)
    assert (command.why, heard.said['stdout']) == ('terminated by SIGKILL', b'')


def test_what_is_killed_is_not_heard_any_more_and_ends_once(heard):
    command = heard.begin('sleep', '1000')
    command.kill()
    killed_at = command.killed_at
    command.kill()
    assert command.killed_at == killed_at is not None
    assert not heard.loop.map
    heard.loop.until(lambda: heard.ends)
    command.kill()
    assert heard.ends == 1


@pytest.mark.parametrize('in_the_loop', [True, False])
def test_supervisord_lives_on_whatever_the_one_who_hears_it_raises(heard, in_the_loop):
    def hear(data):
        raise RuntimeError('a subscriber of others')

    heard.loop.critical = lambda text: None
    command = ChildCommand(heard.process, ('sh', '-c', 'echo x'), {}, {'stdout': hear}, heard.end)
    if not in_the_loop:
        (pid,) = heard.loop.pidhistory
        heard.loop.pidhistory.pop(pid).finish(*os.waitpid(pid, 0))
    heard.loop.until(lambda: heard.ends)
    assert command.why == ''


def test_a_loop_that_cannot_read_goes_on(heard):
    command = heard.begin('sleep', '1000')
    for pipe in command._pipes:
        pipe.handle_write_event()
        assert not pipe.writable()
        pipe.handle_error()
        pipe.handle_read_event()
        assert not pipe.readable()
    assert heard.loop.is_clean()
    assert heard.ends == 0
    command.kill()


def test_supervisord_lives_on_where_the_last_words_cannot_be_read(heard):
    """finish() is called by supervisord itself, which an exception would end."""
    command = heard.begin('true', channels=['stdout'])
    directory = os.open('/', os.O_RDONLY)  # to read it is an OSError
    os.dup2(directory, command._pipes[0]._file.fileno())
    os.close(directory)
    (pid,) = heard.loop.pidhistory
    heard.loop.pidhistory.pop(pid).finish(*os.waitpid(pid, 0))
    assert (command.why, heard.ends) == ('', 1)


@pytest.mark.parametrize(
    ('said', 'line'),
    [
        ([], ''),
        ([b'a\nb\n \n'], 'b'),
        ([b'fir', b'st\nsec', b'ond'], 'second'),
        ([b'x' * 999], 'x' * MOST_SAID),
        ([b'y\n' * MOST_KEPT, b'\xff\n'], '\ufffd'),
    ],
)
def test_the_last_line(said, line):
    last = LastLine()
    for data in said:
        last.hear(data)
    assert str(last) == line
    assert len(last._kept) <= MOST_KEPT


# -- where it cannot be run --------------------------------------------------------------------


def short_pipes(monkeypatch, room):
    """os.pipe() works so often."""
    real = os.pipe
    left = iter([real] * room)

    def pipe():
        make = next(left, None)
        if make is None:
            raise OSError(errno.EMFILE, 'Too many open files')
        return make()

    monkeypatch.setattr(os, 'pipe', pipe)


@pytest.mark.parametrize('room', [0, 1])
def test_with_too_few_descriptors_nothing_is_left_open(heard, monkeypatch, room):
    short_pipes(monkeypatch, room)
    with pytest.raises(CannotRun, match='^Too many open files$') as error:
        heard.begin('true')
    assert error.value.short


def test_what_cannot_enter_the_loop_is_not_started(heard, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(module, 'enter_loop', refuse)
    monkeypatch.setattr(subprocess, 'Popen', lambda *args, **kwargs: pytest.fail('started'))
    with pytest.raises(CannotRun) as error:
        heard.begin('true')
    assert error.value.short


def test_a_command_that_is_not_there_is_no_shortage(heard):
    with pytest.raises(CannotRun, match='^/no/such: No such file or directory$') as error:
        heard.begin('/no/such')
    assert not error.value.short


def test_it_inherits_nothing_of_supervisord(heard):
    theirs = os.dup(2)
    os.set_inheritable(theirs, True)
    try:
        heard.run('ls', '/proc/self/fd', channels=['stdout'])
    finally:
        os.close(theirs)
    assert heard.said['stdout'].split() == [b'0', b'1', b'2', b'3']  # and the directory
