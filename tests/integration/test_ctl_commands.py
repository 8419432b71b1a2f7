"""supervisorctl's new commands, on servers with and without the restarter interface."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest

from bench.lab import script
from supervisor_restarter.client.stock_calls import LONGEST_PAUSE
from tests.integration.ctl import KINDS, Ours, Stock
from tests.integration.server import SECONDS, Server, free_port, held, program, shared, worker

both = pytest.mark.parametrize('kind', KINDS)

WEB = ['web:0', 'web:1', 'web:2']
APP = ['app:10', 'app:11', 'app:9']
PROGRAMS = program(count=3) + program('app', count=3, numprocs_start=9) + program('lone')
FORMS = [
    (['web:1'], ['web:1']),
    (['web:'], WEB),
    (['web:*'], WEB),
    (['web'], WEB),
    (['we*'], WEB),
    (['app:1?'], APP[:2]),
    (['lone'], ['lone']),
    (['*:1'], ['web:1']),
    (['all'], [*APP, 'lone', *WEB]),
    (['*'], [*APP, 'lone', *WEB]),
    (['lone', 'web:0', 'app:1*', 'web:0'], ['lone', 'web:0', *APP[:2]]),
]


@pytest.fixture(scope='module', params=KINDS)
def running(request):
    """A server of each kind for all tests that leave every process RUNNING."""
    with shared(PROGRAMS, kind=request.param) as server:
        yield server


def everything(server):
    """{spec: (state, pid)}"""
    return {
        info['name'] if info['name'] == info['group'] else f'{info["group"]}:{info["name"]}': (
            info['statename'],
            info['pid'],
        )
        for info in server.rpc().supervisor.getAllProcessInfo()
    }


def changed(before, after):
    return {name for name in before if before[name][1] != after[name][1]}


# -- forms of names ------------------------------------------------------------------------------


@pytest.mark.parametrize(('names', 'meant'), FORMS)
def test_quickrestart(running, names, meant):
    before = everything(running)
    done = running.ctl('quickrestart', *names)
    assert sorted(done.stdout.splitlines()) == sorted(f'{name}: started' for name in meant)
    assert (done.returncode, done.stderr) == (0, '')
    after = everything(running)
    assert changed(before, after) == set(meant)
    assert {state for state, _ in after.values()} == {'RUNNING'}


@pytest.mark.parametrize(('names', 'meant'), FORMS)
def test_quickstop_and_quickstart(running, names, meant):
    done = running.ctl('quickstop', *names)
    assert sorted(done.stdout.splitlines()) == sorted(f'{name}: stopped' for name in meant)
    assert (done.returncode, done.stderr) == (0, '')
    assert {name for name, (state, _) in everything(running).items() if state == 'STOPPED'} == set(
        meant
    )
    done = running.ctl('quickstart', *names)
    assert sorted(done.stdout.splitlines()) == sorted(f'{name}: started' for name in meant)
    assert (done.returncode, done.stderr) == (0, '')
    assert {state for state, _ in everything(running).values()} == {'RUNNING'}


@pytest.mark.parametrize('command', ['quickstart', 'quickstop', 'quickrestart'])
@pytest.mark.parametrize(
    ('names', 'missing'),
    [
        (['foo'], "'foo'"),
        (['foo', 'web:1'], "'foo'"),
        (['web:1', 'web:7', 'lone', 'x*'], "'web:7', 'x*'"),
        (['foo:'], "'foo:'"),
    ],
)
def test_if_one_name_matches_nothing_nothing_is_done(running, command, names, missing):
    before = everything(running)
    done = running.ctl(command, *names)
    assert done.stdout == f'Error: nothing is named or matched by {missing}\n'
    assert (done.returncode, done.stderr) == (2, '')
    assert everything(running) == before


@pytest.mark.parametrize('command', ['quickstart', 'quickstop', 'quickrestart', 'rolling'])
def test_no_names(running, command):
    done = running.ctl(command)
    assert done.stdout.startswith(f'Error: {command} requires a process name\n{command} <name>')
    assert (done.returncode, done.stderr) == (2, '')


# -- what is as wanted already -------------------------------------------------------------------


@both
def test_what_is_as_wanted_already(start, kind):
    server = start(program(count=2) + program('off', count=2, autostart='false'), kind=kind)
    server.wait_state()
    for arguments, said in [
        (['quickstart', 'web:0', 'off:0'], ['off:0: started', 'web:0: ERROR (already started)']),
        (
            ['quickstart', 'web', 'off:0'],
            ['off:0: ERROR (already started)', 'web:0, web:1: already started'],
        ),
        (['quickstart', 'web:'], ['web:0, web:1: already started']),
        (['quickstart', 'web:', 'off:1'], ['off:1: started', 'web:0, web:1: already started']),
        (['quickstop', 'off:1'], ['off:1: stopped']),
        (['quickstop', 'off:1', 'off:0'], ['off:0: stopped', 'off:1: ERROR (not running)']),
        (['quickstop', 'off:'], ['off:0, off:1: not running']),
    ]:
        done = server.ctl(*arguments)
        assert sorted(done.stdout.splitlines()) == said
        assert done.returncode == 0  # as with supervisorctl's own start and stop
    assert server.states('off') == dict.fromkeys('01', 'STOPPED')


@both
def test_quickrestart_leaves_alone_what_was_stopped_on_purpose(start, kind):
    server = start(program(count=2) + program('other'), kind=kind)
    server.wait_state()
    server.ctl('stop', 'web:1')
    for names, said in [
        (['all'], ['other: started', 'web:0: started']),
        (['we*'], ['web:0: started']),
        (['*:1'], []),
    ]:
        done = server.ctl('quickrestart', *names)
        assert (sorted(done.stdout.splitlines()), done.returncode) == (said, 0)
        assert server.state('web:1') == 'STOPPED'
    assert server.ctl('quickrestart', 'web:1', 'all').stdout.count('web:1: started') == 1
    server.ctl('stop', 'web:1')
    assert sorted(server.ctl('quickrestart', 'web:').stdout.splitlines()) == [
        'web:0: started',
        'web:1: started',
    ]
    assert server.states('web') == dict.fromkeys('01', 'RUNNING')


# -- failures ------------------------------------------------------------------------------------

SCRIPT = f'{sys.executable} -S -E -c'
FAILING = {
    'quits': program(
        'quits', f'{SCRIPT} "raise SystemExit(3)"', startsecs=60, startretries=9, autostart='false'
    ),
    'gone': program('gone', '/no/such/file', autostart='false'),
    'plain': program('plain', '%(here)s/conf', autostart='false'),
    'brief': program(
        'brief',
        f'{SCRIPT} "import time; time.sleep(0.3); raise SystemExit(3)"',
        startsecs=0,
        autostart='false',
        autorestart='false',
    ),
    'once': program(
        'once',
        f'{SCRIPT} "import time; time.sleep(0.3)"',
        startsecs=0,
        autostart='false',
        autorestart='false',
    ),
}


@both
@pytest.mark.parametrize('command', ['quickstart', 'quickrestart'])
@pytest.mark.parametrize('name', ['quits', 'gone', 'plain'])
def test_failures_are_told_in_supervisorctls_words_and_exit_statuses(start, kind, command, name):
    server = start(FAILING[name] + program(), kind=kind)
    stock = server.ctl('start', name)
    server.ctl('stop', name)
    done = server.ctl(command, name)
    [line] = done.stdout.splitlines()
    assert line.startswith(stock.stdout.strip() + ': ')  # the stock line, and then the reason
    assert (done.returncode, done.stderr) == (stock.returncode, '')
    assert done.returncode in (1, 7)


@both
def test_a_failed_process_is_told_at_once_while_supervisor_goes_on_trying(start, kind):
    server = start(FAILING['quits'] + program(startsecs=1), kind=kind)
    done = server.ctl('quickstart', 'quits')
    assert done.stdout.startswith('quits: ERROR (spawn error): ')
    assert done.returncode == 7
    assert server.state('quits') in ('BACKOFF', 'STARTING')  # and far from FATAL, after 9 retries


@both
def test_a_fatal_process_is_started_anew(start, kind):
    server = start(
        program('web', worker('--unless', '%(here)s/ok'), startsecs=1, startretries=0), kind=kind
    )
    server.wait_state('web', 'FATAL')
    (server.dir / 'ok').touch()
    assert server.ctl('quickrestart', 'all').stdout == 'web: started\n'
    assert server.state('web') == 'RUNNING'


@both
def test_a_process_that_may_exit_is_started(start, kind):
    server = start(FAILING['once'], kind=kind)
    done = server.ctl('quickstart', 'once')
    assert (done.stdout, done.returncode) == ('once: started\n', 0)


@both
def test_one_failure_among_others(start, kind):
    server = start(program(count=2) + FAILING['gone'] + FAILING['quits'], kind=kind)
    done = server.ctl('quickstart', 'gone', 'web', 'quits')
    assert [line.split(': ')[:2] for line in sorted(done.stdout.splitlines())] == [
        ['gone', 'ERROR (no such file)'],
        ['quits', 'ERROR (spawn error)'],
        ['web:0, web:1', 'already started'],
    ]
    assert done.returncode == 7  # that of what failed last, as with supervisorctl's own start


@both
def test_names_beyond_ascii(start, kind):
    server = start(program('höhe'), kind=kind)
    done = server.ctl('quickrestart', 'h*')
    assert (done.stdout, done.returncode) == ('höhe: started\n', 0)
    assert server.ctl('quickstop', 'höhe').stdout == 'höhe: stopped\n'


# -- in parallel, and few requests -----------------------------------------------------------------


@both
@pytest.mark.parametrize('command', ['quickstop', 'quickrestart'])
def test_lines_come_as_processes_get_there(start, kind, command):
    server = start(
        program('fast', worker()) + held('slow') + '[group:web]\nprograms=fast,slow\n', kind=kind
    )
    server.wait_workers()
    running = server.begin(command, 'web:')
    with running:
        word = 'stopped' if command == 'quickstop' else 'started'
        assert running.stdout.readline() == f'web:fast: {word}\n'
        assert server.state('web:slow') == 'STOPPING'
        server.let_stop()
        assert running.stdout.read() == f'web:slow: {word}\n'
    assert running.returncode == 0


def test_without_the_interface_a_restart_costs_a_handful_of_requests(start):
    class Traced(Stock):
        def __init__(self, *sections):
            super().__init__(*sections)
            self._text = self._text.replace('nodaemon=true', 'nodaemon=true\nloglevel=trace')

    server = start(program(count=32, startsecs=1), kind=Traced)
    server.wait_state()
    mark = server.log_size()
    done = server.ctl('quickrestart', 'web:')
    assert done.stdout.count(': started') == 32
    log = server.log_text(mark)
    # upcheck, the question for the interface, the first look, all stops, all starts, and looks for
    # one second
    assert 5 <= log.count('POST /RPC2') <= 5 + 12 + 4 * LONGEST_PAUSE * 4
    assert log.count('supervisor.stopProcess') <= 1  # in one system.multicall
    assert len(re.findall("spawned: '", log)) == 32


# -- other wills -----------------------------------------------------------------------------------


def test_without_the_interface_a_stop_by_somebody_else_holds(start):
    server = start(program('web', worker(), startsecs=3600), kind=Stock)
    server.wait_state('web', 'STARTING')
    pid = server.info('web')['pid']
    running = server.begin('quickrestart', 'web')
    with running:
        server.wait(lambda: server.info('web')['pid'] not in (0, pid), 'a new process')
        server.rpc().supervisor.stopProcess('web')
        assert (
            running.stdout.read()
            == 'web: ERROR (somebody else stopped it meanwhile; it was left so)\n'
        )
    assert running.returncode == 1
    assert server.state('web') == 'STOPPED'


@both
def test_a_group_that_is_removed_meanwhile(start, kind):
    server = start(program('web', worker(), startsecs=3600), kind=kind)
    server.wait_state('web', 'STARTING')
    pid = server.info('web')['pid']
    running = server.begin('quickrestart', 'web')
    with running:
        server.wait(lambda: server.info('web')['pid'] not in (0, pid), 'a new process')
        server.rpc().supervisor.stopProcess('web')
        server.rpc().supervisor.removeProcessGroup('web')
        [line] = running.stdout.read().splitlines()
        assert line.startswith('web: ERROR (')
    assert running.returncode == 1


# -- Ctrl-C and the like, without a terminal ---------------------------------------------------------

SLOW = held(count=2)


def interrupted(server, command='quickrestart'):
    """The command, with all processes of web being stopped by it; Ctrl-C is not sent yet."""
    server.wait_workers()
    running = server.begin(command, 'web:')
    server.wait(
        lambda: set(server.states('web').values()) == {'STOPPING'},
        'processes that are being stopped',
    )
    return running


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_without_the_interface_an_interrupt_leaves_nothing_down(start, number):
    server = start(held(count=2, startsecs=1), kind=Stock)
    before = server_pids(server)
    with interrupted(server) as running:
        running.send_signal(number)
        lines = [running.stdout.readline().rstrip()]
        server.let_stop()
        lines += running.stdout.read().splitlines()
    assert lines == [
        'interrupted: waiting for 2 to stop, to start them again; Ctrl-C leaves them down',
        'Error: interrupted; what was stopped is started again',
    ]
    assert running.returncode == (1 if number == signal.SIGINT else -number)
    assert set(server.states('web').values()) <= {'STARTING', 'RUNNING'}
    assert not before & server_pids(server)


def server_pids(server):
    server.wait_state()
    return set(server.pids().values())


def test_without_the_interface_a_second_interrupt_says_what_is_down(start):
    server = start(SLOW, kind=Stock)
    with interrupted(server) as running:
        running.send_signal(signal.SIGINT)
        assert running.stdout.readline().startswith('interrupted: waiting for 2')
        running.send_signal(signal.SIGINT)
        assert running.stdout.read() == 'Error: interrupted; not started again: web:0, web:1\n'
    assert running.returncode == 1
    server.let_stop()
    server.wait_state('web', 'STOPPED')


def test_with_the_interface_an_interrupt_ends_only_the_watching(start):
    server = start(SLOW, kind=Ours)
    with interrupted(server) as running:
        id = server.only_restart()
        running.send_signal(signal.SIGINT)
        assert running.stdout.read() == (
            f'Error: interrupted; restart {id} goes on; to wait for it: waitrestart {id}; '
            f'to cancel it: cancelrestart {id}\n'
        )
    assert running.returncode == 1
    server.let_stop()
    assert server.wait_finished(id)['state'] == 'succeeded'


@both
def test_an_interrupted_quickstop_goes_on(start, kind):
    server = start(SLOW, kind=kind)
    with interrupted(server, 'quickstop') as running:
        running.send_signal(signal.SIGINT)
        assert running.stdout.read() == 'Error: interrupted; what has begun goes on\n'
    assert running.returncode == 1
    server.let_stop()
    server.wait_state('web', 'STOPPED')


@both
def test_an_output_that_nobody_reads_leaves_nothing_down(start, kind):
    server = start(
        program('fast', worker(), startsecs=0)
        + program('slow', worker('--stop', '1'))
        + '[group:web]\nprograms=fast,slow\n',
        kind=kind,
    )
    server.wait_workers()
    before = server_pids(server)
    with server.begin('quickrestart', 'web:') as running:
        running.stdout.close()
    assert running.returncode == 0
    assert not before & server_pids(server)


# -- servers that go away or do not let us in ------------------------------------------------------


@both
def test_a_server_that_is_killed_meanwhile(start, kind):
    server = start(SLOW, kind=kind)
    with interrupted(server) as running:
        server.process.kill()
        [line] = running.stdout.read().splitlines()
    assert line.startswith('Error: ')
    assert 'refused connection' in line or 'closed the connection' in line or 'reset' in line
    assert ('not started again: web:0, web:1' in line) == (kind is Stock)
    assert running.returncode == 1


@both
@pytest.mark.parametrize('command', ['quickrestart', 'quickstop'])
def test_a_server_that_shuts_down_meanwhile(start, kind, command):
    server = start(SLOW, kind=kind)
    with interrupted(server, command) as running:
        server.process.terminate()
        server.wait(lambda: 'received SIGTERM' in server.log_text(), 'the signal')
        server.let_stop()
        shown = running.stdout.read().splitlines()
    # The last look may find the processes stopped by that, or supervisord gone.
    assert len(shown) in (1, 2)
    assert all(line.startswith(('Error: ', 'web:')) for line in shown)
    if command == 'quickrestart':
        assert running.returncode == 1


@both
def test_no_server(start, kind, tmp_path):
    server = start(program(), kind=kind)
    for url, said in [
        (f'unix://{tmp_path}/none', 'no such file'),
        (f'http://127.0.0.1:{free_port()}', 'refused'),
    ]:
        for command in ['quickrestart web', 'restarts', 'rolling web']:
            done = server.ctl('-s', url, *command.split())
            stock = server.ctl('-s', url, 'restart', 'web')
            assert said in done.stdout
            assert (done.stdout, done.returncode, done.stderr) == (
                stock.stdout,
                stock.returncode,
                stock.stderr,
            )


@both
def test_tcp_with_a_password(start, kind):
    port = free_port()
    server = start(
        program(count=2),
        kind=kind,
        extra=f'[inet_http_server]\nport=127.0.0.1:{port}\nusername=me\npassword=secret\n',
    )
    server.wait_state()
    url = ['-s', f'http://127.0.0.1:{port}', '-u', 'me', '-p']
    done = server.ctl(*url, 'secret', 'quickrestart', 'web:')
    assert (sorted(done.stdout.splitlines()), done.returncode) == (
        ['web:0: started', 'web:1: started'],
        0,
    )
    before = everything(server)
    for command in ['quickrestart', 'quickstop', 'restarts', 'rolling', 'cancelrestart']:
        done, stock = (server.ctl(*url, 'wrong', name, 'web:') for name in (command, 'restart'))
        assert done.stdout.startswith('Server requires authentication\n')
        assert (done.stdout.count('\n'), done.returncode) == (
            stock.stdout.count('\n'),
            stock.returncode,
        )
        assert 'Traceback' not in done.stdout + done.stderr
    assert everything(server) == before


# -- restarts, cancelrestart, rolling ----------------------------------------------------------------


def test_restarts_and_cancelrestart(start):
    server = start(SLOW, kind=Ours)
    server.wait_workers()
    assert server.ctl('restarts').stdout == 'no restarts\n'
    with server.begin('quickrestart', 'web:') as running:
        id = server.only_restart()
        server.wait_phase(id, 'stopping')
        assert re.search(rf'^{id} +running +0/2 ', server.ctl('restarts').stdout, re.MULTILINE)
        done = server.ctl('cancelrestart', id)
        assert (done.stdout, done.returncode) == (f'{id}: cancelled\n', 0)
        assert re.match(
            r'web:0: ERROR \(cancelled\): (stopping|starting); what is down', running.stdout.read()
        )
    assert running.returncode == 1
    server.let_stop()
    server.wait_finished(id)
    assert server.states('web') == dict.fromkeys('01', 'RUNNING')
    assert re.search(rf'^{id} +cancelled ', server.ctl('restarts').stdout, re.MULTILINE)
    assert 'web:1: ' in server.ctl('restarts', id).stdout
    for command in ['restarts', 'cancelrestart']:
        done = server.ctl(command, '12345')
        assert done.stdout.startswith('Error: ')
        assert (len(done.stdout.splitlines()), done.returncode) == (1, 2)
    assert server.ctl('cancelrestart', id).returncode == 1  # it has ended


def test_a_group_that_is_being_restarted_is_refused(start):
    server = start(SLOW, kind=Ours)
    with interrupted(server) as running:
        done = server.ctl('quickrestart', 'web:')
        assert done.stdout.startswith("Error: process group 'web' is being restarted already")
        assert done.returncode == 1
        server.let_stop()
        assert running.stdout.read().count('started') == 2


@pytest.mark.parametrize(
    ('arguments', 'sent', 'allowed'),
    [(['web:'], 1, 1), (['2', 'web:'], 2, 2), (['50%', 'web'], '50%', 2), (['1%', 'w*'], '1%', 1)],
)
def test_rolling(start, arguments, sent, allowed):
    server = start(program(count=4, startsecs=1), kind=Ours)
    server.wait_state()
    before = server_pids(server)
    done = server.ctl('rolling', *arguments)
    *lines, last = done.stdout.splitlines()
    assert sorted(lines) == [f'web:{number}: started' for number in range(4)]
    [struct] = server.rpc().restarter.listRestarts()
    assert struct['options']['max_unavailable'] == sent
    assert 4 - allowed <= struct['lowest_ready'] < 4
    assert re.fullmatch(
        r'web: restarted 4 processes in \d+\.\d\ds, at least '
        f'{struct["lowest_ready"]} of 4 ready throughout',
        last,
    )
    assert (done.returncode, done.stderr) == (0, '')
    assert not before & server_pids(server)
    assert server.ctl('restarts').stdout.splitlines()[1].split()[4] == f'{struct["lowest_ready"]}/4'


def test_rolling_goes_no_further_after_a_failure(start):
    able = worker('--unless', '%(here)s/ok%(process_num)d')
    server = start(
        program(command=able, count=5, startsecs=1, startretries=0, autostart='false'), kind=Ours
    )
    for number in range(5):
        (server.dir / f'ok{number}').touch()
    server.ctl('start', 'web:*')
    server.wait_workers()
    before = server.pids()
    (server.dir / 'ok2').unlink()
    done = server.ctl('rolling', 'web:')
    *lines, last = done.stdout.splitlines()
    assert lines[:2] == ['web:0: started', 'web:1: started']
    assert lines[2].startswith('web:2: ERROR (spawn error): ')
    assert lines[3:] == []
    assert last.startswith('web: 1 of 5 processes failed: web:2 (')
    assert last.endswith('); 2 not reached, still as before: web:3, web:4')
    assert (done.returncode, done.stderr) == (1, '')
    after = server.pids()
    assert {name for name, pid in after.items() if pid == before[name]} == {'3', '4'}


@pytest.mark.parametrize('limit', ['0', '0%', '150%'])
def test_rolling_with_a_limit_that_is_not_allowed(start, limit):
    server = start(program(), kind=Ours)
    done = server.ctl('rolling', limit, 'web')
    assert done.stdout == (
        f'Error: max_unavailable = {limit if limit == "0" else repr(limit)} is not allowed: it must '
        'be a count from 1 to 10000, or a percentage from 1% to 100%\n'
    )
    assert (done.returncode, done.stderr) == (2, '')
    assert server.rpc().restarter.listRestarts() == []


@pytest.mark.parametrize('line', ['rolling web', 'restarts', 'cancelrestart 7', 'waitrestart 7'])
def test_what_needs_the_interface(start, line):
    server = start(program(), kind=Stock)
    done = server.ctl(*line.split())
    command = line.split()[0]
    assert done.stdout == (
        f'Error: {command} needs the restarter interface, which this supervisord does not have: its '
        'configuration needs a section [rpcinterface:restarter], and then a reload\n'
    )
    assert (done.returncode, done.stderr) == (3, '')


def test_an_unknown_key_in_the_configuration_is_one_line(start):
    server = start(
        program(),
        kind=Server,
        extra='[ctlplugin:restarter]\n'
        'supervisor.ctl_factory = supervisor_restarter:make_ctlplugin\ncolour=red\n',
    )
    done = server.ctl('status')
    assert done.returncode == 2
    assert (
        "[ctlplugin:restarter] has no key 'colour': only supervisor.ctl_factory"
        in done.stdout + done.stderr
    )
    assert 'Traceback' not in done.stdout + done.stderr


def test_the_plugin_is_loaded_without_tqdm_and_the_servers_parts(start):
    server = start(program(), kind=Ours)
    code = (
        'import runpy, sys, atexit; atexit.register(lambda: print(sorted('
        "{'tqdm', 'supervisor_restarter.server.service', "
        "'supervisor_restarter.client.ctlplugin'} & set(sys.modules))))\n"
        f"sys.argv = ['supervisorctl', '-c', {str(server.conf)!r}, 'quickrestart', 'web']\n"
        f"runpy.run_path({script('supervisorctl')!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.stdout == "web: started\n['supervisor_restarter.client.ctlplugin']\n"
