"""What a program says of its own restarts, and what then holds for its group and for each of its
processes.
"""

from __future__ import annotations

from xmlrpc.client import dumps, loads

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.engine.policy import (
    KNOWN_VARIABLES,
    PROGRAM,
    Policy,
    of_group,
    refuse_too_many,
    refuse_vain_surge,
    said_by,
    unheard,
)
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.options import (
    CALL,
    CONFIGURATION,
    DEFAULT,
    Options,
    from_configuration,
    with_call,
)

LIMIT, MIN_READY, READY_TIMEOUT = (
    'RESTARTER_MAX_UNAVAILABLE',
    'RESTARTER_MIN_READY',
    'RESTARTER_READY_TIMEOUT',
)
NAMES = ('max_unavailable', 'min_ready', 'ready_timeout')


def asked(configured=None, called=None):
    """Options as the configuration and a call make them."""
    return with_call(from_configuration('x', configured or {}).defaults, called)


def group(*said, options=None):
    """The policy of a group of processes 0, 1, ... that say this."""
    return of_group(
        'web', {str(number): each for number, each in enumerate(said)}, options or Options()
    )


def origins(policy):
    return tuple(policy.summary[name].origin for name in NAMES)


def values(policy):
    return tuple(policy.summary[name].value for name in NAMES)


# -- what a program says -------------------------------------------------------------------------


@pytest.mark.parametrize(('environment', 'said'), [
    (None, {}),
    ({}, {}),
    ({'PATH': '/bin', 'RESTARTER_READY': 'notify', 'restarter_min_ready': 'x'}, {}),
    ({LIMIT: '1'}, {'max_unavailable': 1}),
    ({LIMIT: ' 025% '}, {'max_unavailable': '25%'}),
    ({LIMIT: '100%'}, {'max_unavailable': '100%'}),
    ({MIN_READY: '2', READY_TIMEOUT: '0'}, {'min_ready': 2.0, 'ready_timeout': 0.0}),
    ({READY_TIMEOUT: '1e2'}, {'ready_timeout': 100.0}),
    ({'RESTARTER_SURGE': ' YES '}, {'surge': True}),
    ({'RESTARTER_SURGE': '0'}, {'surge': False}),
])  # fmt: skip
def test_what_a_program_says(environment, said):
    assert said_by(environment) == said


@pytest.mark.parametrize(('variable', 'allowed'), [
    (LIMIT,         'a count from 1 to 10000, or a percentage from 1% to 100%'),
    (MIN_READY,     'a number of seconds from 0 to 10000000'),
    (READY_TIMEOUT, 'a number of seconds from 0 to 10000000'),
    ('RESTARTER_SURGE', 'yes or no'),
])  # fmt: skip
@pytest.mark.parametrize(
    'text', ['', ' ', 'lots', '-1', 'nan', 'inf', '1e9', '2 s', '0%', '101%', 'a\nb', 'x' * 500]
)
def test_a_value_that_makes_no_sense_is_told_in_one_line(variable, allowed, text):
    with pytest.raises(ValueError) as info:
        said_by({'PATH': '/bin', variable: text})
    line = str(info.value)
    assert line.startswith(f'{variable} = ')
    assert line.endswith(f' is not allowed: it must be {allowed}')
    assert '\n' not in line
    assert len(line) < 300


# -- what holds ----------------------------------------------------------------------------------

SAID = {'max_unavailable': 2, 'min_ready': 2.0, 'ready_timeout': 2.0}
CONFIGURED = {'max_unavailable': '3', 'min_ready': '3', 'ready_timeout': '3'}
CALLED = {'max_unavailable': 4, 'min_ready': 4, 'ready_timeout': 4}


@pytest.mark.parametrize(('options', 'said', 'value', 'origin'), [
    (asked(CONFIGURED, CALLED), SAID, 4, CALL),
    (asked(CONFIGURED, CALLED), {},   4, CALL),
    (asked(None, CALLED),       SAID, 4, CALL),
    (asked(CONFIGURED),         SAID, 2, PROGRAM),
    (asked(),                   SAID, 2, PROGRAM),
    (asked(CONFIGURED),         {},   3, CONFIGURATION),
])  # fmt: skip
def test_the_call_comes_before_the_program_and_the_program_before_the_configuration(
    options, said, value, origin
):
    policy = group(*[said] * 5, options=options)
    assert values(policy) == (value, value, value)
    assert origins(policy) == (origin, origin, origin)
    assert set(policy.processes.values()) == {Policy(value, value, value)}


