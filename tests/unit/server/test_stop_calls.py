"""Supervisor's own stop calls while a restart is under way."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any, cast

import pytest
from supervisor.http import NOT_DONE_YET
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
from supervisor.states import ProcessStates
from supervisor.xmlrpc import Faults, RPCError

from supervisor_restarter.server.stop_calls import METHODS, StopRequests

GROUPS = {'web': ['0', '1', '10'], 'nginx': ['nginx'], 'größe': ['höhe']}
EVERYTHING = [(group, name) for group, names in GROUPS.items() for name in names]
WEB = [('web', '0'), ('web', '1'), ('web', '10')]
PIDS = itertools.count(1000)


class Supervisord:
    """Process groups whose processes are all being stopped."""

    def __init__(self) -> None:
        self.process_groups = {
            group: SimpleNamespace(processes={name: self._process() for name in names})
            for group, names in GROUPS.items()
        }

    def _process(self):
        process = SimpleNamespace(pid=next(PIDS), state=ProcessStates.STOPPING)
        process.get_state = lambda: process.state
        return process

    def exits(self, group, name, state=ProcessStates.STOPPED):
        process = self.process_groups[group].processes[name]
        process.state, process.pid = state, 0

    def starts(self, group, name):
        process = self.process_groups[group].processes[name]
        process.state, process.pid = ProcessStates.STARTING, next(PIDS)


class Scene:
    """Installed stop requests. `held`: the processes that a restart has taken down."""

    def __init__(self, monkeypatch):
        self.supervisord = Supervisord()
        self.held, self.heard, self.calls = set(), [], []
        self.answer = True  # of Supervisor's own calls
        self.originals = {name: self._original(name) for name in METHODS}
        for name, original in self.originals.items():
            monkeypatch.setattr(SupervisorNamespaceRPCInterface, name, original)
        self.interface = SupervisorNamespaceRPCInterface(self.supervisord)
        self.requests = StopRequests(cast(Any, self.supervisord), self._heed)
        self.requests.install()

    def _original(self, name):
        def call(interface, *args, **kwargs):
            self.calls.append((name, interface, args, kwargs, list(self.heard)))
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        call.__doc__ = f'the documentation of {name}'
        return call

    def _heed(self, keys):
        self.heard = list(keys)
        return self.held & set(self.heard)


@pytest.fixture
def scene(monkeypatch):
    return Scene(monkeypatch)


def current():
    return {name: vars(SupervisorNamespaceRPCInterface)[name] for name in METHODS}


# -- installing ----------------------------------------------------------------------------------


def test_all_of_supervisors_stop_calls_are_wrapped(scene):
    stops = {name for name in vars(SupervisorNamespaceRPCInterface) if name.startswith('stop')}
    assert stops == set(METHODS)
    for name, call in current().items():
        assert call is not scene.originals[name]
        assert call.__doc__ == f'the documentation of {name}'


def test_installing_and_removing_twice_is_like_once(scene):
    wrapped = current()
    scene.requests.install()
    assert current() == wrapped
    for _ in range(2):
        scene.requests.remove()
        assert current() == scene.originals
    scene.requests.install()
    scene.interface.stopProcess('web:0')
    assert scene.heard == [('web', '0')]


def test_installing_again_is_how_a_wrapper_that_others_have_thrown_away_comes_back(scene):
    SupervisorNamespaceRPCInterface.stopProcess = scene.originals['stopProcess']
    scene.interface.stopProcess('web:0')
    assert scene.heard == []
    scene.requests.install()
    scene.interface.stopProcess('web:0')
    assert scene.heard == [('web', '0')]


# -- what is heard -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('method', 'args', 'heard'),
    [
        ('stopProcess', ('web:1',), [('web', '1')]),
        ('stopProcess', ('nginx', False), [('nginx', 'nginx')]),
        ('stopProcess', ('größe:höhe',), [('größe', 'höhe')]),
        ('stopProcess', ('web:*',), []),  # Supervisor passes it on to stopProcessGroup
        ('stopProcess', ('web:',), []),
        ('stopProcess', ('web:2',), []),
        ('stopProcess', ('nope:1',), []),
        ('stopProcess', (None,), []),
        ('stopProcess', (b'web',), []),
        ('stopProcessGroup', ('web', True), WEB),
        ('stopProcessGroup', ('nope',), []),
        ('stopProcessGroup', ('web:1',), []),
        ('stopProcessGroup', (['web'],), []),
        ('stopAllProcesses', (), EVERYTHING),
    ],
)
def test_what_is_meant_to_be_stopped(scene, method, args, heard):
    assert getattr(scene.interface, method)(*args) is True
    assert scene.heard == heard


@pytest.mark.parametrize(
    ('method', 'args', 'kwargs'),
    [
        ('stopProcess', ('web:0',), {}),
        ('stopProcess', (), {'name': 'web:0'}),
        ('stopProcessGroup', ('web', True), {}),
        ('stopAllProcesses', (), {'wait': False}),
    ],
)
def test_supervisor_is_asked_with_the_same_arguments_before_the_service_is_told(
    scene, method, args, kwargs
):
    getattr(scene.interface, method)(*args, **kwargs)
    assert scene.calls == [(method, scene.interface, args, kwargs, [])]
    assert scene.heard != []


# -- the answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize('answer', [True, [{'name': '0'}], lambda: True])
def test_where_no_restart_has_taken_anything_down_supervisors_answer_stands(scene, answer):
    scene.answer = answer
    assert scene.interface.stopProcessGroup('web') is answer


@pytest.mark.parametrize(
    ('held', 'error'),
    [
        (set(), RPCError(Faults.NOT_RUNNING)),
        ({('web', '0')}, RPCError(Faults.SHUTDOWN_STATE)),
        ({('web', '0')}, TypeError('arguments')),
    ],
)
def test_other_faults_stand(scene, held, error):
    scene.held, scene.answer = held, error
    with pytest.raises(type(error)) as info:
        scene.interface.stopProcess('web:0')
    assert info.value is error


@pytest.mark.parametrize('args', [(), (True,)])
def test_a_process_that_a_restart_is_stopping_is_not_said_to_be_not_running(scene, args):
    scene.held, scene.answer = {('web', '0')}, RPCError(Faults.NOT_RUNNING)
    answer = scene.interface.stopProcess('web:0', *args)
    assert answer() is NOT_DONE_YET
    scene.supervisord.exits('web', '0')
    assert answer() is True


@pytest.mark.parametrize(
    ('method', 'args', 'kwargs'),
    [
        ('stopProcess', ('web:0', 0), {}),
        ('stopProcess', ('web:0',), {'wait': False}),
        ('stopProcessGroup', ('web', False), {}),
        ('stopAllProcesses', (False,), {}),
    ],
)
def test_who_does_not_wait_is_answered_at_once(scene, method, args, kwargs):
    scene.held = {('web', '0')}
    assert getattr(scene.interface, method)(*args, **kwargs)() is True


@pytest.mark.parametrize('state', [ProcessStates.EXITED, ProcessStates.FATAL])
def test_any_state_of_rest_counts_as_stopped(scene, state):
    scene.held = {('web', '0')}
    answer = scene.interface.stopProcess('web:0')
    scene.supervisord.exits('web', '0', state)
    assert answer() is True


def row(name, group='web'):
    return {'name': name, 'group': group, 'status': Faults.SUCCESS, 'description': 'OK'}


def test_what_a_restart_was_stopping_is_reported_with_supervisors_own(scene):
    scene.held, scene.answer = {('web', '0'), ('web', '10')}, [row('1')]
    answer = scene.interface.stopProcessGroup('web')
    scene.supervisord.exits('web', '0')
    assert answer() is NOT_DONE_YET
    scene.supervisord.starts('web', '0')  # the next restart, while others are waited for
    scene.supervisord.exits('web', '10')
    scene.supervisord.starts('web', '10')  # and nobody has asked in between
    assert answer() == [row('1'), row('0'), row('10')]


def test_supervisors_deferred_answer_is_asked_for_once(scene):
    answers = [NOT_DONE_YET, [], 'asked once too often']
    scene.held, scene.answer = {('nginx', 'nginx')}, lambda: answers.pop(0)
    answer = scene.interface.stopAllProcesses()
    assert [answer(), answer(), answer()] == [NOT_DONE_YET] * 3
    scene.supervisord.exits('nginx', 'nginx')
    assert answer() == [row('nginx', 'nginx')]
    assert answers == ['asked once too often']


def test_a_process_may_be_started_again_while_supervisors_own_answer_is_waited_for(scene):
    answers = [NOT_DONE_YET, NOT_DONE_YET, []]
    scene.held, scene.answer = {('web', '0')}, lambda: answers.pop(0)
    answer = scene.interface.stopProcessGroup('web')
    scene.supervisord.exits('web', '0')
    assert answer() is NOT_DONE_YET
    scene.supervisord.starts('web', '0')
    assert answer() is NOT_DONE_YET
    assert answer() == [row('0')]


def test_a_deferred_answer_is_one_that_supervisor_can_ask(scene):
    scene.held = {('web', '0')}
    answer = scene.interface.stopProcess('web:0')
    assert 0 <= answer.delay < 1
    assert answer.rpcinterface is scene.interface
