"""The commands in supervisorctl's own Controller: what they ask, print and exit with. The server
plays a script.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import types
from xmlrpc.client import Fault, ProtocolError

import pytest
from supervisor import rpcinterface, supervisorctl
from supervisor.xmlrpc import Faults

from supervisor_restarter import make_ctlplugin
from supervisor_restarter.client import ctlplugin
from supervisor_restarter.client.client import AT_THE_END, LOOK_PAUSE
from supervisor_restarter.faults import Code
from tests.unit.client.samples import (
    RESTARTED,
    FakeTqdm,
    applied,
    change,
    changed_group,
    config_plan,
    info,
    planned_change,
    process,
    restart,
)

SECONDS = 'must be a number of seconds from 0 to 10000000, or with a unit as in 90s, 5m, 2h, 1d'
UNKNOWN = Fault(Faults.UNKNOWN_METHOD, 'UNKNOWN_METHOD')
QUICK = ['quickstart', 'quickstop', 'quickrestart']
COMMANDS = [
    *(*QUICK, 'rolling', 'apply', 'scale'),
    *('restarts', 'cancelrestart', 'waitrestart', 'retryrestart'),
]


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


def begun(*looks):
    """A server that begins the restart 7 and shows these looks at it."""
    return Server(restarter_startRestart=['7'], restarter_waitRestart=list(looks))


def test_old_processes_that_are_still_stopping():
    looks = [restart('running', process('0', action='surge'), old_stopping=n) for n in (2, 1)]
    ctl = Ctl(begun(*looks, restart('succeeded', process('0', action='surge'))))
    assert ctl.run('rolling web')[:2] == ['web:0: started', 'web: 2 old processes still stopping']


def row(status, description='', group='web', name='0'):
    return {'group': group, 'name': name, 'status': status, 'description': description}


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch):
    monkeypatch.setattr(
        'supervisor_restarter.client.stock_calls.carry_out.__defaults__', (lambda seconds: None,)
    )


# -- with the interface ----------------------------------------------------------------------


def test_quickstart_by_the_server():
    server = Server(
        restarter_quickStart=[[row(80)]],
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
    server = Server(restarter_quickStop=[[row(70)]])
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
    server = begun(*looks)
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
    ctl = Ctl(begun(*looks))
    assert ctl.run('quickrestart web:') == [
        'web:1: started',
        f'web:0: started ({started})',
        f'web:1: skipped ({stopped})',
    ]
    assert ctl.exitstatus == 0


def test_a_restart_that_did_not_succeed():
    ctl = Ctl(begun(restart('cancelled', process('0'))))
    assert ctl.run('quickrestart web:') == ['web:0: started']
    assert ctl.exitstatus == 1


def test_a_queued_restart_is_told_so_once():
    queued = restart('queued', process('0', 'waiting'))
    looks = [queued, queued, restart('succeeded', process('0'), version=2)]
    server = begun(*looks)
    assert Ctl(server).run('quickrestart web:') == [
        'web: queued behind another restart',
        'web:0: started',
    ]


@pytest.mark.parametrize(('line', 'names', 'options'), [
    ('rolling web', ['web'], {'max_unavailable': 1}),
    ('rolling 3 web', ['web'], {'max_unavailable': 3}),
    ('rolling 25% web: a*', ['web:', 'a*'], {'max_unavailable': '25%'}),
    ('rolling web 3', ['web', '3'], {'max_unavailable': 1}),
    ('rolling 3: web', ['3:', 'web'], {'max_unavailable': 1}),
    ('rolling 2 -- --x', ['--x'], {'max_unavailable': 2}),
    ("rolling 2 'w*' 'a b'", ['w*', 'a b'], {'max_unavailable': 2}),
    ('rolling 25% --min-ready=3s web', ['web'], {'max_unavailable': '25%', 'min_ready': 3.0}),
    ('rolling --ready-timeout 2m 2 web --scout 0', ['web'],
     {'max_unavailable': 2, 'ready_timeout': 120.0, 'scout': 0.0}),
    ('rolling --max-surge=25% --hook-timeout 2m web', ['web'],
     {'max_unavailable': 1, 'max_surge': '25%', 'hook_timeout': 120.0}),
])  # fmt: skip
def test_rolling(line, names, options):
    server = begun(restart('succeeded', process('0')))
    ctl = Ctl(server)
    assert ctl.run(line) == [
        'web:0: started',
        'web: restarted 1 process in 0.41s, at least 1 of 1 ready throughout',
    ]
    assert server.calls[0] == ('restarter.startRestart', names, options)
    assert ctl.exitstatus == 0


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        (
            'rolling --min-redy 3 web',
            "rolling has no option '--min-redy'; did you mean '--min-ready'?",
        ),
        (
            'rolling --nonsense web',
            "rolling has no option '--nonsense': it takes --min-ready, --ready-timeout, --hook-timeout, "
            '--scout, --max-surge, '
            'and how many at a time as its first word (rolling 2 web:)',
        ),
        (
            'rolling --max-surge many web',
            "max_surge = 'many' is not allowed: it must be a count from 0 to 10000, or a percentage "
            'from 1% to 100%',
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


@pytest.mark.parametrize('limit', ['0', '101%', '-1', '2.5%', '9' * 5000], ids=range(5))
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
    ctl = Ctl(begun(end))
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
    ctl = Ctl(begun(end))
    assert ctl.run('quickrestart web') == [
        'web:0: started',
        'web: timed out after 0.41s; 8 not reached, still as before: '
        'web:1, web:2, web:3, web:4, web:5 and 3 more',
    ]
    assert ctl.exitstatus == 1


def test_processes_that_were_signalled():
    end = restart('succeeded', process('0', new_pid=10), process('1', old_pid=0))
    ctl = Ctl(begun(end))
    assert ctl.run('quickrestart web') == ['web:0: signalled', 'web:1: started']


def test_quotes_are_taken_off_as_a_shell_does():
    server = begun(restart('succeeded', process('0')))
    Ctl(server).run("quickrestart 'w*' \"app:3\" b'")
    # not a shell's line
    assert server.calls[0] == ('restarter.startRestart', ["'w*'", '"app:3"', "b'"], {})
    server = begun(restart('succeeded', process('0')))
    Ctl(server).run('quickrestart \'w*\' "app:3"')
    assert server.calls[0] == ('restarter.startRestart', ['w*', 'app:3'], {})


BUSY = 'web is busy: wait'
SHUTDOWN = 'supervisord is shutting down or being reloaded'


@pytest.mark.parametrize(('line', 'method', 'code', 'text', 'said', 'status'), [
    ('quickstart x', 'quickStart', Code.BAD_GROUP, "BAD_GROUP: no 'x'", "no 'x'", 2),
    ('quickstop x', 'quickStop', Code.BAD_OPTION, 'BAD_OPTION: bad', 'bad', 2),
    ('quickrestart x', 'startRestart', Code.BUSY, f'BUSY: {BUSY}', BUSY, 1),
    ('rolling x', 'startRestart', Code.BUSY, f'BUSY: {BUSY}', BUSY, 1),
    ('restarts', 'listRestarts', Faults.FAILED, 'FAILED: no', 'FAILED: no', 1),
    ('cancelrestart 7', 'cancelRestart', Faults.SHUTDOWN_STATE, 'SHUTDOWN_STATE', SHUTDOWN, 1),
])  # fmt: skip
def test_what_the_server_refuses(line, method, code, text, said, status):
    ctl = Ctl(Server(**{f'restarter_{method}': [Fault(int(code), text)]}))
    assert ctl.run(line) == [f'Error: {said}']
    assert ctl.exitstatus == status


def test_restarts():
    policy = {'group': 'web', 'size': 2, 'allowed': 1, 'max_unavailable': 1}
    policy['from'] = {'max_unavailable': 'call'}
    one = restart('failed', process('1'), process('0', 'failed', 'no'), policies=[policy])
    running = restart('running', process('0'), started_at='2024-01-02')
    ctl = Ctl(Server(restarter_listRestarts=[[running], []], restarter_getRestart=[one]))
    shown = ctl.run('restarts')
    assert [line.split()[:5] for line in shown] == [
        ['ID', 'STATE', 'DONE', 'FAILED', 'LOWEST'],
        ['7', 'running', '1/1', '0', '1/1'],
    ]
    assert ctl.run('restarts') == ['no restarts']
    assert ctl.run('restarts 7')[2:] == [
        'web: max_unavailable = 1 (call: at most 1 of 2 not ready)',
        'web:1: restarted (down 0.02s, ready after 1.03s)',
        'web:0: ERROR (no)',
    ]


def test_cancelrestart():
    unknown = Fault(int(Code.NO_SUCH_RESTART), "NO_SUCH_RESTART: no '8'")
    server = Server(restarter_cancelRestart=[True, True, unknown])
    ctl = Ctl(server)
    assert ctl.run('cancelrestart 6') == ['6: cancelled']
    assert ctl.run('cancelrestart 7 8') == ['7: cancelled', "Error: no '8'"]
    assert server.calls == [('restarter.cancelRestart', number) for number in '678']
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
        ('restarter.waitRestart', '8', AT_THE_END, LOOK_PAUSE),
    ]
    [said] = ctl.run('retryrestart 7')
    assert said.startswith('Error: the restarter there (1.0.0) knows no retryRestart')
    assert ctl.exitstatus == 3


@pytest.mark.parametrize('command', ['waitrestart', 'retryrestart'])
def test_only_one_restart_is_waited_for(command):
    ctl = Ctl(Server())
    assert ctl.run(f'{command} 7 8') == [f'Error: {command} takes one restart ID']
    assert ctl.exitstatus == 2


def applying(*looks):
    return Server(restarter_startApply=['7'], restarter_waitRestart=list(looks))


def test_apply():
    gone = process('1', 'stopped', action='remove', new_pid=0)
    at_once = ['off:off later', 'api live']
    looks = [
        applied('queued'),
        applied('running', process('0', 'stopping', action='restart'), gone, at_once=at_once),
        applied('succeeded', process('0', action='restart'), gone, at_once=at_once),
    ]
    server = applying(*looks)
    ctl = Ctl(server)
    assert ctl.run('apply web api') == [
        'web: queued behind another restart',
        'off: changed, holds from its next start',
        'api: changed live',
        'web:1: removed',
        f'web:0: {RESTARTED}',
        'web: applied in 0.41s: 1 restarted, 1 removed, 1 changed for the next start; '
        'at least 1 of 1 ready throughout',
    ]
    assert server.calls[0] == ('restarter.startApply', ['web', 'api'], {})
    assert ctl.exitstatus == 0


def test_apply_with_nothing_to_do():
    server = applying(applied('succeeded', groups=()))
    ctl = Ctl(server)
    assert ctl.run('apply') == ['nothing to apply: what runs is what the files say']
    assert server.calls[0] == ('restarter.startApply', [], {})
    assert ctl.exitstatus == 0


def test_apply_that_is_rolled_back():
    why = 'web:1: exit status 1; state BACKOFF'
    going_back = process('1', 'starting', action='restart', error=why[7:])
    looks = [
        applied('running', process('0', action='restart'), going_back, why=why),
        applied(
            'rolled_back',
            process('0', action='restart', note='rolled back'),
            process('1', action='restart', error=why[7:], note='rolled back'),
            process('2', 'skipped', 'not reached', action='restart'),
            why=why,
        ),
    ]
    ctl = Ctl(applying(*looks))
    assert ctl.run('apply') == [
        f'web: rolling back: {why}',
        f'web:0: {RESTARTED}',
        f'web:0: {RESTARTED}'.replace('(', '(rolled back, '),
        f'web:1: ERROR ({why[7:]}; rolled back)',
        f'web: rolled back after 0.41s: {why}; the old configuration runs again, and the files '
        'still hold the new one',
    ]
    assert ctl.exitstatus == 1


def test_plan_of_an_apply():
    plan = config_plan(changed_group(planned_change('0', 'restart', change())))
    server = Server(restarter_planConfig=[plan, config_plan()])
    ctl = Ctl(server)
    assert ctl.run('apply --plan -- --odd') == [
        'would change 1 process: restart 1',
        'web:',
        '  web:0: restart',
        '    ~ command: /bin/a -> /bin/b (restart)',
    ]
    assert ctl.run('apply --plan') == ['nothing to apply: what runs is what the files say']
    assert server.calls == [('restarter.planConfig', ['--odd']), ('restarter.planConfig', [])]
    assert ctl.exitstatus == 0


def test_apply_with_an_option_that_it_does_not_have():
    server = Server()
    ctl = Ctl(server)
    assert ctl.run('apply --rolling web') == [
        "Error: apply has no option '--rolling': it takes --plan; "
        'supervisorctl_restart_group --apply takes more'
    ]
    assert (ctl.exitstatus, server.calls) == (2, [])


def test_files_that_make_no_sense_end_as_reread_does():
    text = 'CANT_REREAD: bad'
    ctl = Ctl(Server(restarter_startApply=[Fault(int(Faults.CANT_REREAD), text)]))
    assert ctl.run('apply') == [f'Error: {text}']
    assert ctl.exitstatus == 1


def test_scale():
    end = applied('succeeded', process('4', old_pid=0, action='start'))
    failed = process('4', action='remove', error='exit status 1')
    back = applied('rolled_back', failed, why='web:4: exit status 1')
    server = Server(
        restarter_setNumprocs=['7', '8', '9'],
        restarter_waitRestart=[end, applied('succeeded'), back],
    )
    ctl = Ctl(server)
    assert ctl.run('scale web 5') == [
        'web:4: started (ready after 1.03s)',
        'web: applied in 0.41s: 1 started',
    ]
    assert ctl.run('scale web 5') == ['web: nothing to do: its number of processes is 5']
    assert server.calls[0] == ('restarter.setNumprocs', 'web', 5)
    assert ctl.exitstatus == 0
    assert ctl.run('scale web 5')[-1] == (
        'web: rolled back after 0.41s: web:4: exit status 1; the old configuration runs again'
    )
    assert ctl.exitstatus == 1


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        ('scale web', 'scale takes a program and its number of processes (scale web 6)'),
        ('scale web 6 7', 'scale takes a program and its number of processes (scale web 6)'),
        (
            'scale web six',
            "the number of processes = 'six' is not allowed: it must be a whole number from 1 to 10000",
        ),
        (
            'scale web 0',
            "the number of processes = '0' is not allowed: it must be a whole number from 1 to 10000",
        ),
    ],
)
def test_scale_with_words_that_it_does_not_take(line, said):
    server = Server()
    ctl = Ctl(server)
    assert ctl.run(line) == [f'Error: {said}']
    assert (ctl.exitstatus, server.calls) == (2, [])


def test_a_program_that_cannot_be_scaled():
    text = 'BAD_STATE: the names of web do not hold %(process_num)'
    ctl = Ctl(Server(restarter_setNumprocs=[Fault(int(Code.BAD_STATE), text)]))
    assert ctl.run('scale web 5') == [f'Error: {text[11:]}']
    assert ctl.exitstatus == 1


@pytest.mark.parametrize(
    ('line', 'method'), [('apply', 'startApply'), ('apply --plan', 'planConfig'), ('scale web 2', 'setNumprocs')]
)  # fmt: skip
def test_a_server_that_is_too_old_for_it(line, method):
    ctl = Ctl(Server(restarter_getPluginVersion=['1.0.0']))
    [said] = ctl.run(line)
    assert said.startswith(f'Error: the restarter there (1.0.0) knows no {method}: it is older')
    assert ctl.exitstatus == 3


def test_warnings_and_what_was_killed_are_told():
    note = 'killed after 3.0 s: did not stop within stopwaitsecs'
    end = restart(
        'succeeded',
        process('0', killed=True, note=note),
        process('1', note='somebody else restarted it'),
        warnings=['web: all 2 processes may be down at once'],
    )
    ctl = Ctl(begun(end))
    assert ctl.run('rolling web') == [
        'warning: web: all 2 processes may be down at once',
        f'web:0: started ({note})',
        'web:1: started (somebody else restarted it)',
        'web: restarted 2 processes in 0.41s, at least 1 of 2 ready throughout, 1 killed',
    ]
    assert ctl.exitstatus == 0
    ctl = Ctl(begun(end))
    assert ctl.run('quickrestart web') == [
        f'web:0: started ({note})',
        'web:1: started (somebody else restarted it)',
    ]


# -- without -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('line', 'method'),
    [
        ('quickstart web', 'startProcess'),
        ('quickstop web', 'stopProcess'),
        ('quickrestart web', 'startProcess'),
    ],
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
    ('line', 'answers', 'said'),
    [
        ('quickstart web', {'restarter_quickStart': [[]]}, 'web:0, web:1: already started'),
        ('quickstart w*', {}, 'web:0, web:1: already started'),
        ('quickstop off', {}, 'off:0: not running'),
    ],
)
def test_what_is_as_wanted_already_is_one_line(line, answers, said):
    infos = [info('web:0'), info('web:1'), info('off:0', 'STOPPED')]
    ctl = Ctl(Server(supervisor_getAllProcessInfo=[infos], **answers))
    assert ctl.run(line) == [said]
    assert ctl.exitstatus == 0


@pytest.mark.parametrize('after', [ConnectionRefusedError(111, ''), []])
def test_what_was_as_wanted_is_not_worth_an_error(after):
    ctl = Ctl(Server(restarter_quickStart=[[]], supervisor_getAllProcessInfo=[after]))
    assert ctl.run('quickstart web') == []
    assert ctl.exitstatus == 0


def test_which_of_the_two_is_used_is_decided_anew_each_time():
    server = Server(
        restarter_quickStart=[[row(60)], UNKNOWN, [row(60)]],
        supervisor_getAllProcessInfo=[[info('web:0')]],
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


@pytest.mark.parametrize('command', ['quickstop', 'quickrestart'])
def test_names_that_match_nothing_without_the_interface(command):
    server = Server(supervisor_getAllProcessInfo=[[info('web:0')]])
    ctl = Ctl(server)
    assert ctl.run(f'{command} web:0 foo') == ["Error: nothing is named or matched by 'foo'"]
    assert ctl.exitstatus == 2
    assert server.calls[-1] == ('supervisor.getAllProcessInfo',)


@pytest.mark.parametrize(
    'line', ['rolling web', 'apply', 'scale web 2', 'restarts', 'cancelrestart 7', 'retryrestart 7']
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
        ('quickstop', 'a process name'),
        ('rolling 3', 'a process name'),
        ('scale', 'a program and a number'),
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


@pytest.mark.parametrize('command', ['quickstart', 'waitrestart'])
def test_a_server_of_another_version_or_none_is_told_as_by_all_of_supervisorctl(command):
    ctl = Ctl(Server(**{'supervisor_getVersion': ['1.0']}))
    assert 'expects to talk to a server with API version' in ctl.run(f'{command} web')[0]
    assert ctl.exitstatus == 5
    ctl = Ctl(Server(**{'supervisor_getVersion': [ConnectionRefusedError(111, 'x')]}))
    assert ctl.run(f'{command} web') == ['unix:///sock refused connection']


@pytest.mark.parametrize('command', ['quickstart', 'restarts'])
def test_a_refused_password_is_left_to_supervisorctl(command):
    refused = ProtocolError('/RPC2', 401, 'Unauthorized', {})
    ctl = Ctl(Server(**{'supervisor_getVersion': [refused, refused]}))
    assert ctl.run(f'{command} web')[0] == 'Server requires authentication'
    assert ctl.exitstatus == 1


def test_a_password_that_is_refused_after_the_first_call(monkeypatch):
    refused = ProtocolError('/RPC2', 401, 'Unauthorized', {})
    ctl = Ctl(Server(restarter_quickStart=[refused, [row(60)]]))
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
            'apply',
            {'restarter_startApply': ['7'], 'restarter_waitRestart': [KeyboardInterrupt()]},
            'Error: interrupted; apply 7 goes on; to wait for it: waitrestart 7; to cancel it: cancelrestart 7',
        ),
        (
            'scale web 2',
            {'restarter_setNumprocs': [KeyboardInterrupt()]},
            'Error: interrupted; an apply may have begun; to see: restarts',
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


def test_the_end_of_the_terminal_ends_this_process_when_it_has_said_so(monkeypatch):
    ended = []

    def hang_up():
        signal.raise_signal(signal.SIGHUP)
        return [info('web:0')]

    monkeypatch.setattr(os, 'kill', lambda pid, number: ended.append((pid, number)))
    server = Server(restarter_quickStart=[[row(80)]], supervisor_getAllProcessInfo=[hang_up])
    ctl = Ctl(server)
    assert ctl.run('quickstart web:0') == [
        'web:0: started',
        'Error: interrupted; what has begun goes on',
    ]
    assert ended == [(os.getpid(), signal.SIGHUP)]


def test_answers_of_another_kind():
    ctl = Ctl(Server(restarter_quickStart=[[{'group': 'web'}]], restarter_startRestart=[7]))
    assert ctl.run('quickstart web') == ['Error: supervisord answered with something unexpected']
    assert 'something unexpected' in ctl.run('quickrestart web')[0]
    assert ctl.exitstatus in (1, 3)


def test_unknown_keys_are_refused_in_one_line():
    key = 'delay'
    with pytest.raises(SystemExit, match=f"has no key '{key}'"):
        Ctl(Server(), **{key: '1'})
    options = types.SimpleNamespace(usage=lambda line: None)
    with pytest.raises(ValueError, match=f"has no key '{key}'"):
        ctlplugin.make_ctlplugin(types.SimpleNamespace(options=options), **{key: '1'})


# -- help and completion -----------------------------------------------------------------------


def test_help_of_ours_has_no_complaint_of_other_plugins():
    ctl = Ctl()
    for command in COMMANDS:
        shown = ctl.run(f'help {command}')
        assert shown[0].startswith(command)
        assert not any('No help' in line for line in shown)
        assert all(len(line.expandtabs()) <= 100 for line in shown)
        assert ctl.run(f'? {command}') == shown
        getattr(ctl.options.plugins[-1], f'help_{command}')()  # as its own do_help would
        assert ctl.stdout.getvalue().splitlines()[-len(shown) :] == shown


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
    [('quikrestart web', 'quickrestart'), ('waitrestrat 7', 'waitrestart'), ('nonsense', '')],
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


@pytest.mark.parametrize('command', ['quickstop', 'rolling 25%', 'quickstart app:9'])
def test_tab_completes_processes_and_groups(command):
    aside = info('app:9.old', 'STOPPING')  # of a surge
    ctl = Ctl(Server(supervisor_getAllProcessInfo=[[*INFOS, aside]]))
    assert completions(ctl, f'{command} ') == ['app: ', 'app:* ', 'app:10 ', 'app:9 ', 'lone ']
    assert completions(ctl, f'{command} app:1') == ['app:10 ']  # and the server is not asked again
    assert completions(ctl, f'{command} lone:') == ['lone: ', 'lone:* ', 'lone:lone ']
    assert completions(ctl, f'{command} x') == []


def test_tab_completes_groups():
    ctl = Ctl(Server(supervisor_getAllProcessInfo=[INFOS]))
    assert completions(ctl, 'apply ') == ['app ', 'lone ', '--plan ']
    assert completions(ctl, 'apply --plan l') == ['lone ']
    assert completions(ctl, 'scale ') == ['app ', 'lone ']


def test_tab_completes_ids():
    listed = [restart('running', id='9'), restart('queued', id='8'), restart('failed', id='7')]
    ctl = Ctl(Server(restarter_listRestarts=[listed] * 5))
    assert (
        completions(ctl, 'waitrestart ') == completions(ctl, 'retryrestart ') == ['9 ', '8 ', '7 ']
    )
    assert completions(ctl, 'cancelrestart ') == ['9 ', '8 ']
    assert completions(ctl, 'restarts ') == ['9 ', '8 ', '7 ']


@pytest.mark.parametrize('line', ['', 'qui', 'help quick', 'restart app', 'nonsense ', 'add l'])
def test_tab_completes_everything_else_as_before(line):
    plain = supervisorctl.Controller.complete
    ctl, other = (Ctl(Server(supervisor_getAllProcessInfo=[INFOS])) for _ in range(2))
    text = line.split()[-1] if line.split() and not line.endswith(' ') else ''
    expected = [plain(other, text, state, line) for state in range(40)]
    assert [ctl.complete(text, state, line) for state in range(40)] == expected


def test_readline_gives_the_text_alone(monkeypatch):
    ctl = Ctl(Server(supervisor_getAllProcessInfo=[INFOS]))
    readline = types.SimpleNamespace(get_line_buffer=lambda: 'quickstop lo')
    monkeypatch.setitem(sys.modules, 'readline', readline)
    assert [ctl.complete('lo', state) for state in (0, 1)] == ['lone ', None]


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
    return begun(*looks)


def test_a_bar_on_a_terminal_with_all_lines_above_it(monkeypatch):
    module = types.ModuleType('tqdm')
    module.tqdm = FakeTqdm  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, 'tqdm', module)
    monkeypatch.setattr(FakeTqdm, 'bars', [])
    assert Ctl(played(), Terminal()).run('quickrestart web') == ['web:0: started', 'web:1: started']
    [bar] = FakeTqdm.bars
    assert bar.seen == [('quickrestart', 1), ('quickrestart', 2)]
    assert (bar.total, bar.closed) == (2, True)


def test_the_bar_of_an_apply_comes_when_it_is_known_what_is_to_be_done(monkeypatch):
    module = types.ModuleType('tqdm')
    module.tqdm = FakeTqdm  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, 'tqdm', module)
    monkeypatch.setattr(FakeTqdm, 'bars', [])
    processes = [process(name, action='restart') for name in '012']
    looks = [applied('queued'), applied('running', *processes), applied('succeeded', *processes)]
    Ctl(applying(*looks), Terminal()).run('apply')
    [bar] = FakeTqdm.bars
    assert (bar.total, bar.seen) == (3, [('apply', 3), ('apply', 3)])


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
    ctl = Ctl(
        Server(restarter_quickStart=[[row(60, '', 'höhe→', 'a\x1b')]]),
        Output(stream, encoding=encoding),
    )
    shown = {'ascii': 'h\\xf6he\\u2192', 'latin-1': 'höhe\\u2192', 'utf-8': 'höhe→'}[encoding]
    assert ctl.run('quickstart x') == [f'{shown}:a\\x1b: ERROR (already started)']


def test_a_terminal_that_goes_away_before_there_is_a_bar_ends_nothing(monkeypatch, tmp_path):
    def tqdm(**options):
        raise BrokenPipeError

    monkeypatch.setitem(sys.modules, 'tqdm', types.SimpleNamespace(tqdm=tqdm))
    terminal, server = Terminal(), played()
    with open(tmp_path / 'out', 'w') as stream:
        monkeypatch.setattr(terminal, 'fileno', stream.fileno)
        ctl = Ctl(server, terminal)
        assert ctl.run('quickrestart web') == []
    assert len(server.calls) == 3
    assert ctl.exitstatus == 0


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