def test_where_nothing_is_said_the_defaults_hold():
    policy = group({}, {})
    assert (values(policy), origins(policy)) == (('100%', 0.0, 30.0), (DEFAULT, DEFAULT, DEFAULT))
    assert not policy.rolling
    assert policy.of_programs() == ''


def test_a_value_counts_as_given_also_if_it_is_the_default():
    options = asked({'ready_timeout': '30'}, {'max_unavailable': '100%', 'min_ready': 0})
    policy = group(SAID, options=options)
    assert (values(policy), origins(policy)) == (('100%', 0.0, 2.0), (CALL, CALL, PROGRAM))
    assert origins(group({}, options=options)) == (CALL, CALL, CONFIGURATION)


@pytest.mark.parametrize(('limits', 'configured', 'strictest', 'origin'), [
    ([1, '50%'],            None, 1,      PROGRAM),
    (['50%', 1, 3, '100%'], None, 1,      PROGRAM),
    (['25%', 2, 2, 2],      None, '25%',  PROGRAM),  # one of four
    ([3, '50%', 3, 3],      None, '50%',  PROGRAM),  # two of four
    # one that says nothing is not taken further down by what another one allows
    ([3, None, 3, 3],       '2',  2,      CONFIGURATION),
    ([3, None],             None, '100%', DEFAULT),
    ([None, None, 1],       None, 1,      PROGRAM),
    ([None, 2],             '2',  2,      PROGRAM),
    ([2, None],             '2',  2,      PROGRAM),
])  # fmt: skip
def test_in_a_group_the_strictest_limit_holds(limits, configured, strictest, origin):
    said = [{} if limit is None else {'max_unavailable': limit} for limit in limits]
    policy = group(*said, options=asked({'max_unavailable': configured} if configured else {}))
    assert policy.summary['max_unavailable'] == (strictest, origin)
    assert {each.max_unavailable for each in policy.processes.values()} == {strictest}


def test_a_slow_program_does_not_fail_by_the_limit_of_a_fast_one():
    policy = group({'ready_timeout': 5.0, 'min_ready': 9.0}, {'ready_timeout': 300.0}, {})
    assert [each.ready_timeout for each in policy.processes.values()] == [5.0, 300.0, 30.0]
    assert [each.min_ready for each in policy.processes.values()] == [9.0, 0.0, 0.0]
    assert values(policy) == ('100%', 9.0, 300.0)
    assert origins(policy) == (DEFAULT, PROGRAM, PROGRAM)
    assert group({'ready_timeout': 0.0}, {'ready_timeout': 300.0}).summary['ready_timeout'] == (
        0.0,
        PROGRAM,
    )


def test_the_struct_of_a_policy():
    policy = group(
        {'max_unavailable': '50%', 'min_ready': 1.5}, {}, {}, options=asked({'ready_timeout': '7'})
    )
    struct = policy.struct()
    assert struct == {
        'group': 'web',
        'size': 3,
        'allowed': 1,
        'max_unavailable': '50%',
        'min_ready': 1.5,
        'ready_timeout': 7.0,
        'from': {
            'max_unavailable': 'program',
            'min_ready': 'program',
            'ready_timeout': 'configuration',
        },
    }
    assert loads(dumps((struct,)))[0][0] == struct
    assert policy.of_programs() == 'web: max_unavailable = 50%, min_ready = 1.5'
    assert group({'max_unavailable': 9}).struct()['allowed'] == 1  # no more than there are


def test_whether_a_process_may_be_there_twice_is_its_programs_to_say_and_how_many_are_the_calls():
    options = asked({'max_surge': '3'}, {'max_surge': '25%'})
    policies = group({'surge': True}, {'surge': False}, {}, {}, {}, options=options).processes
    assert [each.surge for each in policies.values()] == [True, False, False, False, False]
    assert {each.max_surge for each in policies.values()} == {2}  # of five
    assert {each.surging(1) for each in policies.values()} == {2}


limits = st.one_of(st.none(), st.integers(1, 12), st.integers(1, 100).map('{}%'.format))


