"""Logs that are made anew while a process writes to them."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest
from supervisor import events, loggers
from supervisor.loggers import RotatingFileHandler

from supervisor_restarter.faults import Code, Refusal
from tests.unit.configuration.running import program

FILE = {'stdout_logfile': '%(here)s/a'}
LISTENER = {'kind': 'eventlistener', 'events': 'TICK_5'}
BEGIN, END = b'<!--XSUPERVISOR:BEGIN-->', b'<!--XSUPERVISOR:END-->'


@pytest.fixture
def syslog(monkeypatch):
    lines: list[str] = []
    monkeypatch.setattr(loggers.SyslogHandler, '_syslog', lambda self, line: lines.append(line))
    return lines


def logged(one, name='a'):
    path = one.directory / name
    return path.read_bytes() if path.exists() else None


def open_files(directory: Path) -> Counter[str]:
    """The paths below the directory that are open, with how often."""
    found = [os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if _is(fd)]
    return Counter(path for path in found if path.startswith(f'{directory}/'))


def _is(fd: str) -> bool:
    return os.path.exists(f'/proc/self/fd/{fd}')


def test_another_file(applying):
    one = applying(program(**FILE))
    process = one.process('web', 'web')
    one.says(process, b'one\n')
    rollout = one.rollout(program(stdout_logfile='%(here)s/b'))
    assert (rollout.slots, rollout.at_once) == (
        [],
        [{'group': 'web', 'name': 'web', 'action': 'live'}],
    )
    rollout.begin()
    one.says(process, b'two\n')
    assert (logged(one), logged(one, 'b')) == (b'one\n', b'two\n')
    assert process.config.stdout_logfile == f'{one.directory}/b'
    assert str(one.directory / 'a') not in open_files(one.directory)
    rollout.undo()
    one.says(process, b'three\n')
    assert (logged(one), logged(one, 'b')) == (b'one\nthree\n', b'two\n')
    assert str(one.directory / 'b') not in open_files(one.directory)
    assert (
        process.dispatchers[process.pipes['stdout']].childlog.handlers[0].baseFilename
        == f'{one.directory}/a'
    )


def test_the_same_file_with_other_limits(applying):
    one = applying(program(**FILE, stdout_logfile_maxbytes=0))
    process = one.process('web', 'web')
    one.says(process, b'one\n')
    rollout = one.rollout(program(**FILE, stdout_logfile_maxbytes=10, stdout_logfile_backups=2))
    rollout.begin()
    one.says(process, b'two\n')
    one.says(process, b'three\n')
    one.says(process, b'four\n')
    assert (logged(one, 'a.1'), logged(one)) == (b'one\ntwo\nthree\n', b'four\n')
    [handler] = process.dispatchers[process.pipes['stdout']].normallog.handlers
    assert (type(handler), handler.backupCount) == (RotatingFileHandler, 2)
    assert open_files(one.directory)[f'{one.directory}/a'] == 1


@pytest.mark.parametrize('kind', [{}, LISTENER])
@pytest.mark.parametrize('channel', ['stdout', 'stderr'])
def test_from_none_to_a_file_to_auto_and_back(applying, kind, channel):
    key = f'{channel}_logfile'
    one = applying(program(**kind, **{key: 'NONE'}))
    process = one.process('web', 'web')
    one.says(process, b'READY\n', channel)
    one.rollout(program(**kind, **{key: '%(here)s/a'})).begin()
    one.says(process, b'two\n', channel)
    rollout = one.rollout(program(**kind))
    rollout.begin()
    one.says(process, b'three\n', channel)
    made_up = Path(getattr(process.config, key))
    assert re.fullmatch(f'web-{channel}---supervisor-.{{8}}[.]log', made_up.name)
    assert (logged(one), made_up.read_bytes()) == (b'two\n', b'three\n')
    # The name stays over an apply that says AUTO again.
    one.rollout(program(**kind, startsecs=7)).begin()
    assert getattr(process.config, key) == str(made_up)
    one.rollout(program(**kind, **{key: 'NONE'})).begin()
    one.says(process, b'four\n', channel)
    assert (logged(one), made_up.read_bytes()) == (b'two\n', b'three\n')
    assert open_files(one.directory).keys().isdisjoint({str(made_up), f'{one.directory}/a'})


def test_a_listener_does_not_notice(applying):
    one = applying(program(**LISTENER, **FILE))
    process = one.process('web', 'web')
    one.says(process, b'READY\nsome of')
    state, event = process.listener_state, object()
    process.event = event
    one.rollout(program(**LISTENER, stdout_logfile='%(here)s/b')).begin()
    assert (process.listener_state, process.event) == (state, event)
    process.event = None


def test_syslog_beside_a_file(applying, syslog):
    one = applying(program(**FILE))
    process = one.process('web', 'web')
    rollout = one.rollout(program(**FILE, stdout_syslog='true'))
    rollout.begin()
    one.says(process, b'one\n')
    rollout.undo()
    one.says(process, b'two\n')
    assert (syslog, logged(one)) == (['web one'], b'one\ntwo\n')


def test_events_of_what_is_written(applying):
    one = applying(program(**FILE))
    process, told = one.process('web', 'web'), []
    events.subscribe(events.ProcessLogEvent, lambda event: told.append(event.data))
    rollout = one.rollout(program(**FILE, stdout_events_enabled='true'))
    one.says(process, b'one\n')
    rollout.begin()
    one.says(process, b'two\n')
    rollout.undo()
    one.says(process, b'three\n')
    assert told == [b'two\n']


@pytest.mark.parametrize(
    ('before', 'after', 'file', 'captured'),
    [(99, 50, b'onethree', [b'two!']), (99, 0, b'one' + BEGIN + b'two!' + END + b'three', [])],
)
def test_in_the_middle_of_a_capture(applying, before, after, file, captured):
    one = applying(program(**FILE, stdout_capture_maxbytes=before))
    process, told = one.process('web', 'web'), []
    events.subscribe(events.ProcessCommunicationEvent, lambda event: told.append(event.data))
    one.says(process, b'one' + BEGIN + b'two' + b' ' * len(END))
    one.rollout(program(**FILE, stdout_capture_maxbytes=after)).begin()
    one.says(process, b'!' + END + b'three' + b' ' * len(BEGIN))
    one.stop('web', 'web')
    assert logged(one).replace(b' ', b'') == file
    assert [data.replace(b' ', b'') for data in told] == captured


def test_a_capture_that_begins_later(applying):
    one = applying(program(**FILE))
    process, told = one.process('web', 'web'), []
    events.subscribe(events.ProcessCommunicationEvent, lambda event: told.append(event.data))
    rollout = one.rollout(program(**FILE, stdout_capture_maxbytes=99))
    rollout.begin()
    one.says(process, b'one' + BEGIN + b'two' + END + b'three' + b' ' * len(BEGIN))
    assert told == [b'two']
    one.says(process, BEGIN + b'four' + b' ' * len(END))
    rollout.undo()
    one.says(process, b'five\n')
    assert logged(one).replace(b' ', b'') == b'onethree' + BEGIN + b'fourfive\n'


@pytest.mark.parametrize('kind', [{}, LISTENER])
def test_a_log_that_cannot_be_opened_leaves_everything_as_it_was(applying, kind):
    one = applying(
        program('app', **FILE) + program(**kind, stderr_logfile='%(here)s/a', numprocs=2)
    )
    process = one.process('web', '1')
    before, files = one.all_of_it(), open_files(one.directory)
    rollout = one.rollout(
        program('app', stdout_logfile='%(here)s/b')
        + program(**kind, stdout_logfile='%(here)s/c', stderr_logfile='%(here)s', numprocs=2)
    )
    with pytest.raises(Refusal) as info:
        rollout.begin()
    assert info.value.code is Code.BAD_STATE
    assert re.fullmatch(
        f"BAD_STATE: web: .* Is a directory: '{one.directory}'; nothing was changed",
        info.value.text,
    )
    assert one.all_of_it() == before
    assert open_files(one.directory) == files
    one.says(process, b'still here\n', 'stderr')
    assert logged(one) == b'still here\n'


def test_a_log_that_cannot_be_opened_again_on_the_way_back(applying):
    one = applying(program(stdout_logfile='%(here)s/a'))
    process = one.process('web', 'web')
    rollout = one.rollout(program(stdout_logfile='%(here)s/b'))
    rollout.begin()
    (one.directory / 'a').unlink()
    (one.directory / 'a').mkdir()
    warned: list[str] = []
    one.options.logger.warn = warned.append
    rollout.undo()
    one.says(process, b'still here\n')
    assert logged(one, 'b') == b'still here\n'
    assert len(warned) == 1
    assert 'web keeps its new log' in warned[0]


def test_files_that_supervisor_has_made_for_a_begin_that_fails_are_gone(applying):
    one = applying(program(numprocs=1, stdout_logfile='NONE') + program('x', **FILE))
    before, files = one.all_of_it(), sorted(os.listdir(one.directory))
    rollout = one.rollout(
        program(numprocs=3) + program('x', stdout_logfile='%(here)s') + program('app', priority=1)
    )
    with pytest.raises(Refusal):
        rollout.begin()
    assert sorted(os.listdir(one.directory)) == files
    assert one.all_of_it() == before


def test_what_is_down_has_no_log_to_be_changed(applying):
    one = applying(program(**FILE))
    one.stop('web', 'web')
    rollout = one.rollout(program(stdout_logfile='%(here)s/b'))
    rollout.begin()
    assert not (one.directory / 'b').exists()
    one.says(one.start('web', 'web'), b'one\n')
    assert logged(one, 'b') == b'one\n'
