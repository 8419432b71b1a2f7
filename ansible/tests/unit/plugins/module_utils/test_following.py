# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
from __future__ import annotations

import pytest
from ansible_collections.supervisor.restarter.plugins.module_utils import errors, following
from ansible_collections.supervisor.restarter.plugins.module_utils.errors import (
    Refused,
    Trouble,
    Unreachable,
)
from ansible_collections.supervisor.restarter.plugins.module_utils.following import Follower, Lost

BROKEN = Unreachable('unix:///sock broke the connection')
GONE = Unreachable('unix:///sock: no such socket', gone=True, sent=False)
UNKNOWN = Refused(errors.NO_SUCH_RESTART, "NO_SUCH_RESTART: no restart '7'")
BUSY = Refused(errors.BUSY, "BUSY: process group 'web' is being restarted already (restart 7)")


@pytest.fixture
def running(make):
    return make.restart(make.process(), state='running', finished_at='')


@pytest.fixture
def over(make):
    return make.restart(make.process())


def test_it_follows_to_the_end(scripted, patience, running, over):
    restarter = scripted(start=['7'], wait=[running, running, over])

    assert Follower(restarter, patience).run(['web'], {'scout': 1.0}) is over
    assert restarter.calls == [
        ('start', ['web'], {'scout': 1.0}),
        ('wait', '7', following.AT_ONCE, following.WAIT_SECONDS),
        *[('wait', '7', following.AT_THE_END, following.WAIT_SECONDS)] * 2,
    ]


def test_after_a_timeout_it_waits_for_what_comes_back(scripted, patience, make, over):
    decided = make.restart(make.process(), state='timed_out', finished_at='', version=9)
    restarter = scripted(start=['7'], wait=[decided, over])

    assert Follower(restarter, patience).run(['web'], {}) is over
    # To wait for the end, which has been decided, would be answered at once, again and again.
    assert restarter.calls[-1] == ('wait', '7', 9, following.WAIT_SECONDS)


def test_a_broken_connection_is_opened_anew_and_nothing_is_started_twice(
    scripted, patience, running, over
):
    restarter = scripted(start=['7'], wait=[BROKEN, GONE, running, BROKEN, over])

    assert Follower(restarter, patience).run(['web'], {}) is over
    assert restarter.count('start') == 1


def test_a_supervisord_that_stays_silent_is_given_up(scripted, patience, clock, running):
    restarter = scripted(start=['7'], wait=[running, BROKEN])
    began = clock.now

    with pytest.raises(Lost, match='restart 7 goes on, but cannot be followed any more') as caught:
        Follower(restarter, patience).run(['web'], {})

    assert 30 <= clock.now - began < 31
    assert caught.value.restart is running
    assert '--status 7' in str(caught.value)


def test_one_that_is_gone_has_not_gone_on(scripted, patience):
    restarter = scripted(start=['7'], wait=[GONE])

    with pytest.raises(Lost, match='supervisord went away during restart 7') as caught:
        Follower(restarter, patience).run(['web'], {})

    assert caught.value.restart is None


def test_a_reload_ends_the_restart(scripted, patience, running):
    restarter = scripted(start=['7'], wait=[running, GONE, UNKNOWN])

    with pytest.raises(Lost, match='restart 7 ended unfinished'):
        Follower(restarter, patience).run(['web'], {})


def test_a_new_supervisord_may_have_a_restart_of_the_same_number(scripted, patience, make, running):
    other = make.restart(make.process(), requested_at='2026-01-31T12:00:09.000Z')
    restarter = scripted(start=['7'], wait=[running, other])

    with pytest.raises(Lost, match='restart 7 ended unfinished'):
        Follower(restarter, patience).run(['web'], {})


def test_a_password_that_is_refused_meanwhile_ends_the_following_alone(scripted, patience, running):
    restarter = scripted(start=['7'], wait=[running, Trouble('http://a requires authentication')])

    with pytest.raises(Lost, match='restart 7 goes on, but cannot be followed any more: http://a'):
        Follower(restarter, patience).run(['web'], {})


def test_another_fault_is_told(scripted, patience):
    restarter = scripted(start=['7'], wait=[BUSY])

    with pytest.raises(Refused, match='BUSY'):
        Follower(restarter, patience).run(['web'], {})


# -- if_busy: wait ---------------------------------------------------------------------------------


@pytest.fixture
def plan(make):
    return make.plan([make.planned('0')], left=[make.planned('x', '', group='other', reason='')])


def test_nobody_is_busy(scripted, patience, over):
    restarter = scripted(start=['7'], wait=[over])

    assert Follower(restarter, patience).run_or_join(['web'], {}) == (over, False)
    assert restarter.calls[0] == ('start', ['web'], {'if_busy': 'fail'})


def test_the_restart_that_runs_is_followed(scripted, patience, plan, make, running):
    queued = {**running, 'id': '8', 'state': 'queued'}
    elsewhere = {**running, 'id': '6', 'groups': ['app']}
    past = make.restart(id='5')
    theirs = make.restart(make.process())
    restarter = scripted(
        start=[BUSY], plan=[plan], restarts=[[queued, running, elsewhere, past]], wait=[theirs]
    )

    assert Follower(restarter, patience).run_or_join(['web'], {}) == (theirs, True)
    assert restarter.calls[-1][:3] == ('wait', '7', following.AT_THE_END)


def test_it_may_be_one_of_a_group_that_is_left_alone(scripted, patience, plan, running, over):
    restarter = scripted(
        start=[BUSY], plan=[plan], restarts=[[{**running, 'groups': ['other']}]], wait=[over]
    )

    assert Follower(restarter, patience).run_or_join(['web'], {}) == (over, True)


def test_where_it_is_over_already_another_one_is_begun(scripted, patience, plan, over):
    restarter = scripted(start=[BUSY, '8'], plan=[plan], restarts=[[over]], wait=[over])

    assert Follower(restarter, patience).run_or_join(['web'], {}) == (over, False)
    assert restarter.count('start') == 2


def test_that_is_not_done_for_ever(scripted, patience, plan):
    restarter = scripted(start=[BUSY], plan=[plan], restarts=[[]])

    with pytest.raises(Refused, match='BUSY'):
        Follower(restarter, patience).run_or_join(['web'], {})

    assert restarter.count('start') == following.MOST_ATTEMPTS


def test_the_followed_one_may_be_forgotten_for_another_of_its_number(
    scripted, patience, plan, running, make
):
    other = make.restart(make.process(), requested_at='2026-01-31T12:00:09.000Z')
    restarter = scripted(start=[BUSY], plan=[plan], restarts=[[running]], wait=[other])

    with pytest.raises(Lost, match='ended unfinished'):
        Follower(restarter, patience).run_or_join(['web'], {})


def test_an_apply_is_outlasted_for_it_is_no_restart(scripted, patience, plan, running, over):
    apply = {**running, 'id': '6', 'kind': 'apply'}
    theirs = {**over, 'id': '6'}
    restarter = scripted(start=[BUSY, '7'], plan=[plan], restarts=[[apply]], wait=[theirs, over])

    assert Follower(restarter, patience).run_or_join(['web'], {}) == (over, False)
    assert [call[1] for call in restarter.calls if call[0] == 'wait'] == ['6', '7']
