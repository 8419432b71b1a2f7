"""The commands in supervisorctl's own Controller: what they ask, print and exit with. The server
plays a script.
"""

from __future__ import annotations

import io
import sys
import types
from xmlrpc.client import Fault, ProtocolError

import pytest
from supervisor import rpcinterface, supervisorctl
from supervisor.xmlrpc import Faults

from supervisor_restarter import make_ctlplugin
from supervisor_restarter.client import ctlplugin
from supervisor_restarter.client.client import AT_THE_END, PACE
from supervisor_restarter.faults import Code
from tests.unit.client.samples import FakeTqdm, info, process, restart

SECONDS = 'must be a number of seconds from 0 to 10000000, or with a unit as in 90s, 5m, 2h, 1d'
UNKNOWN = Fault(Faults.UNKNOWN_METHOD, 'UNKNOWN_METHOD')
QUICK = ['quickstart', 'quickstop', 'quickrestart']
COMMANDS = [*QUICK, 'rolling', 'restarts', 'cancelrestart', 'waitrestart', 'retryrestart']


class Server:
    """Plays lists of answers, one list per method; anything else is not known to it."""

    def __init__(self, **answers):
        self.answers = {'supervisor.getVersion': [rpcinterface.API_VERSION] * 9}
        self.answers.update(
            {method.replace('_', '.', 1): answer for method, answer in answers.items()}
        )
        self.calls = []

    def __getattr__(self, name):
        if name in ('supervisor', 'restarter'):
            return Namespace(self, name)

        def call(*args):
            if name != 'supervisor.getVersion':
                self.calls.append((name, *args))
            answer = self.answers[name].pop(0) if self.answers.get(name) else UNKNOWN
            if isinstance(answer, BaseException):
                raise answer
            return answer() if callable(answer) else answer

        return call


class Namespace:
    def __init__(self, server, name):
        self.server, self.name = server, name

    def __getattr__(self, method):
        return getattr(self.server, f'{self.name}.{method}')


class Ctl(supervisorctl.Controller):
    """supervisorctl connected to a Server. run() gives the lines that a command prints."""

    def __init__(self, server=None, stdout=None, **config):
        def usage(line):
            raise SystemExit(line)

        options = types.SimpleNamespace(
            prompt='supervisor',
            serverurl='unix:///sock',
            interactive=False,
            usage=usage,
            getServerProxy=lambda: server,
            plugin_factories=[
                ('default', lambda ctl: supervisorctl.DefaultControllerPlugin(ctl), {}),
                ('restarter', make_ctlplugin, config),
            ],
        )
        super().__init__(options, stdout=stdout or io.StringIO())

    def run(self, line):
        before = len(self.stdout.getvalue())
        self.onecmd(line)
        return self.stdout.getvalue()[before:].splitlines()


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch):
    monkeypatch.setattr(
        'supervisor_restarter.client.stock_calls.carry_out.__defaults__', (lambda seconds: None,)
    )


# -- with the interface ----------------------------------------------------------------------


def test_quickstart_by_the_server():
    server = Server(
        restarter_quickStart=[[{'group': 'web', 'name': '0', 'status': 80, 'description': 'OK'}]],
        supervisor_getAllProcessInfo=[[info('web:0', 'STARTING')], [info('web:0')]],
    )
    ctl = Ctl(server)
    assert ctl.run('quickstart web:0 a*') == ['web:0: started']
    assert server.calls == [
        ('restarter.quickStart', ['web:0', 'a*'], False),
        *[('supervisor.getAllProcessInfo',)] * 2,
    ]
    assert ctl.exitstatus == 0


def test_quickstop_by_the_server():
    server = Server(
        restarter_quickStop=[
            [{'group': 'web', 'name': '0', 'status': 70, 'description': 'NOT_RUNNING'}]
        ]
    )
    ctl = Ctl(server)
    assert ctl.run('quickstop web:0') == ['web:0: ERROR (not running)']
    assert server.calls == [('restarter.quickStop', ['web:0'], False)]
    assert ctl.exitstatus == 0  # as with supervisorctl's own stop


