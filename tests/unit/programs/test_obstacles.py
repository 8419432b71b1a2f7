"""What keeps a program from being started, by the answers of a real file system."""

from __future__ import annotations

import errno
import grp
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
from supervisor.options import ProcessConfig, ServerOptions
from supervisor.process import Subprocess

from supervisor_restarter.programs import access, obstacles
from supervisor_restarter.programs.access import Identity, identity
from supervisor_restarter.programs.obstacles import Obstacles

NOBODY = 65534
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


def test_nothing_speaks_against_what_can_be_started(make):
    assert Obstacles().of(make()) == ''
    assert Obstacles().of(make(uid=os.getuid(), directory=None, command='sleep 1')) == ''


def test_supervisors_own_complaint_comes_first(make, place):
    shutil.rmtree(place / 'work')
    assert Obstacles().of(make(command='/nonexistent')) == "can't find command '/nonexistent'"
    assert Obstacles().of(make(command='"')).startswith("can't parse command")


def test_an_answer_holds_for_a_moment_only(make, place):
    shutil.rmtree(place / 'work')
    now = Obstacles()
    assert now.of(make())
    (place / 'work').mkdir()
    assert now.of(make())
    assert Obstacles().of(make()) == ''


def test_the_processes_of_a_group_ask_once(make, place, monkeypatch):
    asked = []
    real = os.stat

    def stat(path, **more):
        asked.append(path)
        return real(path, **more)

    monkeypatch.setattr(os, 'stat', stat)
    now = Obstacles()
    assert [now.of(make(name=str(number))) for number in range(5)] == [''] * 5
    assert asked.count(str(place / 'work')) == 1


def test_of_a_process_that_somebody_has_altered_only_supervisor_can_tell(make, place):
    shutil.rmtree(place / 'work')
    process = make()
    process._spawn_as_child = lambda *arguments: None
    assert Obstacles().of(process) == ''
    process = make(command='/nonexistent')
    process._spawn_as_child = lambda *arguments: None
    assert Obstacles().of(process) == "can't find command '/nonexistent'"


def test_a_relative_command_is_executed_in_the_directory_of_the_program(make, place, monkeypatch):
    """... though Supervisor looks for it where it is itself."""
    monkeypatch.chdir(place)
    assert (
        Obstacles().of(make(command='./app'))
        == "couldn't exec ./app: ENOENT (No such file or directory)"
    )
    (place / 'work/app').symlink_to('../app')
    assert Obstacles().of(make(command='./app')) == ''
    assert Obstacles().of(make(command='./app', directory=None)) == ''
    assert Obstacles().of(make(command='app', directory='work', environment={'PATH': '.'})) == ''


def test_a_relative_interpreter_is_looked_for_there_too(make, place):
    (place / 'app').write_text('#!sh\n')
    assert 'its interpreter sh: ENOENT' in Obstacles().of(make())
    (place / 'work/sh').symlink_to('/bin/sh')
    assert Obstacles().of(make()) == ''


def test_interpreters_that_are_scripts_are_followed(make, place):
    (place / 'app').write_text(f'#!{place}/one\n')
    for name, interpreter in (('one', f'{place}/two'), ('two', '/gone')):
        (place / name).write_text(f'#!{interpreter}\n')
        (place / name).chmod(0o755)
    assert Obstacles().of(make()) == (
        f"couldn't exec {place}/app: its interpreter {place}/one: its interpreter {place}/two: "
        'its interpreter /gone: ENOENT (No such file or directory)'
    )
    (place / 'two').write_text(
        f'#!{place}/one\n'
    )  # the kernel gives up, but how soon is its own affair
    assert Obstacles().of(make()) == ''


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
def test_what_env_looks_for(make, place, line, path, said):
    (place / 'app').write_text(f'#!/usr/bin/env {line}\n')
    for directory in (place, place / 'work') if path.startswith(':') else (place,):
        (directory / 'named').touch()
    found = Obstacles().of(make(environment={'PATH': path.format(place=place)}))
    assert found == (f"couldn't exec {place}/app: {said}" if said else '')


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        ('', 'ENOEXEC (Exec format error): it is empty'),
        ('#!/tmp\n', 'its interpreter /tmp: EACCES (Permission denied)'),
        ('#!/x\0y\n', ''),  # nobody expects that
    ],
)
def test_a_file_that_cannot_be_executed(make, place, content, said):
    (place / 'app').write_text(content)
    assert Obstacles().of(make()) == (f"couldn't exec {place}/app: {said}" if said else '')


