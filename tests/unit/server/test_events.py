"""The GROUP_RESTART events: registered, sent, and harmless to the restart."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from types import SimpleNamespace

import pytest
from supervisor import events

import supervisor_restarter
from supervisor_restarter import event_text
from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.operation import Operation, State
from supervisor_restarter.engine.phases import Phase
from supervisor_restarter.faults import Code
from supervisor_restarter.names import Match
from supervisor_restarter.options import Options
from supervisor_restarter.server import events as ours
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.request import Selection


@pytest.fixture(autouse=True)
def received(monkeypatch):
    """The (name, payload) of all events that are sent."""
    monkeypatch.setattr(events, 'callbacks', [])
    received = []
    events.subscribe(
        ours.GroupRestartEvent,
        lambda event: received.append((events.getEventNameByType(type(event)), event.payload())),
    )
    return received


def run(state=State.RUNNING, goal=Goal.RESTART, pending=(), **of_one):
    members = [
        Member(Match('web', '0', True, False), phase=Phase.READY),
        Member(Match('web', '1', True, False), phase=Phase.READY, **of_one),
    ]
    operation = Operation(members, Options(), goal=goal, state=state)
    operation.pending = [(members[index], why) for index, why in pending]
    return Job('7', operation, Selection('web'), 0.0)


def announce(run):
    said: list[str] = []
    ours.announce(run, SimpleNamespace(critical=said.append))
    return said


def test_every_event_is_registered_under_its_name():
    assert {name for name in vars(events.EventTypes) if name.startswith('GROUP_')} == set(
        event_text.EVENT_NAMES
    )
    for name in event_text.EVENT_NAMES:
        assert issubclass(getattr(events.EventTypes, name), events.EventTypes.GROUP_RESTART)
        assert events.getEventNameByType(getattr(events.EventTypes, name)) == name


def test_looking_up_the_factory_registers_the_events_and_importing_the_package_does_not():
    code = (
        'import supervisor_restarter, sys; assert "supervisor" not in sys.modules; '
        'supervisor_restarter.make_rpcinterface; from supervisor.events import EventTypes; '
        'EventTypes.GROUP_RESTART_FAILED'
    )
    subprocess.run([sys.executable, '-c', code], check=True, timeout=60)


def test_the_factory_is_always_the_same_and_can_be_pickled():
    factory = supervisor_restarter.make_rpcinterface
    assert factory is importlib.import_module('supervisor_restarter').make_rpcinterface
    assert pickle.loads(pickle.dumps(factory)) is factory


def test_the_package_has_no_other_surprises():
    assert not hasattr(supervisor_restarter, 'make_tea')


@pytest.mark.parametrize(
    ('state', 'name'),
    [
        (State.RUNNING, event_text.STARTED),
        (State.SUCCEEDED, event_text.SUCCEEDED),
        (State.CANCELLED, event_text.CANCELLED),
    ],
)
def test_a_restart_is_one_line(received, state, name):
    announce(run(state))
    assert received == [
        (
            name,
            'id:7 groupname:web total:2 done:2 failed:0 lowest_ready:0 duration:0.000 killed:0 '
            f'kind:restart state:{state.value}',
        )
    ]


def test_a_failed_restart_names_each_failed_process(received):
    announce(run(State.FAILED, code=Code.START_FAILED, error='exit status 3\n\x1b[2Jgroupname:x ü'))
    assert received == [
        (
            event_text.FAILED,
            'id:7 groupname:web total:2 done:1 failed:1 lowest_ready:0 duration:0.000 killed:0 '
            'kind:restart state:failed\n'
            'web:1 START_FAILED: exit status 3\\n\\x1b[2Jgroupname:x \\xfc\n',
        )
    ]


@pytest.mark.parametrize(
    ('of_one', 'line'),
    [
        ({}, 'TIMEOUT: it was ready only after the timeout'),
        ({'error': 'not reached before the timeout'}, 'TIMEOUT: not reached before the timeout'),
        ({'code': Code.START_FAILED, 'error': 'exit status 3'}, 'START_FAILED: exit status 3'),
    ],
)
def test_what_was_pending_at_the_timeout_is_named_with_what_became_of_it(received, of_one, line):
    announce(run(State.TIMED_OUT, pending=[(1, 'it is still stopping')], **of_one))
    assert received[0][1].splitlines()[1:] == [f'web:1 {line}']


def test_what_a_subscriber_raises_is_logged():
    def bad(event):
        raise RuntimeError('of another plugin')

    events.subscribe(events.EventTypes.GROUP_RESTART_STARTED, bad)
    said = announce(run())
    assert len(said) == 1
    assert 'RuntimeError: of another plugin' in said[0]


def test_an_event_says_what_was_so_when_it_came_about(received):
    one = run()
    event = ours.GroupRestartStartedEvent(one)
    one.operation.members[1].error = 'later'
    assert ' done:2 ' in event.payload()
