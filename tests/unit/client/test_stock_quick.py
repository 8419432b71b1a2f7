"""Restarting through Supervisor's own calls: the decisions, and the requests that carry them out.
Time is pretended.
"""

from __future__ import annotations

import signal
from xmlrpc.client import Fault

import pytest
from supervisor.xmlrpc import Faults

from supervisor_restarter.client import quick_reports
from supervisor_restarter.client.client import Client, ClientError, Exit
from supervisor_restarter.client.stock_calls import (
    LONGEST_PAUSE,
    Interrupted,
    Interrupts,
    Requests,
    carry_out,
    pauses,
)
from supervisor_restarter.client.stock_quick import Quick, Verb
from supervisor_restarter.faults import Code, Refusal
from tests.unit.client.samples import info

OK = True


def begun(verb, *states, names='all'):
    """A command over web:0, web:1, ... in these states."""
    return Quick.of(
        verb, names, [info(f'web:{number}', state) for number, state in enumerate(states)]
    )


def lines(quick):
    return [report.line for report in quick.fresh()]


# -- which processes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('verb', 'state', 'names', 'call'),
    [
        *(
            (verb, state, 'web:0', call)
            for verb, state, call in [
                (Verb.START, 'STOPPED', 'startProcess'),
                (Verb.START, 'EXITED', 'startProcess'),
                (Verb.START, 'FATAL', 'startProcess'),
                (Verb.START, 'STOPPING', None),
                (Verb.STOP, 'RUNNING', 'stopProcess'),
                (Verb.STOP, 'STARTING', 'stopProcess'),
                (Verb.STOP, 'BACKOFF', 'stopProcess'),
                (Verb.STOP, 'STOPPING', None),
                (Verb.RESTART, 'RUNNING', 'stopProcess'),
                (Verb.RESTART, 'STARTING', 'stopProcess'),
                (Verb.RESTART, 'BACKOFF', 'stopProcess'),
                (Verb.RESTART, 'STOPPING', None),
                (Verb.RESTART, 'EXITED', 'startProcess'),
                (Verb.RESTART, 'FATAL', 'startProcess'),
                (Verb.RESTART, 'STOPPED', 'startProcess'),
            ]
        ),
        (Verb.START, 'STOPPED', 'all', 'startProcess'),
        (Verb.RESTART, 'STOPPED', 'web', 'startProcess'),
        (Verb.RESTART, 'EXITED', 'all', 'startProcess'),
        (Verb.RESTART, 'FATAL', 'w*', 'startProcess'),
    ],
)
def test_what_is_called_first(verb, state, names, call):
    quick = begun(verb, state, names=[names])
    assert quick.calls() == ([(call, 'web:0')] if call else [])
    assert not quick.over
    assert lines(quick) == []


@pytest.mark.parametrize(
    ('verb', 'state', 'names', 'said'),
    [
        (Verb.START, 'RUNNING', 'web:0', ['web:0: ERROR (already started)']),
        (Verb.START, 'BACKOFF', 'web:0', ['web:0: ERROR (already started)']),
        (Verb.START, 'RUNNING', 'web', []),
        (Verb.START, 'RUNNING', 'all', []),
        (Verb.STOP, 'STOPPED', 'web:0', ['web:0: ERROR (not running)']),
        (Verb.STOP, 'FATAL', 'web:0', ['web:0: ERROR (not running)']),
        (Verb.STOP, 'STOPPED', 'web:', []),
        (Verb.STOP, 'EXITED', '*', []),
        (Verb.RESTART, 'STOPPED', 'all', []),
        (Verb.RESTART, 'STOPPED', 'we*', []),
        (Verb.RESTART, 'UNKNOWN', 'web:0', ['web:0: ERROR (failed): state UNKNOWN']),
        (Verb.START, 'UNKNOWN', 'all', ['web:0: ERROR (failed): state UNKNOWN']),
    ],
)
def test_what_needs_nothing(verb, state, names, said):
    quick = begun(verb, state, names=[names])
    assert quick.over
    assert quick.calls() == []
    assert lines(quick) == said


