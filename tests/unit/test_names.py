"""Names and globs -> processes."""

from __future__ import annotations

import contextlib
import datetime
import time

import pytest

from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.names import (
    LONGEST_GLOB,
    MOST_GLOBS,
    MOST_NAMES,
    group_members,
    natural,
    resolve,
)
from supervisor_restarter.spelling import MOST_KNOWN

GROUPS = {
    'web': ['0', '1', '2', '10'],
    'api': ['api_0', 'api_1'],
    'nginx': ['nginx'],
    'mail.in': ['smtp.d', 'queue'],
    'two words': ['a b', 'c'],
    'größe': ['höhe', 'breite'],
    'odd': ['x*', 'x1', '[ab]', 'a', 'what?', 'whats'],
    'st*r': ['only'],
    'jobs': ['worker', 'queue'],
    'empty': [],
}
EVERYTHING = [f'{group}:{name}' for group, names in GROUPS.items() for name in names]
WEB = ['web:0', 'web:1', 'web:2', 'web:10']


def found(names, groups=GROUPS):
    return [f'{match.group}:{match.name}' for match in resolve(groups, names)]


def refused(names, groups=GROUPS):
    with pytest.raises(Refusal) as info:
        resolve(groups, names)
    assert info.value.code is Code.BAD_GROUP
    assert '\n' not in info.value.text
    return info.value.text


@pytest.mark.parametrize(('name', 'processes', 'outright', 'single'), [
    ('web', WEB, True, False),
    ('web:', WEB, True, False),
    ('web:*', WEB, True, False),
    ('web:10', ['web:10'], True, True),
    ('api_1', ['api:api_1'], True, True),
    ('nginx', ['nginx:nginx'], True, True),
    ('nginx:', ['nginx:nginx'], True, False),
    ('nginx:nginx', ['nginx:nginx'], True, True),
    ('mail.in:smtp.d', ['mail.in:smtp.d'], True, True),
    ('two words:a b', ['two words:a b'], True, True),
    ('höhe', ['größe:höhe'], True, True),
    ('web:1?', ['web:10'], False, False),
    ('web:[!02]', ['web:1'], False, False),
    ('we*', WEB, False, False),
    ('*:queue', ['mail.in:queue', 'jobs:queue'], False, False),
    ('*', EVERYTHING, False, False),
    ('*:*', EVERYTHING, False, False),
    ('all', EVERYTHING, False, False),
    ('gr?ße:h*', ['größe:höhe'], False, False),
    # A real name is meant before a glob.
    ('odd:x*', ['odd:x*'], True, True),
    ('[ab]', ['odd:[ab]'], True, True),
    ('odd:what?', ['odd:what?'], True, True),
    ('odd:wha*', ['odd:what?', 'odd:whats'], False, False),
    ('odd:[[]ab]', ['odd:[ab]'], False, False),
    ('st*r', ['st*r:only'], True, False),
    ('st*r:*', ['st*r:only'], True, False),
])  # fmt: skip
def test_every_form_of_a_name(name, processes, outright, single):
    assert found(name) == processes
    assert {match[2:] for match in resolve(GROUPS, name)} == {(outright, single)}


def test_globs_heed_case_and_a_dot_in_them_is_a_dot():
    assert found('WEB*', {'web': ['0'], 'WEB': ['1']}) == ['WEB:1']
    assert found('a.*', {'a.b': ['0'], 'axb': ['0']}) == ['a.b:0']


def test_a_group_is_meant_before_a_process_of_that_name():
    assert found('web', {'web': ['0'], 'other': ['web']}) == ['web:0']


def test_a_process_called_all_is_reached_by_its_full_name():
    groups = {'jobs': ['all', 'one'], 'all': ['x']}
    assert found('jobs:all', groups) == ['jobs:all']
    assert found('all:', groups) == ['all:x']
    assert found('all', groups) == ['jobs:all', 'jobs:one', 'all:x']


def test_a_process_name_may_contain_a_colon():
    assert found('web:a:b', {'web': ['a:b', 'a']}) == ['web:a:b']


def test_a_bare_word_of_several_processes_is_ambiguous():
    text = refused('queue')
    assert text == "BAD_GROUP: 'queue' is the name of several processes: mail.in:queue, jobs:queue"
    text = refused('process1', {f'group{number}': ['process1'] for number in range(1000)})
    assert text.endswith(', group9:process1 and 990 more')


def test_each_process_comes_once_in_the_order_of_the_names():
    assert found(['web:2', 'api', 'web:2', 'we*']) == [
        'web:2',
        'api:api_0',
        'api:api_1',
        'web:0',
        'web:1',
        'web:10',
    ]


@pytest.mark.parametrize('names', [['we*', 'web:1'], ('web:1', 'we*')])
def test_a_name_outright_counts_before_a_glob_wherever_it_stands(names):
    ways = {match.name: (match.outright, match.single) for match in resolve(GROUPS, names)}
    assert ways.pop('1') == (True, True)
    assert set(ways.values()) == {(False, False)}


@pytest.mark.parametrize('name', [
    'nope', 'nope:', 'nope:*', 'nope*', 'web:3', 'web:00', 'web:1 ', ' web', 'WEB', '', ':', ':1',
    '[', 'web:[', '[z-a]', 'empty', 'empty*', 'w\neb', 'web:\u0661', '\ud800', '\x00',
])  # fmt: skip
def test_a_name_of_nothing_is_refused(name):
    assert refused(name).startswith('BAD_GROUP: nothing is named or matched by ')


