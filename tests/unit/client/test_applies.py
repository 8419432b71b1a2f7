"""What is said of an apply while it goes on, and last."""

from __future__ import annotations

import pytest

from supervisor_restarter.client.applies import (
    NOTHING_TO_APPLY,
    Headlines,
    at_once_lines,
    last_error,
    last_line,
    why_lines,
)
from supervisor_restarter.client.screen import Colour
from supervisor_restarter.client.wording import colour, fate, settled
from tests.unit.client.samples import STARTED, applied, process, restart

BACK = 'rolled back'
WHY = 'web:0: exit status 1; state BACKOFF'


def restarted(name, **others):
    return process(name, action='restart', **others)


def started(name, **others):
    return process(name, old_pid=0, action='start', **others)


def removed(name, phase='stopped', **others):
    return process(name, phase, new_pid=0, action='remove', **others)


# -- one process -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('one', 'said', 'shown'),
    [
        (started('4'), STARTED, Colour.GOOD),
        (removed('5'), 'removed', Colour.GOOD),
        (removed('5', stop_seconds=7.5), 'removed (stopped in 7.5s)', Colour.GOOD),
        (removed('5', 'skipped', old_pid=0), 'removed', Colour.GOOD),
        (started('4', phase='stopped', note=BACK), 'removed (rolled back)', Colour.ODD),
        (
            started('4', phase='stopped', error='exit status 1', note=BACK),
            'ERROR (exit status 1; rolled back)',
            Colour.BAD,
        ),
        (
            restarted('0', error='exit status 1', note=BACK),
            'ERROR (exit status 1; rolled back)',
            Colour.BAD,
        ),
        (
            restarted('1', note=BACK),
            'restarted (rolled back, down 0.02s, ready after 1.03s)',
            Colour.ODD,
        ),
    ],
)
def test_fate_of_a_process(one, said, shown):
    assert fate(one) == said
    assert colour(one) is shown
    assert settled(one)


def test_a_process_that_is_to_be_removed_is_not_removed_before_it_is_down():
    for one in (
        removed('5', 'waiting'),
        removed('5', 'stopping'),
        started('4', phase='stopped', error='exit status 1'),  # and not rolled back yet
        removed('5', 'skipped', error='not reached: web:0 failed first'),
    ):
        assert not settled(one)
    assert 'ERROR' in fate(removed('5', 'failed', error='no permission'))


# -- while it goes on ------------------------------------------------------------------------------


def test_what_is_changed_at_once_is_told_once_and_together():
    at_once = [
        *(f'web:{number} live' for number in range(7)),
        *('cron live', 'db live', 'asleep:asleep later', 'new:new add', 'gone:gone drop'),
        'odd:odd shaken',
    ]
    running = applied('running', at_once=at_once)
    lines = [
        'cron, db: changed live',
        'web:0, web:1, web:2, web:3, web:4 and 2 more: changed live',
        'asleep: changed, holds from its next start',
        'new: added, not started (autostart=false)',
        'gone: removed',
        'odd: shaken',
    ]
    assert at_once_lines(running) == lines
    headlines = Headlines()
    assert list(headlines.fresh(applied('queued'))) == ['web: queued behind another restart']
    assert list(headlines.fresh(running)) == lines
    assert list(headlines.fresh(running)) == []


def test_that_it_rolls_back_is_told_once_and_only_meanwhile():
    headlines = Headlines()
    back = applied('running', why=WHY, at_once=['web live'])
    assert list(headlines.fresh(back)) == [f'web: rolling back: {WHY}']
    assert list(headlines.fresh(back)) == []
    assert list(Headlines().fresh(applied('rolled_back', why=WHY, at_once=['web live']))) == []


def test_where_a_bar_says_that_it_is_queued_no_line_does():
    assert list(Headlines(on_bar=True).fresh(applied('queued', process('0', 'waiting')))) == []
    assert len(list(Headlines(on_bar=True).fresh(applied('queued')))) == 1


def test_of_a_restart_by_an_older_server_there_is_nothing_of_that_kind():
    assert list(Headlines().fresh(restart('running', process('0')))) == []


