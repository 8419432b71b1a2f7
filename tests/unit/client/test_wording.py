"""The texts about restarts and their processes that both clients print."""

from __future__ import annotations

import pytest

from supervisor_restarter.client.screen import Colour
from supervisor_restarter.client.waiting import Waiting
from supervisor_restarter.client.wording import (
    OldStopping,
    colour,
    failure,
    process_line,
    process_lines,
    summary,
    together,
)
from tests.unit.client.samples import process, restart

KILLED = 'killed after 3.0 s: did not stop within stopwaitsecs'
FAILED_FIRST = 'not reached: web:2 failed first (on_failure = abort)'


TIMES = 'down 0.02s, ready after 1.03s'


@pytest.mark.parametrize(('seen', 'line'), [
    (process('00'), f'restarted ({TIMES})'),
    (process('00', old_pid=0), 'started (ready after 1.03s)'),
    (process('00', new_pid=10), 'signalled (ready after 1.03s)'),
    (process('00', 'starting', new_pid=10), 'starting'),
    (process('00', stop_seconds=0.99), f'restarted ({TIMES})'),
    (process('00', stop_seconds=4.21), f'restarted (stopped in 4.2s, {TIMES})'),
    (process('00', stop_seconds=3.02, killed=True, note=KILLED), f'restarted ({KILLED}, {TIMES})'),
    (process('00', stop_seconds=3.02, killed=True), f'restarted (killed after 3.0 s, {TIMES})'),
    (process('00', drain_seconds=0.9), f'restarted ({TIMES})'),
    (process('00', drain_seconds=12.0, stop_seconds=4.2),
     f'restarted (drained in 12.0s, stopped in 4.2s, {TIMES})'),
    (process('00', 'stopped', action='remove', drain_seconds=2.0), 'removed (drained in 2.0s)'),
    (process('00', action='surge', down_seconds=0.0), 'restarted (ready after 1.03s)'),
    (process('00', action='surge', stop_seconds=60.0, down_seconds=0.0),
     'restarted (ready after 1.03s, the old one stopped in 60.0s)'),
    (process('00', action='surge', stop_seconds=9.0, down_seconds=0.0, killed=True),
     'restarted (ready after 1.03s, the old one killed after 9.0 s)'),
    (process('00', action='surge'), f'restarted ({TIMES})'),  # it had died before its turn
    (process('00', action='surge', old_pid=0), 'started (ready after 1.03s)'),
    (process('00', note='by others', stop_seconds=3.0), f'restarted (by others, {TIMES})'),
    (process('00', old_pid=0, note='left so'), 'started (left so, ready after 1.03s)'),
    (process('00', 'failed', 'exit status 1'), 'ERROR (exit status 1)'),
    (process('00', 'failed', 'exit status 1', note=KILLED), f'ERROR (exit status 1; {KILLED})'),
    (process('00', 'skipped', note='it was left so'), 'skipped (it was left so)'),
    (process('00', 'skipped', FAILED_FIRST), f'skipped ({FAILED_FIRST})'),
])  # fmt: skip
def test_process_line(seen, line):
    assert process_line(seen) == f'web:00: {line}'


def test_summary_is_what_scripts_know():
    end = restart('succeeded', *(process(str(n)) for n in range(8)), lowest_ready=7)
    assert summary(end) == 'web: restarted 8 processes in 0.41s, at least 7 of 8 ready throughout'


def test_the_third_of_ten_fails():
    end = restart(
        'failed',
        process('0'),
        process('1'),
        process('2', 'failed', 'exit status 1'),
        *(process(str(n), 'skipped', FAILED_FIRST) for n in range(3, 10)),
    )
    assert failure(end) == (
        'web: 1 of 10 processes failed: web:2 (exit status 1); 7 not reached, still as before: '
        'web:3, web:4, web:5, web:6, web:7 and 2 more'
    )


def test_not_reached_before_the_timeout():
    end = restart(
        'timed_out',
        process('0'),
        process('1', 'starting'),
        process('2', 'skipped', 'not reached before the timeout'),
    )
    assert failure(end) == (
        'web: timed out after 0.41s; 1 pending: web:1 (starting); what is down still comes back; '
        '1 not reached, still as before: web:2'
    )


def test_what_somebody_else_decided_is_told_with_its_reason():
    end = restart(
        'cancelled',
        process('0', 'skipped', 'somebody else stopped it'),
        process('1', 'skipped', 'not reached: cancelled'),
        process('2', 'skipped'),
    )
    assert failure(end) == (
        'web: cancelled; 1 not restarted: web:0 (somebody else stopped it); '
        '1 not reached, still as before: web:1'
    )


