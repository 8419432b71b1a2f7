"""What holds for every service, whatever its clients ask for and whichever part of it breaks."""

from __future__ import annotations

import contextlib
import functools
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.faults import Refusal
from supervisor_restarter.options import Options
from supervisor_restarter.server.pacing import SLICE
from supervisor_restarter.server.request import Selection
from tests.simulated import Defect, Simulation
from tests.world import Program, Script

NAMES = ('web:0', 'web:1', 'web:2', 'app:0', 'app:1')
some_names = st.sampled_from(['web', 'app', 'all', 'web:1', 'app:?', ['web:0', 'app:1'], 'nope'])
commands = st.sampled_from(
    [(), (), (Script(),), (Script(0.3),), (Script(None),), (Script(0.1, 'exit status 1'),)]
    + [(Script(why='no such file', cannot=True),)]
)
programs = st.builds(
    Program,
    stop_seconds=st.sampled_from([0.0, 0.05, 0.5, None]),
    startsecs=st.sampled_from([0.0, 0.5]),
    stopwaitsecs=st.sampled_from([1.0, 3.0]),
    before_stop=commands,
    after_ready=commands,
)
options = st.fixed_dictionaries(
    {'if_busy': st.sampled_from(['fail', 'queue', 'queue'])},
    optional={
        'delay': st.sampled_from([0.3, 2.0]),
        'stagger_factor': st.integers(1, 3),
        'timeout': st.sampled_from([0.1, 1.0]),
        'max_unavailable': st.sampled_from([1, 2, '50%']),
        'on_failure': st.sampled_from(['abort', 'continue']),
        'only_running': st.booleans(),
        'method': st.just('signal:HUP'),
        'hook_timeout': st.sampled_from([0.2, 1.0]),
    },
)


class Deed(NamedTuple):
    """What a client does. number: of the restart or process that is meant."""

    seconds: float
    what: str
    names: object
    options: dict
    number: int


deeds = st.lists(
    st.builds(
        Deed,
        st.sampled_from([0.0, 0.001, 0.04, 0.1, 0.3, 0.55, 1.0, 2.5]),
        st.sampled_from(['restart', 'restart', 'start', 'cancel', 'retry', 'plan', 'wait', 'stop']),
        some_names,
        options,
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=8,
)
# The part and method of which one call meets with a defect, and which call.
defects = st.tuples(
    st.sampled_from(
        [
            ('processes', 'is_as_seen'),
            ('processes', 'has_execed'),
            ('processes', 'obstacle'),
            ('actions', 'attend'),
            ('actions', 'signal_stop'),
            ('actions', 'start'),
            ('actions', 'release'),
            ('resources', 'party'),
            ('resources', 'hold'),
            ('resources', 'let_sockets_go'),
        ]
    ),
    st.integers(1, 30),
)


class Clients:
    """Clients of a service, which checks in each turn that no group is restarted twice at once."""

    def __init__(self, programs, cost):
        self.sim = Simulation(*NAMES)
        for name, program in zip(NAMES, programs):
            self.sim.world.processes[name].program = program
        self.sim.actions.part.cost = cost
        self.unwanted: set[str] = set()
        self.sim.in_each_turn = self.check_groups

    def check_groups(self):
        running = [job for job in self.sim.jobs.running if job.operation.goal is Goal.RESTART]
        groups = [group for job in running for group in job.groups]
        assert len(groups) == len(set(groups))

    def do(self, deed):
        with contextlib.suppress(Refusal, Defect):  # the RPC interface makes faults of them
            self._do(deed)

    def _do(self, deed):
        sim, service = self.sim, self.sim.service
        restarts = service.restarts()
        id = restarts[deed.number % len(restarts)].id if restarts else 'none'
        name = NAMES[deed.number % len(NAMES)]
        if deed.what == 'restart':
            sim.ask(deed.names, **deed.options)
        elif deed.what == 'start':
            sim.ask(deed.names, Goal.START)
        elif deed.what == 'stop':
            self.unwanted.add(name)
            sim.stop_by_others(name)
        elif deed.what == 'cancel':
            service.cancel(id)
        elif deed.what == 'retry':
            service.retry(id, deed.options)
        elif deed.what == 'plan':
            service.plan(Selection(deed.names), Options(**deed.options))
        else:
            waited, job = service.timer(deed.seconds), service.get(id)
            sim.client(lambda: waited() or job.operation.finished or None)


def story(programs, deeds, cost, defect=None):
    clients = Clients(programs, cost)
    if defect is not None:
        (part, method), number = defect
        getattr(clients.sim, part).breaks[method] = range(number, number + 1)
    for deed in deeds:
        clients.sim.at(deed.seconds, functools.partial(clients.do, deed))
    clients.sim.end()
    clients.sim.to(clients.sim.world.now - 1000 + 5)
    return clients


def check(clients):
    sim = clients.sim
    assert set(sim.down()) <= clients.unwanted
    assert (sim.jobs.active, sim.reactor.attached) == ([], False)
    assert 'release' in sim.actions.breaks or sim.actions.part.held == set()
    for job in sim.service.restarts():
        assert job.operation.finished
        assert job.finished is not None
    assert all(answered for _, answered in sim._clients)
    assert not any(own.running for own in sim.commands)
    assert {p.state for p in sim.world.processes.values()} <= {Seen.RUNNING, Seen.STOPPED}


every_program = st.lists(programs, min_size=len(NAMES), max_size=len(NAMES))
costs = st.sampled_from([0.0, SLICE / 2, SLICE * 2])


@settings(max_examples=150, deadline=None)
@given(every_program, deeds, costs)
def test_nothing_stays_down_the_queue_drains_and_everybody_is_answered(programs, deeds, cost):
    clients = story(programs, deeds, cost)
    check(clients)
    assert not any('Traceback' in line for line in clients.sim.lines)


@settings(max_examples=150, deadline=None)
@given(every_program, deeds, costs, defects)
def test_so_it_is_when_one_call_of_a_part_meets_with_an_error(programs, deeds, cost, defect):
    check(story(programs, deeds, cost, defect))
