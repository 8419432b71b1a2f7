"""Two processes of one program side by side, on Supervisor's own objects and with real processes."""

from __future__ import annotations

import copy
import os
import signal
import time

import pytest
from supervisor import events
from supervisor.states import ProcessStates
from supervisor.xmlrpc import Faults, RPCError

from supervisor_restarter.programs.asides import (
    give_back,
    is_aside,
    residents,
    sharing_logs,
    take_place,
)
from tests.unit.configuration.running import program
from tests.unit.programs.turning import Turning, web

STUBBORN = '/bin/sh -c "trap : TERM; echo ready; while :; do sleep 0.05; done"'


@pytest.fixture
def turning(tmp_path, monkeypatch):
    """A maker of Turning; what runs is killed after the test."""
    monkeypatch.setattr(events, 'callbacks', [])
    made = []

    def make(text):
        made.append(Turning(tmp_path, text))
        made[-1].run()
        return made[-1]

    yield make
    for one in made:
        one.end()


# -- names -----------------------------------------------------------------------------------------


def test_the_new_one_has_the_name_and_the_old_one_runs_on_beside_it(turning):
    it = turning(web())
    pid, config = it.group().processes['0'].pid, it.group().processes['0'].config
    old, new = it.surge('0')
    assert it.names() == ['0', '0.old', '1']
    assert it.group().processes['0'] is new
    assert it.group().processes['0.old'] is old
    assert (old.pid, new.pid > 0, new.pid != pid) == (pid, True, True)
    assert new.config is config is it.group().config.process_configs[0]
    assert (old.config.name, old.config.autorestart, config.name) == ('0.old', False, '0')
    assert [is_aside(old), is_aside(new)] == [True, False]
    assert list(residents(it.group())) == ['0', '1']


def test_the_old_one_leaves_the_group_when_it_has_exited(turning):
    it = turning(web())
    old, new = it.surge('0')
    assert it.rpc.stopProcess('web:0.old', False) is True
    it.turn_until(lambda: it.names() == ['0', '1'])
    assert (old.state, old.pid, new.state) == (ProcessStates.STOPPED, 0, ProcessStates.RUNNING)


def test_one_that_dies_is_not_started_again(turning):
    it = turning(web(autorestart='true'))
    old, _ = it.surge('0')
    os.kill(old.pid, signal.SIGKILL)
    it.turn_until(lambda: it.names() == ['0', '1'])
    assert (old.state, old.pid) == (ProcessStates.EXITED, 0)


def test_supervisor_sends_it_sigkill_after_its_stopwaitsecs(turning):
    it = turning(web(command=STUBBORN, stopwaitsecs=1, stdout_logfile='%(here)s/a'))
    it.turn_until(lambda: it.log('a').count('ready') == 2)
    old, _ = it.surge('0')
    began = time.monotonic()
    old.stop()
    it.turn_until(lambda: it.names() == ['0', '1'])
    assert time.monotonic() - began >= 1
    assert old.state == ProcessStates.STOPPED


def test_it_goes_in_a_shutdown_as_all_others(turning):
    it = turning(web())
    old, new = it.surge('0')
    it.group().stop_all()
    assert (old.state, new.state) == (ProcessStates.STOPPING, ProcessStates.STOPPING)
    assert len(it.group().get_unstopped_processes()) == 3
    it.turn_until(lambda: not it.group().get_unstopped_processes())


def test_names_that_are_taken_are_left_alone(turning):
    it = turning(
        program('0.old', autostart='false', startsecs=0)
        + program('0', autostart='false', startsecs=0)
        + '[group:web]\nprograms=0,0.old\n'
    )
    it.surge('0')
    it.surge('0')
    assert it.names() == ['0', '0.old3', '0.old2', '0.old']
    assert list(residents(it.group())) == ['0', '0.old']


# -- others start it -------------------------------------------------------------------------------