def test_quickrestart_by_the_server_tells_each_process_once():
    looks = [
        restart('running', process('0', 'stopping'), process('1', 'ready'), version=2),
        restart(
            'failed',
            process('0', 'failed', 'exit status 3; state BACKOFF'),
            process('1', 'ready'),
            process('2', 'skipped'),
            version=3,
        ),
    ]
    server = Server(restarter_startRestart=['7'], restarter_waitRestart=looks)
    ctl = Ctl(server)
    assert ctl.run('quickrestart web:') == [
        'web:1: started',
        'web:0: ERROR (spawn error): exit status 3; state BACKOFF',
    ]
    assert server.calls[0] == ('restarter.startRestart', ['web:'], {})
    assert ctl.exitstatus == 7


def test_what_somebody_else_does_to_a_process_is_told_as_it_is_in_the_end():
    stopped, started = 'somebody else stopped it', 'somebody else restarted it meanwhile'
    looks = [
        restart('running', process('0', 'skipped', stopped), process('1')),
        restart(
            'running', process('0', note=started), process('1', 'skipped', note=stopped), version=2
        ),
        restart(
            'succeeded',
            process('0', note=started),
            process('1', 'skipped', note=stopped),
            version=3,
        ),
    ]
    ctl = Ctl(Server(restarter_startRestart=['7'], restarter_waitRestart=looks))
    assert ctl.run('quickrestart web:') == [
        'web:1: started',
        f'web:0: started ({started})',
        f'web:1: skipped ({stopped})',
    ]
    assert ctl.exitstatus == 0


@pytest.mark.parametrize('state', ['cancelled', 'timed_out', 'failed'])
def test_a_restart_that_did_not_succeed(state):
    server = Server(
        restarter_startRestart=['7'], restarter_waitRestart=[restart(state, process('0'))]
    )
    ctl = Ctl(server)
    assert ctl.run('quickrestart web:') == ['web:0: started']
    assert ctl.exitstatus == 1


def test_a_queued_restart_is_told_so_once():
    looks = [
        restart('queued', process('0', 'waiting')),
        restart('queued', process('0', 'waiting')),
        restart('succeeded', process('0'), version=2),
    ]
    server = Server(restarter_startRestart=['7'], restarter_waitRestart=looks)
    assert Ctl(server).run('quickrestart web:') == [
        'web: queued behind another restart',
        'web:0: started',
    ]


@pytest.mark.parametrize(
    ('line', 'names', 'limit'),
    [
        ('rolling web', ['web'], 1),
        ('rolling 3 web', ['web'], 3),
        ('rolling 25% web: a*', ['web:', 'a*'], '25%'),
        ('rolling 100% web', ['web'], '100%'),
        ('rolling web 3', ['web', '3'], 1),
        ('rolling 3: web', ['3:', 'web'], 1),
        ('rolling web 150%', ['web', '150%'], 1),
        ('rolling -- web', ['web'], 1),
        ('rolling 2 -- --x', ['--x'], 2),
        ("rolling 2 'w*' 'a b'", ['w*', 'a b'], 2),
    ],
)
def test_rolling(line, names, limit):
    server = Server(
        restarter_startRestart=['7'], restarter_waitRestart=[restart('succeeded', process('0'))]
    )
    ctl = Ctl(server)
    assert ctl.run(line) == [
        'web:0: started',
        'web: restarted 1 process in 0.41s, at least 1 of 1 ready throughout',
    ]
    assert server.calls[0] == ('restarter.startRestart', names, {'max_unavailable': limit})
    assert ctl.exitstatus == 0


