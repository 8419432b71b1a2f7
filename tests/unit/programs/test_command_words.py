"""What is executed for a command, beside what Supervisor's own get_execv_args() says."""

from __future__ import annotations

import os

import pytest
from supervisor.options import ProcessConfig, ProcessException, ServerOptions
from supervisor.process import Subprocess

from supervisor_restarter.programs import command_words
from supervisor_restarter.programs.command_words import execv_args


@pytest.fixture
def make():
    """make(command) gives a process of Supervisor's."""
    options = ServerOptions()

    def process(command, environment=None):
        settings = {**dict.fromkeys(ProcessConfig.req_param_names), 'name': 'web'}
        return Subprocess(
            ProcessConfig(options, **{**settings, 'command': command, 'environment': environment})
        )

    return process


def told(ask):
    try:
        return ask()
    except ProcessException as error:
        return type(error), error.args


@pytest.mark.parametrize(
    'command',
    [
        '/bin/sleep 1',
        '/bin/sh -c "exec sleep 1" \'a b\' c\\ d ""',
        'sleep 1',
        'bin/sleep',
        '',
        '   ',
        '"unbalanced',
        '/no/such/file 1',
        '/etc/passwd',
        '/etc',
        'no-such-program',
        '/bin/sleep # no comment',
        '"/bin/sleep" \u00e4',
    ],
)
def test_it_is_what_supervisor_says(make, command):
    process = make(command)
    first = told(lambda: execv_args(process))
    assert first == told(process.get_execv_args)
    assert told(lambda: execv_args(process)) == first


def test_the_path_is_that_of_the_program(make, tmp_path):
    (tmp_path / 'app').touch(0o755)
    environment = {'PATH': str(tmp_path)}
    assert execv_args(make('app 1', environment)) == (str(tmp_path / 'app'), ['app', '1'])


def test_the_file_is_looked_at_each_time(make, tmp_path):
    process = make(f'{tmp_path}/app')
    assert told(lambda: execv_args(process))[0] is not None
    (tmp_path / 'app').touch(0o755)
    assert execv_args(process) == (f'{tmp_path}/app', [f'{tmp_path}/app'])
    os.chmod(tmp_path / 'app', 0o644)
    with pytest.raises(ProcessException):
        execv_args(process)


def test_a_command_is_split_once_and_nobody_changes_what_is_kept(make, monkeypatch):
    process = make('/bin/sleep 271 828')
    execv_args(process)[1].append('mine')
    monkeypatch.setattr(command_words, 'shlex', None)
    assert execv_args(process) == ('/bin/sleep', ['/bin/sleep', '271', '828'])
