"""Supervisor's own stop calls while a restart is under way."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

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
    """Process groups, and Supervisor's stop calls with scripted answers."""

    def __init__(self) -> None:
        self.process_groups = {}
        for group_name, names in GROUPS.items():
            group = SimpleNamespace(config=SimpleNamespace(name=group_name), processes={})
            self.process_groups[group_name] = group
            for name in names:
                process = SimpleNamespace(
                    config=SimpleNamespace(name=name),
                    group=group,
                    pid=next(PIDS),
                    state=ProcessStates.STOPPING,
                )
                process.get_state = lambda process=process: process.state
                group.processes[name] = process
        self.answer: object = True
        self.calls: list[tuple] = []

    def exits(self, group, name):
        process = self.process_groups[group].processes[name]
        process.state, process.pid = ProcessStates.STOPPED, 0

    def starts(self, group, name):
        process = self.process_groups[group].processes[name]
        process.state, process.pid = ProcessStates.STARTING, next(PIDS)


class Scene:
    """Installed stop requests. `held`: the processes that a restart has taken down."""

    def __init__(self, monkeypatch) -> None:
        self.supervisord: Any = Supervisord()
        self.held: set[tuple[str, str]] = set()
        self.heard: list[tuple[str, str]] = []
        self.calls: list[tuple] = []
        self.answer: object = True
        self.originals = {name: self._original(name) for name in METHODS}
        for name, original in self.originals.items():
            monkeypatch.setattr(SupervisorNamespaceRPCInterface, name, original)
        self.interface = SupervisorNamespaceRPCInterface(self.supervisord)
        self.requests = StopRequests(self.supervisord, self._heed)
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
    assert all(current()[name] is not scene.originals[name] for name in METHODS)


def test_the_documentation_stays(scene):
    assert {name: call.__doc__ for name, call in current().items()} == {
        name: f'the documentation of {name}' for name in METHODS
    }


def test_removing_puts_the_originals_back(scene):
    scene.requests.remove()
    assert current() == scene.originals


def test_installing_and_removing_twice_is_like_once(scene):
    wrapped = current()
    scene.requests.install()
    assert current() == wrapped
    scene.requests.remove()
    scene.requests.remove()
    assert current() == scene.originals


def test_it_can_be_installed_again(scene):
    scene.requests.remove()
    scene.requests.install()
    scene.interface.stopProcess('web:0')
    assert scene.heard == [('web', '0')]


# -- what is heard -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('method', 'args', 'heard'),
    [
        ('stopProcess', ('web:1',), [('web', '1')]),
        ('stopProcess', ('web:1', False), [('web', '1')]),
        ('stopProcess', ('nginx',), [('nginx', 'nginx')]),
        (
            'stopProcess',
            ('web:*',),
            [],
        ),  # Supervisor's own stopProcess passes these on to stopProcessGroup
        ('stopProcess', ('web:',), []),
        ('stopProcess', ('größe:höhe',), [('größe', 'höhe')]),
        ('stopProcess', ('web:2',), []),
        ('stopProcess', ('web',), []),
        ('stopProcess', ('nope:1',), []),
        ('stopProcess', ('',), []),
        ('stopProcessGroup', ('web',), WEB),
        ('stopProcessGroup', ('web', True), WEB),
        ('stopProcessGroup', ('nope',), []),
        ('stopProcessGroup', ('web:1',), []),
        ('stopAllProcesses', (), EVERYTHING),
        ('stopAllProcesses', (False,), EVERYTHING),
    ],
)
def test_what_is_meant_to_be_stopped(scene, method, args, heard):
    assert getattr(scene.interface, method)(*args) is True
    assert scene.heard == heard


@pytest.mark.parametrize('name', [None, 1, 1.5, True, [], ['web'], {}, b'web'])
@pytest.mark.parametrize('method', ['stopProcess', 'stopProcessGroup'])
def test_a_name_of_another_type_means_nothing_here_and_is_left_to_supervisor(scene, method, name):
    assert getattr(scene.interface, method)(name) is True
    assert scene.heard == []
    assert scene.calls[0][2] == (name,)


@pytest.mark.parametrize(
    ('method', 'args', 'kwargs'),
    [
        ('stopProcess', ('web:0',), {}),
        ('stopProcess', ('web:0', False), {}),
        ('stopProcess', (), {'name': 'web:0'}),
        ('stopProcess', ('web:0',), {'wait': False}),
        ('stopProcessGroup', ('web', True), {}),
        ('stopAllProcesses', (), {}),
        ('stopAllProcesses', (), {'wait': False}),
    ],
)
def test_supervisor_is_asked_with_the_same_arguments_before_the_service_is_told(
    scene, method, args, kwargs
):
    getattr(scene.interface, method)(*args, **kwargs)
    name, interface, its_args, its_kwargs, heard = scene.calls[0]
    assert (name, interface, its_args, its_kwargs) == (method, scene.interface, args, kwargs)
    assert heard == []
    assert scene.heard != []