@pytest.mark.parametrize(
    ('line', 'names', 'options'),
    [
        ('rolling --min-ready 3 web', ['web'], {'max_unavailable': 1, 'min_ready': 3.0}),
        (
            'rolling 25% --min-ready=3s web api',
            ['web', 'api'],
            {'max_unavailable': '25%', 'min_ready': 3.0},
        ),
        (
            'rolling --ready-timeout 2m 2 web --scout 0',
            ['web'],
            {'max_unavailable': 2, 'ready_timeout': 120.0, 'scout': 0.0},
        ),
    ],
)
def test_rolling_with_options(line, names, options):
    server = Server(
        restarter_startRestart=['7'], restarter_waitRestart=[restart('succeeded', process('0'))]
    )
    assert len(Ctl(server).run(line)) == 2
    assert server.calls[0] == ('restarter.startRestart', names, options)


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        (
            'rolling --min-redy 3 web',
            "rolling has no option '--min-redy'; did you mean '--min-ready'?",
        ),
        (
            'rolling --nonsense web',
            "rolling has no option '--nonsense': it takes --min-ready, --ready-timeout, --scout, "
            'and how many at a time as its first word (rolling 2 web:)',
        ),
        (
            'rolling --max-unavailable 2 web',
            "rolling has no option '--max-unavailable': it takes --min-ready, "
            '--ready-timeout, --scout, and how many at a time as its first word (rolling 2 web:)',
        ),
        ('rolling --min-ready web', f"--min-ready 'web' {SECONDS}"),
        ('rolling web --scout', f"--scout '' {SECONDS}"),
    ],
)
def test_rolling_with_options_that_it_does_not_have(line, said):
    server = Server()
    ctl = Ctl(server)
    assert ctl.run(line) == [f'Error: {said}']
    assert ctl.exitstatus == 2
    assert server.calls == []


@pytest.mark.parametrize(
    'limit', ['0', '0%', '101%', '150%', '-1', '1.5', '2.5%', '99999999999', '9' * 5000]
)
def test_rolling_with_a_limit_that_is_not_allowed(limit):
    server = Server()
    ctl = Ctl(server)
    [said] = ctl.run(f'rolling {limit} web:')
    assert said.startswith('Error: max_unavailable = ')
    assert said.endswith(
        ' is not allowed: it must be a count from 1 to 10000, or a percentage from 1% to 100%'
    )
    assert len(said) < 200
    assert ctl.exitstatus == 2
    assert server.calls == []


def test_rolling_that_fails_says_what_still_is_as_before():
    why = 'not reached: web:2 failed first (on_failure = abort)'
    end = restart(
        'failed',
        process('0'),
        process('1'),
        process('2', 'failed', 'exit status 3; state FATAL'),
        *(process(str(n), 'skipped', why) for n in range(3, 10)),
    )
    ctl = Ctl(Server(restarter_startRestart=['7'], restarter_waitRestart=[end]))
    assert ctl.run('rolling web') == [
        'web:0: started',
        'web:1: started',
        'web:2: ERROR (spawn error): exit status 3; state FATAL',
        'web: 1 of 10 processes failed: web:2 (exit status 3; state FATAL); '
        '7 not reached, still as before: web:3, web:4, web:5, web:6, web:7 and 2 more',
    ]
    assert ctl.exitstatus == 1


def test_what_was_not_reached_is_one_line_for_quickrestart_too():
    end = restart(
        'timed_out',
        process('0'),
        *(process(str(n), 'skipped', 'not reached before the timeout') for n in range(1, 9)),
    )
    ctl = Ctl(Server(restarter_startRestart=['7'], restarter_waitRestart=[end]))
    assert ctl.run('quickrestart web') == [
        'web:0: started',
        'web: timed out after 0.41s; 8 not reached, still as before: '
        'web:1, web:2, web:3, web:4, web:5 and 3 more',
    ]
    assert ctl.exitstatus == 1


def test_processes_that_were_signalled():
    end = restart('succeeded', process('0', new_pid=10), process('1', old_pid=0))
    ctl = Ctl(Server(restarter_startRestart=['7'], restarter_waitRestart=[end]))
    assert ctl.run('quickrestart web') == ['web:0: signalled', 'web:1: started']


def test_quotes_are_taken_off_as_a_shell_does():
    server = Server(
        restarter_startRestart=['7'], restarter_waitRestart=[restart('succeeded', process('0'))]
    )
    Ctl(server).run("quickrestart 'w*' \"app:3\" b'")
    assert server.calls[0] == (
        'restarter.startRestart',
        ["'w*'", '"app:3"', "b'"],
        {},
    )  # not a shell's line
    server = Server(
        restarter_startRestart=['7'], restarter_waitRestart=[restart('succeeded', process('0'))]
    )
    Ctl(server).run('quickrestart \'w*\' "app:3"')
    assert server.calls[0] == ('restarter.startRestart', ['w*', 'app:3'], {})


