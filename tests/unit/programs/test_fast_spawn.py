"""Which processes are started the fast way, what Popen is told of them, and what remains if it
fails.
"""

from __future__ import annotations

import errno
import grp
import os
import subprocess
import sys
import time
import types
from typing import cast

import pytest
from supervisor import events
from supervisor.options import (
    EventListenerConfig,
    FastCGIProcessConfig,
    ProcessConfig,
    ServerOptions,
)
from supervisor.process import FastCGISubprocess, Subprocess
from supervisor.states import ProcessStates

from supervisor_restarter.names import Match
from supervisor_restarter.programs import fast_spawn as module
from supervisor_restarter.programs import reviewed
from supervisor_restarter.programs.access import Identity
from supervisor_restarter.programs.fast_spawn import (
    Starter,
    Unusual,
    environment,
    fast_spawn,
    own_spawn,
    unusual,
)
from supervisor_restarter.readiness.monitor import ReadinessMonitor
from supervisor_restarter.server.actions import Actions
from supervisor_restarter.server.processes import Processes

# fmt: off
PIPES = {
    'stdin': 10, 'child_stdin': 11, 'stdout': 12, 'child_stdout': 13, 'stderr': 14, 'child_stderr': 15,
}
# fmt: on
SETTINGS = {
    'name': 'web',
    'command': '/bin/sleep 1',
    'startsecs': 0,
    'startretries': 3,
    'exitcodes': [0],
    'priority': 999,
    'redirect_stderr': False,
    'stdout_logfile_maxbytes': 0,
    'stderr_logfile_maxbytes': 0,
}


class Log:
    """What supervisord would log."""

    def __init__(self):
        self.lines = []

    def __getattr__(self, level):
        return lambda text, **more: self.lines.append(f'{level}: {text}')


@pytest.fixture(autouse=True)
def _usual(monkeypatch):
    """As if on a Python that knows process groups; no subscriber of another test is told anything."""
    monkeypatch.setattr(sys, 'version_info', (3, 11, 0))
    monkeypatch.setattr(events, 'callbacks', [])
    monkeypatch.setattr(module, '_slow_until', 0.0)


@pytest.fixture
def options():
    options = ServerOptions()
    options.logger, options.loglevel, options.minfds, options.strip_ansi = Log(), 20, 1024, False
    options.pidhistory, options.serverurl = {}, None
    return options


@pytest.fixture
def make(options):
    """make(kind, config, **settings) gives a process of Supervisor's; its pipes are only numbers."""

    def process(kind=Subprocess, config=ProcessConfig, **settings):
        settings = {**dict.fromkeys(ProcessConfig.req_param_names), **SETTINGS, **settings}
        made = kind(config(options, **settings))
        made.pipes = dict(PIPES)
        made.group = types.SimpleNamespace(config=types.SimpleNamespace(name='group'))
        return made

    return process


class Popen:
    """Stands in for subprocess.Popen: does as `outcome` says and remembers."""

    def __init__(self, monkeypatch, outcome):
        self.outcome, self.children, self.told = outcome, [], []
        monkeypatch.setattr(subprocess, 'Popen', self)
        monkeypatch.setattr(reviewed, 'OF_POPEN', ())  # it is replaced, indeed

    def __call__(self, argv, **how):
        self.told.append((argv, how))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        self.children.append(types.SimpleNamespace(pid=self.outcome, returncode=None))
        return self.children[-1]


# -- is it usual? ------------------------------------------------------------------------------


def test_what_supervisor_makes_is_usual(make):
    assert unusual(make()) == ''
    assert unusual(make(FastCGISubprocess, FastCGIProcessConfig)) == ''
    assert unusual(make(config=EventListenerConfig)) == ''


@pytest.mark.parametrize(
    ('place', 'name', 'value'),
    [
        (sys, 'platform', 'darwin'),
        (sys, 'version_info', (3, 10, 9)),
        (reviewed, 'VERSION', '4.4.0'),
    ],
)
def test_other_surroundings_are_unusual(make, monkeypatch, place, name, value):
    monkeypatch.setattr(place, name, value)
    assert unusual(make())


def test_an_unusual_process_is_spawned_as_ever(make, monkeypatch):
    popen = Popen(monkeypatch, 4711)
    process = make()
    process.spawn = lambda: 815
    assert fast_spawn(process) == 815
    assert popen.told == []
    assert (
        "debug: restarter: web gets Supervisor's own fork: somebody has replaced Subprocess.spawn"
        in process.config.options.logger.lines
    )


