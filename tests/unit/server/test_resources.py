"""What a restart takes of supervisord: the socket of READY=1, monitors, shared sockets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.member import Observation
from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.options import Options
from supervisor_restarter.readiness.listeners import Listeners
from supervisor_restarter.readiness.spec import parse
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.request import Selection
from supervisor_restarter.server.resources import Resources
from tests.simulated import SimulatedActions, SimulatedProcesses
from tests.world import World


class Processes(SimulatedProcesses):
    """Those of the group web have a probe. foreign: they run as other users."""

    probe, foreign = 'notify', False

    def candidate(self, member, handle, obstacles=None, dated=False):
        probed = member.group == 'web'
        return super().candidate(member, handle, obstacles, dated)._replace(probed=probed)

    def readiness(self, config):
        return parse(self.probe) if config.of_group == 'web' else None

    def is_of_another_user(self, config):
        return self.foreign


class Notify:
    """Notes what it is asked for; error: what open() meets with."""

    path, error = '/x', None

    def __init__(self):
        self.calls: list[Any] = []

    def forget_others(self, pids):
        self.calls.append('forget')

    def open(self, for_others):
        self.calls.append(for_others)
        if self.error is not None:
            raise self.error


class Place:
    def __init__(self):
        world = World()
        for name in ('web:0', 'web:1', 'app:0'):
            world.add(name)
        self.processes, self.notify = Processes(world), Notify()
        parts: Any = self.processes, SimulatedActions(world, self.processes), self.notify
        self.resources = Resources(SimpleNamespace(), *parts)

    def party(self, names, goal=Goal.RESTART, **options):
        groups = self.processes.groups()
        members = self.resources.members(Selection(names).resolved(groups))
        return self.resources.party(goal, members, Options(**options))


@pytest.fixture
def place():
    return Place()


def test_processes_take_their_turns_by_priority_and_then_by_name(place):
    place.processes.world.add('web:10')
    place.processes.priority = lambda match: (1 if match.group == 'web' else 2, 0)
    members = place.party('all').members
    assert [m.namespec for m in members] == ['web:0', 'web:1', 'web:10', 'app:0']


def test_the_others_of_the_groups_are_held_too(place):
    party = place.party('web:1')
    assert [member.namespec for member in party.others] == ['web:0']
    assert set(party.handles) == {*party.members, *party.others}
    assert set(party.specs) == {*party.members, *party.others}


@pytest.mark.parametrize('goal', [Goal.START, Goal.STOP])
def test_a_start_or_stop_asks_for_nothing_further(place, goal):
    party = place.party('web:1', goal)
    assert (party.others, party.specs, place.notify.calls) == ([], {}, [])


@pytest.mark.parametrize('foreign', [False, True])
def test_the_socket_is_opened_for_those_who_need_it(place, foreign):
    place.processes.foreign = foreign
    place.party('app')
    assert place.notify.calls == []
    place.party('web')
    assert place.notify.calls == ['forget', foreign]


def test_a_group_that_is_refused_needs_no_socket(place):
    place.processes.malformed_groups['web'] = 'RESTARTER_MIN_READY = x'
    assert place.party(['web', 'app']).specs == {}
    assert place.notify.calls == []


def test_other_probes_need_no_socket(place):
    place.processes.probe = 'tcp://127.0.0.1:80'
    assert len(place.party('web').specs) == 2
    assert place.notify.calls == []


@pytest.mark.parametrize(
    ('error', 'text'),
    [
        (OSError('notify: no place'), 'BAD_STATE: notify: no place'),
        (OSError(24, 'Too many open files'), 'BAD_STATE: supervisord has no descriptors left'),
    ],
)
def test_a_restart_is_refused_where_there_can_be_no_socket(place, error, text):
    place.notify.error = error
    with pytest.raises(Refusal) as info:
        place.party('web')
    assert info.value.code is Code.BAD_STATE
    assert info.value.text.startswith(text)


def test_what_a_restart_holds_is_monitored_and_given_back(place):
    place.processes.sockets['app'] = socket = object()
    party = place.party(['web:0', 'app'], max_unavailable=1)
    operation = Operation(party.members, Options(max_unavailable=1, stop_timeout=3.0))
    job = Job('1', operation, Selection('all'), 0.0)
    place.resources.hold(job, party)
    monitored = [member.namespec for member, handle in job.handles.items() if handle.monitor]
    assert monitored == ['web:0', 'web:1']
    assert {member.stop_limit for member in operation.members} == {3.0}
    assert job.sockets == {'app': socket}
    place.resources.release(job)
    assert (job.handles, job.sockets) == ({}, {})


def test_the_groups_share_the_tables_of_sockets_which_are_forgotten_in_the_end(place, monkeypatch):
    forgotten: list[Listeners] = []
    monkeypatch.setattr(Listeners, 'forget', lambda listeners: forgotten.append(listeners))
    party = place.party(['web', 'app'])
    job = Job('1', Operation(party.members, Options()), Selection('all'), 0.0)
    place.resources.hold(job, party)
    assert len(job.probing) == 2
    assert forgotten == []
    place.resources.release(job)
    assert {probing.listeners for probing in job.probing.values()} == {*forgotten}
    assert len(forgotten) == 1


@pytest.mark.parametrize(('method', 'rolling', 'asked'), [
    ('restart', '100%', set()),
    ('restart', 1, {'web:0', 'web:1'}),
    ('start', '100%', {'web:0', 'web:1'}),
])  # fmt: skip
def test_what_is_left_alone_is_asked_whether_it_is_ready(place, method, rolling, asked):
    place.processes.probe = 'tcp://127.0.0.1:80'
    options = Options(max_unavailable=rolling, method=method)
    party = place.party('web', max_unavailable=rolling, method=method)
    job = Job('1', Operation(party.members, options), Selection('all'), 0.0)
    place.resources.hold(job, party)
    patient = Observation(Seen.READY, 7)
    assert {
        member.namespec
        for member, handle in job.handles.items()
        if handle.monitor and handle.monitor.seen(patient, 0.0) != patient
    } == asked
    place.resources.release(job)


def test_what_is_malformed_is_told_once_for_all_that_have_it(place):
    assert list(place.resources.malformed(['web', 'app'])) == []
    place.processes.malformed_groups['web'] = 'RESTARTER_READY = x'
    assert list(place.resources.malformed(['web', 'app'])) == ['web:0, web:1: RESTARTER_READY = x']