@pytest.mark.parametrize(
    ('code', 'text', 'said', 'status'),
    [
        (
            Code.BAD_GROUP,
            "BAD_GROUP: nothing is named or matched by 'x'",
            "nothing is named or matched by 'x'",
            2,
        ),
        (Code.BAD_OPTION, 'BAD_OPTION: bad', 'bad', 2),
        (Code.BUSY, 'BUSY: web is busy: wait', 'web is busy: wait', 1),
        (Faults.FAILED, 'FAILED: internal error', 'FAILED: internal error', 1),
        (
            Faults.SHUTDOWN_STATE,
            'SHUTDOWN_STATE',
            'supervisord is shutting down or being reloaded',
            1,
        ),
    ],
)
@pytest.mark.parametrize(
    ('line', 'method'),
    [
        ('quickstart x', 'quickStart'),
        ('quickstop x', 'quickStop'),
        ('quickrestart x', 'startRestart'),
        ('rolling x', 'startRestart'),
        ('restarts', 'listRestarts'),
        ('cancelrestart 7', 'cancelRestart'),
    ],
)
def test_what_the_server_refuses(line, method, code, text, said, status):
    ctl = Ctl(Server(**{f'restarter_{method}': [Fault(int(code), text)]}))
    assert ctl.run(line) == [f'Error: {said}']
    assert ctl.exitstatus == status


def test_restarts():
    ctl = Ctl(
        Server(
            restarter_listRestarts=[
                [restart('running', process('0'), started_at='2024-01-02')],
                [],
            ],
            restarter_getRestart=[
                restart(
                    'failed',
                    process('1'),
                    process('0', 'failed', 'no'),
                    policies=[
                        {
                            'group': 'web',
                            'size': 2,
                            'allowed': 1,
                            'max_unavailable': 1,
                            'from': {'max_unavailable': 'call'},
                        }
                    ],
                )
            ],
        )
    )
    shown = ctl.run('restarts')
    assert shown[0].split()[:5] == ['ID', 'STATE', 'DONE', 'FAILED', 'LOWEST']
    assert shown[1].split()[:5] == ['7', 'running', '1/1', '0', '1/1']
    assert len(shown) == 2
    assert ctl.run('restarts') == ['no restarts']
    assert ctl.run('restarts 7')[2:] == [
        'web: max_unavailable = 1 (call: at most 1 of 2 not ready)',
        'web:1: restarted (down 0.02s, ready after 1.03s)',
        'web:0: ERROR (no)',
    ]


def test_cancelrestart():
    server = Server(
        restarter_cancelRestart=[True, Fault(int(Code.NO_SUCH_RESTART), "NO_SUCH_RESTART: no '8'")]
    )
    ctl = Ctl(server)
    assert ctl.run('cancelrestart 7 8') == ['7: cancelled', "Error: no '8'"]
    assert server.calls == [('restarter.cancelRestart', '7'), ('restarter.cancelRestart', '8')]
    assert ctl.exitstatus == 2


def test_waitrestart():
    end = restart('failed', process('0'), process('1', 'failed', 'exit status 3'))
    server = Server(
        restarter_getRestart=[end, Fault(int(Code.NO_SUCH_RESTART), "NO_SUCH_RESTART: no '8'")],
        restarter_waitRestart=[restart('running', process('0'), process('1', 'starting')), end],
    )
    ctl = Ctl(server)
    assert ctl.run('waitrestart 7') == [
        'web:0: started',
        'web:1: ERROR (spawn error): exit status 3',
        'web: 1 of 2 processes failed: web:1 (exit status 3)',
    ]
    assert ctl.exitstatus == 7
    assert ctl.run('waitrestart 8') == ["Error: no '8'"]
    assert ctl.exitstatus == 2


def test_retryrestart():
    server = Server(
        restarter_retryRestart=['8', UNKNOWN],
        restarter_getPluginVersion=['1.0.0'],
        restarter_waitRestart=[restart('succeeded', process('1'), id='8')],
    )
    ctl = Ctl(server)
    assert ctl.run('retryrestart 7') == [
        'web:1: started',
        'web: restarted 1 process in 0.41s, at least 1 of 1 ready throughout',
    ]
    assert server.calls == [
        ('restarter.retryRestart', '7'),
        ('restarter.waitRestart', '8', AT_THE_END, PACE),
    ]
    [said] = ctl.run('retryrestart 7')
    assert said.startswith('Error: the restarter there (1.0.0) knows no retryRestart')
    assert ctl.exitstatus == 3