def test_a_name_that_matches_nothing_refuses_all():
    with pytest.raises(Refusal, match="nothing is named or matched by 'foo', 'x\\*'"):
        begun(Verb.STOP, 'RUNNING', names=['web', 'foo', 'x*'])


# -- how it goes on --------------------------------------------------------------------------


def test_each_process_goes_its_own_way():
    quick = begun(Verb.RESTART, 'RUNNING', 'RUNNING')
    assert [method for method, _ in quick.calls()] == ['stopProcess'] * 2
    quick.answered([OK, OK])
    quick.seen([info('web:0', 'STOPPED'), info('web:1', 'STOPPING')])
    assert quick.calls() == [('startProcess', 'web:0')]
    quick.answered([OK])
    quick.seen([info('web:0', 'STARTING'), info('web:1', 'STOPPING')])
    quick.seen([info('web:0', 'RUNNING'), info('web:1', 'STOPPING')])
    assert lines(quick) == ['web:0: started']
    assert (quick.done, quick.total, quick.over) == (1, 2, False)
    assert quick.calls() == []
    quick.seen([info('web:0', 'RUNNING'), info('web:1', 'STOPPED')])
    assert quick.calls() == [('startProcess', 'web:1')]


STOPPED_IT = 'web:0: ERROR (somebody else stopped it meanwhile; it was left so)'


@pytest.mark.parametrize(
    ('state', 'why', 'said', 'code'),
    [
        ('RUNNING', '', 'web:0: started', Faults.SUCCESS),
        ('EXITED', '', 'web:0: started', Faults.SUCCESS),
        (
            'EXITED',
            'Bad exit code 3',
            'web:0: ERROR (abnormal termination): Bad exit code 3',
            Faults.ABNORMAL_TERMINATION,
        ),
        (
            'BACKOFF',
            'Exited too quickly',
            'web:0: ERROR (spawn error): Exited too quickly',
            Faults.SPAWN_ERROR,
        ),
        ('FATAL', 'too\x1bbad', 'web:0: ERROR (spawn error): too\\x1bbad', Faults.SPAWN_ERROR),
        ('STOPPED', '', STOPPED_IT, Code.CANCELLED),
        ('STOPPING', '', STOPPED_IT, Code.CANCELLED),
        ('UNKNOWN', '', 'web:0: ERROR (failed): state UNKNOWN', Faults.FAILED),
    ],
)
def test_what_becomes_of_a_start(state, why, said, code):
    quick = begun(Verb.START, 'STOPPED')
    quick.calls()
    quick.answered([OK])
    quick.seen([info('web:0', state, why)])
    assert quick.over
    assert [(report.line, report.code) for report in quick.fresh()] == [(said, code)]


@pytest.mark.parametrize(
    ('fault', 'text', 'said'),
    [
        (Faults.BAD_NAME, 'BAD_NAME: web:0', 'no such process'),
        (
            Faults.NO_FILE,
            "NO_FILE: can't find command '/x'",
            "no such file): can't find command '/x'",
        ),
        (Faults.NOT_EXECUTABLE, 'NOT_EXECUTABLE: no', 'file is not executable): no'),
        (Faults.FAILED, 'FAILED: bad', 'failed): bad'),
    ],
)
@pytest.mark.parametrize('verb', [Verb.START, Verb.STOP])
def test_faults(verb, fault, text, said):
    quick = begun(verb, 'STOPPED' if verb is Verb.START else 'RUNNING')
    quick.calls()
    quick.answered([{'faultCode': fault, 'faultString': text}])
    assert quick.over
    assert lines(quick) == [f'web:0: ERROR ({said}' + (')' if ')' not in said else '')]


def test_a_spawn_error_is_explained_by_the_look_that_follows():
    quick = begun(Verb.START, 'STOPPED')
    quick.calls()
    quick.answered([{'faultCode': Faults.SPAWN_ERROR, 'faultString': 'SPAWN_ERROR: web:0'}])
    quick.seen([info('web:0', 'BACKOFF', 'no more memory')])
    assert lines(quick) == ['web:0: ERROR (spawn error): no more memory']