def test_one_unknown_name_refuses_the_whole_call_and_all_unknown_ones_are_named():
    text = refused(['web', 'nope', 'api:*', 'neither:1'])
    assert text == "BAD_GROUP: nothing is named or matched by 'nope', 'neither:1'"


@pytest.mark.parametrize(('name', 'meant'), [
    ('wep', 'web'), ('Web', 'web'), ('wep:', 'web:'), ('wep:*', 'web:*'), ('wep:10', 'web:10'),
    ('mial.in:queu', 'mail.in:queue'), ('smtpd', 'smtp.d'), ('nginks', 'nginx'), ('web:11', 'web:1'),
    ('web:x', ''), ('nope', ''), ('nope:1', ''), ('wep*', ''), ('wep:1?', ''), ('', ''),
    ('x' * 1000, ''),
])  # fmt: skip
def test_what_may_have_been_meant_is_told(name, meant):
    text = refused(name)
    if meant:
        assert text.endswith(f'; did you mean {meant!r}?')
    else:
        assert 'did you mean' not in text


def test_of_several_names_the_first_ones_are_looked_at():
    text = refused(['web', 'wep', 'nginks', 'apii'])
    assert text == (
        "BAD_GROUP: nothing is named or matched by 'wep', 'nginks', 'apii'; "
        "did you mean 'web', 'nginx'?"
    )


def test_where_there_are_very_many_names_nothing_is_guessed():
    groups = {f'group{number}': ['x'] for number in range(MOST_KNOWN + 1)}
    assert 'did you mean' not in refused('groupe17', groups)


@pytest.mark.parametrize('names', [
    None, 1, True, {'web': 1}, b'web', datetime.datetime(2024, 1, 2), [None], ['web', 1], [['web']],
    10**400,
])  # fmt: skip
def test_other_types_are_refused(names):
    assert refused(names).startswith(
        'BAD_GROUP: names must be a string or an array of strings, not '
    )


def test_no_names_and_all_of_nothing_are_refused():
    assert refused([]) == 'BAD_GROUP: no names given'
    assert refused('all', {'empty': []}).startswith('BAD_GROUP: nothing')


# -- what a call can cost ------------------------------------------------------------------------

MANY = {f'group{number}': [f'process{other}' for other in range(50)] for number in range(10)}


@pytest.mark.parametrize(
    'names',
    [
        '[' * 100_000,
        '*a' * 100_000,
        'x' * 1_000_000,
        ['*'] * MOST_NAMES,
        [f'process{number}x' for number in range(MOST_NAMES)],
        [f'no*{number}' for number in range(100_000)],
        [f'{number}' + '*?' * 90 for number in range(MOST_GLOBS // 4)],
    ],
    ids=range(7),
)
def test_what_a_call_can_cost_is_bounded(names):
    began = time.process_time()
    with contextlib.suppress(Refusal):
        assert len(resolve(MANY, names)) <= 500
    assert time.process_time() - began < 10.0  # without the bounds: minutes


def test_so_many_names_and_patterns_are_enough():
    few = {'group': ['process']}
    assert found(['group'] * MOST_NAMES, few) == ['group:process']
    assert refused(['group'] * (MOST_NAMES + 1), few) == (
        'BAD_GROUP: 10001 names are too many: at most 10000 in one call'
    )
    globs = [f'group:*[{number}x]*s' for number in range(MOST_GLOBS)]
    assert "matched by 'group:*[0x]*s', " in refused(globs, few)
    assert refused([*globs, 'group*'], few) == (
        'BAD_GROUP: too many patterns: at most 500 in one call'
    )
    assert refused('g' + '*' * LONGEST_GLOB, few).endswith('is too long: at most 200 characters')
    assert found('g' + '*' * (LONGEST_GLOB - 1), few) == ['group:process']


def test_a_refusal_of_a_very_long_name_stays_short():
    assert len(refused('x' * 100_000)) < 200
    assert len(refused([['x' * 100_000] * 1000])) < 1000


# -- a group alone, and their order --------------------------------------------------------------


def test_a_group_has_all_its_processes_named_outright():
    assert group_members(GROUPS, 'mail.in') == [
        ('mail.in', 'smtp.d', True, False),
        ('mail.in', 'queue', True, False),
    ]


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('nope', "BAD_GROUP: no process group named 'nope'"),
        ('web:1', "BAD_GROUP: no process group named 'web:1'; did you mean 'web'?"),
        ('we*', "BAD_GROUP: no process group named 'we*'; did you mean 'web'?"),
        ('all', "BAD_GROUP: no process group named 'all'"),
        ('', "BAD_GROUP: no process group named ''"),
        ('empty', "BAD_GROUP: process group 'empty' has no processes"),
        (None, 'BAD_GROUP: the name of a process group must be a string, not None'),
        (['web'], "BAD_GROUP: the name of a process group must be a string, not ['web']"),
    ],
)
def test_what_is_no_group_is_refused(name, text):
    with pytest.raises(Refusal) as info:
        group_members(GROUPS, name)
    assert (info.value.text, info.value.code) == (text, Code.BAD_GROUP)


@pytest.mark.parametrize(
    'ordered',
    [
        ['app:1', 'app:2', 'app:10', 'app:11', 'app:100'],
        ['', '1', '2', '10', 'a', 'a1', 'a2', 'a10', 'b'],
        ['a', 'a0', 'a0b', 'a1', 'ab'],
        ['v1.2.9', 'v1.2.10', 'v1.10.0'],
        ['x\u0661', 'x\u0662'],
        ['x\u00b2', 'x\u00b3'],
    ],
)
def test_natural_order(ordered):
    assert sorted(reversed(ordered), key=natural) == ordered