@pytest.mark.parametrize('command', ['waitrestart', 'retryrestart'])
def test_only_one_restart_is_waited_for(command):
    ctl = Ctl(Server())
    assert ctl.run(f'{command} 7 8') == [f'Error: {command} takes one restart ID']
    assert ctl.exitstatus == 2


def test_warnings_and_what_was_killed_are_told():
    note = 'killed after 3.0 s: did not stop within stopwaitsecs'
    end = restart(
        'succeeded',
        process('0', killed=True, note=note),
        process('1', note='somebody else restarted it'),
        warnings=['web: all 2 processes may be down at once'],
    )
    ctl = Ctl(Server(restarter_startRestart=['7'], restarter_waitRestart=[end]))
    assert ctl.run('rolling web') == [
        'warning: web: all 2 processes may be down at once',
        f'web:0: started ({note})',
        'web:1: started (somebody else restarted it)',
        'web: restarted 2 processes in 0.41s, at least 1 of 2 ready throughout, 1 killed',
    ]
    assert ctl.exitstatus == 0
    ctl = Ctl(Server(restarter_startRestart=['7'], restarter_waitRestart=[end]))
    assert ctl.run('quickrestart web') == [
        f'web:0: started ({note})',
        'web:1: started (somebody else restarted it)',
    ]


# -- without -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('line', 'method'), [('quickstart web', 'startProcess'), ('quickstop web', 'stopProcess')]
)
def test_without_the_interface(line, method):
    before, after = ('STOPPED', 'RUNNING') if method == 'startProcess' else ('RUNNING', 'STOPPED')
    server = Server(
        supervisor_getAllProcessInfo=[[info('web:0', before), info('web:1', before)]],
        system_multicall=[[True, True, [info('web:0', after), info('web:1', after)]]],
    )
    ctl = Ctl(server)
    word = 'started' if method == 'startProcess' else 'stopped'
    assert ctl.run(line) == [f'web:0: {word}', f'web:1: {word}']
    assert server.calls[1:] == [
        ('supervisor.getAllProcessInfo',),
        (
            'system.multicall',
            [
                {'methodName': f'supervisor.{method}', 'params': ['web:0', False]},
                {'methodName': f'supervisor.{method}', 'params': ['web:1', False]},
                {'methodName': 'supervisor.getAllProcessInfo', 'params': []},
            ],
        ),
    ]


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        ('quickstart web', 'web:0, web:1: already started'),
        ('quickstart w*', 'web:0, web:1: already started'),
        ('quickstart all', 'web:0, web:1: already started'),
        ('quickstop off', 'off:0, off:1: not running'),
        ('quickstop all', 'off:0, off:1: not running'),
    ],
)
@pytest.mark.parametrize('interface', [True, False])
def test_what_is_as_wanted_already_is_one_line(line, said, interface):
    infos = [info('web:0'), info('web:1'), info('off:0', 'STOPPED'), info('off:1', 'STOPPED')]
    verb, fault = ('Start', 'STOPPED') if 'start' in line else ('Stop', 'RUNNING')
    if line.endswith('all'):
        infos = [one for one in infos if one['statename'] != fault]
    server = Server(
        supervisor_getAllProcessInfo=[infos],
        **({f'restarter_quick{verb}': [[]]} if interface else {}),
    )
    ctl = Ctl(server)
    assert ctl.run(line) == [said]
    assert ctl.exitstatus == 0


@pytest.mark.parametrize(
    'after', [UNKNOWN, Fault(Faults.SHUTDOWN_STATE, ''), ConnectionRefusedError(111, ''), []]
)
def test_what_was_as_wanted_is_not_worth_an_error(after):
    ctl = Ctl(Server(restarter_quickStart=[[]], supervisor_getAllProcessInfo=[after]))
    assert ctl.run('quickstart web') == []
    assert ctl.exitstatus == 0


