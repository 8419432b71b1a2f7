"""supervisorctl's new commands, on servers with and without the restarter interface."""

from __future__ import annotations

import re
import subprocess
import sys
import xmlrpc.client
from contextlib import suppress

import pytest

from bench.lab import script
from supervisor_restarter.client.stock_calls import LONGEST_PAUSE
from tests.integration.ctl import KINDS, Ours, Stock
from tests.integration.server import SECONDS, Server, free_port, held, program, shared, worker

both = pytest.mark.parametrize('kind', KINDS)
only_ours = pytest.mark.parametrize('running', [Ours], indirect=True)

WEB = ['web:0', 'web:1', 'web:2']
APP = ['app:10', 'app:11', 'app:9']
PROGRAMS = program(count=3) + program('app', count=3, numprocs_start=9) + program('höhe')


@pytest.fixture(scope='module', params=KINDS)
def running(request):
    """A server of each kind for all tests that leave every process RUNNING."""
    port = free_port()
    inet = f'[inet_http_server]\nport=127.0.0.1:{port}\nusername=me\npassword=secret\n'
    with shared(PROGRAMS, kind=request.param, extra=inet) as server:
        server.url = f'http://127.0.0.1:{port}'
        server.wait_state()
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


@pytest.mark.parametrize(
    ('names', 'meant'),
    [
        (['web:'], WEB),
        (['we*'], WEB),
        (['app:1?'], APP[:2]),
        (['all'], [*APP, 'höhe', *WEB]),
        (['höhe', 'web:0', 'app:1*', 'web:0'], ['höhe', 'web:0', *APP[:2]]),
    ],
)
def test_quickrestart(running, names, meant):
    before = everything(running)
    assert_said(running.ctl('quickrestart', *names), 'started', meant)
    after = everything(running)
    assert changed(before, after) == set(meant)
    assert {state for state, _ in after.values()} == {'RUNNING'}


@pytest.mark.parametrize(('names', 'meant'), [(['web'], WEB), (['*:1', 'h*'], ['web:1', 'höhe'])])
def test_quickstop_and_quickstart(running, names, meant):
    assert_said(running.ctl('quickstop', *names), 'stopped', meant)
    stopped = {name for name, (state, _) in everything(running).items() if state == 'STOPPED'}
    assert stopped == set(meant)
    assert_said(running.ctl('quickstart', *names), 'started', meant)
    assert {state for state, _ in everything(running).values()} == {'RUNNING'}


def assert_said(done, word, names):
    assert sorted(done.stdout.splitlines()) == sorted(f'{name}: {word}' for name in names)
    assert (done.returncode, done.stderr) == (0, '')


@pytest.mark.parametrize(
    ('command', 'names', 'missing'),
    [
        ('quickstart', ['foo:'], "'foo:'"),
        ('quickstop', ['foo', 'web:1'], "'foo'"),
        ('quickrestart', ['web:1', 'web:7', 'app', 'x*'], "'web:7', 'x*'"),
    ],
)
def test_if_one_name_matches_nothing_nothing_is_done(running, command, names, missing):
    before = everything(running)
    done = running.ctl(command, *names)
    assert done.stdout == f'Error: nothing is named or matched by {missing}\n'
    assert (done.returncode, done.stderr) == (2, '')
    assert everything(running) == before


@only_ours
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
    # fmt: off
    for command, names, said in [
        ('quickstart', 'web:0 off:0', ['off:0: started', 'web:0: ERROR (already started)']),
        ('quickstart', 'web off:0',   ['off:0: ERROR (already started)', 'web:0, web:1: already started']),
        ('quickstart', 'web: off:1',  ['off:1: started', 'web:0, web:1: already started']),
        ('quickstop',  'off:1',       ['off:1: stopped']),
        ('quickstop',  'off:1 off:0', ['off:0: stopped', 'off:1: ERROR (not running)']),
        ('quickstop',  'off:',        ['off:0, off:1: not running']),
    ]:
        # fmt: on
        done = server.ctl(command, *names.split())
        assert sorted(done.stdout.splitlines()) == said
        assert done.returncode == 0  # as with supervisorctl's own start and stop
    assert server.states('off') == dict.fromkeys('01', 'STOPPED')

    # a restart leaves alone what was stopped on purpose, unless it is named
    server.rpc().supervisor.stopProcess('web:1')
    for names, restarted in [
        ('all', ['web:0']),
        ('*:1', []),
        ('web:1 all', ['web:0', 'web:1']),
    ]:
        assert server.state('web:1') == 'STOPPED'
        assert_said(server.ctl('quickrestart', *names.split()), 'started', restarted)
    server.rpc().supervisor.stopProcess('web:1')
    assert_said(server.ctl('quickrestart', 'web:'), 'started', ['web:0', 'web:1'])


