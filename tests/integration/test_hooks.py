"""Another plugin that wraps what we wrap, at every moment: both go on working, and nothing piles
up.
"""

from __future__ import annotations

from typing import Any

import pytest
from supervisor.xmlrpc import Faults

from tests.integration.neighbour import SECTION, STOPS
from tests.integration.server import ROOT, program, worker

HELD = worker('--hold', '%(here)s/may-stop')
PROGRAMS = (
    program(command=HELD, count=2, stopwaitsecs=600)
    + program('quick')
    + program('idle', autostart='false')
)


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(ROOT))


@pytest.fixture
def begin(start):
    """begin(wraps='true') gives a server with both plugins and everything running."""

    def run(wraps='false'):
        server = start(PROGRAMS, extra=f'{SECTION}wraps={wraps}\n\n')
        servers.append(server)
        server.wait_workers()
        server.wait_state('quick')
        return server

    servers: list[Any] = []
    yield run
    for server in servers:
        let(server)


def neighbour(server):
    return server.rpc().neighbour


def phases(struct):
    return {process['name']: process['phase'] for process in struct['processes']}


def begin_restart(server):
    """Restart web, whose processes stop when let() says so."""
    (server.dir / 'may-stop').unlink(missing_ok=True)
    id = server.restarter.startRestart('web')
    server.wait_phase(id, 'stopping')
    return id


def let(server):
    (server.dir / 'may-stop').touch()


def in_the_middle(server, act=lambda: None):
    """Restart web, do something while it is stopping, wait for the end."""
    id = begin_restart(server)
    act()
    let(server)
    assert server.wait_finished(id)['state'] == 'succeeded'
    server.wait_workers()


def assert_theirs_is_called(server):
    before = neighbour(server).calls()
    server.wait(
        lambda: neighbour(server).calls().get('poll', 0) > before.get('poll', 0) + 1,
        'calls of their poll',
    )
    stop_idle(server)
    assert neighbour(server).calls()['stopProcess'] == before.get('stopProcess', 0) + 1


def stop_idle(server):
    fault = server.fault(lambda: server.proxy().supervisor.stopProcess('idle'))
    assert fault.faultCode == Faults.NOT_RUNNING


def assert_ours_works(server):
    """A restart goes on, and a stop in its middle, which Supervisor alone would refuse, is heard."""
    id = begin_restart(server)
    assert_a_stop_is_heard(server, id)
    server.restarter.quickStart('web', True)
    server.wait_workers()
    in_the_middle(server)


def assert_a_stop_is_heard(server, id):
    call = server.in_background(lambda: server.proxy().supervisor.stopProcess('web:1'))
    server.wait_phase(id, 'skipped')
    let(server)
    assert call.result() is True
    assert phases(server.wait_finished(id)) == {'0': 'ready', '1': 'skipped'}
    assert server.state('web:1') == 'STOPPED'


def chains(server):
    """What calls go through when nothing is restarted."""
    stop_idle(server)
    assert server.proxy().supervisor.stopProcessGroup('idle') == []
    server.wait_workers()
    server.proxy().supervisor.stopAllProcesses(True)
    found = {name: neighbour(server).chain(name) for name in ('poll', *STOPS)}
    server.restarter.quickStart('web', True)
    server.wait_workers()
    return found


def like(*chain):
    return {name: list(chain) for name in ('poll', *STOPS)}


def test_a_wrapper_that_was_there_before_stays(begin):
    server = begin(wraps='true')
    in_the_middle(server)
    assert_theirs_is_called(server)
    assert_ours_works(server)
    assert chains(server) == like('theirs')


def test_a_wrapper_that_comes_in_the_middle_stays(begin):
    server = begin()
    in_the_middle(server, neighbour(server).wrap)
    assert_theirs_is_called(server)
    assert_ours_works(server)
    assert_theirs_is_called(server)
    # ours passes on; it cannot be taken out from beneath
    assert chains(server) == like('ours', 'theirs')


def test_a_wrapper_that_goes_in_the_middle_takes_ours_with_it_only_for_a_moment(begin):
    server = begin(wraps='true')
    in_the_middle(server, neighbour(server).putBack)
    assert_ours_works(server)
    assert chains(server) == like()


def test_a_stop_is_heard_after_a_wrapper_has_gone_in_the_middle(begin):
    server = begin(wraps='true')
    id = begin_restart(server)
    neighbour(server).putBack()
    assert_a_stop_is_heard(server, id)


def test_a_wrapper_that_came_in_the_middle_goes_later(begin):
    server = begin()
    in_the_middle(server, neighbour(server).wrap)
    neighbour(server).putBack()  # what it had found: ours, which only passes on
    assert_ours_works(server)
    assert chains(server) == like()


def test_a_wrapper_that_came_in_one_restart_goes_in_the_next(begin):
    server = begin()
    in_the_middle(server, neighbour(server).wrap)
    in_the_middle(server, neighbour(server).putBack)
    assert_ours_works(server)
    assert chains(server) == like()


@pytest.mark.parametrize(
    ('wraps', 'middle', 'chain'),
    [('false', False, []), ('true', True, ['theirs', 'ours', 'theirs'])],
)
def test_a_hundred_restarts_do_not_deepen_the_chain(begin, wraps, middle, chain):
    server = begin(wraps)
    in_the_middle(server, neighbour(server).wrap if middle else lambda: None)
    for _ in range(100):
        assert server.restarter.restartProcessGroup('quick') is True
    assert chains(server) == like(*chain)
    assert neighbour(server).onTop() == []
    assert_ours_works(server)