def test_which_of_the_two_is_used_is_decided_anew_each_time():
    row = {'group': 'web', 'name': '0', 'status': 60, 'description': 'ALREADY_STARTED: web:0'}
    server = Server(
        restarter_quickStart=[[row], UNKNOWN, [row]], supervisor_getAllProcessInfo=[[info('web:0')]]
    )
    ctl = Ctl(server)
    for _ in range(3):
        assert ctl.run('quickstart web:0') == ['web:0: ERROR (already started)']
    assert [call[0] for call in server.calls] == [
        'restarter.quickStart',
        'restarter.quickStart',
        'supervisor.getAllProcessInfo',
        'restarter.quickStart',
    ]


@pytest.mark.parametrize('command', QUICK)
def test_names_that_match_nothing_without_the_interface(command):
    server = Server(supervisor_getAllProcessInfo=[[info('web:0')]])
    ctl = Ctl(server)
    assert ctl.run(f'{command} web:0 foo') == ["Error: nothing is named or matched by 'foo'"]
    assert ctl.exitstatus == 2
    assert server.calls[-1] == ('supervisor.getAllProcessInfo',)


@pytest.mark.parametrize(
    'line',
    ['rolling web', 'restarts', 'restarts 7', 'cancelrestart 7', 'waitrestart 7', 'retryrestart 7'],
)
def test_what_needs_the_interface(line):
    ctl = Ctl(Server())
    assert ctl.run(line) == [
        f'Error: {line.split()[0]} needs the restarter interface, which this supervisord does not have: its '
        'configuration needs a section [rpcinterface:restarter], and then a reload'
    ]
    assert ctl.exitstatus == 3


# -- usage and errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('line', 'needs'),
    [
        *((command, 'a process name') for command in QUICK),
        ('rolling', 'a process name'),
        ('rolling 3', 'a process name'),
        ('cancelrestart', 'a restart ID'),
    ],
)
def test_nothing_named(line, needs):
    server = Server()
    ctl = Ctl(server)
    command = line.split()[0]
    assert ctl.run(line) == [f'Error: {command} requires {needs}', *ctl.run(f'help {command}')]
    assert ctl.exitstatus == 2
    assert server.calls == []


@pytest.mark.parametrize('command', COMMANDS)
def test_a_server_of_another_version_or_none_is_told_as_by_all_of_supervisorctl(command):
    ctl = Ctl(Server(**{'supervisor_getVersion': ['1.0']}))
    assert 'expects to talk to a server with API version' in ctl.run(f'{command} web')[0]
    assert ctl.exitstatus == 5
    ctl = Ctl(Server(**{'supervisor_getVersion': [ConnectionRefusedError(111, 'x')]}))
    assert ctl.run(f'{command} web') == ['unix:///sock refused connection']


@pytest.mark.parametrize('command', COMMANDS)
def test_a_refused_password_is_left_to_supervisorctl(command):
    refused = ProtocolError('/RPC2', 401, 'Unauthorized', {})
    ctl = Ctl(Server(**{'supervisor_getVersion': [refused, refused]}))
    assert ctl.run(f'{command} web')[0] == 'Server requires authentication'
    assert ctl.exitstatus == 1


def test_a_password_that_is_refused_after_the_first_call(monkeypatch):
    refused = ProtocolError('/RPC2', 401, 'Unauthorized', {})
    row = {'group': 'web', 'name': '0', 'status': 60, 'description': ''}
    ctl = Ctl(Server(restarter_quickStart=[refused, [row]]))
    ctl.options.interactive = True
    monkeypatch.setattr(supervisorctl, 'raw_input', lambda prompt: 'me')
    monkeypatch.setattr(supervisorctl.getpass, 'getpass', lambda prompt: 'secret')
    assert ctl.run('quickstart web:0') == [
        'Server requires authentication',
        '',
        'web:0: ERROR (already started)',
    ]
    assert (ctl.options.username, ctl.options.password) == ('me', 'secret')


