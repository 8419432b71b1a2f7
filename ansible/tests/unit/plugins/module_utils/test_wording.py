# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
from __future__ import annotations

import pytest
from ansible_collections.supervisor.restarter.plugins.module_utils import (
    diff,
    errors,
    outcomes,
    wording,
)

LEFT = {'phase': 'skipped', 'new_pid': 0, 'note': 'already newer than /srv/app'}
MISSED = {'phase': 'skipped', 'new_pid': 0, 'error': 'not reached: web:0 failed first'}
DOWN = {'phase': 'skipped', 'old_pid': 0, 'new_pid': 0}
TAKEN = {'phase': 'skipped', 'new_pid': 0, 'error': 'stopped by another client'}
UNTRIED = {'phase': 'failed', 'new_pid': 0, 'stop_seconds': 0.0, 'error': 'not tried'}
LOST = {**UNTRIED, 'stop_seconds': 0.1, 'error': 'spawn error'}
FAILED = {'phase': 'failed', 'error': 'not ready within 30 s: tcp://127.0.0.1:80: refused'}


def test_a_name_is_as_supervisorctl_writes_it(make):
    assert wording.namespec(make.process('0')) == 'web:0'
    assert wording.namespec(make.process('nginx', 'nginx')) == 'nginx'


def test_a_row_says_what_became_of_a_process(make):
    process = make.process(killed=True, note='killed after 4 s')

    assert wording.row(process, {}) == {
        'name': 'web:0',
        'group': 'web',
        'phase': 'ready',
        'old_pid': 100,
        'new_pid': 200,
        'seconds_down': 0.02,
        'ready_seconds': 1.5,
        'reason': 'killed after 4 s',
        'killed': True,
    }


@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        ({'only_running': False}, 'stopped on purpose, and not named outright'),
        ({'only_running': True}, 'not running'),
    ],
)
def test_what_is_down_and_left_so_has_a_reason(make, options, reason):
    assert wording.row(make.process(**DOWN), options)['reason'] == reason


@pytest.mark.parametrize(
    ('more', 'pid'),
    [(LEFT, 100), (MISSED, 100), (TAKEN, 0), ({}, 200), (FAILED, 200), (UNTRIED, 100), (LOST, 0)],
)
def test_what_was_left_alone_still_has_its_pid(make, more, pid):
    assert wording.row(make.process(**more), {})['new_pid'] == pid


@pytest.mark.parametrize(
    ('method', 'more', 'changed'),
    [
        ('restart', {}, True),
        ('restart', LEFT, False),
        ('restart', MISSED, False),
        ('restart', FAILED, True),
        ('restart', {**FAILED, 'new_pid': 100}, False),
        ('restart', UNTRIED, False),
        ('restart', LOST, True),
        ('start', {'old_pid': 0}, True),
        ('signal:HUP', {'new_pid': 100}, True),
        ('signal:HUP', {**FAILED, 'new_pid': 100}, True),
        ('signal:HUP', LEFT, False),
    ],
)
def test_changed_comes_from_pids_or_from_the_signal(make, method, more, changed):
    restart = make.restart(make.process(**more), make.process('1', **LEFT), method=method)

    assert wording.changed(restart) is changed


@pytest.mark.parametrize(
    ('method', 'processes', 'text'),
    [
        (
            'restart',
            [{}, LEFT],
            'restarted 1 process of web in 4.00 s, 1 process left alone, '
            'at least 1 of 2 ready throughout',
        ),
        (
            'signal:HUP',
            [{}, {}],
            'signalled 2 processes of web in 4.00 s, at least 1 of 2 ready throughout',
        ),
        ('start', [{}, LEFT], 'started 1 process of web in 4.00 s, 1 process left alone'),
        ('restart', [LEFT, LEFT], 'nothing to do: 2 processes left alone'),
        (
            'start',
            [{}, TAKEN],
            'started 1 process of web in 4.00 s, web:1: stopped by another client',
        ),
        (
            'start',
            [LEFT, DOWN, DOWN],
            'nothing to do: 1 process left alone, '
            'web:1: stopped on purpose, and not named outright (and 1 more)',
        ),
        ('restart', [TAKEN, TAKEN], 'nothing to do: web:0: stopped by another client (and 1 more)'),
    ],
)
def test_the_sentence_for_a_success(make, method, processes, text):
    rows = [make.process(str(number), **more) for number, more in enumerate(processes)]

    assert wording.summary(make.restart(*rows, method=method)) == text


