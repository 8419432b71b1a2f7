"""Other wills in the middle of a surge: stops and starts of Supervisor's own, update, reload,
shutdown, signals, two processes that die.
"""

from __future__ import annotations

import os
import re
import signal

import pytest

from tests.integration.asking import ask, state
from tests.integration.service import marks, open_gate
from tests.integration.surging import alive, begun, beside, up, wait_gone, wait_names
from tests.integration.test_group_events import listener, recorded

NOTHING: list[object] = [[[], [], []]]


@pytest.fixture
def surging(start):
    """A server in which web:0 is there twice, and the new one is not ready yet; the id and the pids
    of both.
    """
    server = start(beside())
    up(server)
    return server, begun(server), server.pids()


@pytest.fixture
def retiring(surging):
    """... in which the new one is ready, and the old one still stops."""
    server, id, pids = surging
    open_gate(server.dir)
    wait_names(server, _0='RUNNING', _0_old='STOPPING')
    return server, id, pids


def phase(restart):
    [process] = restart['processes']
    return process['phase'], process['error'].partition(';')[0]


TAKEN = ('skipped', 'somebody else stopped it meanwhile')


# -- stop ------------------------------------------------------------------------------------------


def test_a_stop_of_the_name_before_the_new_one_is_ready_stops_both(surging):
    server, id, pids = surging
    client = server.begin_ctl('stop', 'web:0')
    wait_names(server, _0='STOPPING', _0_old='STOPPING')
    server.let_stop()
    assert client.communicate(timeout=60)[0] == 'web:0: stopped\n'
    restart = server.wait_finished(id)
    assert phase(restart) == TAKEN
    wait_names(server, _0='STOPPED')
    assert not any(map(alive, pids.values()))


def test_a_stop_of_the_name_once_the_new_one_is_ready(retiring):
    server, id, pids = retiring
    client = server.begin_ctl('stop', 'web:0')
    wait_names(server, _0='STOPPING', _0_old='STOPPING')
    server.let_stop()
    assert client.communicate(timeout=60)[0] == 'web:0: stopped\n'
    restart = server.wait_finished(id)
    assert restart['state'] == 'succeeded'
    assert 'stopped it after it was restarted' in restart['processes'][0]['note']
    wait_names(server, _0='STOPPED')
    assert not any(map(alive, pids.values()))


def test_a_stop_of_the_old_one_alone_leaves_the_rest_to_the_new_one(surging):
    server, id, pids = surging
    client = server.begin_ctl('stop', 'web:0.old')
    wait_names(server, _0='RUNNING', _0_old='STOPPING')
    server.let_stop()
    assert client.communicate(timeout=60)[0] == 'web:0.old: stopped\n'
    wait_names(server, _0='RUNNING')
    open_gate(server.dir)
    assert server.wait_finished(id)['state'] == 'succeeded'
    assert server.pids() == {'0': pids['0']}


@pytest.mark.parametrize('names', ['web:*', 'all'])
def test_a_stop_of_all_stops_both(surging, names):
    server, id, pids = surging
    server.let_stop()
    said = server.ctl('stop', names).stdout
    assert sorted(said.splitlines()) == ['web:0.old: stopped', 'web:0: stopped']
    assert phase(server.wait_finished(id)) == TAKEN
    wait_names(server, _0='STOPPED')
    assert not any(map(alive, pids.values()))


def test_a_stop_of_all_while_the_old_one_stops(retiring):
    server, id, pids = retiring
    client = server.begin_ctl('stop', 'web:*')
    wait_names(server, _0='STOPPING', _0_old='STOPPING')
    server.let_stop()
    assert 'web:0: stopped' in client.communicate(timeout=60)[0]
    server.wait_finished(id)
    wait_names(server, _0='STOPPED')
    assert not any(map(alive, pids.values()))


def test_a_quickstop_stops_both(surging):
    server, id, pids = surging
    server.let_stop()
    assert server.restarter.quickStop('web', True)[0]['description'] == 'OK'
    assert phase(server.wait_finished(id)) == TAKEN
    wait_names(server, _0='STOPPED')
    assert not any(map(alive, pids.values()))


