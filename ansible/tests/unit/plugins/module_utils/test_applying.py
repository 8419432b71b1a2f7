# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
from __future__ import annotations

import pytest
from ansible_collections.supervisor.restarter.plugins.module_utils import applying, errors
from ansible_collections.supervisor.restarter.plugins.module_utils.applying import Applier
from ansible_collections.supervisor.restarter.plugins.module_utils.errors import (
    Refused,
    Trouble,
    Unreachable,
)
from ansible_collections.supervisor.restarter.plugins.module_utils.following import (
    AT_THE_END,
    MOST_ATTEMPTS,
    Lost,
)

BUSY = Refused(errors.BUSY, "BUSY: process group 'web' is being restarted already (restart 6)")
GONE = Unreachable('unix:///sock: no such socket', gone=True, sent=False)
OPTIONS = {'prune': True}


@pytest.fixture
def plan(make):
    return make.config(make.group(make.changing('0')), make.group(group='old', action='remove'))


@pytest.fixture
def over(make):
    return make.apply(make.process())


@pytest.fixture
def other(make):
    return make.restart(make.process(), id='6', state='running', finished_at='')


@pytest.mark.parametrize(
    ('names', 'groups'), [(['web', 'app'], ['web', 'app']), (['all'], []), (['web', 'all'], [])]
)
def test_all_is_no_group(names, groups):
    assert applying.groups_of(names) == groups


@pytest.mark.parametrize('names', [[], [''], ['web', '']])
def test_no_group_at_all_does_not_mean_everything(names):
    with pytest.raises(Trouble, match='names is empty: give a group, or leave it out'):
        applying.groups_of(names)


def test_without_prune_the_plan_has_no_group_that_would_be_removed(scripted, patience, make):
    gone = make.group(make.changing('old', action='remove'), group='old', action='remove')
    kept = make.group(make.changing('0'), make.changing('1', action='remove'))
    restarter = scripted(plan_config=[make.config(kept, gone, unchanged=3)])

    plan = Applier(restarter, patience).plan([], prune=False, secrets=False)

    assert plan == make.config(kept, unchanged=4)


@pytest.mark.parametrize('if_busy', ['fail', 'queue'])
def test_what_is_to_be_done_if_busy_is_sent(if_busy, scripted, patience, plan, over):
    restarter = scripted(plan_config=[plan], apply=['7'], wait=[over])

    assert Applier(restarter, patience).run(['web'], OPTIONS, if_busy, False) == (plan, over)
    assert restarter.calls[:2] == [
        ('plan_config', ['web'], False),
        ('apply', ['web'], {**OPTIONS, 'if_busy': if_busy}),
    ]


@pytest.mark.parametrize('if_busy', ['fail', 'queue'])
def test_without_wait_busy_is_a_refusal(if_busy, scripted, patience, plan):
    restarter = scripted(plan_config=[plan], apply=[BUSY])

    with pytest.raises(Refused) as caught:
        Applier(restarter, patience).run([], OPTIONS, if_busy, False)

    assert caught.value is BUSY
    assert restarter.count('apply') == 1


def test_with_wait_the_other_one_ends_first_and_the_plan_is_made_anew(
    scripted, patience, plan, other, over, make
):
    elsewhere, past = {**other, 'id': '5', 'groups': ['app']}, make.restart(id='4')
    theirs = make.restart(make.process(), id='6', state='failed')
    new = make.config()
    restarter = scripted(
        plan_config=[plan, new],
        apply=[BUSY, '7'],
        restarts=[[other, elsewhere, past]],
        wait=[theirs, over],
    )

    assert Applier(restarter, patience).run([], OPTIONS, 'wait', False) == (new, over)
    assert [call[0] for call in restarter.calls] == [
        *('plan_config', 'apply', 'restarts', 'wait'),
        *('plan_config', 'apply', 'wait'),
    ]
    assert restarter.calls[3][:3] == ('wait', '6', AT_THE_END)
    assert all(call[2]['if_busy'] == 'fail' for call in restarter.calls if call[0] == 'apply')


def test_with_wait_one_that_is_lost_does_not_matter(scripted, patience, plan, other, over):
    restarter = scripted(
        plan_config=[plan], apply=[BUSY, GONE], restarts=[[other]], wait=[GONE, GONE]
    )

    with pytest.raises(Unreachable, match='no such socket') as caught:
        Applier(restarter, patience).run([], OPTIONS, 'wait', False)

    assert caught.value is GONE  # nothing of ours has begun, and nothing says so


def test_with_wait_it_is_not_tried_for_ever(scripted, patience, plan):
    restarter = scripted(plan_config=[plan], apply=[BUSY], restarts=[[]])

    with pytest.raises(Refused, match='BUSY'):
        Applier(restarter, patience).run([], OPTIONS, 'wait', False)

    assert restarter.count('apply') == MOST_ATTEMPTS


def test_an_apply_that_is_lost_is_told_as_one(scripted, patience, plan, make):
    running = make.apply(make.process(), state='running', finished_at='')
    broken = Unreachable('unix:///sock broke the connection')
    restarter = scripted(plan_config=[plan], apply=['7'], wait=[running, broken])

    with pytest.raises(Lost, match='apply 7 goes on, but cannot be .* applies what is left$'):
        Applier(restarter, patience).run([], OPTIONS, 'fail', False)


@pytest.mark.parametrize(
    ('trouble', 'said'),
    [
        (Refused(92, 'CANT_REREAD: x'), 'CANT_REREAD: x; nothing was touched'),
        (
            Refused(errors.BAD_GROUP, "BAD_GROUP: no process group named 'x'"),
            "BAD_GROUP: no process group named 'x'; names are those of process groups, of the "
            'files or of what runs',
        ),
        (BUSY, f'{BUSY}; `if_busy: queue` or `if_busy: wait` applies the files after it'),
        (Refused(errors.BAD_OPTION, 'BAD_OPTION: x'), 'BAD_OPTION: x'),
        (GONE, str(GONE)),
    ],
)
def test_a_refusal_is_told_with_what_it_leaves_unsaid(trouble, said):
    assert applying.with_hint(trouble) == said
