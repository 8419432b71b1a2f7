"""A supervisord that runs out of descriptors, or may not fork: one plain line, nothing lost, and a
way back.
"""

from __future__ import annotations

import pytest

from supervisor_restarter.faults import Code
from tests.chaos.proc import descriptors
from tests.integration.hoarder import SECTION
from tests.integration.server import ROOT, RudeClient, program

NONE_LEFT = (
    'BAD_STATE: supervisord has no descriptors left (EMFILE): minfds, or the limit of open files, is too low; '
    'nothing was touched'
)
NO_LOGS = {'stdout_logfile': 'NONE', 'stderr_logfile': 'NONE'}
KINDS: dict[str, dict[str, str]] = {
    'program': {},
    'fcgi-program': {'socket': 'unix://%(here)s/fcgi'},
}
each_spawn = pytest.mark.parametrize('fast', ['true', 'false'])
each_kind = pytest.mark.parametrize(
    ('kind', 'fast'), [('program', 'true'), ('program', 'false'), ('fcgi-program', 'true')]
)


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(ROOT))


@pytest.fixture
def begin(start):
    def run(kind='program', fast='true', count=3, **settings):
        server = start(
            program(count=count, kind=kind, **KINDS[kind], **settings),
            f'fast_spawn={fast}',
            SECTION,
        )
        server.wait_state()
        return server

    return run


def settled(server, connections=0):
    """How many descriptors supervisord has open once there are only so many connections."""
    seen = [descriptors(server.process.pid)]

    def twice_the_same():
        seen.append(descriptors(server.process.pid))
        connected = sum(count for what, count in seen[-1].items() if what.startswith('connected'))
        return seen[-1] == seen[-2] and connected == connections

    server.wait(twice_the_same, 'end of all other connections')
    return sum(seen[-1].values())


def hoarder(server):
    return server.proxy().hoarder


# -- a request ---------------------------------------------------------------------------------


@pytest.mark.parametrize('method', ['restartProcessGroup', 'quickStop'])
def test_a_request_without_descriptors_is_refused_in_one_line_and_touches_nothing(begin, method):
    server = begin()
    before, mark, open_before = server.pids(), server.log_size(), settled(server)
    take, ask, give = RudeClient(server), RudeClient(server), RudeClient(server)
    settled(server, connections=3)
    take.call('hoarder.takeDescriptors', 0)
    assert take.answer() is True
    ask.call(f'restarter.{method}', 'web')
    fault = server.fault(ask.answer)
    give.call('hoarder.giveBack')
    assert give.answer() is True
    assert (fault.faultCode, fault.faultString) == (Code.BAD_STATE, NONE_LEFT)
    assert server.pids() == before
    assert 'restarter:' not in server.log_text(mark)
    for client in (take, ask, give):
        client.hang_up()
    assert settled(server) == open_before
    assert server.restarter.restartProcessGroup('web') is True


def test_no_descriptors_for_the_socket_of_notify(begin):
    server = begin(environment='RESTARTER_READY="notify"')
    before = server.pids()
    take, ask = RudeClient(server), RudeClient(server)
    settled(server, connections=2)
    take.call('hoarder.takeDescriptors', 2)  # what a restart takes for itself
    assert take.answer() is True
    ask.call('restarter.startRestart', 'web')
    fault = server.fault(ask.answer)
    assert fault.faultCode == Code.BAD_STATE
    assert fault.faultString.count('\n') == 0
    take.hang_up()
    ask.hang_up()
    server.wait(lambda: server.rpc().hoarder.giveBack() is True, 'descriptors')
    assert server.pids() == before
    assert 'internal error' not in server.log_text()


# -- in the middle -------------------------------------------------------------------------------


@each_kind
def test_a_start_without_enough_descriptors_fails_and_loses_none(begin, kind, fast):
    """Six are needed for pipes, and then two for log files; without startretries nobody but us
    tries it.
    """
    server = begin(kind, fast, count=1, startretries=0)
    before = settled(server)
    for leave in (0, 5, 6, 7):
        hoarder(server).takeDescriptorsAtStart(leave)
        mark = server.log_size()
        server.restarter.startRestart('web')
        server.wait(
            lambda mark=mark: 'failed: web (too many open files' in server.log_text(mark), 'failure'
        )
        server.wait(lambda: server.rpc().hoarder.giveBack() is True, 'descriptors')
        server.wait_state('web', 'FATAL')
        assert server.restarter.restartProcessGroup('web') is True
        server.wait_state()
        assert settled(server) == before


@pytest.mark.parametrize('count', [1, 3])
@each_kind
def test_supervisor_goes_on_trying_as_long_as_it_would_without_us(begin, kind, fast, count):
    server = begin(kind, fast, count=count, startretries=50)
    before, old = settled(server), server.pids()
    hoarder(server).takeDescriptorsAtStart(0)
    server.restarter.startRestart('web', {'on_failure': 'continue'})
    server.wait(lambda: 'restart 1 of web failed' in server.log_text(), 'end of the restart')
    server.wait(lambda: server.rpc().hoarder.giveBack() is True, 'descriptors')
    server.wait_state()
    assert not set(server.pids().values()) & {0, *old.values()}
    if count == 1:  # what others free lets Supervisor's own spawn() get as far as its leak
        assert settled(server) == before
    struct = server.restarter.getRestart('1')
    assert any('too many open files' in process['error'] for process in struct['processes'])


@each_spawn
def test_a_start_with_just_enough_descriptors_for_supervisors_own_fork(begin, fast):
    server = begin(fast=fast, count=1)
    before = settled(server)
    hoarder(server).takeDescriptorsAtStart(8)
    server.restarter.startRestart('web')
    server.wait(lambda: 'restart 1 of web succeeded' in server.log_text(), 'end of the restart')
    server.wait(lambda: server.rpc().hoarder.giveBack() is True, 'descriptors')
    server.wait_state()
    assert settled(server) == before


@each_kind
def test_a_fork_that_is_refused(begin, kind, fast):
    """EAGAIN: too many processes of the user, or too little memory."""
    server = begin(kind, fast, count=1, startretries=50, **NO_LOGS)
    before, old = settled(server), server.pids()
    hoarder(server).takeForksAtStart()
    struct = server.wait_finished(server.restarter.startRestart('web'))
    assert struct['state'] == 'failed'
    assert (
        struct['processes'][0]['error']
        == "Too many processes in process table to spawn 'web'; state BACKOFF"
    )
    assert hoarder(server).giveBack() is True
    server.wait_state()
    assert not set(server.pids().values()) & {0, *old.values()}
    assert settled(server) == before
