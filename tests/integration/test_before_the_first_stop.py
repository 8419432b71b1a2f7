"""What could not be started again is not stopped: whatever can be known before the first stop is
known then.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.chaos.proc import children
from tests.integration.deployment import EVERYBODY, NOBODY, deployment, move_away, write
from tests.integration.server import held, program, shared

ROOT = os.geteuid() == 0
LINUX = sys.platform == 'linux'
needs_root = pytest.mark.skipif(not ROOT, reason='only root can run programs as another user')
needs_linux = pytest.mark.skipif(
    not LINUX, reason='only on Linux it is known what the kernel executes'
)

LEFT = 'START_FAILED: left as it is, for it could not be started again: '


@pytest.fixture
def place():
    with deployment() as place:
        yield place


def app(place, name='web', **settings):
    """A section of the program; all of it can be taken away."""
    settings = {
        'directory': place / 'current',
        'stdout_logfile': place / 'log/out',
        'count': 3,
        'environment': f'PATH="{place}/bin:/usr/bin:/bin"',
        **settings,
    }
    return program(name, f'{place}/bin/app', **settings)


def running(server, group='web'):
    """Wait until all processes of the group have become sleepers: their scripts are read to the
    end.
    """
    server.wait_state(group)
    server.wait(
        lambda: all(
            Path(f'/proc/{pid}/comm').read_text() == 'sleep\n'
            for pid in server.pids(group).values()
        ),
        'sleepers',
    )


def wait_worker(server, name):
    """Wait until this process of web, which is a worker, has set itself up."""
    workers = server.dir / 'workers'
    server.wait(
        lambda: str(server.pids()[name]) in workers.read_text().split(), f'the worker {name}'
    )


def refused(server, reason, group='web', **options):
    """Nothing is stopped, by a restart of any kind; the failures as they are reported."""
    pids = server.pids(group)
    failures = server.restarter.restartProcessGroup(group, options)
    assert server.pids(group) == pids
    assert set(server.states(group).values()) == {'RUNNING'}
    assert [failure['text'] for failure in failures if failure['text'].startswith(LEFT + reason)], (
        failures
    )
    assert any(
        f'cannot be started: {reason}' in warning
        for warning in server.restarter.planRestart(group)['warnings']
    )
    return failures


@pytest.fixture(scope='module')
def running_deployment():
    with deployment() as place:
        programs = app(place) + (app(place, 'nobodys', user='nobody') if ROOT else '')
        with shared(programs) as server:
            yield server, place


@pytest.fixture
def deployed(running_deployment):
    """A server whose group `web`, and `nobodys` for root, run the program of a place; what the test
    does to that place is repaired afterwards, and then all can be restarted.
    """
    server, place = running_deployment
    groups = ['web', 'nobodys'] if ROOT else ['web']
    for group in groups:
        running(server, group)
    before = place.with_name('before')
    shutil.copytree(place, before, symlinks=True)
    yield server, place
    shutil.rmtree(place)
    before.rename(place)
    for group in groups:
        plan = server.restarter.planRestart(group)
        assert not any('cannot be started' in text for text in plan['warnings'])
        assert server.restarter.restartProcessGroup(group) is True


@needs_linux
@pytest.mark.parametrize('what', EVERYBODY)
def test_what_has_gone_is_seen_before_anything_is_stopped(deployed, what):
    server, place = deployed
    happens, reason = EVERYBODY[what]
    happens(place)
    reason = reason.format(place=place)
    assert [failure['name'] for failure in refused(server, reason)] == ['0']
    refused(server, reason, max_unavailable=1)
    assert len(refused(server, reason, on_failure='continue')) == 3


@needs_root
@needs_linux
@pytest.mark.parametrize('what', NOBODY)
def test_what_the_user_of_a_program_may_not_is_seen_before_anything_is_stopped(deployed, what):
    server, place = deployed
    happens, reason = NOBODY[what]
    happens(place)
    refused(server, reason.format(place=place), 'nobodys')


def test_quick_restarts_ask_and_stops_do_not(deployed):
    server, place = deployed
    before = server.pids()
    move_away(place / 'log')
    (result,) = server.restarter.quickRestart('web:1', True)
    assert "couldn't open its log" in result['description']
    assert server.pids() == before
    results = server.restarter.quickStop('web:*', True)
    assert [result['description'] for result in results] == ['OK'] * 3


def test_a_signal_needs_no_second_start(deployed):
    server, place = deployed
    move_away(place / 'releases/1')
    options = {'method': 'signal:CONT', 'timeout': 20}
    assert server.restarter.restartProcessGroup('web', options) is True


# -- when it is asked ------------------------------------------------------------------------


def test_what_comes_first_is_not_stopped_either(start, place):
    """Not even what would have had its turn before the one that could not be started again."""
    group = '[group:web]\nprograms=a,b,c\n'
    server = start(app(place, 'b', count=1) + program('a', priority=1) + program('c') + group)
    running(server)
    before = server.pids()
    move_away(place / 'releases/1')
    assert [failure['name'] for failure in refused(server, "couldn't chdir")] == ['b']
    assert any(
        'nothing would be stopped' in text
        for text in server.restarter.planRestart('web')['warnings']
    )
    # with its own call a process can still be restarted
    assert server.restarter.quickRestart('web:a', True)[0]['description'] == 'OK'

    before = server.pids()
    failures = server.restarter.restartProcessGroup('web', {'on_failure': 'continue'})
    assert [failure['name'] for failure in failures] == ['b']
    after = server.pids()
    assert {name for name in 'abc' if after[name] == before[name]} == {'b'}


def test_a_restart_that_waited_asks_when_it_begins(start, place):
    programs = app(place, 'b', count=1) + program('a', priority=1) + held('slow')
    server = start(programs + '[group:web]\nprograms=a,b,slow\n')
    server.wait_state()
    wait_worker(server, 'slow')
    before = server.pids()
    first = server.restarter.startRestart('web:slow')
    second = server.restarter.startRestart('web', {'if_busy': 'queue'})
    move_away(place / 'releases/1')
    server.let_stop()
    assert server.wait_finished(first)['state'] == 'succeeded'
    assert server.wait_finished(second)['state'] == 'failed'
    after = server.pids()
    assert (after['a'], after['b']) == (before['a'], before['b'])


def test_it_is_asked_again_before_each_stop(start, place):
    first = held('a', priority=1)
    server = start(
        first + app(place, 'b', count=1) + program('c') + '[group:web]\nprograms=a,b,c\n'
    )
    server.wait_state()
    wait_worker(server, 'a')
    before = server.pids()
    id = server.restarter.startRestart('web', {'max_unavailable': 1})
    server.wait_phase(id, 'stopping')
    move_away(place / 'releases/1')
    server.let_stop()
    ended = server.wait_finished(id)
    after = server.pids()
    assert [name for name in before if after[name] != before[name]] == ['a']
    assert [process['phase'] for process in ended['processes']] == ['ready', 'failed', 'skipped']


def test_what_is_down_already_tries_out_whether_a_start_works(start, tmp_path):
    """Its start comes before the first stop, whatever the order, so that its failure ends the
    taking down.
    """
    command = tmp_path / 'command'
    server = start(
        ''.join(
            program(f'{group}-a')
            + program(f'{group}-z', f'{command} 1000', autostart=autostart, startretries=0)
            + f'[group:{group}]\nprograms={group}-a,{group}-z\n'
            for group, autostart in (('web', 'false'), ('api', 'true'))
        )
    )
    server.wait(lambda: server.state('api:api-z') == 'FATAL', 'the end of its attempts')
    assert server.state('web:web-z') == 'STOPPED'
    before = {group: server.pids(group) for group in ('web', 'api')}
    for group in before:
        (failure,) = server.restarter.restartProcessGroup(group)
        assert failure['name'] == f'{group}-z'
        assert server.pids(group) == before[group]
    for group in before:
        server.wait(lambda name=f'{group}:{group}-z': server.state(name) == 'FATAL', 'an end')
    command.symlink_to('/bin/sleep')
    for group in before:
        assert server.restarter.restartProcessGroup(group) is True
        assert not set(server.pids(group).values()) & set(before[group].values())


# -- what an attempt would cost --------------------------------------------------------------


def descriptors(server):
    """What supervisord has open, but for connections of clients."""
    place = f'/proc/{server.process.pid}/fd'
    found = []
    for name in os.listdir(place):
        try:
            found.append(os.readlink(f'{place}/{name}'))
        except FileNotFoundError:
            pass
    return sorted(name.partition(':')[0] for name in found if not name.startswith('socket:'))


def ticks(pid):
    """The processor time of a process and of its children that were reaped, in ticks."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2].split()
    return sum(map(int, fields[11:15]))