# -- what Popen is told ------------------------------------------------------------------------


class Recorder:
    """Options that note down what Supervisor's own child would do."""

    def __init__(self, options):
        self.options, self.calls = options, {}

    def __getattr__(self, name):
        if name in ('setpgrp', 'dup2', 'close_fd', 'chdir', 'setumask', 'execve', 'write', '_exit'):
            return lambda *arguments: self.calls.setdefault(name, []).append(arguments)
        return getattr(self.options, name)


@pytest.mark.parametrize(
    ('kind', 'url', 'settings'),
    [
        (Subprocess, None, {}),
        (Subprocess, None, {'redirect_stderr': True}),
        (Subprocess, None, {'directory': '/x', 'umask': 0o27}),
        (Subprocess, None, {'umask': 0, 'directory': ''}),
        (Subprocess, None, {'environment': {'PATH': '/x', 'SUPERVISOR_ENABLED': 'no'}}),
        (Subprocess, None, {'serverurl': 'http://x'}),
        (Subprocess, 'unix:///sock', {}),
        (Subprocess, 'unix:///sock', {'serverurl': ''}),
        (FastCGISubprocess, None, {'redirect_stderr': True}),
    ],
)
def test_popen_is_told_what_supervisors_child_does(make, options, kind, url, settings):
    process = make(kind, **settings)
    process.fcgi_sock = types.SimpleNamespace(fileno=lambda: 20)
    options.serverurl = url
    how = module.popen_arguments(process)

    recorder = process.config.options = Recorder(options)
    process._spawn_as_child('/bin/sleep', ['sleep', '1'])
    calls = recorder.calls
    assert calls['dup2'] == [(how['stdin'], 0), (how['stdout'], 1), (how['stderr'], 2)]
    assert [tuple(map(os.fsencode, one)) for one in calls['execve'][0][2].items()] == [
        *how['env'].items()
    ]
    assert calls.get('chdir', [(None,)]) == [(how['cwd'],)]
    assert calls.get('setumask', [(-1,)]) == [(how['umask'],)]
    assert calls['setpgrp'] == [()]
    assert (how['process_group'], how['restore_signals']) == (0, False)
    assert not {'user', 'group', 'extra_groups', 'start_new_session', 'preexec_fn'} & set(how)


def test_a_process_without_a_group_is_not_told_of_one(make):
    process = make()
    process.group = None
    assert b'SUPERVISOR_GROUP_NAME' not in environment(process)


@pytest.mark.parametrize('pipes', [{'child_stdin': 0}, {'child_stderr': 1}, {'child_stdout': None}])
def test_standard_descriptors_among_the_pipes_are_unusual(make, pipes):
    process = make()
    process.pipes.update(pipes)
    with pytest.raises(Unusual):
        module.popen_arguments(process)


def test_a_directory_that_the_user_may_not_enter_is_unusual(make, monkeypatch):
    monkeypatch.setattr(module, 'identity', lambda uid: Identity(uid, 2, [2, 3]))
    monkeypatch.setattr(module, 'may_enter', lambda directory, user: directory == '/open')
    with pytest.raises(Unusual, match='may not enter /closed'):
        module.popen_arguments(make(directory='/closed', uid=1))
    how = module.popen_arguments(make(directory='/open', uid=1))
    assert (how['user'], how['group'], how['extra_groups']) == (1, 2, [2, 3])


@pytest.mark.parametrize('slow', ['program', 'user database'])
def test_what_holds_up_the_loop_is_waited_for_once_a_minute(make, options, monkeypatch, slow):
    now = [1000.0]

    def hold_up():
        now[0] += 1
        return []

    popen = Popen(monkeypatch, 4711)
    monkeypatch.setattr(time, 'monotonic', lambda: now[0])
    monkeypatch.setattr(options, 'fork', lambda: 815)
    monkeypatch.setattr(os, 'getuid', lambda: 0)
    if slow == 'user database':
        monkeypatch.setattr(grp, 'getgrall', hold_up)
    else:
        monkeypatch.setattr(module, 'environment', lambda process: hold_up())
    starter = Starter(make(uid=1))
    starter.check_execv_args('/bin/sleep', ['sleep', '1'], os.stat('/bin/sleep'))
    assert [starter.fork(), starter.fork()] == [4711, 815]
    now[0] += module.SLOW_FOR
    assert starter.fork() == 4711
    assert len(popen.told) == 2


