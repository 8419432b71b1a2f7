# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
from __future__ import annotations

import os
import sys

import pytest
from ansible_collections.supervisor.restarter.plugins.module_utils import configuration
from ansible_collections.supervisor.restarter.plugins.module_utils.errors import Trouble

# As Debian lays it out, and whoever sets a password there adds it.
DEBIAN = """\
; supervisor config file

[unix_http_server]
file=/var/run/supervisor.sock   ; (the path to the socket file)
chmod=0700                       ; socket file mode (default 0700)

[supervisord]
logfile=/var/log/supervisor/supervisord.log ; (main log file;default $CWD/supervisord.log)

[supervisorctl]
serverurl=unix:///var/run/supervisor.sock ; use a unix:// URL  for a unix socket
username = deploy
password = 50%%;off ; as it is written there

[include]
files = /etc/supervisor/conf.d/*.conf
"""


@pytest.fixture
def conf(tmp_path):
    def write(text, **how):
        path = tmp_path / 'supervisord.conf'
        path.write_text(text, **how)
        return str(path)

    return write


def section(*lines):
    return '\n'.join(['[supervisorctl]', *lines, ''])


def test_debians_layout_is_read(conf):
    settings = configuration.read(conf(DEBIAN))

    assert settings.url == 'unix:///var/run/supervisor.sock'
    assert settings.username == 'deploy'
    assert settings.password == '50%;off'


def test_what_is_not_set_has_the_default_of_supervisorctl(conf):
    settings = configuration.read(conf(section('prompt = x')))

    assert (settings.url, settings.username, settings.password) == (
        'http://localhost:9001',
        None,
        None,
    )


def test_here_and_the_environment_are_expanded(conf, monkeypatch, tmp_path):
    monkeypatch.setenv('SOCKET', 'my.sock')
    monkeypatch.setenv('SECRET', '100%')

    settings = configuration.read(
        conf(
            section('serverurl = unix://%(here)s/x/../%(ENV_SOCKET)s', 'password = %(ENV_SECRET)s')
        )
    )

    assert settings.url == f'unix://{tmp_path}/my.sock'
    assert settings.password == '100%'


def test_bytes_that_are_not_utf8_do_no_harm_elsewhere(tmp_path):
    path = tmp_path / 'conf'
    path.write_bytes(b'[program:x]\ncommand = caf\xe9\n[supervisorctl]\nusername = x\n')

    assert configuration.read(str(path)).username == 'x'


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('[supervisord]\n', 'has no section [supervisorctl]'),
        ('password = geheim\n[supervisorctl]\n', 'line 1 stands before any section'),
        ('[supervisorctl]\ngeheim\n', 'cannot make sense of line 2'),
        (section('password = geheim%'), 'password in [supervisorctl] has a % that begins'),
        (section('password = %(here)s'), 'contains %(here)s, which is not known'),
        (section('username = %(ENV_NOWHERE_SET)s'), 'contains %(ENV_NOWHERE_SET)s'),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file_and_no_value(conf, text, said):
    path = conf(text)

    with pytest.raises(Trouble) as caught:
        configuration.read(path)

    assert said in str(caught.value)
    assert str(caught.value).startswith(path)
    assert 'geheim' not in str(caught.value)
    assert '\n' not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(Trouble, match='cannot read /nowhere/conf: no such file'):
        configuration.read('/nowhere/conf')


def test_a_file_that_may_not_be_read_asks_for_become(conf, monkeypatch):
    path = conf(DEBIAN)

    def refuse(*_arguments, **_more):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(configuration, 'open', refuse, raising=False)

    with pytest.raises(Trouble, match='permission denied .is `become: true` missing'):
        configuration.read(path)


def test_places_begin_beside_supervisorctl(tmp_path, monkeypatch):
    command = tmp_path / 'venv' / 'bin' / 'supervisorctl'
    command.parent.mkdir(parents=True)
    command.write_text('#!/bin/sh\n')
    command.chmod(0o755)
    monkeypatch.setenv('PATH', str(command.parent))
    monkeypatch.chdir(tmp_path)

    assert configuration.places() == [
        f'{tmp_path}/venv/etc/supervisord.conf',
        f'{tmp_path}/venv/supervisord.conf',
        f'{tmp_path}/supervisord.conf',
        f'{tmp_path}/etc/supervisord.conf',
        '/etc/supervisord.conf',
        '/etc/supervisor/supervisord.conf',
    ]


def test_without_supervisorctl_the_first_two_are_left_out(monkeypatch):
    monkeypatch.setattr(configuration.shutil, 'which', lambda command, path: None)

    assert len(configuration.places()) == 4


def test_the_first_file_that_exists_is_taken(conf):
    path = conf(DEBIAN)

    assert configuration.found(['/nowhere/a', path, '/nowhere/b']) == path


def test_where_none_exists_the_places_are_told():
    with pytest.raises(Trouble) as caught:
        configuration.found(['/nowhere/a', '/nowhere/b'])

    assert '/nowhere/a, /nowhere/b: give `config` or `serverurl`' in str(caught.value)


# -- beside supervisorctl itself, where it is installed --------------------------------------------


@pytest.mark.parametrize(
    'text',
    [
        DEBIAN,
        section('serverurl = http://u:p@localhost:9001'),
        section(
            'serverurl = unix://%(here)s/../s ; x', 'username: a # b', 'password = %(ENV_HOME)s'
        ),
        section('serverurl = unix://~/s', 'password = "quoted"', 'password = twice'),
        section('serverurl =', 'username =', 'password = a;b#c'),
        '[DEFAULT]\nusername = everywhere\n' + section('password = x\n  y'),
    ],
)
def test_it_reads_what_supervisorctl_reads(conf, text, monkeypatch):
    options = pytest.importorskip('supervisor.options').ClientOptions()
    path = conf(text)

    theirs = options.read_config(path)
    mine = configuration.read(path)

    assert (mine.username, mine.password) == (theirs.username, theirs.password)
    # An empty URL is good for nothing; supervisorctl takes it all the same, and fails.
    assert mine.url == (theirs.serverurl or configuration.DEFAULT_URL)


def test_it_looks_where_supervisorctl_looks(monkeypatch, tmp_path):
    options = pytest.importorskip('supervisor.options')
    command = os.path.join(os.path.dirname(sys.executable), 'supervisorctl')
    monkeypatch.setenv('PATH', os.path.dirname(command))
    monkeypatch.setattr(sys, 'argv', [command])
    monkeypatch.chdir(tmp_path)

    theirs = options.ClientOptions().searchpaths

    assert configuration.places() == [os.path.abspath(path) for path in theirs]