@pytest.mark.parametrize(
    ('verb', 'state', 'said'),
    [
        (Verb.STOP, 'STOPPED', ['web:0: stopped']),
        (Verb.STOP, 'EXITED', ['web:0: stopped']),
        (Verb.STOP, 'STOPPING', []),
        (Verb.STOP, 'RUNNING', ['web:0: ERROR (somebody else started it again meanwhile)']),
        (Verb.STOP, 'UNKNOWN', ['web:0: ERROR (failed): state UNKNOWN']),
        (Verb.RESTART, 'UNKNOWN', ['web:0: ERROR (failed): state UNKNOWN']),
        (Verb.RESTART, 'RUNNING', ['web:0: started']),  # somebody else was quicker
        (Verb.RESTART, 'STARTING', []),
        (Verb.RESTART, 'BACKOFF', ['web:0: ERROR (spawn error)']),
    ],
)
def test_what_becomes_of_a_stop(verb, state, said):
    quick = begun(verb, 'RUNNING')
    quick.calls()
    quick.answered([OK])
    quick.seen([info('web:0', state)])
    assert lines(quick) == said
    assert quick.over == bool(said)


def test_a_process_that_exits_and_is_restarted_by_supervisor_before_the_stop_is_stopped_then():
    quick = begun(Verb.STOP, 'RUNNING')
    quick.calls()
    quick.answered([{'faultCode': Faults.NOT_RUNNING, 'faultString': 'NOT_RUNNING: web:0'}])
    quick.seen([info('web:0', 'STARTING')])
    assert quick.calls() == [('stopProcess', 'web:0')]


def test_what_is_being_stopped_already_is_started_when_it_is_down():
    quick = begun(Verb.START, 'STOPPING')
    quick.seen([info('web:0', 'STOPPING')])
    assert quick.calls() == []
    quick.seen([info('web:0', 'STOPPED')])
    assert quick.calls() == [('startProcess', 'web:0')]
    quick.answered([{'faultCode': Faults.ALREADY_STARTED, 'faultString': 'ALREADY_STARTED: web:0'}])
    quick.seen([info('web:0', 'RUNNING')])
    assert lines(quick) == ['web:0: started']


def test_a_process_that_is_no_longer_there():
    quick = begun(Verb.RESTART, 'RUNNING', 'RUNNING')
    quick.calls()
    quick.answered([OK, OK])
    quick.seen([info('web:1', 'STOPPING')])
    assert lines(quick) == ['web:0: ERROR (no such process)']
    assert not quick.over


# -- as the server has begun it --------------------------------------------------------------


def row(status, text='OK', name='0'):
    return {'group': 'web', 'name': name, 'status': status, 'description': text}


def test_a_start_by_the_server_is_watched():
    quick = Quick.begun(Verb.START, [row(80), row(80, name='1')])
    assert quick.calls() == []
    quick.seen([info('web:0', 'RUNNING'), info('web:1', 'STARTING')])
    assert lines(quick) == ['web:0: started']
    assert not quick.over


def test_a_stop_by_the_server_is_watched():
    quick = Quick.begun(Verb.STOP, [row(80)])
    quick.seen([info('web:0', 'STOPPING')])
    assert lines(quick) == []
    quick.seen([info('web:0', 'STOPPED')])
    assert lines(quick) == ['web:0: stopped']