def running_and_stopped(start, place, **settings):
    """A server with the program in two groups: `web`, which runs, and `off`, which is stopped."""
    server = start(app(place, **settings) + app(place, 'off', autostart='false', **settings))
    running(server)
    return server


def assert_as_before(server, pids):
    assert server.pids() == pids
    assert set(server.states('web').values()) == {'RUNNING'}
    assert set(server.states('off').values()) == {'STOPPED'}


@needs_linux
def test_a_log_directory_that_is_gone_costs_no_descriptors(start, place):
    server = running_and_stopped(start, place, stderr_logfile=place / 'log/err', startretries=0)
    move_away(place / 'log')
    before, pids = descriptors(server), server.pids()
    for _ in range(3):
        for group, count in (('web', 1), ('off', 3)):
            failures = server.restarter.restartProcessGroup(group)
            reason = f"couldn't open its log {place}/log/out: ENOENT"
            assert [reason in failure['text'] for failure in failures] == [True] * count
            server.restarter.quickStart(group)
    # it wakes itself by a pipe
    server.wait(lambda: descriptors(server) == before, 'as many descriptors as before')
    assert_as_before(server, pids)
    (place / 'elsewhere').rename(place / 'log')
    for group in ('web', 'off'):
        assert server.restarter.restartProcessGroup(group) is True