def test_one_that_runs_is_started_already(turning):
    it = turning(web())
    it.surge('0')
    with pytest.raises(RPCError) as refused:
        it.rpc.startProcess('web:0.old')
    assert refused.value.code == Faults.ALREADY_STARTED


def test_one_that_has_exited_is_never_started_again(turning):
    it = turning(web())
    old, new = it.surge('0')
    old.stop()
    while old.pid:  # as a call does it that stops and starts: before the next turn
        it.supervisord.reap()
    assert it.names() == ['0', '0.old', '1']
    with pytest.raises(RPCError) as refused:
        it.rpc.startProcess('web:0.old')
    assert refused.value.code == Faults.SPAWN_ERROR
    it.turn_until(lambda: it.names() == ['0', '1'])
    assert (old.pid, new.state) == (0, ProcessStates.RUNNING)


# -- the way back ----------------------------------------------------------------------------------


def test_the_old_one_has_its_name_again(turning):
    it = turning(web())
    pid, config = it.group().processes['0'].pid, it.group().processes['0'].config
    old, new = it.surge('0')
    give_back(old, new, config)
    assert it.names() == ['0', '0.new', '1']
    assert (old.pid, old.config, new.config.name) == (pid, config, '0.new')
    new.stop()
    it.turn_until(lambda: it.names() == ['0', '1'])
    assert (old.state, new.state) == (ProcessStates.RUNNING, ProcessStates.STOPPED)
    # ... and is as any other
    os.kill(pid, signal.SIGKILL)
    it.turn_until(lambda: old.pid not in (0, pid))
    assert old.state in (ProcessStates.STARTING, ProcessStates.RUNNING)


def test_a_new_one_that_never_ran_is_gone_at_once(turning):
    it = turning(web())
    old = it.group().processes['0']
    config = old.config
    give_back(old, take_place(old, config), config)
    assert it.names() == ['0', '1']
    assert (it.group().processes['0'], old.config) == (old, config)
    assert vars(old).keys() & {'spawn', 'transition'} == set()


def test_what_is_being_stopped_keeps_the_time_it_was_given(turning):
    """A copy with another stopwaitsecs may stand in; with less, SIGKILL would come too soon."""
    it = turning(web())
    old, new = it.surge('0')
    config = new.config
    new.config = copy.copy(config)
    vars(new.config).update(stopwaitsecs=77, restarter_original=config)
    give_back(old, new, config)
    assert new.config.stopwaitsecs == 77
    assert not hasattr(new.config, 'restarter_original')


# -- what is configured ----------------------------------------------------------------------------


def test_supervisors_reread_finds_nothing_changed(turning):
    it = turning(web())
    config = it.group().processes['0'].config
    assert it.reread() == [[], [], []]
    old, new = it.surge('0')
    assert it.reread() == [[], [], []]
    give_back(old, new, config)
    assert it.reread() == [[], [], []]


# -- logs ------------------------------------------------------------------------------------------

ROTATING = {'stdout_logfile': '%(here)s/a', 'stdout_logfile_maxbytes': 100}


def opened(it, name):
    """How many descriptors are open on the file."""
    there = [f'/proc/self/fd/{fd}' for fd in os.listdir('/proc/self/fd')]
    return sum(os.path.realpath(one) == str(it.directory / name) for one in there)


def said(it):
    """All lines in the log and its backups."""
    return [line for path in it.directory.glob('a*') for line in path.read_text().splitlines()]


def test_a_log_that_rotates_loses_no_line(turning):
    """With a handle of its own the old one would write to a file that is renamed, and then deleted,
    beneath it.
    """
    it = turning(web(numprocs=1, stdout_logfile_backups=2, **ROTATING))
    old, new = it.surge('0')
    for number in range(10):
        new.write(b'%d%099d\n' % (number, 0))  # each fills a log
        it.turn_until(lambda line=f'{number}{0:099}': line in said(it))
    old.write(b'old\n')
    it.turn_until(lambda: 'old' in said(it))
    assert opened(it, 'a') == 1