@pytest.mark.parametrize('line', ['quickstart we\x01b', 'quickstop a\udcff', 'cancelrestart \x02'])
def test_names_that_cannot_be_sent(line):
    server = Server()
    ctl = Ctl(server)
    [said] = ctl.run(line)
    assert said.startswith('Error: ')
    assert said.isprintable()
    assert ctl.exitstatus == 2
    assert server.calls == []


@pytest.mark.parametrize(
    ('command', 'answers', 'said'),
    [
        (
            'quickrestart web',
            {'restarter_startRestart': [KeyboardInterrupt()]},
            'Error: interrupted; a restart may have begun; to see: restarts',
        ),
        (
            'rolling web',
            {'restarter_startRestart': ['7'], 'restarter_waitRestart': [KeyboardInterrupt()]},
            'Error: interrupted; restart 7 goes on; to wait for it: waitrestart 7; to cancel it: cancelrestart 7',
        ),
        (
            'quickstart web',
            {'restarter_quickStart': [KeyboardInterrupt()]},
            'Error: interrupted; what has begun goes on',
        ),
        ('restarts', {'supervisor_getVersion': [KeyboardInterrupt()]}, 'Error: interrupted'),
    ],
)
def test_interrupts_end_the_command_only(command, answers, said):
    ctl = Ctl(Server(**answers))
    assert ctl.run(command) == [said]
    assert ctl.exitstatus == 1


def test_answers_of_another_kind():
    ctl = Ctl(Server(restarter_quickStart=[[{'group': 'web'}]], restarter_startRestart=[7]))
    assert ctl.run('quickstart web') == ['Error: supervisord answered with something unexpected']
    assert 'something unexpected' in ctl.run('quickrestart web')[0]
    assert ctl.exitstatus in (1, 3)


@pytest.mark.parametrize('key', ['colour', 'delay'])
def test_unknown_keys_are_refused_in_one_line(key):
    with pytest.raises(SystemExit, match=f"has no key '{key}'"):
        Ctl(Server(), **{key: '1'})
    options = types.SimpleNamespace(usage=lambda line: None)
    with pytest.raises(ValueError, match=f"has no key '{key}'"):
        ctlplugin.make_ctlplugin(types.SimpleNamespace(options=options), **{key: '1'})


# -- help and completion -----------------------------------------------------------------------


@pytest.mark.parametrize('command', COMMANDS)
def test_help_of_ours_has_no_complaint_of_other_plugins(command):
    shown = Ctl().run(f'help {command}')
    assert shown[0].startswith(command)
    assert not any('No help' in line for line in shown)
    assert all(len(line.expandtabs()) <= 100 for line in shown)
    assert Ctl().run(f'? {command}') == shown


def test_help_of_others_is_as_it_was():
    plain = Ctl()
    plain.options.plugins.pop()
    del plain.do_help
    ctl = Ctl()
    topics = [
        name[3:] for name in dir(supervisorctl.DefaultControllerPlugin) if name.startswith('do_')
    ]
    assert len(topics) > 20
    for topic in [*topics, 'help', 'nonsense']:
        assert ctl.run(f'help {topic}') == plain.run(f'help {topic}')
    everything = ctl.run('help')
    assert everything[: len(plain.run('help'))] == plain.run('help')
    ours = ' '.join(everything[len(plain.run('help')) :]).split()[-len(COMMANDS) :]
    assert sorted(ours) == sorted(COMMANDS)


@pytest.mark.parametrize(
    ('line', 'meant'),
    [
        ('quikrestart web', 'quickrestart'),
        ('roling', 'rolling'),
        ('waitrestrat 7', 'waitrestart'),
        ('nonsense', ''),
    ],
)
def test_a_misspelt_command(line, meant):
    plain = Ctl()
    plain.options.plugins.pop()
    del plain.default
    ctl = Ctl()
    assert ctl.run(line) == [*plain.run(line), *([f"did you mean '{meant}'?"] if meant else [])]
    assert ctl.exitstatus == plain.exitstatus


def completions(ctl, line):
    text = '' if line.endswith(' ') else line.split()[-1]
    found: list[str] = []
    while (word := ctl.complete(text, len(found), line)) is not None:
        found.append(word)
    return found


INFOS = [info('app:10'), info('app:9'), info('lone')]