@needs_linux
def test_what_would_be_started_again_and_again_is_not_started(start, place):
    """With startsecs = 0 Supervisor takes a child that could not execute its program for one that
    ran, and ended.
    """
    server = running_and_stopped(start, place)
    write(place / 'bin/app', 'echo hello\n')
    pids, mark = server.pids(), server.log_size()
    for group in ('web', 'off'):
        failures = server.restarter.restartProcessGroup(group)
        assert all('ENOEXEC' in failure['text'] for failure in failures)
    # Supervisor would try again after a second
    pid, began, used = server.process.pid, time.monotonic(), ticks(server.process.pid)
    server.wait(lambda: time.monotonic() - began > 1.2, 'a moment')
    assert ticks(pid) - used < 0.15 * (time.monotonic() - began) * os.sysconf('SC_CLK_TCK')
    assert 'spawned' not in server.log_text(mark)
    assert children(pid) == set(pids.values())
    assert_as_before(server, pids)


def test_what_was_taken_down_is_tried_all_the_same(start, place):
    """It may be that its log directory comes back; then Supervisor's own attempts bring the process
    back.
    """
    server = start(held(stdout_logfile=place / 'log/out', startretries=20))
    server.wait_workers()
    id = server.restarter.startRestart('web')
    server.wait_phase(id, 'stopping')
    move_away(place / 'log')
    server.let_stop()
    assert server.wait_finished(id)['state'] == 'failed'
    assert server.state('web') == 'BACKOFF'
    (place / 'elsewhere').rename(place / 'log')
    server.wait_state()


# -- what is not said ------------------------------------------------------------------------


def test_nothing_is_said_where_it_is_not_certain(start, place):
    """Strange, but they work."""
    write(place / 'bin/app', f'#! \t{place}/bin/again\nexec sleep 1000\n')
    write(place / 'bin/again', '#!/bin/sh -e\nexec sleep 1000\n')
    (place / 'releases/1/link').symlink_to('../../current')
    directory = place / 'current/link/../1/./'
    server = start(
        app(place, directory=directory, stdout_logfile='/dev/null', stderr_logfile='NONE')
        + app(place, 'env', count=1, stdout_logfile=place / 'log/new')
    )
    running(server)
    (place / 'log/new').unlink()
    (place / 'log/new').symlink_to('newer')
    for name in ('web', 'env'):
        assert not [
            text
            for text in server.restarter.planRestart(name)['warnings']
            if 'cannot be started' in text
        ]
        assert server.restarter.restartProcessGroup(name) is True
