# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
from __future__ import annotations

import pytest
from ansible_collections.supervisor.restarter.plugins.module_utils import applied, diff, outcomes

FAILED = {'error': 'exit status 3'}
MISSED = {'phase': 'skipped', 'new_pid': 0, 'error': 'not reached: web:0 failed first'}
UNTRIED = {'phase': 'failed', 'new_pid': 0, 'stop_seconds': 0.0, 'error': 'no such command'}
BACK = {'note': 'rolled back'}
REMOVED = {'action': 'remove', 'phase': 'stopped', 'new_pid': 0}
ADDED = {'action': 'start', 'old_pid': 0}


def once(name, action='live', group='web'):
    return {'group': group, 'name': name, 'action': action}


@pytest.fixture
def of(make):
    """of(processes, ...) is an apply of these processes."""

    def made(processes, **more):
        rows = [make.process(str(number), **row) for number, row in enumerate(processes)]
        return make.apply(*rows, **more)

    return made


# -- what was done ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('state', 'processes', 'at_once', 'changed'),
    [
        ('succeeded', [], [], False),
        ('succeeded', [{}], [], True),
        ('succeeded', [], [once('0')], True),
        ('succeeded', [REMOVED], [], True),
        ('rolled_back', [BACK], [once('1')], True),
        ('rolled_back', [UNTRIED, MISSED], [once('1')], False),
        ('rolled_back', [MISSED], [once('1')], False),
        ('cancelled', [MISSED], [once('1')], True),
    ],
)
def test_changed_is_what_is_otherwise_than_before(of, state, processes, at_once, changed):
    assert applied.changed(of(processes, state=state, at_once=at_once)) is changed


@pytest.mark.parametrize(
    ('processes', 'at_once', 'text'),
    [
        ([], [], 'nothing to apply: what runs is what the files say'),
        (
            [{}, {}, ADDED, REMOVED],
            [once('4'), once('5', 'drop'), once('')],
            'applied web in 4.00 s: 2 restarted, 1 started, 2 removed, 1 changed live, '
            'at least 1 of 2 ready throughout',
        ),
        (
            [],
            [once('0', 'later'), once('1', 'add'), once('', group='app')],
            'applied web in 4.00 s: 1 changed for the next start, 1 added, not started, '
            '1 group changed live',
        ),
    ],
)
def test_the_sentence_for_a_success(of, processes, at_once, text):
    assert applied.summary(of(processes, at_once=at_once)) == text


@pytest.mark.parametrize(
    ('processes', 'more', 'text'),
    [
        (
            [FAILED, BACK, MISSED],
            {'state': 'rolled_back', 'why': 'web:0: exit status 3'},
            f'web:0: exit status 3; rolled back: {applied.BACK}',
        ),
        (
            [FAILED, FAILED, MISSED],
            {'state': 'rolled_back', 'why': 'web:0: exit status 3'},
            f'web:0: exit status 3 (and 1 more); rolled back: {applied.BACK}',
        ),
        (
            [BACK, MISSED],
            {'state': 'rolled_back', 'why': 'its timeout of 5 s was over'},
            f'its timeout of 5 s was over; rolled back: {applied.BACK}',
        ),
        (
            [UNTRIED, MISSED],
            {'state': 'rolled_back', 'why': 'web:0: no such command'},
            f'web:0: no such command; rolled back: {applied.UNTOUCHED}',
        ),
        (
            [{'phase': 'failed', 'error': 'x; then: y'}],
            {'state': 'failed', 'why': 'web:0: x; then: web:0: y'},
            f'web:0: x; then: web:0: y; {applied.STUCK}',
        ),
        (
            [{'phase': 'failed', **FAILED}],
            {'state': 'failed'},
            f'web:0: exit status 3; {applied.KEPT}',
        ),
        (
            [MISSED],
            {'state': 'cancelled', 'why': 'the group was removed'},
            'cancelled: the group was removed',
        ),
        (
            [MISSED],
            {'state': 'timed_out'},
            f'timed out after 0.5 s: web:0: {MISSED["error"]}; {applied.KEPT}',
        ),
    ],
)
def test_the_sentence_for_a_failure_has_the_reason_and_what_holds_now(of, processes, more, text):
    assert applied.failure(of(processes, **more)) == text