def test_a_directory_that_is_none(make, place):
    said = f"couldn't chdir to {place}/app: ENOTDIR (Not a directory)"
    assert Obstacles().of(make(directory=f'{place}/app')) == said
    assert Obstacles().of(make(directory='x\0y')) == ''


def test_what_only_linux_has_is_not_asked_elsewhere(make, place, monkeypatch):
    (place / 'app').write_text('')
    monkeypatch.setattr(obstacles, 'LINUX', False)
    assert Obstacles().of(make()) == ''
    (place / 'work').chmod(0o700)
    monkeypatch.setattr(obstacles, 'identity', lambda uid: Identity(NOBODY, NOBODY, []))
    assert Obstacles().of(make(uid=NOBODY)) == ''


def test_names_from_the_configuration_do_not_move_the_cursor(make):
    assert Obstacles().of(make(directory='/x\x1b[2J')) == (
        "couldn't chdir to /x\\x1b[2J: ENOENT (No such file or directory)"
    )


def test_errors_that_may_pass_are_no_obstacles(make, place, monkeypatch):
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
def test_a_log_file_must_be_one(make, place, path, said):
    (place / 'file').touch()
    for name, target in {'link': 'newer', 'dangling': 'gone/x', 'loop': 'loop'}.items():
        (place / name).symlink_to(target)
    path = path and str(place / path)
    found = Obstacles().of(make(stdout_logfile=path))
    assert found.startswith(f"couldn't open its log {path}: {said} (") if said else found == ''
    assert (
        found
        == Obstacles().of(make(stderr_logfile=path))
        == Obstacles().harm(make(stdout_logfile=path))
    )
    assert Obstacles().of(make(stderr_logfile=path, redirect_stderr=True)) == ''
    if path and not path.startswith('/dev'):
        trouble = ''
        try:
            open(path, 'ab').close()  # what Supervisor does
        except OSError as error:
            trouble = errno.errorcode[error.errno or 0]
        assert trouble == said


def test_a_log_file_must_be_writable(make, place, monkeypatch):
    monkeypatch.setattr(os, 'access', lambda path, mode, **more: mode & os.W_OK == 0)
    shut = f"couldn't open its log {place}/%s: EACCES (Permission denied)"
    for name in ('app', 'new'):
        path = str(place / name)
        assert Obstacles().of(make(stdout_logfile=path)) == shut % name


@needs_root
def test_a_supervisord_that_is_not_root_opens_its_logs_as_it_can(make, place):
    (place / 'theirs').touch(mode=0o644)
    (place / 'work').chmod(0o777)
    shut = f"couldn't open its log {place}/%s: EACCES (Permission denied)"
    for path, said in (('theirs', shut % 'theirs'), ('new', shut % 'new'), ('work/new', '')):
        assert (
            as_nobody(lambda path=path: Obstacles().of(make(stdout_logfile=str(place / path))))
            == said
        )


# -- users ---------------------------------------------------------------------------------------


@needs_root
def test_a_user_that_is_gone_is_said(make):
    assert (
        Obstacles().of(make(uid=2**31 - 7))
        == f"couldn't setuid to {2**31 - 7}: Can't find uid {2**31 - 7}"
    )
    assert as_nobody(lambda: Obstacles().of(make(uid=1))) == (
        "couldn't setuid to 1: Can't drop privilege as nonroot user"
    )


@needs_root
def test_a_supervisord_that_is_not_root_asks_the_kernel(make, place):
    assert as_nobody(lambda: Obstacles().of(make())) == ''
    (place / 'work').chmod(0o700)
    refused = 'EACCES (Permission denied)'
    assert as_nobody(lambda: Obstacles().of(make())) == f"couldn't chdir to {place}/work: {refused}"
    (place / 'work').chmod(0o755)
    (place / 'work/inner').mkdir()
    (place / 'work').chmod(0o700)
    assert as_nobody(lambda: Obstacles().of(make(directory=f'{place}/work/inner'))) == (
        f"couldn't chdir to {place}/work/inner: {refused}"
    )
    (place / 'work/sh').symlink_to('/bin/sh')
    (place / 'app').write_text(f'#!{place}/work/sh\n')
    assert as_nobody(lambda: Obstacles().of(make(directory=None))) == (
        f"couldn't exec {place}/app: its interpreter {place}/work/sh: {refused}"
    )