@pytest.mark.parametrize(
    ('verb', 'status', 'text', 'said', 'code'),
    [
        (Verb.START, 60, 'ALREADY_STARTED: web:0', 'already started)', 60),
        (Verb.STOP, 70, 'NOT_RUNNING: web:0', 'not running)', 70),
        (
            Verb.START,
            50,
            'SPAWN_ERROR: exit status 3; state BACKOFF',
            'spawn error): exit status 3; state BACKOFF',
            50,
        ),
        (
            Verb.START,
            50,
            'SPAWN_ERROR: exit status 3; state EXITED',
            'abnormal termination): exit status 3; state EXITED',
            Faults.ABNORMAL_TERMINATION,
        ),
        (
            Verb.START,
            50,
            "SPAWN_ERROR: can't find command '/x'; state STOPPED",
            "no such file): can't find command '/x'; state STOPPED",
            Faults.NO_FILE,
        ),
        (
            Verb.START,
            50,
            "SPAWN_ERROR: command at '/' is a directory",
            "file is not executable): command at '/' is a directory",
            Faults.NOT_EXECUTABLE,
        ),
        (Verb.STOP, 30, 'FAILED: it cannot be signalled', 'failed): it cannot be signalled', 30),
        (Verb.STOP, int(Code.TIMEOUT), 'TIMEOUT: its turn', 'timed out): its turn', Code.TIMEOUT),
        (Verb.START, int(Code.CANCELLED), 'CANCELLED: gone', 'cancelled): gone', Code.CANCELLED),
    ],
)
def test_what_the_server_could_not_do(verb, status, text, said, code):
    quick = Quick.begun(verb, [row(status, text)])
    assert quick.over
    assert [(report.line, report.code) for report in quick.fresh()] == [
        (f'web:0: ERROR ({said}', code)
    ]


def test_what_is_still_stopping_when_the_servers_call_times_out_is_left_to_the_server():
    quick = Quick.begun(Verb.START, [row(int(Code.TIMEOUT), 'TIMEOUT: it is still stopping')])
    assert quick.over
    assert [report.line for report in quick.fresh()] == [
        'web:0: ERROR (timed out): it is still stopping'
    ]


# -- restarts of the server's ----------------------------------------------------------------


def process(phase, error='', old_pid=10, new_pid=11, stop_seconds=0.1):
    return {
        'group': 'web',
        'name': '0',
        'phase': phase,
        'error': error,
        'old_pid': old_pid,
        'new_pid': new_pid,
        'stop_seconds': stop_seconds,
    }


@pytest.mark.parametrize(
    ('state', 'process', 'said', 'code'),
    [
        ('running', process('ready'), 'web:0: started', Faults.SUCCESS),
        ('running', process('starting'), None, None),
        ('running', process('skipped'), None, None),
        ('succeeded', process('skipped'), None, None),
        ('failed', process('skipped', 'not reached: web:1 failed first'), None, None),
        (
            'running',
            process('failed', 'exit status 3; state BACKOFF'),
            'web:0: ERROR (spawn error): exit status 3; state BACKOFF',
            Faults.SPAWN_ERROR,
        ),
        (
            'running',
            process('failed', 'exit status 3; state EXITED'),
            'web:0: ERROR (abnormal termination): exit status 3; state EXITED',
            Faults.ABNORMAL_TERMINATION,
        ),
        (
            'running',
            process(
                'failed', "left as it is: can't find command '/x'", new_pid=0, stop_seconds=0.0
            ),
            "web:0: ERROR (no such file): left as it is: can't find command '/x'",
            Faults.NO_FILE,
        ),
        (
            'running',
            process('failed', 'it cannot be signalled', new_pid=0, stop_seconds=0.0),
            'web:0: ERROR (failed): it cannot be signalled',
            Faults.FAILED,
        ),
        (
            'timed_out',
            process('stopping'),
            'web:0: ERROR (timed out): stopping; what is down still comes back',
            Code.TIMEOUT,
        ),
        (
            'cancelled',
            process('starting'),
            'web:0: ERROR (cancelled): starting; what is down still comes back',
            Code.CANCELLED,
        ),
    ],
)
def test_processes_of_a_restart(state, process, said, code):
    reports = quick_reports.of_restart({'state': state, 'processes': [process]})
    assert [(report.line, report.code) for report in reports] == ([(said, code)] if said else [])


# -- carried out -----------------------------------------------------------------------------