@pytest.mark.parametrize('error', [MemoryError(), OSError(errno.ENOMEM, 'no')])
def test_whatever_goes_wrong_supervisors_own_fork_is_tried(make, options, monkeypatch, error):
    Popen(monkeypatch, error)
    monkeypatch.setattr(options, 'fork', lambda: 815)
    starter = Starter(make())
    starter.check_execv_args('/bin/sleep', ['sleep', '1'], os.stat('/bin/sleep'))
    assert starter.fork() == 815


# -- what remains --------------------------------------------------------------------------------


def is_closed(pipes):
    for number in pipes.values():
        with pytest.raises(OSError):
            os.fstat(number)
    return True


def test_a_started_process_is_supervisors_own(make, options, monkeypatch):
    popen = Popen(monkeypatch, 4711)
    process = make()
    config = process.config
    assert fast_spawn(process) == 4711
    assert process.pid == 4711
    assert options.pidhistory == {4711: process}
    assert process.state == ProcessStates.STARTING
    assert process.config is config
    assert config.options is options
    assert 'fork' not in vars(options)
    assert process.restarter_execed == (4711, process.laststart)
    assert popen.children[0].returncode is not None  # Popen will never wait for it
    argv, how = popen.told[0]
    assert (argv, how['executable']) == (['/bin/sleep', '1'], '/bin/sleep')
    assert "info: spawned: 'web' with pid 4711" in options.logger.lines
    options.close_parent_pipes(process.pipes)


@pytest.mark.parametrize(('redirect', 'channel'), [(True, 'stdout'), (False, 'stderr')])
def test_a_program_that_cannot_be_executed(make, options, monkeypatch, tmp_path, redirect, channel):
    popen = Popen(monkeypatch, OSError(errno.ENOEXEC, 'Exec format error', '/bin/sleep'))
    log = tmp_path / 'log'
    process = make(redirect_stderr=redirect, **{f'{channel}_logfile': str(log)})
    config = process.config
    assert fast_spawn(process) is None
    assert process.state == ProcessStates.BACKOFF
    assert process.spawnerr == "couldn't exec /bin/sleep: ENOEXEC (Exec format error)"
    assert log.read_text() == (
        "supervisor: couldn't exec /bin/sleep: ENOEXEC\nsupervisor: child process was not spawned\n"
    )
    assert (process.pid, process.pipes, process.dispatchers, process.config) == (0, {}, {}, config)
    how = popen.told[0][1]
    assert is_closed({name: how[name] for name in ('stdin', 'stdout', 'stderr')})
    assert options.pidhistory == {}


def test_a_directory_that_is_not_there(make, monkeypatch):
    Popen(monkeypatch, OSError(errno.ENOENT, 'No such file or directory', '/gone'))
    process = make(directory='/gone')
    fast_spawn(process)
    assert process.spawnerr == "couldn't chdir to /gone: ENOENT (No such file or directory)"


@pytest.mark.parametrize(
    ('outcome', 'settings'),
    [
        (OSError(errno.EAGAIN, 'no more processes'), {}),
        (OSError(errno.EACCES, 'not as root', '/srv'), {'directory': '/srv', 'uid': 1}),
        (OSError(errno.EAGAIN, 'no more processes', '/srv'), {'directory': '/srv', 'uid': 1}),
        (subprocess.SubprocessError('what is that?'), {}),
    ],
)
def test_what_nobody_foresaw_is_supervisors_own_fork(make, options, monkeypatch, outcome, settings):
    Popen(monkeypatch, outcome)
    monkeypatch.setattr(module, 'identity', lambda uid: None)
    process = make(**settings)
    forks = iter([4712])
    # for the fork below is one that somebody replaced
    monkeypatch.setattr(module, 'unusual', lambda process: '')
    options.fork = lambda: next(forks)
    assert fast_spawn(process) == 4712
    assert f"debug: restarter: web gets Supervisor's own fork: {outcome}" in options.logger.lines
    options.close_parent_pipes(process.pipes)


