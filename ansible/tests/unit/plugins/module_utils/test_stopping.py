# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
from __future__ import annotations

import pytest
from ansible_collections.supervisor.restarter.plugins.module_utils import stopping
from ansible_collections.supervisor.restarter.plugins.module_utils.errors import Unreachable
from ansible_collections.supervisor.restarter.plugins.module_utils.following import Lost
from ansible_collections.supervisor.restarter.plugins.module_utils.stopping import Stopper

BROKEN = Unreachable('unix:///sock broke the connection')


def info(state, pid=0, name='0'):
    return {'group': 'web', 'name': name, 'statename': state, 'pid': pid}


def answer(status=stopping.SUCCESS, name='0', description='OK'):
    return {'group': 'web', 'name': name, 'status': status, 'description': description}


def stopped(scripted, patience, answers, *looks, timeout=None):
    restarter = scripted(stop=[answers], processes=list(looks))
    rows = Stopper(restarter, patience).run(['web'], timeout)
    assert restarter.count('stop') == 1  # a second one could undo another client's start
    return rows


def test_it_waits_until_all_have_exited(scripted, patience, clock):
    rows = stopped(
        scripted,
        patience,
        [answer(), answer(name='1')],
        [info('RUNNING', 7), info('RUNNING', 8, '1')],
        [info('STOPPING', 7), info('STOPPED', name='1')],
        [info('STOPPING', 7), info('STOPPED', name='1')],
        [info('STOPPED'), info('STOPPED', name='1')],
    )

    assert [(row['name'], row['phase'], row['old_pid'], row['new_pid']) for row in rows] == [
        ('web:0', 'stopped', 7, 0),
        ('web:1', 'stopped', 8, 0),
    ]
    assert clock.naps == [0.05, 0.1]
    assert stopping.summary(rows) == 'stopped 2 processes'


def test_when_the_time_is_over_what_still_stops_has_failed(scripted, patience, clock):
    rows = stopped(
        scripted, patience, [answer()], [info('RUNNING', 7)], [info('STOPPING', 7)], timeout=3
    )

    assert (rows[0]['phase'], rows[0]['new_pid']) == ('failed', 7)
    assert stopping.summary(rows) == 'web:0: still stopping after 3 s, and goes on stopping'
    assert 3 <= sum(clock.naps) < 5


def test_a_broken_connection_while_it_waits_does_no_harm(scripted, patience):
    rows = stopped(
        scripted, patience, [answer()], [info('RUNNING', 7)], BROKEN, BROKEN, [info('EXITED')]
    )

    assert rows[0]['phase'] == 'stopped'


def test_a_supervisord_that_stays_silent_stops_them_all_the_same(scripted, patience):
    with pytest.raises(Lost, match='broke the connection; what was told to stop stops'):
        stopped(scripted, patience, [answer()], [info('RUNNING', 7)], BROKEN)


def test_what_another_client_starts_again_is_not_stopped_again(scripted, patience):
    rows = stopped(scripted, patience, [answer()], [info('RUNNING', 7)], [info('STARTING', 9)])

    assert (rows[0]['phase'], rows[0]['old_pid'], rows[0]['new_pid']) == ('failed', 7, 9)
    assert 'started again by another client and is STARTING' in rows[0]['reason']


def test_what_does_not_run_is_left_alone(scripted, patience):
    rows = stopped(
        scripted,
        patience,
        [answer(stopping.NOT_RUNNING, description='NOT_RUNNING: web:0')],
        [info('STOPPED')],
    )

    assert (rows[0]['phase'], rows[0]['reason']) == ('skipped', 'not running')
    assert stopping.summary(rows) == 'nothing to do: nothing was running'


def test_a_stop_that_fails_has_its_reason(scripted, patience):
    rows = stopped(
        scripted,
        patience,
        [answer(30, description='FAILED: no permission'), answer(30, '1', 'FAILED: x')],
        [info('RUNNING', 7), info('RUNNING', 8, '1')],
    )

    assert stopping.summary(rows) == 'web:0: FAILED: no permission (and 1 more)'


def test_a_group_that_goes_away_has_stopped(scripted, patience):
    rows = stopped(scripted, patience, [answer()], [info('RUNNING', 7)], [])

    assert (rows[0]['phase'], rows[0]['new_pid']) == ('stopped', 0)


@pytest.mark.parametrize(
    ('state', 'action'),
    [
        ('RUNNING', 'stop'),
        ('STARTING', 'stop'),
        ('BACKOFF', 'stop'),
        ('STOPPING', 'stop'),
        ('STOPPED', ''),
        ('EXITED', ''),
        ('FATAL', ''),
    ],
)
def test_the_plan_of_a_restart_tells_what_a_stop_would_do(make, state, action):
    batch = [make.planned('0', state=state)]
    left = [make.planned('1', '', state='STOPPED', pid=0, reason='stopped on purpose')]

    processes = stopping.planned(make.plan(batch, left=left))

    assert [process['action'] for process in processes] == [action, '']
