"""supervisorctl with the plugin loaded: sessions on a terminal, and all its other commands as they
were.
"""

from __future__ import annotations

import re
import signal
import subprocess

import pytest
from supervisor.supervisorctl import DefaultControllerPlugin

from bench.lab import script
from tests.integration.ctl import KINDS, Ours, Session, Stock
from tests.integration.server import SECONDS, Server, free_port, held, program

both = pytest.mark.parametrize('kind', KINDS)
SLOW = held(count=2)


@pytest.fixture
def open_session():
    """open_session(server, ...) gives a session that waits for its first command."""
    sessions = []

    def begin(server, *arguments):
        session = Session(server.conf, *arguments)
        sessions.append(session)
        session.__enter__()
        session.expect('supervisor> $')
        return session

    yield begin
    for session in sessions:
        session.__exit__()


# -- Tab -------------------------------------------------------------------------------------------


@both
def test_tab(start, open_session, kind):
    pytest.importorskip('readline')
    server = start(program('app', count=3, numprocs_start=9) + program('web'), kind=kind)
    server.wait_state('app')
    session = open_session(server)
    session.type('quickst\t\t')
    session.expect(r'quickstart +quickstop')
    session.type('op ap\t')
    session.expect('p:')  # what all of them begin with
    session.type('\t\t')
    listed = session.expect(r'supervisor> quickstop app:$')
    assert [word for word in listed.split() if word.startswith('app:')][:5] == [
        'app:',
        'app:*',
        'app:10',
        'app:11',
        'app:9',
    ]
    session.type('9\t\n')
    assert 'app:9: stopped' in session.expect('supervisor> $')
    assert server.states('app') == {'10': 'RUNNING', '11': 'RUNNING', '9': 'STOPPED'}
    session.type('restart we\t')  # and supervisorctl's own
    session.expect('restart web ')


def test_tab_completes_the_ids_of_running_restarts(start, open_session):
    pytest.importorskip('readline')
    server = start(held(), kind=Ours)
    server.wait_workers()
    id = server.restarter.startRestart('web')
    session = open_session(server)
    session.type('cancelrestart \t')
    session.expect(f'cancelrestart {id} ')
    session.type('\n')
    assert f'{id}: cancelled' in session.expect('supervisor> $')


# -- on a terminal -----------------------------------------------------------------------------------


@both
def test_a_bar_with_the_lines_above_it(start, open_session, kind):
    server = start(program(count=3), kind=kind)
    server.wait_state()
    shown = ' '.join(open_session(server).run('quickrestart web:'))
    assert {f'web:{number}: started' for number in range(3)} <= set(
        re.findall(r'web:\d: started', shown)
    )
    assert re.search(r'quickrestart +\|#+\| 3/3 ', shown.replace('█', '#'))


# -- Ctrl-C ------------------------------------------------------------------------------------------


def test_ctrl_c_with_the_interface_lets_the_restart_go_on(start, open_session):
    server = start(SLOW, kind=Ours)
    server.wait_workers()
    session = open_session(server)
    session.type('quickrestart web:\n')
    id = server.only_restart()
    server.wait_phase(id, 'stopping')
    session.type('\x03')
    session.expect(
        f'interrupted; restart {id} goes on; to wait for it: waitrestart {id}; '
        f'to cancel it: cancelrestart {id}'
    )
    session.expect('supervisor> $')
    server.let_stop()
    assert server.wait_finished(id)['state'] == 'succeeded'
    assert server.states('web') == dict.fromkeys('01', 'RUNNING')
    assert session.run(f'restarts {id}')[-1].startswith('web:1: restarted (')  # the shell is alive


def test_ctrl_c_without_the_interface_leaves_nothing_down(start, open_session):
    server = start(SLOW, kind=Stock)
    server.wait_workers()
    before = set(server.pids().values())
    session = open_session(server)
    session.type('quickrestart web:\n')
    server.wait(
        lambda: set(server.states('web').values()) == {'STOPPING'},
        'processes that are being stopped',
    )
    session.type('\x03')
    session.expect('interrupted: waiting for 2 to stop, to start them again')
    server.let_stop()
    session.expect('Error: interrupted; what was stopped is started again')
    session.expect('supervisor> $')
    assert server.states('web') == dict.fromkeys('01', 'RUNNING')
    assert not before & set(server.pids().values())
    assert session.run('quickstop web:0')[-1] == 'web:0: stopped'


def test_ctrl_c_twice_without_the_interface_names_what_is_down(start, open_session):
    server = start(SLOW, kind=Stock)
    server.wait_workers()
    session = open_session(server)
    session.type('quickrestart web:\n')
    server.wait(
        lambda: set(server.states('web').values()) == {'STOPPING'},
        'processes that are being stopped',
    )
    session.type('\x03')
    session.expect('interrupted: waiting for 2')
    session.type('\x03')
    session.expect('Error: interrupted; not started again: web:0, web:1')
    session.expect('supervisor> $')


@both
def test_the_terminal_of_a_session_goes_away(start, kind):
    server = start(SLOW, kind=kind)
    server.wait_workers()
    before = set(server.pids().values())
    with Session(server.conf) as session:
        session.expect('supervisor> $')
        session.type('quickrestart web:\n')
        server.wait(
            lambda: set(server.states('web').values()) == {'STOPPING'},
            'processes that are being stopped',
        )
        session.process.send_signal(signal.SIGHUP)
        server.let_stop()
        session.process.wait(SECONDS)
    server.wait_state()
    assert not before & set(server.pids().values())


# -- servers of both kinds in one session ------------------------------------------------------------