@pytest.mark.parametrize('how', [fast_spawn, own_spawn])
def test_a_fork_that_fails_leaves_no_dispatchers(make, options, monkeypatch, how):
    Popen(monkeypatch, OSError(errno.EAGAIN, 'no more processes'))
    monkeypatch.setattr(module, 'unusual', lambda process: '')
    monkeypatch.setattr(module, 'unreviewed', lambda process: '')

    def fork():
        raise OSError(errno.EAGAIN, 'no more processes')

    options.fork = fork
    process = make()
    assert how(process) is None
    assert 'Too many processes' in process.spawnerr
    assert (process.dispatchers, process.pipes) == ({}, {})


@pytest.mark.parametrize(
    ('how', 'kind', 'redirect'),
    [
        (fast_spawn, (Subprocess, ProcessConfig), False),
        (own_spawn, (Subprocess, ProcessConfig), True),
        (own_spawn, (FastCGISubprocess, FastCGIProcessConfig), False),
    ],
)
def test_a_log_file_that_cannot_be_opened_leaves_no_pipes(
    make, options, tmp_path, how, kind, redirect
):
    process = make(*kind, redirect_stderr=redirect, stdout_logfile=str(tmp_path / 'gone' / 'log'))
    if kind[0] is FastCGISubprocess:
        process.group.socket_manager = types.SimpleNamespace(get_socket=object)
    process.pipes, config = {}, process.config
    before = len(os.listdir('/proc/self/fd'))
    assert how(process) is None
    assert len(os.listdir('/proc/self/fd')) == before
    assert process.state == ProcessStates.BACKOFF
    assert 'ENOENT' in process.spawnerr
    assert (process.pid, process.pipes, process.dispatchers, process.config) == (0, {}, {}, config)


def test_a_relative_file_without_a_slash_is_not_searched_for(make, options, monkeypatch, tmp_path):
    popen = Popen(monkeypatch, 4711)
    monkeypatch.setattr(module, 'unusual', lambda process: '')
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'app').touch(0o755)
    options.fork = lambda: 4712
    process = make(command='app', environment={'PATH': ''})
    assert fast_spawn(process) == 4712
    assert popen.told == []
    options.close_parent_pipes(process.pipes)


def test_whoever_spawns_when_told_of_starting_gets_supervisors_fork(make, options, monkeypatch):
    popen = Popen(monkeypatch, 4711)
    monkeypatch.setattr(module, 'unusual', lambda process: '')
    options.fork = lambda: 4712
    one, other = make(), make(name='other')

    def told(event):
        if event.process is one:
            other.spawn()

    events.subscribe(events.ProcessStateStartingEvent, told)
    fast_spawn(one)
    assert (one.pid, other.pid) == (4711, 4712)
    assert len(popen.told) == 1
    for process in (one, other):
        options.close_parent_pipes(process.pipes)


@pytest.mark.parametrize(
    ('fast', 'environment'), [(True, {'NOTIFY_SOCKET': '/run/notify'}), (False, {})]
)
def test_whoever_takes_hold_of_a_process_when_told_of_starting_gets_its_own_config(
    make, options, monkeypatch, fast, environment
):
    Popen(monkeypatch, 4711)
    monkeypatch.setattr(module, 'unreviewed', lambda process: '')
    options.fork = lambda: 4711
    process, held, match = make(), [], Match('group', 'cat', True, True)
    config, group = (
        process.config,
        types.SimpleNamespace(config=process.group.config, processes={'cat': process}),
    )
    supervisord = types.SimpleNamespace(process_groups={'group': group}, options=options)
    processes = Processes(supervisord)
    handle = processes.hold(match)
    if environment:
        watch = types.SimpleNamespace(
            environment=lambda: environment, started=lambda pid, now: None
        )
        handle.monitor = cast(ReadinessMonitor, watch)
    events.subscribe(
        events.ProcessStateStartingEvent, lambda event: held.append(processes.hold(match).config)
    )
    assert Actions(supervisord, processes, fast).start(handle) is None
    assert held == [config]
    assert held[0] is process.config is config
    options.close_parent_pipes(process.pipes)


def test_an_exception_in_spawn_leaves_the_config_as_it_was(make, monkeypatch):
    process = make()
    process.state = ProcessStates.STOPPING
    config = process.config
    with pytest.raises(AssertionError):
        fast_spawn(process)
    assert process.config is config