@pytest.mark.parametrize(
    ('state', 'processes', 'text'),
    [
        ('failed', [{}, FAILED], f'web:1: {FAILED["error"]}'),
        ('failed', [MISSED, FAILED, FAILED], f'web:1: {FAILED["error"]} (and 1 more)'),
        ('failed', [TAKEN, FAILED], f'web:1: {FAILED["error"]}'),
        ('failed', [{}, MISSED, TAKEN], 'web:2: stopped by another client'),
        ('timed_out', [{}, MISSED], f'timed out after 0.5 s: web:1: {MISSED["error"]}'),
        (
            'timed_out',
            [{}],
            'timed out after 0.5 s: after 4.00 s everything was ready all the same',
        ),
        ('cancelled', [FAILED], f'cancelled: web:0: {FAILED["error"]}'),
        ('failed', [], 'the restart failed'),
    ],
)
def test_the_sentence_for_a_failure_is_the_first_reason(make, state, processes, text):
    rows = [make.process(str(number), **more) for number, more in enumerate(processes)]

    assert wording.failure(make.restart(*rows, state=state)) == text


@pytest.mark.parametrize(
    ('method', 'batches', 'left', 'text'),
    [
        ('restart', 1, 0, 'would restart 1 process of web'),
        ('restart', 3, 2, 'would restart 3 processes of web in 3 batches, 2 processes left alone'),
        ('start', 1, 0, 'would start 1 process of web'),
        ('signal:HUP', 1, 0, 'would signal 1 process of web'),
        ('restart', 0, 2, 'nothing to do: 2 processes left alone'),
    ],
)
def test_the_sentence_for_a_plan(make, method, batches, left, text):
    plan = make.plan(
        *([make.planned(str(number))] for number in range(batches)),
        left=[make.planned('x', '', reason='x')] * left,
        method=method,
    )

    assert wording.of_plan(plan) == text


# -- --diff ----------------------------------------------------------------------------------------


def test_the_diff_of_a_plan(make):
    plan = make.plan(
        [make.planned('0')],
        [make.planned('1', 'start', state='EXITED', pid=0)],
        left=[make.planned('2', '', reason='already newer than /srv/app')],
    )

    assert diff.of_plan(plan) == {
        'before': 'web:0  RUNNING pid 100\n'
        'web:1  EXITED\n'
        'web:2  RUNNING pid 100, left alone: already newer than /srv/app\n',
        'after': 'web:0  restarted in batch 1\n'
        'web:1  started in batch 2\n'
        'web:2  RUNNING pid 100, left alone: already newer than /srv/app\n',
    }


def test_the_diff_of_what_was_done(make):
    processes = [
        make.process(),
        make.process('1', **LEFT),
        make.process('2', **FAILED, old_pid=0),
        make.process('3', **TAKEN),
    ]

    assert diff.of_rows(wording.rows(make.restart(*processes))) == {
        'before': 'web:0  pid 100\n'
        'web:1  pid 100, left alone: already newer than /srv/app\n'
        'web:2  not running\n'
        'web:3  pid 100\n',
        'after': 'web:0  pid 200, ready\n'
        'web:1  pid 100, left alone: already newer than /srv/app\n'
        f'web:2  pid 200, failed: {FAILED["error"]}\n'
        'web:3  not running, skipped: stopped by another client\n',
    }


# -- all results -----------------------------------------------------------------------------------


def test_the_results_of_a_restart_that_failed_half_way(make):
    restart = make.restart(
        make.process(), make.process('1', **FAILED), state='failed', warnings=['x']
    )

    result = outcomes.of_restart(restart, followed=False)

    assert result['failed']
    assert result['changed']
    assert result['restart'] == {k: v for k, v in restart.items() if k != 'processes'}
    assert (result['total'], result['lowest_ready']) == (2, 1)
    assert result['warnings'] == ['x']


def test_a_restart_of_another_client_is_named(make):
    result = outcomes.of_restart(make.restart(make.process()), followed=True)

    assert result['msg'].startswith('restart 7 of another client: restarted 1 process')


def test_what_is_lost_is_told_as_it_was_seen_last(make):
    running = make.restart(make.process(phase='waiting', new_pid=100), finished_at='')

    assert outcomes.of_lost(running)['changed'] is True
    assert outcomes.of_lost(running)['processes'][0]['phase'] == 'waiting'
    assert outcomes.of_lost(None) == {'changed': True}


def test_a_line_stays_a_line():
    assert str(errors.Trouble('a\nb\x1b[31m')) == 'a\\nb\\x1b[31m'