@pytest.mark.parametrize('command', [*QUICK, 'rolling', 'rolling 25%', 'quickstart app:9'])
def test_tab_completes_processes_and_groups(command):
    ctl = Ctl(Server(supervisor_getAllProcessInfo=[INFOS]))
    assert completions(ctl, f'{command} ') == ['app: ', 'app:* ', 'app:10 ', 'app:9 ', 'lone ']
    assert completions(ctl, f'{command} app:1') == ['app:10 ']  # and the server is not asked again
    assert completions(ctl, f'{command} lone:') == ['lone: ', 'lone:* ', 'lone:lone ']
    assert completions(ctl, f'{command} x') == []


def test_tab_completes_ids():
    listed = [restart('running', id='9'), restart('queued', id='8'), restart('failed', id='7')]
    ctl = Ctl(Server(restarter_listRestarts=[listed] * 5))
    assert (
        completions(ctl, 'waitrestart ') == completions(ctl, 'retryrestart ') == ['9 ', '8 ', '7 ']
    )
    assert completions(ctl, 'cancelrestart ') == ['9 ', '8 ']
    assert completions(ctl, 'restarts ') == ['9 ', '8 ', '7 ']


@pytest.mark.parametrize(
    'line', ['', 'qui', 'quickre', 'help quick', 'restart app', 'start ', 'nonsense ', 'add l']
)
def test_tab_completes_everything_else_as_before(line):
    plain = supervisorctl.Controller.complete
    ctl, other = (Ctl(Server(supervisor_getAllProcessInfo=[INFOS])) for _ in range(2))
    text = line.split()[-1] if line.split() and not line.endswith(' ') else ''
    expected = [plain(other, text, state, line) for state in range(40)]
    assert [ctl.complete(text, state, line) for state in range(40)] == expected


def test_the_commands_are_completed():
    assert [word for word in completions(Ctl(), 'quick') if word] == [
        'quickrestart ',
        'quickstart ',
        'quickstop ',
    ]


# -- printing ----------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def played():
    looks = [
        restart('running', process('0'), process('1', 'starting'), version=2),
        restart('succeeded', process('0'), process('1'), version=3),
    ]
    return Server(restarter_startRestart=['7'], restarter_waitRestart=looks)


def test_a_bar_on_a_terminal_with_all_lines_above_it(monkeypatch):
    module = types.ModuleType('tqdm')
    module.tqdm = FakeTqdm  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, 'tqdm', module)
    monkeypatch.setattr(FakeTqdm, 'bars', [])
    assert Ctl(played(), Terminal()).run('quickrestart web') == ['web:0: started', 'web:1: started']
    [bar] = FakeTqdm.bars
    assert bar.seen == [('quickrestart', 1), ('quickrestart', 2)]
    assert (bar.total, bar.closed) == (2, True)


def test_lines_on_a_terminal_without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tqdm', None)
    assert Ctl(played(), Terminal()).run('quickrestart web') == ['web:0: started', 'web:1: started']


@pytest.mark.parametrize('encoding', ['ascii', 'latin-1', 'utf-8'])
def test_names_that_the_terminal_cannot_show(encoding):
    class Output(io.TextIOWrapper):
        def getvalue(self):
            self.flush()
            return stream.getvalue().decode(encoding)

    stream = io.BytesIO()
    row = {'group': 'höhe→', 'name': 'a\x1b', 'status': 60, 'description': ''}
    ctl = Ctl(Server(restarter_quickStart=[[row]]), Output(stream, encoding=encoding))
    shown = {'ascii': 'h\\xf6he\\u2192', 'latin-1': 'höhe\\u2192', 'utf-8': 'höhe→'}[encoding]
    assert ctl.run('quickstart x') == [f'{shown}:a\\x1b: ERROR (already started)']


def test_an_output_that_nobody_reads_ends_nothing(tmp_path):
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

        def fileno(self):
            return nowhere.fileno()

    server = played()
    with open(tmp_path / 'out', 'w') as nowhere:
        ctl = Ctl(server, Broken())
        assert ctl.run('quickrestart web') == []
    assert [call[0] for call in server.calls] == [
        'restarter.startRestart',
        'restarter.waitRestart',
        'restarter.waitRestart',
    ]
    assert ctl.exitstatus == 0