class Fake:
    """A supervisord with processes web:0, web:1, ... that take `stop` seconds each to stop and one
    to start.
    """

    def __init__(self, *stop, restart_after=1.0):
        self.now, self.requests, self.calls = 0.0, 0, []
        self.stop = {f'web:{number}': seconds for number, seconds in enumerate(stop)}
        self.state = dict.fromkeys(self.stop, 'RUNNING')
        self.due = dict.fromkeys(self.stop, 0.0)
        self.starting = restart_after
        self.before = lambda: None  # called before each request
        self.fault = 0  # what stopProcess and startProcess answer

    def __getattr__(self, method):
        def call(*args):
            self.requests += 1
            self.before()
            self.calls.append(method)
            if method == 'supervisor.getAllProcessInfo':
                return self.infos()
            return [
                self.infos() if call['methodName'].endswith('Info') else self.act(call)
                for call in args[0]
            ]

        return call

    def infos(self):
        for name, state in self.state.items():
            if self.due[name] <= self.now:
                self.state[name] = {'STOPPING': 'STOPPED', 'STARTING': 'RUNNING'}.get(state, state)
        return [info(name, state) for name, state in self.state.items()]

    def act(self, call):
        name, wait = call['params']
        assert wait is False
        if self.fault:
            return {'faultCode': self.fault, 'faultString': 'NAME: detail'}
        stop = call['methodName'] == 'supervisor.stopProcess'
        assert self.state[name] == ('RUNNING' if stop else 'STOPPED')
        self.state[name] = 'STOPPING' if stop else 'STARTING'
        self.due[name] = self.now + (self.stop[name] if stop else self.starting)
        return True

    def sleep(self, seconds):
        self.now += seconds

    def restart(self, say=None):
        requests = Requests(Client(lambda: self, 'unix:///sock'))
        quick = Quick.of(Verb.RESTART, 'all', requests.look())
        said = say if say is not None else []
        carry_out(quick, requests, lambda quick: said.extend(lines(quick)), said.append, self.sleep)
        return said


def test_a_usual_restart_of_32_processes_takes_a_handful_of_requests():
    fake = Fake(*[0.05] * 32)
    assert len(fake.restart()) == 32
    assert fake.calls.count('system.multicall') == 2
    assert fake.requests <= 20


def test_those_that_are_stopped_are_started_while_others_are_stopping():
    fake = Fake(0.0, 1.0, 1.0)
    began = []
    fake.before = lambda: began.append(dict(fake.state))
    fake.restart()
    assert {'web:0': 'STARTING', 'web:1': 'STOPPING', 'web:2': 'STOPPING'} in began
    assert fake.calls.count('system.multicall') == 3


def test_pauses_begin_short_and_grow_to_their_limit():
    pause = pauses()
    first = [next(pause) for _ in range(40)]
    assert first == sorted(first)
    assert first[0] == 0.02
    assert first[-1] == LONGEST_PAUSE
    assert 10 <= sum(sum(first[:count]) < 1.0 for count in range(40)) <= 14


def interrupt_at(fake, *numbers, number=signal.SIGINT):
    """Ctrl-C while these requests, counted from 1, are under way."""

    def before():
        if fake.requests in numbers:
            signal.raise_signal(number)

    fake.before = before


def test_the_first_interrupt_brings_back_what_is_down():
    fake = Fake(0.5, 0.0)
    said: list[str] = []
    interrupt_at(fake, 3)
    with pytest.raises(Interrupted, match='what was stopped is started again'):
        fake.restart(said)
    assert set(fake.state.values()) == {'STARTING'}
    assert said == [
        'interrupted: waiting for 1 to stop, to start them again; Ctrl-C leaves them down'
    ]


@pytest.mark.parametrize('numbers', [(2, 4), (2, 5), (3, 4)])
def test_a_second_interrupt_names_what_is_down(numbers):
    fake = Fake(0.5, 0.0)
    interrupt_at(fake, *numbers)
    with pytest.raises(Interrupted, match='^not started again: web:0$'):
        fake.restart()