# -- failures ------------------------------------------------------------------------------------

SCRIPT = f'{sys.executable} -S -E -c'
OFF: dict[str, object] = {'autostart': 'false'}
QUITS: dict[str, object] = {**OFF, 'startsecs': 60, 'startretries': 9}
FAILING = ''.join(
    [
        program(count=2),
        program('quits', f'{SCRIPT} "raise SystemExit(3)"', **QUITS),  # type: ignore[arg-type]
        program('gone', '/no/such/file', **OFF),  # type: ignore[arg-type]
        program('plain', '%(here)s/conf', **OFF),  # type: ignore[arg-type]
        program('once', f'{SCRIPT} "import time; time.sleep(0.3)"', autorestart='false', **OFF),  # type: ignore[arg-type]
        program('fatal', worker('--unless', '%(here)s/ok'), startsecs=1, startretries=0),
    ]
)


@pytest.fixture(scope='module', params=KINDS)
def failing(request):
    """A server of each kind with programs that cannot be started."""
    with shared(FAILING, kind=request.param) as server:
        server.wait_state()
        yield server


@pytest.mark.parametrize('name', ['quits', 'gone', 'plain'])
def test_failures_are_told_in_supervisorctls_words_and_exit_statuses(failing, name):
    stock = failing.ctl('start', name)
    for command in ('quickstart', 'quickrestart') if name == 'quits' else ('quickrestart',):
        stop(failing, name)
        done = failing.ctl(command, name)
        [line] = done.stdout.splitlines()
        assert line.startswith(stock.stdout.strip() + ': ')  # the stock line, and then the reason
        assert (done.returncode, done.stderr) == (stock.returncode, '')
        assert done.returncode in (1, 7)
        if name == 'quits':
            # told at once, while Supervisor goes on trying: it is far from FATAL, after 9 retries
            assert line.startswith('quits: ERROR (spawn error): ')
            assert failing.state('quits') in ('BACKOFF', 'STARTING')
    stop(failing, name)


def stop(server, name):
    """Stop it, unless it is down already."""
    with suppress(xmlrpc.client.Fault):
        server.rpc().supervisor.stopProcess(name)


def test_a_fatal_process_is_started_anew(failing):
    failing.wait_state('fatal', 'FATAL')
    (failing.dir / 'ok').touch()
    done = failing.ctl('quickrestart', 'fatal*')
    assert (done.stdout, failing.state('fatal')) == ('fatal: started\n', 'RUNNING')


def test_a_process_that_may_exit_is_started(failing):
    done = failing.ctl('quickstart', 'once')
    assert (done.stdout, done.returncode) == ('once: started\n', 0)


def test_one_failure_among_others(failing):
    done = failing.ctl('quickstart', 'gone', 'web', 'quits')
    assert [line.split(': ')[:2] for line in sorted(done.stdout.splitlines())] == [
        ['gone', 'ERROR (no such file)'],
        ['quits', 'ERROR (spawn error)'],
        ['web:0, web:1', 'already started'],
    ]
    assert done.returncode == 7  # that of what failed last, as with supervisorctl's own start
    for name in ('gone', 'quits'):
        stop(failing, name)


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

    server = start(program(count=12, startsecs=1), kind=Traced)
    server.wait_state()
    mark = server.log_size()
    done = server.ctl('quickrestart', 'web:')
    assert done.stdout.count(': started') == 12
    log = server.log_text(mark)
    # upcheck, the question for the interface, the first look, all stops, all starts, and looks for
    # one second
    assert 5 <= log.count('POST /RPC2') <= 5 + 12 + 4 * LONGEST_PAUSE * 4
    assert log.count('supervisor.stopProcess') <= 1  # in one system.multicall
    assert len(re.findall("spawned: '", log)) == 12


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


# -- servers that do not let us in -----------------------------------------------------------------


@only_ours
def test_no_server(running, tmp_path):
    for url, said, commands in [
        (
            f'unix://{tmp_path}/none',
            'no such file',
            ['quickrestart web', 'restarts', 'rolling web'],
        ),
        (f'http://127.0.0.1:{free_port()}', 'refused', ['quickrestart web']),
    ]:
        stock = running.ctl('-s', url, 'restart', 'web')
        assert said in stock.stdout
        for command in commands:
            done = running.ctl('-s', url, *command.split())
            assert (done.stdout, done.returncode, done.stderr) == (
                stock.stdout,
                stock.returncode,
                stock.stderr,
            )