def test_the_log_stays_open_as_long_as_one_of_them_needs_it(turning):
    it = turning(web(numprocs=1, stdout_logfile_backups=50, **ROTATING))
    old, new = it.surge('0')
    old.stop()
    it.turn_until(lambda: it.names() == ['0'])
    new.write(b'here\n')
    it.turn_until(lambda: said(it) == ['here'])
    new.stop()
    it.turn_until(lambda: not new.pid)
    assert opened(it, 'a') == 0


def test_logs_that_are_opened_anew_or_cleared_are_shared_all_the_same(turning):
    it = turning(web(numprocs=1, stdout_logfile='%(here)s/a'))
    old, new = it.surge('0')
    (it.directory / 'a').rename(it.directory / 'before')
    it.group().reopenlogs()  # what SIGUSR2 does
    new.write(b'new\n')
    old.write(b'old\n')
    it.turn_until(lambda: sorted(said(it)) == ['new', 'old'])
    it.rpc.clearProcessLogs('web:0')
    assert said(it) == []
    old.write(b'old again\n')
    it.turn_until(lambda: said(it) == ['old again'])
    assert (it.log('before'), opened(it, 'a')) == ('', 1)


def test_a_log_with_a_made_up_name_keeps_it(turning):
    it = turning(web(numprocs=1))
    path = it.group().processes['0'].config.stdout_logfile
    old, new = it.surge('0')
    old.write(b'old\n')
    new.write(b'new\n')
    it.turn_until(lambda: len(lines(path)) == 2)
    assert new.config.stdout_logfile == path


def lines(path):
    with open(path) as file:
        return file.read().splitlines()


def test_what_is_captured_is_not_shared(turning):
    """Each says something of its own between the tokens."""
    it = turning(web(numprocs=1, stdout_capture_maxbytes=100, **ROTATING))
    heard = []
    events.subscribe(
        events.ProcessCommunicationEvent,
        lambda event: heard.append((event.process.config.name, event.data)),
    )
    old, new = it.surge('0')
    for one, end in ((old, b''), (new, b''), (old, b'<!--XSUPERVISOR:END-->')):
        one.write(end or b'<!--XSUPERVISOR:BEGIN-->%d' % one.pid)
        one.write(b' and a line\n')
    new.write(b'<!--XSUPERVISOR:END-->\n')
    it.turn_until(lambda: len(heard) == 2)
    assert sorted(heard, reverse=True) == [
        ('0.old', b'%d and a line\n' % old.pid),
        ('0', b'%d and a line\n' % new.pid),
    ]


def test_a_second_one_that_cannot_be_spawned_leaves_the_log_as_it_is(turning):
    it = turning(web(numprocs=1, stdout_logfile='%(here)s/a'))
    old = it.group().processes['0']
    config = old.config
    new = take_place(old, config)
    new.config = sharing_logs(config, old)
    new.config.command = '/no/such/program'
    new.spawn()
    assert (new.pid, new.state) == (0, ProcessStates.BACKOFF)
    give_back(old, new, config)
    old.write(b'here\n')
    it.turn_until(lambda: said(it) == ['here'])
    assert it.names() == ['0']


# -- fcgi ------------------------------------------------------------------------------------------


def test_both_have_the_shared_socket(turning):
    it = turning(
        program(
            'web',
            'fcgi-program',
            command='/bin/sleep 1000',
            socket='unix://%(here)s/s',
            autostart='false',
            startsecs=0,
        )
    )
    manager = it.group().socket_manager
    references = manager.get_socket_ref_count()
    old, new = it.surge('web')
    assert manager.get_socket_ref_count() == references + 1
    assert new.fcgi_sock.fileno() == old.fcgi_sock.fileno()
    old.stop()
    it.turn_until(lambda: it.names() == ['web'])
    assert manager.get_socket_ref_count() == references