def test_a_stop_of_the_name_that_the_old_one_has_again(surging):
    server, id, pids = surging
    server.restarter.cancelRestart(id)
    wait_names(server, _0='RUNNING', _0_new='STOPPING')
    client = server.begin_ctl('stop', 'web:0')
    wait_names(server, _0='STOPPING', _0_new='STOPPING')
    server.let_stop()
    client.communicate(timeout=60)
    server.wait_finished(id)
    wait_names(server, _0='STOPPED')
    assert not any(map(alive, pids.values()))


# -- start, restart, signal ------------------------------------------------------------------------


def test_who_starts_all_brings_up_no_third_one(surging):
    server, id, pids = surging
    server.ctl('start', 'all')
    server.ctl('start', 'web:*')
    assert server.pids() == pids
    open_gate(server.dir)
    wait_names(server, _0='RUNNING', _0_old='STOPPING')
    for names in ('web:0.old', 'web:*', 'all'):
        assert 'web:0.old: ERROR (spawn error)' in server.ctl('start', names).stdout
    server.let_stop()
    assert server.wait_finished(id)['state'] == 'succeeded'
    server.ctl('start', 'all')
    assert server.pids() == {'0': pids['0']}


def test_who_restarts_all_with_supervisorctl_has_one_of_each_after(surging):
    server, id, pids = surging
    server.let_stop()
    open_gate(server.dir)
    server.ctl('restart', 'web:*')
    server.wait_finished(id)
    wait_names(server, _0='RUNNING')
    assert not any(map(alive, pids.values()))


def test_one_that_was_stopped_is_started_again_while_its_old_one_still_stops(surging):
    server, id, pids = surging
    server.rpc().supervisor.stopProcess('web:0', False)
    wait_names(server, _0='STOPPING', _0_old='STOPPING')
    os.kill(pids['0'], signal.SIGKILL)
    wait_names(server, _0='STOPPED', _0_old='STOPPING')
    server.rpc().supervisor.startProcess('web:0', False)
    open_gate(server.dir)
    wait_names(server, _0='RUNNING', _0_old='STOPPING')
    new = server.pids()['0']
    server.let_stop()
    restart = server.wait_finished(id)
    assert (restart['state'], server.pids()) == ('succeeded', {'0': new})
    assert 'somebody else restarted it' in restart['processes'][0]['note']


# -- processes that die ----------------------------------------------------------------------------


def test_where_the_old_one_dies_the_new_one_goes_on_alone(surging):
    server, id, pids = surging
    os.kill(pids['0.old'], signal.SIGKILL)
    wait_names(server, _0='RUNNING')
    restart = server.restarter.getRestart(id)
    assert (restart['state'], restart['ready']) == ('running', 0)
    open_gate(server.dir)
    restart = server.wait_finished(id)
    assert (restart['state'], restart['lowest_ready']) == ('succeeded', 0)
    assert server.pids() == {'0': pids['0']}


def test_where_the_old_one_dies_that_had_not_lived_for_its_startsecs(start):
    """Any other would be in BACKOFF then, and be tried again."""
    server = start(beside(startsecs=3))
    up(server)
    id, pids = begun(server), server.pids()
    os.kill(pids['0.old'], signal.SIGKILL)
    open_gate(server.dir)
    assert server.wait_finished(id)['state'] == 'succeeded'
    assert server.pids() == {'0': pids['0']}


def test_where_both_die_supervisor_starts_the_new_one_again(start):
    server = start(beside(autorestart='true'))
    up(server)
    id, pids = begun(server), server.pids()
    for pid in pids.values():
        os.kill(pid, signal.SIGSTOP)
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    server.wait_finished(id)
    wait_names(server, _0='RUNNING')
    assert not any(map(alive, pids.values()))


def test_the_new_one_dies_once_the_old_one_is_stopping(retiring):
    server, id, pids = retiring
    os.kill(pids['0'], signal.SIGKILL)
    server.wait(lambda: server.pids()['0'] not in (0, pids['0']), 'one in its place')
    wait_names(server, _0='RUNNING', _0_old='STOPPING')
    server.let_stop()
    restart = server.wait_finished(id)
    assert restart['state'] == 'failed'
    assert 'SIGKILL' in restart['processes'][0]['error']


# -- supervisord -----------------------------------------------------------------------------------


@pytest.mark.parametrize('ready', [False, True])
def test_a_shutdown_stops_both(surging, ready):
    server, _, pids = surging
    if ready:
        open_gate(server.dir)
        wait_names(server, _0='RUNNING', _0_old='STOPPING')
    server.rpc().supervisor.shutdown()
    server.wait(
        lambda: sum(mark.what == 'stopped' for mark in marks(server.dir)) == 2, 'both to be stopped'
    )
    assert all(map(alive, pids.values()))
    server.let_stop()
    server.process.wait(60)
    wait_gone(server, *pids.values())


