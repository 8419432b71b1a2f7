"""The texts about restarts and plans that both clients print."""
from __future__ import annotations

import pytest

from supervisor_restarter.progress import failure, plan_lines, process_line, summary, table
from tests.unit.test_cli import PLAN, process, restart

FAILED_FIRST = 'not reached: web:2 failed first (on_failure = abort)'


@pytest.mark.parametrize(('seen', 'line'), [
    (process('00'), 'web:00: restarted (down 0.02s, ready after 1.03s)'),
    (process('00', old_pid=0), 'web:00: started (ready after 1.03s)'),
    (process('00', new_pid=10), 'web:00: signalled (ready after 1.03s)'),
    (process('00', 'starting', new_pid=10), 'web:00: starting'),
    (process('00', 'failed', 'exit status 1'), 'web:00: ERROR (exit status 1)'),
    (process('00', 'skipped', FAILED_FIRST), f'web:00: skipped ({FAILED_FIRST})')])
def test_process_line(seen, line):
    assert process_line(seen) == line


def test_summary_is_what_scripts_know():
    end = restart('succeeded', *(process(str(n)) for n in range(8)), lowest_ready=7)
    assert summary(end) == 'web: restarted 8 processes in 0.41s, at least 7 of 8 ready throughout'


def test_the_third_of_ten_fails():
    end = restart('failed', process('0'), process('1'), process('2', 'failed', 'exit status 1'),
                  *(process(str(n), 'skipped', FAILED_FIRST) for n in range(3, 10)))
    assert failure(end) == ('web: 1 of 10 processes failed: web:2 (exit status 1); 7 not reached, still as before: '
                            'web:3, web:4, web:5, web:6, web:7 and 2 more')


def test_not_reached_before_the_timeout():
    end = restart('timed_out', process('0'), process('1', 'starting'),
                  process('2', 'skipped', 'not reached before the timeout'))
    assert failure(end) == ('web: timed out after 0.41s; 1 pending: web:1 (starting); what is down still comes back; '
                            '1 not reached, still as before: web:2')


def test_what_somebody_else_decided_is_told_with_its_reason():
    end = restart('cancelled', process('0', 'skipped', 'somebody else stopped it'),
                  process('1', 'skipped', 'not reached: cancelled'), process('2', 'skipped'))
    assert failure(end) == ('web: cancelled; 1 not restarted: web:0 (somebody else stopped it); '
                            '1 not reached, still as before: web:1')


def test_table_shows_the_fewest_ready():
    begun = restart('running', *(process(str(n)) for n in range(32)), lowest_ready=28, started_at='2024-01-02')
    queued = restart('queued', process('0', 'waiting'), lowest_ready=0)
    heading, *rows = (line.split() for line in table([begun, queued]))
    assert [row[heading.index('LOWEST')] for row in rows] == ['28/32', '-']


def test_plan_lines():
    signal = {'group': 'web', 'name': '03', 'state': 'RUNNING', 'pid': 7, 'action': 'signal'}
    batches = [*PLAN['batches'], {'number': 3, 'after': 1.0, 'longest': 12.345, 'processes': [signal]}]
    lines = list(plan_lines({**PLAN, 'batches': batches, 'total': 3}))    # type: ignore[typeddict-item]
    assert lines[0] == 'web: would restart 3 processes in 3 batches'
    assert [line for line in lines if line.startswith('batch')] == [
        'batch 1 (not before 0.00s, at most 12.50s):', 'batch 2 (not before 0.20s, no time limit):',
        'batch 3 (not before 1.00s, at most 12.35s):']
    assert 'web:03: signal (RUNNING, pid 7)' in lines
