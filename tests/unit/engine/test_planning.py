"""Plans: which batches, how long each can take, what is left alone, what their user is warned of."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any
from xmlrpc.client import dumps, loads

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter import options as all_options
from supervisor_restarter.client.structs import Plan
from supervisor_restarter.engine import planning as plans
from supervisor_restarter.engine.batches import AT_LEAST
from supervisor_restarter.engine.freshness import Change
from supervisor_restarter.engine.member import Member, Observation
from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.engine.phases import UP, Phase, Seen
from supervisor_restarter.engine.survey import Candidate, survey
from supervisor_restarter.faults import Code
from supervisor_restarter.names import Match
from supervisor_restarter.text import MOST_NAMED
from tests.examples import examples
from tests.world import Drive, Program, World, group, name_of

# What is not about scouts has none.
Options = partial(all_options.Options, scout=0.0)

# What Supervisor shows of a process, by one letter.
SEEN = {
    'r': Seen.READY,
    's': Seen.STARTING,
    'b': Seen.BACKOFF,
    'd': Seen.STOPPED,
    'e': Seen.EXITED,
    'x': Seen.EXITED_BADLY,
    'f': Seen.FATAL,
    'g': Seen.STOPPING,
    'u': Seen.UNKNOWN,
}
SHAPE = {
    'groups': list,
    'options': dict,
    'total': int,
    'batches': list,
    'left': list,
    'warnings': list,
    'policies': list,
}
LEFT = 'stopped on purpose, and not named outright'
ALL_AT_ONCE = 'all {} processes may be down at once; a smaller max_unavailable keeps some ready'
ONLY_ONE = 'no process would keep running: its only one is restarted'


def candidate(name='0', letter='r', group='web', outright=True, **known):
    seen = SEEN[letter]
    pid = 100 if seen in (Seen.READY, Seen.STARTING, Seen.STOPPING) else 0
    return Candidate(
        Member(Match(group, name, outright, False), observed=Observation(seen, pid)),
        seen.value,
        **known,
    )


def candidates(letters, first=0, **known):
    """Processes with the names 0, 1, ... in these states."""
    return [candidate(str(number), letter, **known) for number, letter in enumerate(letters, first)]


def planned(letters, neighbours='', options=None, **known):
    """The plan for processes 0, 1, ..., their neighbours having the names that follow."""
    own = candidates(letters, **known)
    return plans.plan(own, candidates(neighbours, len(own)), options or Options())


def batches(plan):
    """The names in each batch."""
    return [' '.join(each['name'] for each in batch['processes']) for batch in plan['batches']]


def namespecs(plan):
    """The names in each batch, with their groups."""
    return [
        ' '.join(f'{each["group"]}:{each["name"]}' for each in batch['processes'])
        for batch in plan['batches']
    ]


def several(options=None, **groups):
    """The plan for so many processes 0, 1, ... of each group."""
    own = [candidate(str(number), group=name) for name, n in groups.items() for number in range(n)]
    return plans.plan(own, [], options or Options())


def left(plan):
    return ' '.join(each['name'] for each in plan['left'])


def afters(plan):
    return [batch['after'] for batch in plan['batches']]


def longest(plan):
    return [batch['longest'] for batch in plan['batches']]


def actions(plan):
    return {
        each['name']: each['action'] for batch in plan['batches'] for each in batch['processes']
    }


# -- waves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(('letters', 'stagger', 'names', 'times'), [
    ('r',       1,      ['0'],             [0.0]),
    ('rrrr',    1,      ['0 1 2 3'],       [0.0]),
    ('rrrr',    2,      ['0 1', '2 3'],    [0.0, 0.5]),
    ('rrrrr',   2,      ['0 1 2', '3 4'],  [0.0, 0.5]),
    ('rrr',     9,      ['0', '1', '2'],   [0.0, 0.5, 1.0]),
    ('rr',      10_000, ['0', '1'],        [0.0, 0.5]),
    # what is down goes at once, and takes no place in a wave
    ('rdre',    2,      ['1 3 0', '2'],    [0.0, 0.5]),
    ('dexfbgu', 3,      ['0 1 2 3 4 5 6'], [0.0]),
    # without max_unavailable nobody asks what is ready
    ('rsrs',    2,      ['0 1', '2 3'],    [0.0, 0.5]),
])  # fmt: skip
def test_the_waves_of_stops_and_what_is_down_with_the_first(letters, stagger, names, times):
    plan = planned(letters, options=Options(stagger_factor=stagger, delay=0.5))
    assert (batches(plan), afters(plan)) == (names, times)
    assert [batch['number'] for batch in plan['batches']] == list(range(1, len(names) + 1))
    assert (plan['total'], plan['left']) == (len(letters), [])


def test_waves_go_through_all_groups_in_the_order_of_the_turns():
    plan = several(Options(stagger_factor=2), b=1, a=1, c=1, d=1)
    assert namespecs(plan) == ['b:0 a:0', 'c:0 d:0']
    assert plan['groups'] == ['b', 'a', 'c', 'd']


def test_neighbours_are_no_part_of_a_plan():
    plan = planned('r', 'rds')
    assert (batches(plan), left(plan), plan['total']) == (['0'], '', 1)


def test_what_is_left_alone_is_told_with_its_reason():
    stopped = {'group': 'web', 'name': '0', 'state': 'STOPPED', 'pid': 0}
    plan = planned('dre', outright=False, options=Options(max_unavailable=1))
    assert plan['left'][0] == {**stopped, 'reason': LEFT}
    assert '0' not in actions(plan)
    plan = planned('drs', options=Options(only_running=True))
    assert plan['left'] == [{**stopped, 'reason': 'not running'}]


@pytest.mark.parametrize('max_unavailable', ['100%', 1])
def test_a_plan_for_nothing_but_stopped_processes_and_one_for_nobody_are_empty(max_unavailable):
    plan = planned('df', options=Options(only_running=True, max_unavailable=max_unavailable))
    assert (plan['batches'], left(plan), plan['total'], plan['warnings']) == ([], '0 1', 0, [])
    options = Options(max_unavailable=max_unavailable)
    empty = {'total': 0, **{key: [] for key in SHAPE if key not in ('options', 'total')}}
    assert plans.plan([], [], options) == {**empty, 'options': options.struct()}


# -- batches of a rolling restart ----------------------------------------------------------------


@pytest.mark.parametrize(('letters', 'given', 'names', 'times'), [
    ('rrrr', {},                         ['0', '1 2', '3'], [0.0, 5.0, 6.0]),
    ('rrrr', {'scout': 2.0},             ['0', '1 2', '3'], [0.0, 2.0, 3.0]),
    ('rrrr', {'scout': 0.5},             ['0', '1 2', '3'], [0.0, 1.0, 2.0]),
    ('rrrd', {},                         ['3', '0 1', '2'], [0.0, 5.0, 6.0]),
    ('rr',   {},                         ['0', '1'],        [0.0, 5.0]),
    ('r',    {},                         ['0'],             [0.0]),
    ('rrrr', {'on_failure': 'continue'}, ['0 1', '2 3'],    [0.0, 1.0]),
])  # fmt: skip
def test_the_scout_is_a_batch_of_its_own(letters, given, names, times):
    plan = planned(letters, options=all_options.Options(max_unavailable=2, **given))
    assert (batches(plan), afters(plan)) == (names, times)


@pytest.mark.parametrize(('letters', 'neighbours', 'limit', 'names'), [
    ('r',      '',      1,      ['0']),
    ('rrrr',   '',      1,      ['0', '1', '2', '3']),
    ('rrrrr',  '',      2,      ['0 1', '2 3', '4']),
    ('rrrr',   '',      4,      ['0 1 2 3']),
    ('rrrr',   '',      10_000, ['0 1 2 3']),
    # percentages are of the whole group
    ('rrrr',   '',      '1%',   ['0', '1', '2', '3']),
    ('rrrr',   '',      '49%',  ['0', '1', '2', '3']),
    ('rrrr',   '',      '50%',  ['0 1', '2 3']),
    ('rrrr',   '',      '99%',  ['0 1 2', '3']),
    ('rr',     'rr',    '50%',  ['0 1']),
    ('rr',     'r',     '50%',  ['0', '1']),
    # what is down goes first, and room is made for the others when it is back
    ('rrrd',   '',      1,      ['3', '0', '1', '2']),
    ('rrrd',   '',      2,      ['3 0', '1 2']),
    ('rrdd',   '',      1,      ['2 3', '0', '1']),
    ('rrrddd', '',      2,      ['3 4 5', '0 1', '2']),
    ('rrrddd', '',      4,      ['3 4 5 0', '1 2']),
    ('dddd',   '',      1,      ['0 1 2 3']),
    ('rexfb',  '',      5,      ['1 2 3 4 0']),
    ('rg',     '',      1,      ['1', '0']),
    ('ru',     '',      1,      ['1', '0']),
    # then what runs and is not ready
    ('rsr',    '',      1,      ['1', '0', '2']),
    ('rsrs',   '',      2,      ['1 3', '0 2']),
    ('rsrs',   '',      3,      ['1 3 0', '2']),
    ('rsd',    '',      1,      ['2', '1', '0']),
    # neighbours that are not ready take room
    ('rrr',    'd',     2,      ['0', '1', '2']),
    ('rrr',    's',     2,      ['0 1', '2']),  # it will be ready
    ('rrr',    'dr',    3,      ['0 1', '2']),
    ('rrrr',   'ddfsu', 7,      ['0 1 2', '3']),
    ('rrd',    'd',     2,      ['2', '0', '1']),
    ('rrd',    'd',     3,      ['2 0', '1']),
])  # fmt: skip
def test_the_batches_of_a_rolling_restart(letters, neighbours, limit, names):
    plan = planned(letters, neighbours, Options(max_unavailable=limit))
    assert batches(plan) == names
    assert (plan['left'], plan['total']) == ([], len(letters))


@pytest.mark.parametrize(('letters', 'neighbours', 'limit', 'allowed', 'names', 'rest', 'lost'), [
    ('rr', 'd', 1, 1, [], '0 1', 'web:2'),
    ('rr', 'ddrrr', 2, 2, [], '0 1', 'web:2, web:3'),
    ('rr', 'rrd', '25%', 1, [], '0 1', 'web:4'),
    ('r', 'ddd', 2, 2, [], '0', 'web:1, web:2, web:3'),
    # what is down is started all the same
    ('drf', 'd', 1, 1, ['0 2'], '1', 'web:3'),
    ('r', 'f' * 12, 1, 1, [], '0', ', '.join(f'web:{number}' for number in range(1, 11)) + ' and 2 more'),
])  # fmt: skip
def test_where_there_is_no_room_nothing_that_runs_is_taken_down(
    letters, neighbours, limit, allowed, names, rest, lost
):
    plan = planned(letters, neighbours, Options(max_unavailable=limit))
    assert (batches(plan), left(plan), plan['total']) == (
        names,
        rest,
        len(letters) - len(rest.split()),
    )
    text = f'would be left as it is: not ready are {lost}, and max_unavailable = {limit} allows {allowed}'
    assert {each['reason'] for each in plan['left']} == {text}
    assert plan['warnings'] == [f'web: {text}']


@pytest.mark.parametrize('neighbours', ['d', 'dddd', 's'])
def test_what_is_down_needs_no_room(neighbours):
    plan = planned('df', neighbours, Options(max_unavailable=1))
    assert (batches(plan), left(plan), plan['warnings']) == (['0 1'], '', [])


@pytest.mark.parametrize(
    ('limit', 'names', 'rest'), [(1, [], '2 0 1'), (2, ['0', '1'], '2'), (3, ['0 1'], '2')]
)
def test_what_is_left_alone_takes_room(limit, names, rest):
    plan = planned('rrd', outright=False, options=Options(max_unavailable=limit))
    assert batches(plan) == names
    assert sorted(left(plan)) == sorted(rest)
    assert plan['left'][-1]['reason'] == LEFT


def test_of_several_groups_the_one_with_nonsense_is_left_alone():
    own = [
        candidate('0'),
        candidate('1'),
        candidate('0', group='bad'),
        candidate('1', 'd', 'bad', outright=False),
    ]
    plan = plans.plan(own, [candidate('2', group='bad', malformed='it is empty')], Options())
    assert [(each['group'], each['name'], each['reason']) for each in plan['left']] == [
        ('bad', '0', 'left as it is: bad:2: it is empty'),
        ('bad', '1', LEFT),
    ]
    assert (batches(plan), plan['total'], [policy['group'] for policy in plan['policies']]) == (
        ['0 1'],
        2,
        ['web'],
    )
    assert plan['warnings'] == [
        'bad: would be left as it is: bad:2: it is empty',
        f'web: {ALL_AT_ONCE.format(2)}',
    ]


def test_one_group_goes_in_batches_by_its_program_and_the_other_in_waves():
    own = [
        candidate(str(number), group=name, said=said)
        for number in range(3)
        for name, said in (('a', {}), ('b', {'max_unavailable': 1, 'min_ready': 2.0}))
    ]
    plan = plans.plan(own, [], Options(stagger_factor=2, delay=0.5))
    assert namespecs(plan) == ['a:0 a:1 b:0', 'a:2 b:1', 'b:2']
    assert afters(plan) == [0.0, 0.5, 6.0]  # startsecs and min_ready
    assert plan['warnings'] == [f'a: {ALL_AT_ONCE.format(3)}']


CHANGE = Change('/srv/app/current', at=100.0, seen_at=160.0)


def newer_plan(letters, starts, change=CHANGE, options=None):
    """The plan for processes that were started at these times."""
    own = [one._replace(started_at=at) for one, at in zip(candidates(letters), starts)]
    return plans.plan(own, [], options or Options(), change)


def test_what_is_new_enough_is_left_alone():
    plan = newer_plan('rrsfd', [99.0, 101.0, 101.0, 0.0, 0.0])
    assert batches(plan) == ['3 4 0']
    newer = 'already newer than /srv/app/current'
    assert [each['reason'] for each in plan['left']] == [newer, newer]
    assert [each['state'] for each in plan['left']] == ['READY', 'STARTING']
    assert plan['warnings'] == []


def test_a_plan_of_a_start():
    plan = planned('rsbdexfg', options=Options(method='start', max_unavailable=1))
    actions = {
        each['name']: each['action'] for batch in plan['batches'] for each in batch['processes']
    }
    assert actions == dict.fromkeys('234567', 'start')
    assert {each['name']: each['reason'] for each in plan['left']} == dict.fromkeys(
        '01', 'already started'
    )
    assert plan['warnings'] == []


def test_what_is_new_enough_is_refused_with_its_group_all_the_same():
    own = [
        candidate('0', malformed='nonsense')._replace(started_at=101.0),
        candidate('1', group='api'),
    ]
    plan = plans.plan(own, [], Options(), CHANGE)
    assert plan['left'][0]['reason'] == 'left as it is: web:0: nonsense'


@pytest.mark.parametrize(('method', 'at', 'said'), [
    ('restart', 160.0, []),
    ('restart', 190.4, ['newer_than: /srv/app/current says that it changed 31 s from now: until then every '
                        'process counts as older']),
    ('signal:HUP', 100.0, ['newer_than: a signal starts no process, so every run sends HUP again to '
                           'those that are older']),
])  # fmt: skip
def test_what_makes_every_run_do_its_work_again_is_warned_of(method, at, said):
    options = Options(method=method, max_unavailable=1)
    plan = newer_plan('rr', [50.0, 50.0], CHANGE._replace(at=at), options)
    assert plan['warnings'] == said
    assert plans.warnings(survey(candidates('rr'), [], options, CHANGE._replace(at=at))) == said


def test_a_restart_has_the_warnings_of_its_plan_but_for_what_was_asked_for():
    own = [
        candidate('0', said={'max_unavailable': 1}),
        candidate('1', 'r', 'api'),
        candidate('2', 'd', 'api'),
    ]
    others = [
        candidate('3', 'f'),
        candidate('4', 'r', 'bad', malformed='x'),
        candidate('5', 'r', 'bad'),
    ]
    planned = plans.plan(own, others, Options())['warnings']
    assert f'api: {ALL_AT_ONCE.format(2)}' in planned
    planned.remove(f'api: {ALL_AT_ONCE.format(2)}')
    assert plans.warnings(survey(own, others, Options())) == planned != []


def test_with_only_running_what_is_down_takes_room():
    plan = planned('rrde', options=Options(max_unavailable=3, only_running=True))
    assert (batches(plan), left(plan)) == (['0', '1'], '2 3')
    plan = planned('rrde', options=Options(max_unavailable=2, only_running=True))
    assert (batches(plan), left(plan)) == ([], '0 1 2 3')


def test_each_group_has_its_own_room_and_batches_of_a_number_are_shown_together():
    plan = several(Options(max_unavailable=2), b=4, a=3)
    assert namespecs(plan) == ['b:0 b:1 a:0 a:1', 'b:2 b:3 a:2']
    assert (plan['groups'], plan['total']) == (['b', 'a'], 7)


def test_a_group_without_room_does_not_keep_others_from_going_on():
    own = [candidate(group='full'), candidate(group='free')]
    plan = plans.plan(own, [candidate('1', 'd', group='full')], Options(max_unavailable=1))
    assert [each['group'] for each in plan['batches'][0]['processes']] == ['free']
    assert [each['group'] for each in plan['left']] == ['full']
    assert [text.partition(':')[0] for text in plan['warnings']] == ['full', 'free']


def test_a_percentage_is_of_each_group():
    plan = several(Options(max_unavailable='50%'), a=2, b=4)
    assert namespecs(plan) == ['a:0 b:0 b:1', 'a:1 b:2 b:3']


# -- when ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(('letters', 'options', 'startsecs', 'times'), [
    ('rrr',  {},                                                        1.0, [0.0, 1.0, 2.0]),
    ('rrr',  {},                                                        0.0, [0.0, 0.0, 0.0]),
    ('rrr',  {'min_ready': 2.5},                                        1.0, [0.0, 3.5, 7.0]),
    # those that are down take their time, too
    ('rrd',  {},                                                        1.0, [0.0, 1.0, 2.0]),
    # waves: one at a time, and not before their turn
    ('rrrr', {'stagger_factor': 2, 'delay': 5.0},                       1.0, [0.0, 1.0, 5.0, 6.0]),
    ('rrrr', {'stagger_factor': 4, 'delay': 0.2},                       1.0, [0.0, 1.0, 2.0, 3.0]),
    ('rrrr', {'stagger_factor': 4, 'delay': 3.0},                       1.0, [0.0, 3.0, 6.0, 9.0]),
    ('rrrr', {'stagger_factor': 2, 'delay': 5.0, 'max_unavailable': 2}, 1.0, [0.0, 5.0]),
    # what is down is in no wave
    ('rrd',  {'stagger_factor': 2, 'delay': 5.0},                       1.0, [0.0, 1.0, 5.0]),
    # a delay is between waves only
    ('rrrr', {'delay': 5.0},                                            1.0, [0.0, 1.0, 2.0, 3.0]),
])  # fmt: skip
def test_a_batch_of_a_rolling_restart_comes_when_the_one_before_can_be_ready_and_its_wave_is_due(
    letters, options, startsecs, times
):
    plan = planned(
        letters, options=Options(**{'max_unavailable': 1, **options}), startsecs=startsecs
    )
    assert afters(plan) == times


def test_the_quickest_of_a_batch_makes_room():
    own = [
        candidate(str(number), startsecs=startsecs)
        for number, startsecs in enumerate([9.0, 2.0, 1.0])
    ]
    assert afters(plans.plan(own, [], Options(max_unavailable=2))) == [0.0, 2.0]


def test_the_quickest_group_says_when_a_batch_begins():
    own = [
        candidate(str(number), group=name, startsecs=startsecs)
        for name, startsecs in (('slow', 9.0), ('quick', 2.0))
        for number in range(2)
    ]
    assert afters(plans.plan(own, [], Options(max_unavailable=1))) == [0.0, 2.0]


@pytest.mark.parametrize(
    ('letter', 'known', 'options', 'seconds'),
    [
        ('r', {}, {}, 11.0),  # stopwaitsecs, then startsecs
        ('r', {'stopwaitsecs': 3.0}, {}, 4.0),
        ('r', {}, {'stop_timeout': 2.0}, 3.0),
        ('r', {}, {'stop_timeout': 0.0}, 1.0),
        ('s', {}, {}, 11.0),
        ('d', {}, {}, 1.0),  # there is nothing to stop
        ('d', {}, {'stop_timeout': 2.0}, 1.0),
        ('f', {'startsecs': 7.0}, {}, 7.0),
        ('r', {}, {'min_ready': 5.0}, 16.0),
        ('d', {}, {'min_ready': 5.0}, 6.0),
        # with a probe it may take ready_timeout, which counts from the start as startsecs do
        ('r', {'probed': True}, {}, 40.0),
        ('d', {'probed': True}, {}, 30.0),
        ('d', {'probed': True, 'startsecs': 60.0}, {}, 60.0),
        ('d', {'probed': True}, {'ready_timeout': 4.0, 'min_ready': 2.0}, 6.0),
        ('d', {}, {'ready_timeout': 4.0}, 1.0),
        # at the least a moment, for 0 says that there is no limit
        ('d', {'startsecs': 0.0}, {}, AT_LEAST),
        ('r', {'startsecs': 0.0}, {'stop_timeout': 0.0}, AT_LEAST),
        ('r', {'startsecs': 0.0}, {'method': 'signal:HUP'}, AT_LEAST),
        ('d', {'startsecs': 0.1, 'probed': True}, {'ready_timeout': 0.1}, AT_LEAST),
        ('r', {'probed': True}, {'ready_timeout': 0.0}, 0.0),
        ('r', {'probed': True}, {'ready_timeout': 0.0, 'min_ready': 5.0}, 0.0),
        ('r', {}, {'ready_timeout': 0.0}, 11.0),
        # a signal stops nothing
        ('r', {}, {'method': 'signal:HUP'}, 1.0),
        ('r', {'probed': True}, {'method': 'signal:HUP', 'min_ready': 1.0}, 31.0),
        ('d', {}, {'method': 'signal:HUP'}, 1.0),
        # what is stopping already may take its time
        ('g', {}, {}, 11.0),
    ],
)
def test_the_longest_that_a_process_takes(letter, known, options, seconds):
    for max_unavailable in ('100%', 1):
        plan = planned(letter, options=Options(max_unavailable=max_unavailable, **options), **known)
        assert longest(plan) == [seconds]


@pytest.mark.parametrize(
    ('seconds', 'expected'), [([1.0, 5.0, 3.0], 5.0), ([0.0, 2.0], 2.0), ([0.0, 0.0], AT_LEAST)]
)
def test_a_batch_takes_as_long_as_its_slowest(seconds, expected):
    own = [
        candidate(str(number), 'd', startsecs=startsecs) for number, startsecs in enumerate(seconds)
    ]
    assert longest(plans.plan(own, [], Options())) == [expected]


def test_one_without_a_limit_makes_a_batch_without_one():
    own = [candidate('0', startsecs=50.0), candidate('1', probed=True), candidate('2')]
    assert longest(plans.plan(own, [], Options(ready_timeout=0.0, max_unavailable=2))) == [
        0.0,
        11.0,
    ]


# -- actions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(('method', 'running'), [('restart', 'restart'), ('signal:HUP', 'signal')])
def test_what_runs_is_restarted_or_signalled_and_what_is_down_is_started(method, running):
    plan = planned('rsdexf', options=Options(method=method))
    assert actions(plan) == {'0': running, '1': running, **dict.fromkeys('2345', 'start')}


def test_the_struct_of_a_plan():
    plan = planned('rd', options=Options(stop_timeout=2.0))
    assert {key: type(value) for key, value in plan.items()} == SHAPE
    assert set(Plan.__annotations__) <= set(plan)  # what clients rely on
    assert plan['options'] == Options(stop_timeout=2.0).struct()
    who = {'group': 'web', 'hooks': []}
    assert plan['batches'] == [
        {
            'number': 1,
            'after': 0.0,
            'longest': 3.0,
            'processes': [
                {**who, 'name': '1', 'state': 'STOPPED', 'pid': 0, 'action': 'start'},
                {**who, 'name': '0', 'state': 'READY', 'pid': 100, 'action': 'restart'},
            ],
        }
    ]


# -- warnings ------------------------------------------------------------------------------------

SOUND = {'startsecs': 1.0, 'restarts': True}
INSTANT = 'with startsecs=0 and no RESTARTER_READY it counts as ready as soon as it is spawned'
MORTAL = 'with autorestart=false nobody starts it if it dies later'


@pytest.mark.parametrize(('known', 'text'), [
    (SOUND,                            ''),
    ({'startsecs': 0},                 INSTANT),
    ({'startsecs': 0, 'probed': True}, ''),
    ({'startsecs': 0.1},               ''),
    ({'restarts': False},              MORTAL),
    ({'unheard': 'X means nothing'},   'X means nothing'),
])  # fmt: skip
def test_what_may_go_wrong_with_a_process(known, text):
    warnings = planned('rr', options=Options(max_unavailable=1), **known)['warnings']
    assert warnings == ([f'web:0, web:1: {text}'] if text else [])


IN_VAIN = 'nothing would be stopped (on_failure = abort), for these could not be started again: '


@pytest.mark.parametrize(('letters', 'options', 'in_vain'), [
    ('rr', {},                         ['web:0, web:1']),
    ('sb', {},                         ['web:0, web:1']),
    ('rd', {},                         ['web:0']),
    ('df', {},                         []),
    ('rr', {'on_failure': 'continue'}, []),
    ('rr', {'method': 'signal:HUP'},   []),
])  # fmt: skip
def test_what_cannot_be_started_keeps_everything_from_being_stopped(letters, options, in_vain):
    warnings = planned(letters, 'r', Options(**options), obstacle='no such file')['warnings']
    assert warnings == [
        'web:0, web:1: cannot be started: no such file',
        *(IN_VAIN + names for names in in_vain),
    ]


def test_those_of_the_same_trouble_are_in_one_line():
    own = [
        candidate('0'),
        candidate('1', startsecs=0),
        candidate('2', restarts=False),
        candidate('3', startsecs=0, restarts=False),
        candidate('web', startsecs=0),
        candidate('5', obstacle='no such file'),
        candidate('6', obstacle='not executable'),
    ]
    assert plans.plan(own, [candidate('7')], Options())['warnings'] == [
        f'web:1, web:3, web: {INSTANT}',
        f'web:2, web:3: {MORTAL}',
        'web:5: cannot be started: no such file',
        'web:6: cannot be started: not executable',
        f'{IN_VAIN}web:5, web:6',
    ]


def test_at_most_ten_are_named_in_a_warning():
    (warning,) = planned('r' * (MOST_NAMED + 22), 'r', restarts=False)['warnings']
    assert (
        warning
        == f'{", ".join(f"web:{number}" for number in range(MOST_NAMED))} and 22 more: {MORTAL}'
    )


def test_neither_neighbours_nor_what_is_left_alone_is_doubted():
    troubled = {'startsecs': 0, 'restarts': False, 'obstacle': 'no such file'}
    plan = plans.plan(
        [candidate('0'), candidate('1', 'd', outright=False, **troubled)],
        [candidate('2', **troubled)],
        Options(),
    )
    assert plan['warnings'] == []


@pytest.mark.parametrize(('letters', 'neighbours', 'options', 'text'), [
    ('r',    '',   {},                                   ONLY_ONE),
    ('rr',   '',   {},                                   ALL_AT_ONCE.format(2)),
    ('rd',   '',   {},                                   ALL_AT_ONCE.format(2)),
    ('rrrr', 'df', {},                                   ALL_AT_ONCE.format(4)),
    ('rr',   's',  {},                                   ALL_AT_ONCE.format(2)),
    ('rr',   '',   {'stagger_factor': 2, 'delay': 60.0}, ALL_AT_ONCE.format(2)),
    ('r',    'd',  {},                                   ONLY_ONE),
    # some keep running
    ('rrrr', 'r',  {},                                   ''),
    ('r',    'r',  {},                                   ''),
    # nothing runs that could be missed
    ('d',    '',   {},                                   ''),
    ('dfe',  '',   {},                                   ''),
    ('ss',   '',   {},                                   ''),
    # that is what max_unavailable is for
    ('rr',   '',   {'max_unavailable': 1},               ''),
    ('rr',   '',   {'max_unavailable': '50%'},           ''),
    ('r',    '',   {'max_unavailable': 1},               ONLY_ONE),
    # a signal takes nothing down
    ('rr',   '',   {'method': 'signal:HUP'},             ''),
])  # fmt: skip
def test_whether_all_may_be_down_at_once(letters, neighbours, options, text):
    assert planned(letters, neighbours, Options(**options))['warnings'] == (
        [f'web: {text}'] if text else []
    )


def test_every_group_that_may_be_down_at_once_is_named():
    assert several(a=1, b=2, c=1)['warnings'] == [
        f'a: {ONLY_ONE}',
        f'b: {ALL_AT_ONCE.format(2)}',
        f'c: {ONLY_ONE}',
    ]


def test_a_malformed_probe_of_any_process_of_the_groups_refuses_the_restart():
    own = [
        candidate('0', malformed='it is empty'),
        candidate('1', 'd', outright=False, malformed='unknown kind'),
    ]
    plan = plans.plan(own, [candidate('2', malformed='port is bad'), candidate('3')], Options())
    assert plan['warnings'] == [
        f'this restart would be refused: {name}: {why}'
        for name, why in (
            ('web:0', 'it is empty'),
            ('web:1', 'unknown kind'),
            ('web:2', 'port is bad'),
        )
    ]
    assert batches(plan) == ['0']


# -- against the restart itself ------------------------------------------------------------------


@pytest.mark.parametrize('seen', sorted(set(Seen) - {Seen.WANTED_DOWN, Seen.READY}))
def test_a_plan_says_what_a_restart_does(seen):
    for outright, only_running, limit in itertools.product(
        (True, False), (True, False), ('100%', 1)
    ):
        world = World()
        world.add('web:0', seen)
        options: dict[str, Any] = {'max_unavailable': limit, 'only_running': only_running}
        plan = plans.plan(shown(world, outright), [], Options(**options))
        drive = group(world, outright=outright, **options)
        assert (drive.end().members[0].phase is Phase.SKIPPED) == bool(plan['left'])
        assert bool(drive.log) == bool(plan['batches']) or seen is Seen.UNKNOWN


def shown(world, outright=True):
    """The processes of the world as a plan sees them."""
    found = []
    for member in world.members(outright):
        member.observed = world.look(member) or member.observed
        program = world.processes[name_of(member)].program
        found.append(Candidate(member, member.observed.seen.value, startsecs=program.startsecs))
    return found


sayings = st.fixed_dictionaries(
    {},
    optional={
        'max_unavailable': st.sampled_from([1, 2, '50%', '100%']),
        'min_ready': st.sampled_from([0.0, 0.7, 1.5]),
        'ready_timeout': st.sampled_from([1.0, 7.0]),
    },
) | st.just(dict[str, object]())
worlds = st.lists(
    st.tuples(
        st.sampled_from(['web', 'api']),
        st.sampled_from([Seen.RUNNING] * 4 + [Seen.STOPPED]),
        st.sampled_from([0.5, 1.0]),
        sayings,
    ),
    min_size=1,
    max_size=9,
)


@examples(100, 400)
@given(
    worlds,
    st.integers(1, 9),
    st.one_of(st.just('100%'), st.integers(1, 6)),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.7]),
)
def test_a_restart_goes_as_planned(processes, count, max_unavailable, stagger, min_ready):
    world = World()
    for number, (name, seen, startsecs, _) in enumerate(processes):
        world.add(f'{name}:{number}', seen, Program(startsecs=startsecs, stop_seconds=0.0))
    options = Options(
        max_unavailable=max_unavailable,
        min_ready=min_ready,
        on_failure='continue',
        delay=0.3,
        stagger_factor=1 if max_unavailable != '100%' else stagger,
    )
    everyone, members = shown(world), world.members()
    everyone = [one._replace(said=said) for one, (*_, said) in zip(everyone, processes)]
    plan = plans.plan(everyone[:count], everyone[count:], options)
    for member, one in zip(members, everyone):
        member.policy = one.member.policy
    drive = Drive(world, Operation(members[:count], options, members[count:])).begin()
    drive.end()
    turns = {
        name: seconds
        for order in ('start', 'stop')
        for name, seconds in drive.entries(order).items()
    }
    rows = [
        (f'{each["group"]}:{each["name"]}', batch)
        for batch in plan['batches']
        for each in batch['processes']
    ]
    assert sorted(turns) == sorted(name for name, _ in rows)
    assert {f'{each["group"]}:{each["name"]}' for each in plan['left']} == {
        name_of(member) for member in members[:count] if member.code is Code.BAD_STATE
    }
    for name, batch in rows:
        assert turns[name] >= batch['after'] - 0.01
    for group_name in plan['groups']:
        own = [
            (turns[name], batch['number']) for name, batch in rows if name.startswith(group_name)
        ]
        assert [number for _, number in sorted(own)] == [number for _, number in own]


# -- what always holds ---------------------------------------------------------------------------

letters = st.text('rrrrssbdexfgu', max_size=12)
seconds = st.sampled_from([0.0, 0.5, 1.0, 7.0])
options = st.builds(
    Options,
    delay=seconds,
    stagger_factor=st.integers(1, 5),
    min_ready=seconds,
    ready_timeout=seconds,
    max_unavailable=st.one_of(st.integers(1, 13), st.integers(1, 100).map('{}%'.format)),
    method=st.sampled_from(['restart', 'signal:HUP']),
    stop_timeout=st.sampled_from([None, 0.0, 2.0]),
    only_running=st.booleans(),
)
processes = st.builds(
    candidate,
    letter=st.sampled_from('rrrrssbdexfgu'),
    group=st.sampled_from(['web', 'api', 'größe']),
    outright=st.booleans(),
    obstacle=st.sampled_from(['', '', 'no such file']),
    malformed=st.sampled_from(['', '', 'it is empty']),
    probed=st.booleans(),
    restarts=st.booleans(),
    startsecs=seconds,
    stopwaitsecs=seconds,
    said=sayings,
)


def numbered(found):
    return [
        one._replace(
            member=Member(one.member.match._replace(name=str(number)), observed=one.member.observed)
        )
        for number, one in enumerate(found)
    ]


def names(rows):
    return [(row['group'], row['name']) for row in rows]


@examples(100, 500)
@given(st.lists(processes, max_size=16).map(numbered), st.integers(0, 16), options)
def test_what_holds_for_every_plan(found, count, options):
    own = found[:count]
    plan = plans.plan(
        own,
        [one for one in found[count:] if one.member.group in {c.member.group for c in own}],
        options,
    )

    assert loads(dumps((plan,)))[0][0] == plan
    taken = [name for batch in plan['batches'] for name in names(batch['processes'])]
    assert sorted(taken + names(plan['left'])) == sorted(
        (one.member.group, one.member.name) for one in own
    )
    assert plan['total'] == len(taken)
    assert all(batch['processes'] for batch in plan['batches'])
    assert [batch['number'] for batch in plan['batches']] == list(
        range(1, len(plan['batches']) + 1)
    )
    assert all(each['reason'] for each in plan['left'])
    assert all(batch['longest'] >= 0 and batch['after'] >= 0 for batch in plan['batches'])
    assert all(text and text.isprintable() for text in plan['warnings'])
    assert {policy['group'] for policy in plan['policies']} == {
        one.member.group for one in own if not one.member.refused
    }
    sound = [one for one in own if not one.member.refused]
    assert not sound or all((each['group'], each['name']) not in taken for each in plan['left'])
    assert not sound or {group for group, _ in taken} <= {one.member.group for one in sound}


@examples(100, 500)
@given(st.lists(processes, max_size=16).map(numbered), st.integers(0, 16), options)
def test_no_batch_of_a_rolling_plan_takes_more_of_a_group_than_allowed(found, count, options):
    plan = plans.plan(found[:count], found[count:], options)
    limits = {policy['group']: policy['allowed'] for policy in plan['policies']}
    for name in plan['groups']:
        everyone = {one.member.name: one.seen for one in found if one.member.group == name}
        if Seen.STARTING in everyone.values():
            continue  # nobody can tell beforehand when it will be ready
        batches = [
            [each for each in batch['processes'] if each['group'] == name]
            for batch in plan['batches']
        ]
        concerned = {each['name'] for batch in batches for each in batch}
        lost = [each for each, seen in everyone.items() if seen not in UP and each not in concerned]
        for batch in batches:
            if any(everyone[each['name']] is Seen.READY for each in batch):
                assert len(batch) + len(lost) <= limits.get(name, options.allowed(len(everyone)))


# -- against what a restart does ----------------------------------------------------------------


def test_no_batch_begins_before_the_first_of_its_waves():
    plan = planned('rrrr', options=Options(max_unavailable=2, stagger_factor=4, delay=0.2))
    assert plan['batches'][0]['after'] == 0.0
    plan = planned('rr', options=Options(max_unavailable=2, stagger_factor=2, delay=60.0))
    assert (batches(plan), afters(plan)) == (['0', '1'], [0.0, 60.0])


def test_waves_go_through_all_groups():
    own = [candidate(str(number), group=name) for name in ('a', 'b') for number in range(2)]
    plan = plans.plan(own, [], Options(max_unavailable=1, stagger_factor=2, delay=10.0))
    drive = group(
        World(), 'a:0', 'a:1', 'b:0', 'b:1', max_unavailable=1, stagger_factor=2, delay=10.0
    )
    drive.end()
    stops = drive.entries('stop')
    for batch in plan['batches']:
        assert all(
            stops[f'{each["group"]}:{each["name"]}'] >= batch['after']
            for each in batch['processes']
        )


def test_what_is_starting_will_be_ready():
    assert left(planned('rr', 's', Options(max_unavailable=1))) == ''
    assert batches(planned('sr', 'd', Options(max_unavailable=1))) == ['0']