NEWER = 'already newer than /srv/app/current'
STARTED_ALREADY = 'already started'


def newer(name, note=NEWER):
    return process(name, 'skipped', note=note, new_pid=0)


@pytest.mark.parametrize(('method', 'processes', 'line'), [
    ('restart', [newer(str(n)) for n in range(32)],
     f'nothing to restart, 32 processes left alone (all {NEWER})'),
    ('restart', [newer('0')], f'nothing to restart, 1 process left alone ({NEWER})'),
    ('restart', [newer('0'), process('1', 'skipped', new_pid=0)],
     'nothing to restart, 2 processes left alone'),
    ('restart', [process('0', 'skipped', note='somebody else stopped it later', old_pid=0)],
     'restarted 0 processes in 0.41s, 1 left alone, at least 1 of 1 ready throughout'),
    ('start', [newer('0', STARTED_ALREADY)],
     f'nothing to start, 1 process left alone ({STARTED_ALREADY})'),
    ('signal:HUP', [newer('0')], f'nothing to signal, 1 process left alone ({NEWER})'),
    ('restart', [newer('0'), newer('1'), process('2')],
     f'restarted 1 process in 0.41s, 2 left alone (all {NEWER}), at least 1 of 3 ready throughout'),
    ('start', [process('0', old_pid=0), newer('1', STARTED_ALREADY)],
     f'started 1 process in 0.41s, 1 left alone ({STARTED_ALREADY}), '
     'at least 1 of 2 ready throughout'),
    ('signal:HUP', [process('0')],
     'signalled 1 process in 0.41s, at least 1 of 1 ready throughout'),
])  # fmt: skip
def test_summary_of_what_was_left_alone(method, processes, line):
    end = restart('succeeded', *processes, options={'method': method})
    assert summary(end) == f'web: {line}'


def test_what_is_new_enough_is_one_line():
    end = restart('succeeded', process('0'), *(newer(str(n)) for n in range(1, 9)))
    assert process_lines(end)[1:] == [
        f'web:1, web:2, web:3, web:4, web:5 and 3 more: skipped ({NEWER})'
    ]
    assert colour(newer('0')) is Colour.PLAIN


def test_what_was_killed_is_in_the_summary():
    end = restart(
        'succeeded',
        process('0', killed=True),
        process('1', killed=True),
        process('2', killed=False),
    )
    assert (
        summary(end)
        == 'web: restarted 3 processes in 0.41s, at least 1 of 3 ready throughout, 2 killed'
    )
    failed = restart('failed', process('0', 'failed', 'exit status 1'), process('1', killed=True))
    assert failure(failed) == 'web: 1 of 2 processes failed: web:0 (exit status 1); 1 killed'


def test_a_reason_that_all_share_is_said_once():
    end = restart('failed', *(process(str(n), 'failed', 'exit status 1') for n in range(7)))
    assert failure(end) == (
        'web: 7 of 7 processes failed: web:0, web:1, web:2, web:3, web:4 and 2 more '
        '(all: exit status 1)'
    )
    assert failure(end, reasons=False) == (
        'web: 7 of 7 processes failed: web:0, web:1, web:2, web:3, web:4 and 2 more'
    )


def test_without_reasons_what_was_not_reached_is_counted_only():
    end = restart(
        'failed', process('0', 'failed', 'exit status 1'), process('1', 'skipped', FAILED_FIRST)
    )
    assert (
        failure(end, reasons=False)
        == 'web: 1 of 2 processes failed: web:0; 1 not reached, still as before'
    )


def test_processes_of_the_same_fate_are_one_line():
    some = [
        process('0', 'skipped', FAILED_FIRST),
        process('1', 'stopping'),
        process('2', 'skipped', FAILED_FIRST),
    ]
    assert together(some) == [f'web:0, web:2: skipped ({FAILED_FIRST})', 'web:1: stopping']
    assert together([process(str(n), 'stopping') for n in range(7)]) == [
        'web:0, web:1, web:2, web:3, web:4 and 2 more: stopping'
    ]


def test_a_line_for_each_process_but_those_that_were_not_reached():
    seen = restart(
        'failed',
        process('0', 'skipped', FAILED_FIRST),
        process('1', 'waiting'),
        process('2', 'waiting'),
    )
    assert process_lines(seen) == [
        'web:1: waiting',
        'web:2: waiting',
        f'web:0: skipped ({FAILED_FIRST})',
    ]