@pytest.mark.parametrize('ready', [False, True])
def test_a_reload_waits_for_both_and_starts_one(surging, ready):
    server, _, pids = surging
    if ready:
        open_gate(server.dir)
        wait_names(server, _0='RUNNING', _0_old='STOPPING')
    server.rpc().supervisor.restart()
    server.wait(
        lambda: sum(mark.what == 'stopped' for mark in marks(server.dir)) == 2, 'both to be stopped'
    )
    assert server.log_text().count('supervisord started') == 1
    server.let_stop()
    server.wait(lambda: server.log_text().count('supervisord started') == 2, 'reload')
    wait_names(server, _0='RUNNING')
    assert not any(map(alive, pids.values()))


def test_a_stopped_old_one_is_killed_by_supervisor_though_no_restart_is_under_way(start):
    """A shutdown gives the restart up; what is left is Supervisor's own affair."""
    server = start(beside(stopwaitsecs=1))
    up(server)
    begun(server)
    pids = server.pids()
    server.rpc().supervisor.shutdown()
    server.process.wait(60)
    wait_gone(server, *pids.values())
    # Once more, where a turn of the loop comes before the end of the process is seen.
    killed = re.findall(r"killing '(\S+)' .* with SIGKILL", server.log_text())
    assert set(killed) == {'0', '0.old'}


def test_update_finds_nothing_changed_before_during_and_after(surging):
    server, id, pids = surging
    assert server.rpc().supervisor.reloadConfig() == NOTHING
    server.ctl('update')
    assert server.pids() == pids
    open_gate(server.dir)
    wait_names(server, _0='RUNNING', _0_old='STOPPING')
    assert server.rpc().supervisor.reloadConfig() == NOTHING
    server.let_stop()
    server.wait_finished(id)
    assert server.rpc().supervisor.reloadConfig() == NOTHING
    server.ctl('update')
    assert server.pids() == {'0': pids['0']}


def test_a_group_that_is_removed_by_update_takes_both_with_it(surging):
    server, id, pids = surging
    text = server.conf.read_text()
    server.conf.write_text(text[: text.index('[program:web]')])
    server.let_stop()
    assert 'web: removed process group' in server.ctl('update').stdout
    restart = server.wait_finished(id)
    assert restart['processes'][0]['phase'] == 'skipped'
    assert not any(map(alive, pids.values()))


# -- who looks on ----------------------------------------------------------------------------------


def test_the_plugin_knows_the_one_that_has_the_name(surging):
    server, _, _ = surging
    plan = server.restarter.planRestart('web')
    [batch] = plan['batches']
    assert [process['name'] for process in batch['processes']] == ['0']
    fault = server.fault(lambda: server.restarter.planRestart('web:0.old'))
    assert fault.faultString.startswith('BAD_GROUP')
    assert server.restarter.planConfig()['groups'] == []
    assert state(server)['groups'] == [{'name': 'web', 'processes': ['0']}]
    assert 'supervisor_processes{group="web",state="RUNNING"} 1.0' in (
        ask(server, '/restarter/metrics').body.decode()
    )
    assert 'web:0.old' in server.ctl('status').stdout


def test_event_listeners_see_the_new_one_under_the_name(start):
    server = start(listener('PROCESS_STATE') + beside())
    up(server)
    server.wait_state('recorder')
    # It may still be told of its own start.
    server.wait(lambda: 'processname:recorder' in str(recorded(server)), 'events')
    old = server.pids()['0']
    id = begun(server)
    new = server.pids()['0']
    open_gate(server.dir)
    server.let_stop()
    server.wait_finished(id)

    def seen():
        return [
            (name.rpartition('_')[2], payload.split()[0].partition(':')[2], payload.split()[-1])
            for name, payload in recorded(server)
            if 'groupname:web' in payload and str(old) not in payload or '0.old' in payload
        ]

    server.wait(lambda: len(seen()) >= 4, 'events')
    assert ('RUNNING', '0', f'pid:{new}') in seen()
    wanted = ['STOPPING', 'STOPPED']
    server.wait(lambda: [row[0] for row in seen() if row[1] == '0.old'] == wanted, 'its end')