def test_the_results_of_an_apply(make):
    plan = make.config(
        make.group(make.changing('0', make.change())),
        reload=['[supervisord] minfds', '[unix_http_server]'],
        warnings=['x', 'y'],
    )
    apply = make.apply(make.process(), at_once=[once('1'), once('')], warnings=['y', 'z'])

    result = applied.of_apply(plan, apply)

    assert (result['failed'], result['changed'], result['plan']) == (False, True, plan)
    assert result['processes'][0]['action'] == 'restart'
    assert [one['name'] for one in result['at_once']] == ['web:1', 'web:*']
    assert result['restart'] == {k: v for k, v in apply.items() if k != 'processes'}
    assert (result['total'], result['lowest_ready']) == (1, 1)
    assert result['warnings'] == [
        *('x', 'y', 'z'),
        'only a reload of supervisord applies: [supervisord] minfds, [unix_http_server]',
    ]


def test_what_is_lost_of_an_apply_is_told_as_one(make):
    [row] = outcomes.of_lost(make.apply(make.process(), finished_at=''))['processes']

    assert row['action'] == 'restart'


# -- what would be done ----------------------------------------------------------------------------


def test_the_sentence_for_a_plan(make):
    plan = make.config(
        make.group(*map(make.changing, '01'), make.changing('2', action='remove')),
        make.group(group='app', action='change', changes=[make.change('priority')]),
    )

    result = applied.of_plan(plan)

    assert (result['changed'], result['failed'], result['total']) == (True, False, 3)
    assert result['msg'] == 'would apply web, app: 2 restarted, 1 removed, 1 group changed'


def test_nothing_to_apply(make):
    result = applied.of_plan(make.config(unchanged=4))

    assert (result['changed'], result['msg']) == (False, applied.NOTHING)
    assert (result['diff']['before'], result['diff']['after']) == ('', '')


# -- --diff ----------------------------------------------------------------------------------------


def texts(*groups, make):
    shown = diff.of_config(make.config(*groups))
    return shown['before'].splitlines(), shown['after'].splitlines()


def test_keys_that_change_alike_are_told_once(make):
    change = make.change()

    assert texts(
        make.group(
            make.changing('0', change),
            make.changing('1', change, pid=101),
            make.changing('2', change, make.change('umask', 'added', '', '077'), pid=102),
        ),
        make=make,
    ) == (
        [
            'web:0  RUNNING pid 100',
            'web:1  RUNNING pid 101',
            '  command: /srv/web 1',
            'web:2  RUNNING pid 102',
            '  command: /srv/web 1',
        ],
        [
            'web:0  restarted',
            'web:1  restarted',
            '  command: /srv/web 2',
            'web:2  restarted',
            '  command: /srv/web 2',
            '  umask: 077',
        ],
    )


def test_what_comes_and_goes_is_on_one_side(make):
    down = {'state': 'STOPPED', 'pid': 0}

    assert texts(
        make.group(
            make.changing('0', make.change('umask', 'removed', '077', ''), action='later', **down),
            make.changing('b', action='start', state='', pid=0, follows='a'),
            make.changing('a', action='remove'),
        ),
        make.group(make.changing('old', action='remove', **down), group='old', action='remove'),
        make=make,
    ) == (
        ['web:0  STOPPED', '  umask: 077', 'web:a  RUNNING pid 100', 'old  STOPPED'],
        [
            'web:0  STOPPED, with this from its next start on',
            'web:b  started in the place of web:a',
        ],
    )


def test_keys_of_a_group_stand_below_its_name(make):
    changes = [make.change('priority', old='999', new='1')]

    assert texts(make.group(changes=changes), make=make) == (
        ['group web', '  priority: 999'],
        ['group web', '  priority: 1'],
    )


def test_hidden_values_differ_all_the_same(make):
    secret = make.change('environment.TOKEN', old='(hidden)', new='(hidden)')

    before, after = texts(make.group(make.changing('0', secret)), make=make)

    assert (before[1], after[1]) == (
        '  environment.TOKEN: (hidden)',
        '  environment.TOKEN: (hidden) (another one)',
    )