# -- the answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize('answer', [True, [], [{'name': '0'}], lambda: True])
def test_where_no_restart_has_taken_anything_down_supervisors_answer_stands(scene, answer):
    scene.answer = answer
    assert scene.interface.stopProcessGroup('web') is answer


@pytest.mark.parametrize('code', [Faults.NOT_RUNNING, Faults.BAD_NAME, Faults.SHUTDOWN_STATE])
def test_where_no_restart_has_taken_anything_down_supervisors_fault_stands(scene, code):
    scene.answer = RPCError(code)
    with pytest.raises(RPCError) as info:
        scene.interface.stopProcess('web:0')
    assert info.value.code == code


@pytest.mark.parametrize(
    'error', [RPCError(Faults.FAILED), RPCError(Faults.SHUTDOWN_STATE), TypeError('arguments')]
)
def test_other_faults_stand_even_if_a_restart_has_taken_something_down(scene, error):
    scene.held, scene.answer = {('web', '0')}, error
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
        ('stopProcess', ('web:0', False), {}),
        ('stopProcess', ('web:0',), {'wait': False}),
        ('stopProcessGroup', ('web', False), {}),
        ('stopAllProcesses', (False,), {}),
        ('stopAllProcesses', (), {'wait': False}),
        ('stopProcess', ('web:0', 0), {}),
    ],
)
def test_who_does_not_wait_is_answered_at_once(scene, method, args, kwargs):
    scene.held, scene.answer = {('web', '0')}, True
    assert getattr(scene.interface, method)(*args, **kwargs)() is True


@pytest.mark.parametrize(
    'state', [ProcessStates.STOPPED, ProcessStates.EXITED, ProcessStates.FATAL]
)
def test_any_state_of_rest_counts_as_stopped(scene, state):
    scene.held = {('web', '0')}
    answer = scene.interface.stopProcess('web:0')
    scene.supervisord.process_groups['web'].processes['0'].state = state
    assert answer() is True


def test_the_processes_of_a_group_that_a_restart_was_stopping_are_reported_with_supervisors_own(
    scene,
):
    row = {'name': '1', 'group': 'web', 'status': Faults.SUCCESS, 'description': 'OK'}
    scene.held, scene.answer = {('web', '0'), ('web', '10')}, [row]
    answer = scene.interface.stopProcessGroup('web')
    scene.supervisord.exits('web', '0')
    assert answer() is NOT_DONE_YET
    scene.supervisord.exits('web', '10')
    assert answer() == [row, {**row, 'name': '0'}, {**row, 'name': '10'}]


def test_a_process_that_has_stopped_may_be_started_again_while_others_are_waited_for(scene):
    scene.held, scene.answer = {('web', '0'), ('web', '10')}, []
    answer = scene.interface.stopProcessGroup('web')
    scene.supervisord.exits('web', '0')
    assert answer() is NOT_DONE_YET
    scene.supervisord.starts('web', '0')
    scene.supervisord.exits('web', '10')
    scene.supervisord.starts('web', '10')  # and nobody has asked in between
    assert [row['name'] for row in answer()] == ['0', '10']


def test_a_process_that_has_stopped_may_be_started_again_while_supervisors_own_answer_is_waited_for(
    scene,
):
    answers = [NOT_DONE_YET, NOT_DONE_YET, []]
    scene.held, scene.answer = {('web', '0')}, lambda: answers.pop(0)
    answer = scene.interface.stopProcessGroup('web')
    scene.supervisord.exits('web', '0')
    assert answer() is NOT_DONE_YET
    scene.supervisord.starts('web', '0')
    assert answer() is NOT_DONE_YET
    assert [row['name'] for row in answer()] == ['0']


def test_both_are_waited_for_supervisors_deferred_answer_and_the_restart(scene):
    answers = [NOT_DONE_YET, [], 'asked once too often']
    scene.held, scene.answer = {('nginx', 'nginx')}, lambda: answers.pop(0)
    answer = scene.interface.stopAllProcesses()
    assert [answer(), answer(), answer()] == [NOT_DONE_YET, NOT_DONE_YET, NOT_DONE_YET]
    scene.supervisord.exits('nginx', 'nginx')
    assert answer() == [
        {'name': 'nginx', 'group': 'nginx', 'status': Faults.SUCCESS, 'description': 'OK'}
    ]
    assert answers == ['asked once too often']


def test_a_deferred_answer_is_one_that_supervisor_can_ask(scene):
    scene.held = {('web', '0')}
    answer = scene.interface.stopProcess('web:0')
    assert 0 <= answer.delay < 1
    assert answer.rpcinterface is scene.interface