@given(st.lists(limits, min_size=1, max_size=12), limits, limits)
def test_a_program_never_has_more_taken_down_than_it_allows_unless_the_call_says_so(
    said, configured, called
):
    options = asked(
        {} if configured is None else {'max_unavailable': str(configured)},
        {} if called is None else {'max_unavailable': called},
    )
    policy = group(
        *({} if limit is None else {'max_unavailable': limit} for limit in said), options=options
    )
    allowed = next(iter(policy.processes.values())).allowed(len(said))
    if called is not None:
        assert allowed == options.allowed(len(said))
        return
    for limit in said:
        assert allowed <= (options if limit is None else Options(max_unavailable=limit)).allowed(
            len(said)
        )


# -- too many ------------------------------------------------------------------------------------


@pytest.mark.parametrize(('called', 'sizes'), [
    (25,     {'uv': 25}),
    (25,     {'uv': 4, 'web': 30}),
    ('25%',  {'uv': 1}),
    ('100%', {'uv': 1}),
    (1,      {'uv': 1}),
])  # fmt: skip
def test_a_count_that_some_group_has_is_allowed(called, sizes):
    refuse_too_many(asked(None, {'max_unavailable': called}), sizes)


@pytest.mark.parametrize(
    ('called', 'sizes', 'text'),
    [
        (
            25,
            {'uv': 4},
            "max_unavailable = 25 is more than 'uv' has (4 processes): give at most 4, or a percentage such "
            'as 25%',
        ),
        (
            2,
            {'uv': 1},
            "max_unavailable = 2 is more than 'uv' has (1 process): give at most 1, or a percentage such as 2%",
        ),
        (
            500,
            {'uv': 4, 'web': 8},
            "max_unavailable = 500 is more than any of 'uv', 'web' has (at most 8 processes): give "
            'at most 8, or a percentage such as 25%',
        ),
    ],
)
def test_a_count_of_the_call_that_no_group_has_is_refused(called, sizes, text):
    with pytest.raises(Refusal) as info:
        refuse_too_many(asked({'max_unavailable': '1'}, {'max_unavailable': called}), sizes)
    assert (info.value.code, info.value.text) == (Code.BAD_OPTION, f'BAD_OPTION: {text}')
    # of the configuration it is no slip
    refuse_too_many(asked({'max_unavailable': str(called)}), sizes)


# -- for nobody ----------------------------------------------------------------------------------

FOR = 'is for programs that say RESTARTER_SURGE="yes", and for fcgi programs'


@pytest.mark.parametrize(
    ('may_surge', 'text'),
    [
        ({'web': [False, False]}, f"max_surge = 25% {FOR}: 'web' has none"),
        ({'web': [False], 'app': [False]}, f"max_surge = 25% {FOR}: none of 'web', 'app' has one"),
    ],
)
def test_a_max_surge_of_the_call_that_is_for_nobody_is_refused(may_surge, text):
    with pytest.raises(Refusal) as info:
        refuse_vain_surge(asked(None, {'max_surge': '25%'}), may_surge)
    assert (info.value.code, info.value.text) == (Code.BAD_OPTION, f'BAD_OPTION: {text}')
    refuse_vain_surge(asked(None, {'max_surge': '0'}), may_surge)
    refuse_vain_surge(asked({'max_surge': '25%'}), may_surge)  # that is meant for others


def test_a_max_surge_is_for_those_that_may():
    refuse_vain_surge(asked(None, {'max_surge': 1}), {'web': [False], 'app': [False, True]})


@pytest.mark.parametrize(('names', 'said'), [
    ([], ''),
    (['PATH', 'MY_RESTARTER_READY', *KNOWN_VARIABLES], ''),
    (['RESTARTER_BEFORESTOP'], "RESTARTER_BEFORESTOP in its environment means nothing; did you mean "
                               "'RESTARTER_BEFORE_STOP'?"),
    (['RESTARTER_\n' + 20 * 'Q'], f'RESTARTER_\\n{20 * "Q"} in its environment means nothing'),
])  # fmt: skip
def test_what_looks_like_a_variable_and_is_none_is_told(names, said):
    assert unheard(dict.fromkeys(names, 'x')) == said
    assert unheard(None) == ''