def test_a_later_interrupt_while_the_stops_are_not_answered_names_all_of_them(monkeypatch):
    monkeypatch.setattr('supervisor_restarter.client.stock_calls.SECOND_CTRL_C_AFTER', -1)
    fake = Fake(0.5, 0.0)

    def twice():
        if fake.requests == 2:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    fake.before = twice
    with pytest.raises(Interrupted, match='^not started again: web:0, web:1$'):
        fake.restart()


def test_an_interrupt_of_a_stop_ends_it_at_once():
    fake = Fake(9.0)
    interrupt_at(fake, 4)
    requests = Requests(Client(lambda: fake, ''))
    with pytest.raises(Interrupted, match='what has begun goes on'):
        carry_out(
            Quick.of(Verb.STOP, 'all', requests.look()),
            requests,
            lambda quick: None,
            pytest.fail,
            fake.sleep,
        )
    assert fake.requests == 4


def test_signals_are_handled_as_before_when_it_is_over():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    Fake(0.1).restart()
    assert [
        signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ] == before


@pytest.mark.parametrize(
    ('number', 'passed_on'), [(signal.SIGHUP, signal.SIGHUP), (signal.SIGINT, None)]
)
@pytest.mark.parametrize('request_number', [1, 3, 4, 10])
def test_the_end_of_the_terminal_is_passed_on_afterwards(number, passed_on, request_number):
    fake = Fake(0.0)
    interrupt_at(fake, request_number + 1, number=number)
    with pytest.raises(Interrupted) as caught:
        fake.restart()
    assert fake.state['web:0'] in ('STARTING', 'RUNNING')
    assert caught.value.number == passed_on


def test_signals_that_are_ignored_stay_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_connection_that_broke_is_made_anew_once():
    fake = Fake(0.1)
    broken = [3, 5]

    def before():
        if fake.requests in broken:
            broken.remove(fake.requests)
            raise ConnectionResetError

    fake.before = before
    assert fake.restart() == ['web:0: started']


def test_a_server_that_has_gone_is_told_with_what_is_down():
    fake = Fake(0.5, 0.0)

    def before():
        if fake.requests >= 4:
            raise ConnectionRefusedError(111, 'refused')

    fake.before = before
    with pytest.raises(ClientError, match='refused.*; not started again: web:0$') as caught:
        fake.restart()
    assert caught.value.status == Exit.UNREACHABLE


def test_a_server_that_shuts_down_says_so():
    fake = Fake(0.5)
    fake.fault = Faults.SHUTDOWN_STATE
    with pytest.raises(
        ClientError, match='shutting down or being reloaded; not started again: web:0'
    ):
        fake.restart()

    def before():
        raise Fault(Faults.SHUTDOWN_STATE, 'SHUTDOWN_STATE')

    fake.before = before
    with pytest.raises(ClientError, match='^supervisord is shutting down or being reloaded$'):
        fake.restart()


@pytest.mark.parametrize('answer', [None, [], [True], [True, [{'group': 'web'}]], 'no'])
def test_answers_of_another_kind_are_told_apart(answer):
    fake = Fake(0.5)
    requests = Requests(
        Client(lambda: type('Odd', (), {'system.multicall': lambda self, calls: answer})(), '')
    )
    quick = Quick.of(Verb.RESTART, 'all', fake.infos())
    with pytest.raises(ClientError, match='something unexpected; not started again: web:0'):
        carry_out(quick, requests, lambda quick: None, pytest.fail, fake.sleep)


@pytest.mark.parametrize(
    'numbers',
    [
        (signal.SIGHUP, signal.SIGHUP),
        (signal.SIGTERM, signal.SIGHUP),
        (signal.SIGINT, signal.SIGTERM),
        (signal.SIGINT, signal.SIGINT),
    ],
)
def test_what_comes_twice_at_once_is_one_interrupt(numbers):
    with Interrupts() as interrupts:
        for number in numbers:
            signal.raise_signal(number)
        assert interrupts.noted == numbers[0]


def test_a_ctrl_c_after_the_warning_is_another_one():
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGHUP)
        interrupts.told = True
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
