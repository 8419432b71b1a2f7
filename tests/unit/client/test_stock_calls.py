"""Supervisor's own calls carried out: requests, pauses and Ctrl-C. Time is pretended."""

from __future__ import annotations

import signal
from xmlrpc.client import Fault

import pytest
from supervisor.xmlrpc import Faults

from supervisor_restarter.client.client import Client
from supervisor_restarter.client.errors import ClientError, Exit
from supervisor_restarter.client.stock_calls import (
    LONGEST_PAUSE,
    Interrupted,
    Interrupts,
    Requests,
    carry_out,
    pauses,
)
from supervisor_restarter.client.stock_quick import Quick, Verb
from tests.unit.client.samples import info


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
        carry_out(
            quick,
            requests,
            lambda quick: said.extend([report.line for report in quick.fresh()]),
            said.append,
            self.sleep,
        )
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
    ('number', 'passed_on', 'request_number'),
    [
        (signal.SIGHUP, signal.SIGHUP, 1),
        (signal.SIGTERM, signal.SIGTERM, 3),
        (signal.SIGHUP, signal.SIGHUP, 10),
        (signal.SIGINT, None, 3),
    ],
)
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


@pytest.mark.parametrize('answer', [None, [True], [True, [{'group': 'web'}]]])
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
    [(signal.SIGTERM, signal.SIGHUP), (signal.SIGINT, signal.SIGTERM), (signal.SIGINT,) * 2],
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