def test_tcp_with_a_password(running):
    url = ['-s', running.url, '-u', 'me', '-p']
    assert_said(running.ctl(*url, 'secret', 'quickrestart', 'web:'), 'started', WEB)
    before = everything(running)
    stock = running.ctl(*url, 'wrong', 'restart', 'web:')
    for command in ['quickrestart', 'quickstop', 'restarts', 'rolling', 'cancelrestart']:
        done = running.ctl(*url, 'wrong', command, 'web:')
        assert done.stdout.startswith('Server requires authentication\n')
        assert done.stdout.count('\n') == stock.stdout.count('\n')
        assert done.returncode == stock.returncode
        assert 'Traceback' not in done.stdout + done.stderr
    assert everything(running) == before


# -- restarts, cancelrestart, rolling ----------------------------------------------------------------


def test_restarts_and_cancelrestart(start):
    server = start(held(count=2), kind=Ours)
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


@only_ours
@pytest.mark.parametrize(
    ('arguments', 'sent', 'allowed'),
    [(['web:'], 1, 1), (['2', 'web:'], 2, 2), (['67%', 'w*'], '67%', 2)],
)
def test_rolling(running, arguments, sent, allowed):
    before = everything(running)
    done = running.ctl('rolling', *arguments)
    warning, *lines, last = done.stdout.splitlines()
    assert 'startsecs=0' in warning
    assert sorted(lines) == [f'{name}: started' for name in WEB]
    struct = running.rpc().restarter.listRestarts()[0]
    assert struct['options']['max_unavailable'] == sent
    assert 3 - allowed <= struct['lowest_ready'] < 3
    assert re.fullmatch(
        r'web: restarted 3 processes in \d+\.\d\ds, at least '
        f'{struct["lowest_ready"]} of 3 ready throughout',
        last,
    )
    assert done.returncode == 0
    assert changed(before, everything(running)) == set(WEB)
    listed = running.ctl('restarts').stdout.splitlines()
    assert listed[1].split()[4] == f'{struct["lowest_ready"]}/3'


def test_rolling_goes_no_further_after_a_failure(start):
    able = worker('--unless', '%(here)s/ok%(process_num)d')
    server = start(
        program(command=able, count=3, startsecs=1, startretries=0, autostart='false'), kind=Ours
    )
    for number in range(3):
        (server.dir / f'ok{number}').touch()
    server.rpc().supervisor.startProcessGroup('web')
    server.wait_workers()
    before = server.pids()
    (server.dir / 'ok1').unlink()
    done = server.ctl('rolling', 'web:')
    first, second, last = done.stdout.splitlines()
    assert first == 'web:0: started'
    assert second.startswith('web:1: ERROR (spawn error): ')
    assert last.startswith('web: 1 of 3 processes failed: web:1 (')
    assert last.endswith('); 1 not reached, still as before: web:2')
    assert (done.returncode, done.stderr) == (1, '')
    after = server.pids()
    assert {name for name, pid in after.items() if pid == before[name]} == {'2'}


@only_ours
def test_rolling_with_a_limit_that_is_not_allowed(running):
    restarts = running.rpc().restarter.listRestarts()
    for limit, named in [('0', '0'), ('150%', "'150%'")]:
        done = running.ctl('rolling', limit, 'web')
        assert done.stdout == (
            f'Error: max_unavailable = {named} is not allowed: it must '
            'be a count from 1 to 10000, or a percentage from 1% to 100%\n'
        )
        assert (done.returncode, done.stderr) == (2, '')
    assert running.rpc().restarter.listRestarts() == restarts


@pytest.mark.parametrize('running', [Stock], indirect=True)
@pytest.mark.parametrize('line', ['rolling web', 'restarts', 'cancelrestart 7', 'waitrestart 7'])
def test_what_needs_the_interface(running, line):
    done = running.ctl(*line.split())
    assert done.stdout == (
        f'Error: {line.split()[0]} needs the restarter interface, which this supervisord does not '
        'have: its configuration needs a section [rpcinterface:restarter], and then a reload\n'
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


@only_ours
def test_the_plugin_is_loaded_without_tqdm_and_the_servers_parts(running):
    code = (
        'import runpy, sys, atexit; atexit.register(lambda: print(sorted('
        "{'tqdm', 'supervisor_restarter.server.service', "
        "'supervisor_restarter.client.ctlplugin'} & set(sys.modules))))\n"
        f"sys.argv = ['supervisorctl', '-c', {str(running.conf)!r}, 'quickrestart', 'höhe']\n"
        f"runpy.run_path({script('supervisorctl')!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.stdout == "höhe: started\n['supervisor_restarter.client.ctlplugin']\n"