# -- last ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('end', 'said'),
    [
        (
            applied(
                'succeeded',
                *(restarted(str(number)) for number in range(4)),
                *(started('4'), started('5'), removed('6'), removed('7', 'skipped')),
                at_once=['web live', 'api:0 live', 'api:1 live', 'old:old drop', 'off:off later'],
                lowest_ready=3,
                groups=('web', 'api'),
            ),
            'web, api: applied in 0.41s: 4 restarted, 2 started, 3 removed, 2 changed live, '
            '1 changed for the next start; at least 3 of 4 ready throughout',
        ),
        (applied('succeeded', started('0')), 'web: applied in 0.41s: 1 started'),
        (  # one that is left alone counts for nothing
            applied('succeeded', started('0'), restarted('1', phase='skipped')),
            'web: applied in 0.41s: 1 started; at least 1 of 1 ready throughout',
        ),
        (
            applied('succeeded', at_once=['web:0 live', 'new:0 add', 'new:1 add']),
            'web: applied in 0.41s: 1 changed live, 2 added, not started',
        ),
        (applied('succeeded', at_once=['web live']), 'web: applied in 0.41s: 1 group changed live'),
        (applied('succeeded', groups=()), NOTHING_TO_APPLY),
        (  # by a server of tomorrow
            applied('succeeded', process('0', action='surge'), at_once=['web:1 shaken']),
            'web: applied in 0.41s: 1 shaken, 1 surge; at least 1 of 1 ready throughout',
        ),
        (
            restart('succeeded', process('0')),
            'web: restarted 1 process in 0.41s, at least 1 of 1 ready throughout',
        ),
    ],
)
def test_last_line(end, said):
    assert last_line(end) == said


def test_last_line_where_there_was_nothing_to_do_but_not_by_the_files():
    assert last_line(applied('succeeded'), 'as it is') == 'as it is'


STILL = 'and the files still hold the new one'


@pytest.mark.parametrize(
    ('end', 'said'),
    [
        (
            applied('rolled_back', restarted('0', error='exit status 1', note=BACK), why=WHY),
            f'rolled back after 0.41s: {WHY}; the old configuration runs again, {STILL}',
        ),
        (
            applied('rolled_back', restarted('0', note=BACK), why='it was cancelled'),
            f'rolled back after 0.41s: it was cancelled; the old configuration runs again, {STILL}',
        ),
        (
            applied(
                'rolled_back',
                *(
                    process(name, 'failed', "can't find command 'x'", new_pid=0, stop_seconds=0)
                    for name in '012'
                ),
                why="web:0: can't find command 'x'",
            ),
            "rolled back after 0.41s: web:0: can't find command 'x' (and 2 processes more failed); "
            f'nothing was restarted, {STILL}',
        ),
        (
            applied('cancelled', restarted('0'), why='its group was removed'),
            'cancelled (its group was removed)',
        ),
        (
            applied(
                'failed',
                restarted('0', phase='failed', error='exit status 1; then: exit status 2'),
                why=f'{WHY}; then: web:0: exit status 2',
            ),
            'rolling back failed; 1 of 1 process failed: '
            'web:0 (exit status 1; then: exit status 2)',
        ),
        (
            applied('failed', process('0', 'skipped', 'somebody else stopped it'), removed('1')),
            '1 left alone: web:0 (somebody else stopped it)',
        ),
        (restart('cancelled', why='it was cancelled'), 'cancelled'),
    ],
)
def test_last_error(end, said):
    assert last_error(end) == f'web: {said}'


def test_what_has_just_been_shown_is_not_said_again():
    failed = [restarted(name, error='exit status 1', note=BACK) for name in '01']
    shown = last_error(applied('rolled_back', *failed, why=WHY), reasons=False)
    assert shown.startswith('web: rolled back after 0.41s: 2 processes failed: web:0, web:1; the ')
    cancelled = last_error(applied('rolled_back', why='it was cancelled'), reasons=False)
    assert cancelled.startswith('web: rolled back after 0.41s: it was cancelled; ')


@pytest.mark.parametrize(
    ('one', 'said'),
    [
        (applied('running', why=WHY), [f'rolling back: {WHY}']),
        (applied('cancelled', why='its group was removed'), ['cancelled: its group was removed']),
        (applied('running'), []),
        (restart('cancelled', why='it was cancelled'), []),
    ],
)
def test_why(one, said):
    assert why_lines(one) == said