@needs_root
def test_what_is_refused_to_others_is_as_the_kernel_has_it(make, place):
    """For every combination of bits and owners of a directory and a file the program is tried, too."""
    group = next(
        entry.gr_gid for entry in grp.getgrall() if entry.gr_gid == pwd.getpwuid(NOBODY).pw_gid
    )
    (place / 'work/app').write_text('#!/bin/sh\nexit 0\n')
    user, count = identity(NOBODY), 0
    assert user is not None
    for on_directory, on_file, owner, owners in itertools.product(
        (0o711, 0o700, 0o710, 0o701, 0o677),
        (0o755, 0o711, 0o700, 0o750, 0o705, 0o055),
        (0, NOBODY),
        (0, group),
    ):
        for path, mode in ((place / 'work/app', on_file), (place / 'work', on_directory)):
            os.chown(path, owner, owners)
            path.chmod(mode)
        said = Obstacles().of(make(uid=NOBODY, directory=None, command=f'{place}/work/app'))
        try:
            tried = (
                subprocess.run(
                    [place / 'work/app'],
                    capture_output=True,
                    check=False,
                    user=user.uid,
                    group=user.gid,
                    extra_groups=user.groups,
                    cwd='/',
                ).returncode
                == 0
            )
        except PermissionError:
            tried = False
        assert tried is (said == ''), (oct(on_directory), oct(on_file), owner, owners, said)
        count += not tried
    assert 20 < count < 110


@needs_root
def test_what_the_bits_do_not_say_is_not_claimed(make, place, monkeypatch):
    (place / 'work').chmod(0o700)
    assert Obstacles().of(make(uid=NOBODY)) == (
        f"couldn't chdir to {place}/work: EACCES (Permission denied): user nobody may not enter {place}/work"
    )
    monkeypatch.setattr(access, 'is_local', lambda path: False)
    assert Obstacles().of(make(uid=NOBODY)) == ''
    monkeypatch.undo()
    monkeypatch.setattr(access, '_has_access_list', lambda path: True)
    assert Obstacles().of(make(uid=NOBODY)) == ''


@needs_root
def test_an_access_list_may_allow_what_the_bits_do_not(make, place):
    owner, user, group, mask, other = (
        (1, 7, -1),
        (2, 5, NOBODY),
        (4, 0, -1),
        (16, 5, -1),
        (32, 0, -1),
    )
    entries = struct.pack('<I', 2) + b''.join(
        struct.pack('<HHi', *one) for one in (owner, user, group, mask, other)
    )
    try:
        os.setxattr(place / 'work', 'system.posix_acl_access', entries)
    except OSError as error:
        pytest.skip(f'no access lists here: {error}')
    assert (place / 'work').stat().st_mode & 0o777 == 0o750
    assert as_nobody(lambda: os.access(place / 'work', os.X_OK))
    assert Obstacles().of(make(uid=NOBODY)) == ''


@needs_root
def test_an_interpreter_with_rights_of_its_own_may_read_what_the_user_may_not(make, place):
    (place / 'app').chmod(0o711)
    shutil.copy('/bin/sh', place / 'sh')
    (place / 'app').write_text(f'#!{place}/sh\n')
    assert 'user nobody may not read' in Obstacles().of(make(uid=NOBODY))
    (place / 'sh').chmod(0o4755)
    assert Obstacles().of(make(uid=NOBODY)) == ''


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
def test_a_file_system_that_is_mounted_noexec_is_seen(make, place, noexec, uid):
    shutil.copy('/bin/sh', noexec / 'sh')
    assert (
        Obstacles().of(make(uid=uid, command=f'{noexec}/sh'))
        == f"no permission to run command '{noexec}/sh'"
    )
    (place / 'app').write_text(f'#!{noexec}/sh\n')
    assert Obstacles().of(make(uid=uid)) == (
        f"couldn't exec {place}/app: its interpreter {noexec}/sh: EACCES (Permission denied): "
        'its file system is mounted noexec'
    )
    subprocess.run(['mount', '-o', 'remount,exec', noexec], check=True)
    assert Obstacles().of(make(uid=uid)) == ''


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
    make, place, settings, harmful
):
    shutil.rmtree(place / 'work')
    assert Obstacles().of(make(**settings))
    assert bool(Obstacles().harm(make(**settings))) is harmful