@pytest.mark.parametrize(
    ('seen', 'expected'),
    [
        (process('0'), Colour.GOOD),
        (process('0', 'failed', 'x'), Colour.BAD),
        (process('0', 'skipped'), Colour.PLAIN),
        (process('0', 'skipped', 'x'), Colour.ODD),
        (process('0', killed=True), Colour.ODD),
        (process('0', note='x'), Colour.ODD),
        (process('0', 'starting'), Colour.PLAIN),
    ],
)
def test_colours(seen, expected):
    assert colour(seen) is expected


# -- whom it waits for ---------------------------------------------------------------------------


def stopping(name, seconds=0.0, **others):
    return process(name, 'stopping', **{'stop_seconds': seconds, **others})


def waiting(*looks):
    """What is said of looks (seconds, restart), the last of which has no restart: it is only the
    time that is told.
    """
    found = Waiting()
    for now, seen in looks[:-1]:
        found.update(seen, now)
    return found.text(looks[-1])


def test_the_one_that_is_waited_for_longest_is_named():
    first, second = stopping('2'), stopping('3')
    looks = [
        (100.0, restart('running', first)),
        (105.0, restart('running', process('1'), first, second)),
    ]
    assert waiting(*looks, 142.0) == 'web:2 stopping for 42 s and 1 more'
    assert waiting(*looks, (142.0, restart('running', second)), 143.0) == 'web:3 stopping for 38 s'


@pytest.mark.parametrize(
    ('seen', 'options', 'said'),
    [
        (stopping('2'), {'stop_timeout': 600.0}, 'web:2 stopping for 42 s of 600'),
        (stopping('2'), {'stop_timeout': ''}, 'web:2 stopping for 42 s'),
        (stopping('2', stop_limit=90.0), {'stop_timeout': ''}, 'web:2 stopping for 42 s of 90'),
        # A server that says so, to a client that came late.
        (stopping('2', seconds=10.0), {}, 'web:2 stopping for 52 s'),
        (
            process('2', 'draining', stop_limit=90.0),
            {'hook_timeout': 30.0},
            'web:2 draining for 42 s of 30',
        ),
        (
            process('2', 'draining', drain_seconds=8.0),
            {'hook_timeout': 0},
            'web:2 draining for 50 s',
        ),
        (
            process('2', 'starting', stop_limit=90.0),
            {'stop_timeout': 600.0},
            'web:2 starting for 42 s',
        ),
    ],
)
def test_the_limit_of_the_stop_is_said_where_it_is_known(seen, options, said):
    assert waiting((100.0, restart('running', seen, options=options)), 142.0) == said


@pytest.mark.parametrize('phase', ['stopping', 'draining'])
def test_what_goes_comes_before_what_starts(phase):
    look = restart('running', process('1', 'starting'))
    both = restart('running', process('1', 'starting'), process('2', phase))
    assert waiting((0.0, look), (9.0, both), 19.0) == f'web:2 {phase} for 10 s and 1 more'


def beside(state, *others, old=3):
    """A restart in which new processes are ready beside old ones."""
    return restart(state, process('0', action='surge'), *others, old_stopping=old)


@pytest.mark.parametrize(
    ('look', 'said'),
    [
        (beside('running'), '3 old processes still stopping'),
        (beside('running', old=1), '1 old process still stopping'),
        (beside('running', old=0), ''),
        (beside('running', process('1', 'waiting')), ''),
        (beside('running', process('1', 'starting')), 'web:1 starting for 9 s'),
        (beside('timed_out'), ''),
        (restart('running', process('0')), ''),  # an older server
    ],
)
def test_old_processes_are_spoken_of_when_nothing_else_is_waited_for(look, said):
    assert waiting((0.0, look), 9.0) == said


def test_old_processes_are_told_of_once():
    old = OldStopping()
    assert old.fresh(beside('running', process('1', 'starting'))) == []
    assert old.fresh(beside('running')) == ['web: 3 old processes still stopping']
    assert old.fresh(beside('running', old=2)) == []


def test_old_processes_that_are_left_at_the_end():
    assert failure(beside('timed_out')) == (
        'web: timed out after 0.41s; 3 old processes still stopping'
    )


def test_a_moment_is_not_worth_a_word_nor_is_the_end():
    look = (100.0, restart('running', stopping('2')))
    assert waiting(look, 100.9) == ''
    assert waiting(look, (200.0, restart('failed', stopping('2'))), 300.0) == ''
    assert waiting((100.0, restart('running', process('1', 'waiting'))), 200.0) == ''
    assert Waiting().text(0.0) == ''
