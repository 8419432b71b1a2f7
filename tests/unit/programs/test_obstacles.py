"""What keeps a program from being started, by the answers of a real file system."""

from __future__ import annotations

import errno
import itertools
import os
import pickle
import pwd
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from supervisor.options import ProcessConfig, ProcessException, ServerOptions
from supervisor.process import Subprocess

from supervisor_restarter.programs import access, obstacles
from supervisor_restarter.programs.access import Identity
from supervisor_restarter.programs.obstacles import Obstacles

NOBODY = 65534
REFUSED = 'EACCES (Permission denied)'
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='only root can look as somebody else')
SETTINGS = {
    'name': 'web',
    'startsecs': 1,
    'startretries': 3,
    'exitcodes': [0],
    'priority': 999,
    'redirect_stderr': False,
    'autorestart': True,
}


@pytest.fixture
def place():
    """A directory that everybody can enter, with a script that everybody can execute."""
    place = Path(tempfile.mkdtemp(prefix='restarter-', dir='/tmp'))
    place.chmod(0o755)
    (place / 'app').write_text('#!/bin/sh\nexit 0\n')
    (place / 'app').chmod(0o755)
    (place / 'work').mkdir(mode=0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def make(place):
    """make(**settings) gives a process of Supervisor's that is never spawned."""

    def process(**settings):
        settings = {
            **dict.fromkeys(ProcessConfig.req_param_names),
            **SETTINGS,
            'command': f'{place}/app',
            'directory': str(place / 'work'),
            **settings,
        }
        return Subprocess(ProcessConfig(ServerOptions(), **settings))

    return process


@pytest.fixture
def of(make):
    """of(**settings) gives the obstacle of such a process."""
    return lambda **settings: Obstacles().of(make(**settings))


def as_nobody(question):
    """What the question is answered by a supervisord that runs as nobody."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setgroups([])
            os.setgid(pwd.getpwuid(NOBODY).pw_gid)
            os.setuid(NOBODY)
            os.write(writing, pickle.dumps(question()))
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, 'rb') as answer:
        said = answer.read()
    os.waitpid(pid, 0)
    return pickle.loads(said)


def test_nothing_speaks_against_what_can_be_started(of):
    assert of() == ''
    assert of(uid=os.getuid(), directory=None, command='sleep 1') == ''


def test_supervisors_own_complaint_comes_first(of, place):
    shutil.rmtree(place / 'work')
    assert of(command='/nonexistent') == "can't find command '/nonexistent'"
    assert of(command='"').startswith("can't parse command")


def test_an_answer_holds_for_a_moment_only(of, make, place):
    shutil.rmtree(place / 'work')
    now = Obstacles()
    assert now.of(make())
    (place / 'work').mkdir()
    assert now.of(make())
    assert of() == ''


def test_the_processes_of_a_group_ask_once(of, make, place, monkeypatch):
    asked = []
    real = os.stat

    def stat(path, **more):
        asked.append(path)
        return real(path, **more)

    monkeypatch.setattr(os, 'stat', stat)
    now = Obstacles()
    assert [now.of(make(name=str(number))) for number in range(5)] == [''] * 5
    assert asked.count(str(place / 'work')) == 1


def test_of_a_process_that_somebody_has_altered_only_supervisor_can_tell(of, make, place):
    shutil.rmtree(place / 'work')
    process = make()
    process._spawn_as_child = lambda *arguments: None
    assert Obstacles().of(process) == ''
    process = make(command='/nonexistent')
    process._spawn_as_child = lambda *arguments: None
    assert Obstacles().of(process) == "can't find command '/nonexistent'"


def test_who_looks_for_the_command_in_a_way_of_his_own_is_asked(make):
    process = make()

    def refuse():
        raise ProcessException('not today')

    process.get_execv_args = refuse
    assert Obstacles().of(process) == 'not today'


def test_a_relative_command_is_executed_in_the_directory_of_the_program(of, place, monkeypatch):
    """... though Supervisor looks for it where it is itself."""
    monkeypatch.chdir(place)
    assert of(command='./app') == "couldn't exec ./app: ENOENT (No such file or directory)"
    (place / 'work/app').symlink_to('../app')
    assert of(command='./app') == ''
    assert of(command='./app', directory=None) == ''
    assert of(command='app', directory='work', environment={'PATH': '.'}) == ''


def test_a_relative_interpreter_is_looked_for_there_too(of, place):
    (place / 'app').write_text('#!sh\n')
    assert 'its interpreter sh: ENOENT' in of()
    (place / 'work/sh').symlink_to('/bin/sh')
    assert of() == ''


def test_interpreters_that_are_scripts_are_followed(of, place):
    (place / 'app').write_text(f'#!{place}/one\n')
    for name, interpreter in (('one', f'{place}/two'), ('two', '/gone')):
        (place / name).write_text(f'#!{interpreter}\n')
        (place / name).chmod(0o755)
    assert of() == (
        f"couldn't exec {place}/app: its interpreter {place}/one: its interpreter {place}/two: "
        'its interpreter /gone: ENOENT (No such file or directory)'
    )
    # the kernel gives up, but how soon is its own affair
    (place / 'two').write_text(f'#!{place}/one\n')
    assert of() == ''


@pytest.mark.parametrize(
    ('line', 'path', 'said'),
    [
        ('named', '/usr/bin:{place}/', ''),
        ('named', ':/usr/bin', ''),  # an empty part is the working directory
        ('named', '/usr/bin', 'env finds no named in its PATH'),
        ('named', '', ''),
        ('-S named', '/usr/bin', ''),
        ('./gone', '/usr/bin', ''),
    ],
)
def test_what_env_looks_for(of, place, line, path, said):
    (place / 'app').write_text(f'#!/usr/bin/env {line}\n')
    for directory in (place, place / 'work') if path.startswith(':') else (place,):
        (directory / 'named').touch()
    found = of(environment={'PATH': path.format(place=place)})
    assert found == (f"couldn't exec {place}/app: {said}" if said else '')


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        ('', 'ENOEXEC (Exec format error): it is empty'),
        ('#!/tmp\n', 'its interpreter /tmp: EACCES (Permission denied)'),
        ('#!/x\0y\n', ''),  # nobody expects that
    ],
)
def test_a_file_that_cannot_be_executed(of, place, content, said):
    (place / 'app').write_text(content)
    assert of() == (f"couldn't exec {place}/app: {said}" if said else '')


def test_a_directory_that_is_none(of, place):
    said = f"couldn't chdir to {place}/app: ENOTDIR (Not a directory)"
    assert of(directory=f'{place}/app') == said
    assert of(directory='x\0y') == ''


def test_what_only_linux_has_is_not_asked_elsewhere(of, place, monkeypatch):
    (place / 'app').write_text('')
    monkeypatch.setattr(obstacles, 'LINUX', False)
    assert of() == ''
    (place / 'work').chmod(0o700)
    monkeypatch.setattr(obstacles, 'identity', lambda uid: Identity(NOBODY, NOBODY, []))
    assert of(uid=NOBODY) == ''


def test_names_from_the_configuration_do_not_move_the_cursor(of):
    assert of(directory='/x\x1b[2J') == (
        "couldn't chdir to /x\\x1b[2J: ENOENT (No such file or directory)"
    )


def test_errors_that_may_pass_are_no_obstacles(place, monkeypatch):
    def stat(path, **more):
        raise OSError(errno.EIO, 'a disk that comes and goes')

    monkeypatch.setattr(os, 'stat', stat)
    assert Obstacles()._directory(str(place / 'work'), None) == ''


# -- log files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('path', 'said'),
    [
        ('work/../new', ''),
        ('link', ''),
        ('/dev/null', ''),
        (None, ''),
        ('dangling', 'ENOENT'),
        ('file/log', 'ENOTDIR'),
        ('work', 'EISDIR'),
        ('loop', 'ELOOP'),
    ],
)
def test_a_log_file_must_be_one(of, make, place, path, said):
    (place / 'file').touch()
    for name, target in {'link': 'newer', 'dangling': 'gone/x', 'loop': 'loop'}.items():
        (place / name).symlink_to(target)
    path = path and str(place / path)
    found = of(stdout_logfile=path)
    assert found.startswith(f"couldn't open its log {path}: {said} (") if said else found == ''
    assert found == of(stderr_logfile=path)
    assert found == Obstacles().harm(make(stdout_logfile=path))
    assert of(stderr_logfile=path, redirect_stderr=True) == ''
    if path and not path.startswith('/dev'):
        trouble = ''
        try:
            open(path, 'ab').close()  # what Supervisor does
        except OSError as error:
            trouble = errno.errorcode[error.errno or 0]
        assert trouble == said


def test_a_log_file_must_be_writable(of, place, monkeypatch):
    monkeypatch.setattr(os, 'access', lambda path, mode, **more: mode & os.W_OK == 0)
    shut = f"couldn't open its log {place}/%s: {REFUSED}"
    for name in ('app', 'new'):
        path = str(place / name)
        assert of(stdout_logfile=path) == shut % name


@needs_root
def test_a_supervisord_that_is_not_root_opens_its_logs_as_it_can(of, place):
    (place / 'theirs').touch(mode=0o644)
    (place / 'work').chmod(0o777)
    shut = f"couldn't open its log {place}/%s: {REFUSED}"
    for path, said in (('theirs', shut % 'theirs'), ('new', shut % 'new'), ('work/new', '')):
        assert as_nobody(lambda path=path: of(stdout_logfile=str(place / path))) == said


# -- users ---------------------------------------------------------------------------------------


@needs_root
def test_a_user_that_is_gone_is_said(of):
    assert of(uid=2**31 - 7) == f"couldn't setuid to {2**31 - 7}: Can't find uid {2**31 - 7}"
    assert as_nobody(lambda: of(uid=1)) == (
        "couldn't setuid to 1: Can't drop privilege as nonroot user"
    )


@needs_root
def test_a_supervisord_that_is_not_root_asks_the_kernel(of, place):
    assert as_nobody(of) == ''
    (place / 'work').chmod(0o700)
    assert as_nobody(of) == f"couldn't chdir to {place}/work: {REFUSED}"
    (place / 'work').chmod(0o755)
    (place / 'work/inner').mkdir()
    (place / 'work').chmod(0o700)
    assert as_nobody(lambda: of(directory=f'{place}/work/inner')) == (
        f"couldn't chdir to {place}/work/inner: {REFUSED}"
    )
    (place / 'work/sh').symlink_to('/bin/sh')
    (place / 'app').write_text(f'#!{place}/work/sh\n')
    assert as_nobody(lambda: of(directory=None)) == (
        f"couldn't exec {place}/app: its interpreter {place}/work/sh: {REFUSED}"
    )


@needs_root
def test_what_is_refused_to_others_is_as_the_kernel_has_it(of, place):
    """For every combination of bits and owners of a directory and of a script in it."""
    file, group, refused = place / 'work/app', pwd.getpwuid(NOBODY).pw_gid, 0
    file.write_text('#!/bin/sh\nexit 0\n')
    above, bits = (0o711, 0o700, 0o710, 0o677), (0o755, 0o711, 0o750, 0o055)
    for one in itertools.product(above, bits, (0, NOBODY), (0, group)):
        for path, mode in ((file, one[1]), (place / 'work', one[0])):
            os.chown(path, *one[2:])
            path.chmod(mode)
        said = of(uid=NOBODY, directory=None, command=str(file))
        # a shell has to read it
        assert as_nobody(lambda: os.access(file, os.R_OK | os.X_OK)) is (said == ''), (one, said)
        refused += said != ''
    assert 10 < refused < 60


@needs_root
def test_what_the_bits_do_not_say_is_not_claimed(of, place, monkeypatch):
    (place / 'work').chmod(0o700)
    assert of(uid=NOBODY) == (
        f"couldn't chdir to {place}/work: EACCES (Permission denied): user nobody may not enter {place}/work"
    )
    monkeypatch.setattr(access, 'is_local', lambda path: False)
    assert of(uid=NOBODY) == ''
    monkeypatch.undo()
    monkeypatch.setattr(access, '_has_access_list', lambda path: True)
    assert of(uid=NOBODY) == ''


@needs_root
def test_an_access_list_may_allow_what_the_bits_do_not(of, place):
    # version 2; of the owner, of a user, of the group, mask, of others: tag, bits, who
    entries = [(1, 7, -1), (2, 5, NOBODY), (4, 0, -1), (16, 5, -1), (32, 0, -1)]
    packed = struct.pack('<I', 2) + b''.join(struct.pack('<HHi', *one) for one in entries)
    try:
        os.setxattr(place / 'work', 'system.posix_acl_access', packed)
    except OSError as error:
        pytest.skip(f'no access lists here: {error}')
    assert (place / 'work').stat().st_mode & 0o777 == 0o750
    assert as_nobody(lambda: os.access(place / 'work', os.X_OK))
    assert of(uid=NOBODY) == ''


@needs_root
def test_an_interpreter_with_rights_of_its_own_may_read_what_the_user_may_not(of, place):
    (place / 'app').chmod(0o711)
    shutil.copy('/bin/sh', place / 'sh')
    (place / 'app').write_text(f'#!{place}/sh\n')
    assert 'user nobody may not read' in of(uid=NOBODY)
    (place / 'sh').chmod(0o4755)
    assert of(uid=NOBODY) == ''


# -- file systems --------------------------------------------------------------------------------


@pytest.fixture
def noexec(place):
    """A directory on a file system from which nothing is executed."""
    mounted = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'noexec,mode=755', 'none', place / 'work'],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f'nothing can be mounted here: {mounted.stderr.strip()}')
    yield place / 'work'
    subprocess.run(['umount', place / 'work'], check=True)


@needs_root
@pytest.mark.skipif(sys.platform != 'linux', reason='mounts as on Linux')
@pytest.mark.parametrize('uid', [None, NOBODY])
def test_a_file_system_that_is_mounted_noexec_is_seen(of, place, noexec, uid):
    shutil.copy('/bin/sh', noexec / 'sh')
    assert of(uid=uid, command=f'{noexec}/sh') == f"no permission to run command '{noexec}/sh'"
    (place / 'app').write_text(f'#!{noexec}/sh\n')
    assert of(uid=uid) == (
        f"couldn't exec {place}/app: its interpreter {noexec}/sh: EACCES (Permission denied): "
        'its file system is mounted noexec'
    )
    subprocess.run(['mount', '-o', 'remount,exec', noexec], check=True)
    assert of(uid=uid) == ''


# -- harm ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('settings', 'harmful'),
    [
        ({'startsecs': 0}, True),
        ({'startsecs': 1}, False),
        ({'startsecs': 0, 'autorestart': False}, False),
        ({'startsecs': 0, 'command': '/nonexistent'}, False),
    ],
)
def test_an_attempt_does_harm_where_supervisor_would_not_see_that_it_failed(
    of, make, place, settings, harmful
):
    shutil.rmtree(place / 'work')
    assert of(**settings)
    assert bool(Obstacles().harm(make(**settings))) is harmful


# -- the commands that it has for its restarts ---------------------------------------------------


@pytest.mark.parametrize('variable', ['RESTARTER_BEFORE_STOP', 'RESTARTER_AFTER_READY'])
@pytest.mark.parametrize(
    ('command', 'path', 'said'),
    [
        ('{place}/app drain', '', ''),
        ('../app "drain it"', '', ''),  # from its directory
        ('app drain', '/usr/bin:{place}', ''),
        ('app drain', '..', ''),
        ('app drain', '/usr/bin', 'there is no app in its PATH'),
        ('{place}/lb', '', "couldn't exec {place}/lb: ENOENT (No such file or directory)"),
        ('./work', '', "couldn't exec ./work: ENOENT (No such file or directory)"),
        ('/etc/passwd', '', f"couldn't exec /etc/passwd: {REFUSED}"),
        ('"no end', '', ''),  # that is another trouble
    ],
)
def test_a_command_that_cannot_be_run(of, place, variable, command, path, said):
    environment = {variable: command.format(place=place)}
    if path:
        environment['PATH'] = path.format(place=place)
    expected = f'{variable}: {said.format(place=place)}' if said else ''
    assert of(environment=environment) == expected


@needs_root
def test_a_command_that_its_user_may_not_run(of, place):
    (place / 'lb').write_text('#!/bin/sh\n')
    (place / 'lb').chmod(0o700)
    said = of(uid=NOBODY, environment={'RESTARTER_AFTER_READY': f'{place}/lb ready'})
    assert said.startswith(f"RESTARTER_AFTER_READY: couldn't exec {place}/lb: {REFUSED}")
