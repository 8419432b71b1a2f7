"""Completion in real shells, of commands that ask a real supervisord."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import pytest

from bench.lab import script
from tests.fleet.conftest import skip_aloud
from tests.integration.server import ROOT, SECONDS, Server, free_port, held, program
from tests.integration.shells import COMMAND, KINDS, LISTENER, Shell, needs, visible

ODD = 'o$d&"d'  # of what a name may have, what shells mind most
PROGRAMS = [
    program('web', count=3),
    program('app'),
    program(ODD),
    held('held'),
    program('breaks', '/bin/false', autostart='false', startretries=0, startsecs=1),
]


class WithPassword(Server):
    """A supervisord that listens on a port, too, where it asks for a password."""

    def __init__(self, programs: str) -> None:
        self.port = free_port()
        port = f'[inet_http_server]\nport=127.0.0.1:{self.port}\nusername=me\npassword=sesam\n'
        super().__init__(programs, extra=port)


@pytest.fixture(scope='module')
def server():
    """Restart 1 has succeeded, 2 has failed, and 3 goes on."""
    with WithPassword('\n'.join(PROGRAMS)) as server:
        server.wait_state()
        for group in ('app', 'breaks'):
            server.wait_finished(server.restarter.startRestart(group))
        server.restarter.startRestart('held')
        yield server
        server.let_stop()


@pytest.fixture(scope='module', params=KINDS)
def shell(request, tmp_path_factory):
    needs(request.param)
    with Shell(request.param, tmp_path_factory.mktemp('home'), ROOT / 'share') as shell:
        yield shell


@pytest.fixture
def tab(shell, server):
    """tab(LINE): what Tab makes of the words after the command and its -c FILE."""

    def tab(line: str) -> str:
        begin = f'{COMMAND} -c {server.conf} '
        words, _ = shell.tab(begin + line)
        assert words.startswith(begin)
        return words.removeprefix(begin)

    return tab


# fmt: off
@pytest.mark.parametrize(('line', 'completed'), [
    # options, and values that are known beforehand
    ('--max-un',              '--max-unavailable'),
    ('web --js',              'web --json'),
    ('--on-failure c',        '--on-failure continue'),
    ('--on-failure=c',        '--on-failure=continue'),
    ('--method signal:U',     '--method signal:USR'),
    ('--method=sig',          '--method=signal:'),
    ('--max-unavailable 2',   '--max-unavailable 25%'),
    ('--delay w',             '--delay w'),
    # names
    ('we',                    'web'),
    ('ap',                    'app'),
    ('al',                    'all'),
    ('web:',                  'web:'),
    ('web:1',                 'web:1'),
    ("'web:1",                'web:1'),
    ('"web:1',                'web:1'),
    ('app --rolling web:0 a', 'app --rolling web:0 a'),
    ('web:0 brea',            'web:0 breaks'),
    ('--rolling brea',        '--rolling breaks'),
    ('--apply brea',          '--apply breaks'),
    ('--apply web:',          '--apply web:'),
    ('o',                     ODD),
    ("'o",                    ODD),
    ('nosuch',                'nosuch'),
    ("'web:0*'",              'web:0*'),
    # IDs
    ('--retry ',              '--retry 2'),
    ('--retry=',              '--retry=2'),
    ('--cancel ',             '--cancel 3'),
    ('--cancel 3 w',          '--cancel 3 w'),
    ('--status 1',            '--status 1'),
    # files
    ('--newer-than ROOT/CHANGE',  '--newer-than ROOT/CHANGELOG.md'),
    ('--newer-than=ROOT/CHANGE',  '--newer-than=ROOT/CHANGELOG.md'),
    ('-r ROOT/CHANGE',            '-r ROOT/CHANGELOG.md'),
])
# fmt: on
def test_words(tab, line, completed):
    line, completed = line.replace('ROOT', str(ROOT)), completed.replace('ROOT', str(ROOT))
    assert tab(line) == completed


def test_what_is_shown_where_several_fit(shell, server):
    begin = f'{COMMAND} -c {server.conf} '
    _, shown = shell.tab(f'{begin}web')
    assert all(name in visible(shown) for name in ('web:0', 'web:1', 'web:2'))
    if shell.name != 'bash':  # which shows the words alone
        assert 'group of 3 processes' in visible(shown)
        assert 'RUNNING' in visible(shown)
    _, shown = shell.tab(f'{begin}--status ')
    of_ids = visible(shown).rpartition('--status')[0] if shell.name == 'zsh' else visible(shown)
    assert all(id in of_ids for id in '123')


# -- which supervisord is asked ------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path):
    """A configuration file that leads nowhere by itself."""
    path = tmp_path / 'elsewhere.conf'
    path.write_text('[supervisorctl]\nserverurl = unix:///nowhere\n')
    return path


def test_the_one_that_the_line_names(shell, server, elsewhere):
    begin = f'{COMMAND} -c {elsewhere} -s http://127.0.0.1:{server.port} --user me'
    words, _ = shell.tab(f'{begin} -p sesam ap')
    assert words.endswith('sesam app')
    words, shown = shell.tab(f'{begin} -p wrong ap')
    assert words.endswith('wrong ap')
    assert 'requires' not in shown


@pytest.fixture
def at_home(shell, server):
    """The configuration file of the server is in the home of the shell, and the shell there, too."""
    path = shell.home / 'supervisord.conf'
    path.write_text(f'[supervisorctl]\nserverurl = unix://{server.dir}/sock\n')
    shell.enter(shell.home)
    return shell.home


def test_the_file_whose_name_the_shell_expands(shell, at_home):
    words, _ = shell.tab(f'{COMMAND} -c ~/supervisord.conf ap')
    assert words == f'{COMMAND} -c {at_home}/supervisord.conf app'


def test_the_file_that_is_found_without_an_option(shell, at_home):
    words, _ = shell.tab(f'{COMMAND} ap')
    assert words == f'{COMMAND} app'


@pytest.mark.usefixtures('at_home')
def test_no_file_in_place_of_a_name(shell):
    (shell.home / 'xyz').touch()
    for line in (f'{COMMAND} xy', f'{COMMAND} --delay xy', f'{LISTENER} --memory xy', f'{LISTENER} xy'):
        words, _ = shell.tab(line)
        assert words == line


def test_nothing_is_said_where_nobody_answers(shell, elsewhere, tmp_path):
    bad = tmp_path / 'bad.conf'
    bad.write_text('nonsense')
    for options in (f'-c {elsewhere}', f'-c {bad}', '-c /no/such/file', '-s nonsense', '--nonsense'):
        line = f'{COMMAND} {options} we'
        words, shown = shell.tab(line)
        assert words == line
        assert not re.search('(?i)error|traceback|password|alarm', visible(shown))


def test_a_command_that_is_not_there_is_no_error(shell, server):
    words, shown = shell.tab(f'/no/such/{COMMAND} -c {server.conf} we')
    assert words.endswith(' we')
    assert 'o such file' not in visible(shown)


def test_a_server_that_does_not_answer_is_given_up(tmp_path):
    """With the limit that users have, but from outside: without one this would never end."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / 'sock'))
        silent.listen()
        done = subprocess.run(
            [script(COMMAND), '--complete', 'we', '-s', f'unix://{tmp_path}/sock'],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


# -- bash alone ----------------------------------------------------------------------------------


@pytest.mark.parametrize('breaks', ['${COMP_WORDBREAKS//:}', '${COMP_WORDBREAKS//[:=]}', '" "'])
def test_other_characters_that_break_words_in_bash(server, tmp_path, breaks):
    needs('bash')
    setup = f'COMP_WORDBREAKS={breaks}\nset -u\n'
    with Shell('bash', tmp_path, ROOT / 'share', setup) as shell:
        for begun, whole in (('web:1', 'web:1'), ('--retry=', '--retry=2'), ('web:', 'web:')):
            words, shown = shell.tab(f'{COMMAND} -c {server.conf} {begun}')
            assert words.split()[3:] == [whole]
            assert 'unbound' not in shown


def test_the_loader_of_bash_finds_them(server, tmp_path):
    loader = Path('/usr/share/bash-completion/bash_completion')
    if not loader.exists():
        skip_aloud('the loader of bash-completion is not here (Debian: bash-completion)')
    setup = f'complete -r {COMMAND} {LISTENER}\nsource {loader}\n'
    with Shell('bash', tmp_path, ROOT / 'share', setup) as shell:
        words, _ = shell.tab(f'{COMMAND} -c {server.conf} web --rolling ap')
        assert words.endswith('--rolling app')
        words, _ = shell.tab(f'{LISTENER} --dry')
        assert words == f'{LISTENER} --dry-run'
        words, _ = shell.tab(f'sudo {COMMAND} --method=sta')
        assert words == f'sudo {COMMAND} --method=start'


# -- the listener --------------------------------------------------------------------------------


# fmt: off
@pytest.mark.parametrize(('line', 'completed'), [
    ('--mem',                     '--memory'),
    ('--memory ap',               '--memory app='),
    ('--memory=ap',               '--memory=app='),
    ('--age web:1',               '--age web:1='),
    ('--age web=1',               '--age web=1'),
    ('--when TICK_6',             '--when TICK_60='),
    ('--when=REMOTE',             '--when=REMOTE_COMMUNICATION='),
    ('--when TICK_60=ap',         '--when TICK_60=app'),
    ('--when TICK_60=web:2',      '--when TICK_60=web:2'),
    ('--when=TICK_60=brea',       '--when=TICK_60=breaks'),
    ('--max-unavailable 2',       '--max-unavailable 25%'),
    ('we',                        'we'),
])
# fmt: on
@pytest.mark.usefixtures('at_home')
def test_words_of_the_listener(shell, line, completed):
    words, _ = shell.tab(f'{LISTENER} {line}')
    assert words == f'{LISTENER} {completed}'
