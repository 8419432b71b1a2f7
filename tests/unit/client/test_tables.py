"""Tables of restarts, and plans."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

import pytest

from supervisor_restarter.client.tables import plan_lines, table, when
from tests.unit.client.samples import PLAN, planned, process, restart

NOW = datetime(2024, 1, 2, 12, 0, 0, tzinfo=timezone.utc).timestamp()


@pytest.fixture(params=['Pacific/Auckland', 'America/Los_Angeles'])
def zone(request, monkeypatch):
    monkeypatch.setenv('TZ', request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def iso(seconds_ago):
    return (
        datetime.fromtimestamp(NOW - seconds_ago, timezone.utc).isoformat().replace('+00:00', 'Z')
    )


@pytest.mark.parametrize(
    ('seconds', 'said'),
    [(0, '0 seconds ago'), (1, '1 second ago'), (60, '1 minute ago'), (3599, '59 minutes ago')],
)
def test_what_was_within_the_hour(seconds, said):
    assert when(iso(seconds), NOW) == said


@pytest.mark.usefixtures('zone')
@pytest.mark.parametrize('seconds', [3600, 7 * 3600, 20 * 3600, 400 * 86400, -5])
def test_what_was_before_is_told_in_local_time(seconds):
    local, today = time.localtime(NOW - seconds), time.localtime(NOW)
    alike = local[:3] == today[:3]
    assert when(iso(seconds), NOW) == time.strftime(
        '%H:%M:%S' if alike else '%Y-%m-%d %H:%M', local
    )


@pytest.mark.parametrize('text', ['', '2024-13-01T00:00:00Z'])
def test_what_is_no_time_is_shown_as_it_is(text):
    assert when(text, NOW) == text


def test_a_time_without_a_zone_is_utc():
    assert when('2024-01-02T11:59:00', NOW) == '1 minute ago'


def test_table_shows_the_fewest_ready():
    begun = restart(
        'running', *(process(str(n)) for n in range(32)), lowest_ready=28, started_at='2024-01-02'
    )
    queued = restart('queued', process('0', 'waiting'), lowest_ready=0)
    heading, *rows = (line.split() for line in table([begun, queued]))
    assert [row[heading.index('LOWEST')] for row in rows] == ['28/32', '-']


def test_old_processes_that_are_still_stopping_have_a_column_where_there_are_any():
    older, newer = restart('running', process('0')), restart('running', old_stopping=3)
    heading, *rows = (line.split() for line in table([older, newer]))
    assert [row[heading.index('OLD')] for row in rows] == ['0', '3']
    assert not any('OLD' in line for line in table([older, restart('succeeded', old_stopping=0)]))


def test_plan_lines():
    signal = planned('03', 'RUNNING', 7, 'signal')
    third = {'number': 3, 'after': 1.0, 'longest': 12.345, 'processes': [signal]}
    batches = [*PLAN['batches'], third]
    lines = list(plan_lines({**PLAN, 'batches': batches, 'total': 3}))  # type: ignore[typeddict-item]
    assert lines[0] == 'web: would restart 3 processes in 3 batches'
    assert [line for line in lines if line.startswith('batch')] == [
        'batch 1 (not before 0.00s, at most 12.50s):',
        'batch 2 (not before 0.20s, no time limit):',
        'batch 3 (not before 1.00s, at most 12.35s):',
    ]
    assert 'web:03: signal (RUNNING, pid 7)' in lines
    assert 'left alone:' in lines
    assert 'left alone:' not in plan_lines({**PLAN, 'left': []})  # type: ignore[typeddict-item]


def test_a_plan_says_what_is_done_beside_and_which_commands_are_run():
    surge = {**planned('0', 'RUNNING', 7, 'surge'), 'hooks': ['before_stop', 'after_ready']}
    start = {**planned('1', 'STOPPED', 0, 'start'), 'hooks': ['after_ready']}
    plain = {**planned('2', 'RUNNING', 8, 'restart'), 'hooks': []}
    batch = {'number': 1, 'after': 0.0, 'longest': 0.0, 'processes': [surge, start, plain]}
    lines = list(plan_lines({**PLAN, 'batches': [batch], 'total': 3}))  # type: ignore[typeddict-item]
    assert lines[lines.index('batch 1 (not before 0.00s, no time limit):') :][1:4] == [
        'web:0: surge with BEFORE_STOP and AFTER_READY (RUNNING, pid 7)',
        'web:1: start with AFTER_READY (STOPPED)',
        'web:2: restart (RUNNING, pid 8)',
    ]


def test_a_plan_that_leaves_everything_alone():
    reason = 'already newer than /srv/app/current'
    left = [{**planned(str(n), 'RUNNING', 7, ''), 'reason': reason} for n in range(7)]
    left += [{**planned('7', 'FATAL', 0, ''), 'reason': 'not running'}]
    options = {'newer_than': ['/srv/app/current', '/etc/app.conf'], 'method': 'restart'}
    plan: Any = {
        **PLAN,
        'total': 0,
        'batches': [],
        'left': left,
        'warnings': [],
        'options': options,
    }
    assert list(plan_lines(plan)) == [
        'web: nothing to restart',
        'newer_than = /srv/app/current, /etc/app.conf',
        'left alone:',
        'web:7: FATAL (not running)',
        f'web:0, web:1, web:2, web:3, web:4 and 2 more: RUNNING ({reason})',
    ]


def test_a_plan_says_what_its_method_does():
    for method, verb in (('start', 'start'), ('signal:HUP', 'signal'), ('restart', 'restart')):
        plan: Any = {**PLAN, 'options': {'method': method}}
        heading = next(iter(plan_lines(plan)))
        assert heading == f'web: would {verb} 2 processes in 2 batches'


def test_what_holds_in_each_group_and_who_said_so():
    defaults = dict.fromkeys(('max_unavailable', 'min_ready', 'ready_timeout'), 'default')
    web = {'group': 'web', 'size': 8, 'allowed': 2, 'max_unavailable': '25%', 'min_ready': 3.0}
    cron = {'group': 'cron', 'size': 1, 'allowed': 1, 'from': defaults}
    policies = [
        {**web, 'from': {**defaults, 'max_unavailable': 'program', 'min_ready': 'call'}},
        cron,
    ]
    lines = list(plan_lines({**PLAN, 'policies': policies}))  # type: ignore[typeddict-item]
    assert lines[1:3] == [
        'web: max_unavailable = 25% (program: at most 2 of 8 not ready), min_ready = 3 (call)',
        'batch 1 (not before 0.00s, at most 12.50s):',
    ]