def test_one_session_with_servers_of_both_kinds(start, open_session):
    servers, urls = [], []
    for kind in KINDS:
        port = free_port()
        servers.append(
            start(program(count=2), kind=kind, extra=f'[inet_http_server]\nport=127.0.0.1:{port}\n')
        )
        urls.append(f'http://127.0.0.1:{port}')
    session = open_session(servers[0])
    for url, has_it in [
        (urls[1], False),
        (urls[0], True),
        (urls[1], False),
        (f'unix://{servers[0].dir}/sock', True),
    ]:
        session.run(f'open {url}')
        shown = '\n'.join(session.run('quickrestart web:0 web:1'))
        assert 'web:0: started' in shown
        assert 'web:1: started' in shown
        assert ('needs the restarter interface' in session.run('restarts')[0]) == (not has_it)
    assert len(servers[0].rpc().restarter.listRestarts()) == 2


def test_a_wrong_password_is_asked_for_again(start, open_session):
    port = free_port()
    server = start(
        program(),
        extra=f'[inet_http_server]\nport=127.0.0.1:{port}\nusername=me\npassword=secret\n',
        kind=Ours,
    )
    with Session(
        server.conf, '-s', f'http://127.0.0.1:{port}', '-u', 'me', '-p', 'wrong'
    ) as session:
        session.expect('Username:')  # for the status at the beginning
        session.type('me\n')
        session.expect('Password:')
        session.type('wrong again\n')
        session.expect('Username:')
        session.type('me\n')
        session.expect('Password:')
        session.type('secret\n')
        session.expect('supervisor> $')
        assert session.run('quickrestart web')[-1] == 'web: started'


# -- supervisorctl's own commands --------------------------------------------------------------------

TALKER = "/bin/sh -c 'echo said; exec sleep 1000'"
# Each of them in turn, in one session on a server with and on one without the plugin.
TYPED = """
    status | status web:0 | status nope | avail | avail x | pid web:9 | tail web:0 | tail nope
    tail -3 web:0 stderr | tail | maintail x | clear web:0 | clear nope | clear | start web:0
    start nope | start | stop web:0 | stop web:0 | stop | start web:0 | restart web:*
    restart | signal HUP nope | signal HUP | signal USR7 web:0 | fg nope | fg | fg web:0 web:1
    reread | reread x | add nope | add web | remove nope | remove web | update | update nope
    version | version x | open nope | help | help start | help quit | help nope | quit | exit
    nope | stop all | remove web | add web | reload x | shutdown x
"""
EACH = [line.strip() for line in TYPED.strip().replace('\n', '|').split('|')]


class Plain(Server):
    """A server whose supervisorctl has no plugin of ours."""


def comparable(text):
    """Without our part in the list of commands, and what differs between any two servers:
    directories, numbers.
    """
    text = re.sub(r'/[^ ]*/restarter-\w+', 'DIR', text)
    text = re.sub(r'\nrestarter commands.*\n=+\n(.+\n)+\n', '', text)
    return re.sub(r'\d+', '#', re.sub(r'\w{3} \d\d \d\d:\d\d [AP]M', 'WHEN', text))


def test_all_commands_are_tried():
    own = {name[3:] for name in dir(DefaultControllerPlugin) if name.startswith('do_')}
    assert len(own) > 20
    assert own <= {line.split()[0] for line in EACH} | {'reload', 'shutdown'}


# One of each kind of outcome, as a command of its own; those that end the server come last.
ALONE = ['status', 'status nope', 'pid web:9', 'start nope', 'stop web:0', 'update nope']
ALONE += ['restart', 'help nope', 'nope', 'reload x', 'reload', 'shutdown']


def talking(start, kind):
    server = start(program(command=TALKER, count=2, stdout_logfile='%(here)s/said'), kind=kind)
    server.wait_state()
    said = server.dir / 'said'
    server.wait(lambda: said.exists() and said.read_text().count('said') == 2, 'something to show')
    return server


def test_commands_print_and_exit_as_without_the_plugin(start):
    shown: dict = {}
    for kind in (Plain, Ours):
        server = talking(start, kind)
        shown[kind] = []
        for line in ALONE:
            server.wait_state('web', 'RUNNING', 'STOPPED')
            done = server.ctl(*line.split())
            shown[kind].append(
                (line, comparable(done.stdout), comparable(done.stderr), done.returncode)
            )
    assert shown[Ours] == shown[Plain]


def test_an_interactive_session_shows_the_same_as_without_the_plugin(start):
    script_of_it = '\n'.join(
        [line for line in EACH if line not in ('quit', 'exit')]
        + ['', 'shutdown', 'n', 'reload', 'n', 'EOF']
    )
    shown: dict = {}
    for kind in (Plain, Ours):
        server = talking(start, kind)
        done = subprocess.run(
            [script('supervisorctl'), '-c', str(server.conf)],
            input=script_of_it,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        shown[kind] = (
            comparable(done.stdout).splitlines(),
            comparable(done.stderr),
            done.returncode,
        )
    assert shown[Ours] == shown[Plain]


def test_the_shell_ends_as_always(start, open_session):
    server = start(program(), kind=Ours)
    for ending in ('quit\n', 'exit\n', '\x04'):
        session = open_session(server)
        session.run('quickrestart web')
        session.type(ending)
        assert session.end() == 0


def test_tail_f_and_its_ctrl_c(start, open_session):
    server = start(program(command=TALKER), kind=Ours)
    server.wait_state()
    session = open_session(server)
    session.type('tail -f web\n')
    session.expect('said')
    session.type('\x03')
    session.expect('supervisor> $')
    assert 'web: started' in session.run('quickrestart web')[-1]
