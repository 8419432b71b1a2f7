"""Plans of what comes with drain and surge: commands of programs, processes that are there twice."""

from __future__ import annotations

from functools import partial

import pytest

from supervisor_restarter import options as all_options
from supervisor_restarter.engine.member import Member, Observation
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.engine.planning import plan, warnings
from supervisor_restarter.engine.survey import Candidate, survey
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.names import Match
from supervisor_restarter.options import CALL

# What is not about scouts has none.
Options = partial(all_options.Options, scout=0.0)
BOTH = ('before_stop', 'after_ready')
SEEN = {'r': Seen.READY, 's': Seen.STARTING, 'd': Seen.STOPPED, 'g': Seen.STOPPING}


def candidates(letters, first=0, group='web', **known):
    """Processes in these states with the names 0, 1, ...; capitals: they may be there twice."""
    return [
        Candidate(
            Member(
                Match(group, str(number), True, False), observed=Observation(SEEN[letter.lower()])
            ),
            surge=letter.isupper(),
            **known,
        )
        for number, letter in enumerate(letters, first)
    ]


def planned(letters, neighbours='', options=None, **known):
    own = candidates(letters, **known)
    return plan(own, candidates(neighbours, len(own), **known), options or Options())


def each(struct, key):
    """What is said of each process, by its name."""
    return {one['name']: one[key] for batch in struct['batches'] for one in batch['processes']}


def batches(struct):
    """The names in each batch and when it begins."""
    return [
        (' '.join(each['name'] for each in batch['processes']), batch['after'])
        for batch in struct['batches']
    ]


# -- commands ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('method', 'letter', 'shown'),
    [
        ('restart', 'r', ['before_stop', 'after_ready']),
        ('restart', 's', ['before_stop', 'after_ready']),
        ('restart', 'd', ['after_ready']),
        ('restart', 'g', ['after_ready']),
        ('start', 'd', ['after_ready']),
        ('signal:HUP', 'r', []),
        ('signal:HUP', 'd', []),
    ],
)
def test_a_plan_shows_which_commands_are_run(method, letter, shown):
    options = Options(method=method)
    assert each(planned(letter, options=options, hooks=BOTH), 'hooks') == {'0': shown}
    only = [purpose for purpose in shown if purpose == 'after_ready']
    assert each(planned(letter, options=options, hooks=BOTH[1:]), 'hooks') == {'0': only}


@pytest.mark.parametrize(
    ('letter', 'hooks', 'options', 'seconds'),
    [
        ('r', (), {}, 11.0),
        ('r', BOTH, {}, 71.0),
        ('r', BOTH[1:], {'hook_timeout': 5.0}, 16.0),
        ('d', BOTH, {'hook_timeout': 5.0}, 6.0),
        ('r', BOTH, {'hook_timeout': 0.0}, 0.0),  # no limit
        ('r', (), {'hook_timeout': 0.0}, 11.0),
        ('r', BOTH, {'hook_timeout': 0.0, 'method': 'signal:HUP'}, 1.0),
        # the old one is waited for, too
        ('R', BOTH, {'hook_timeout': 5.0, 'max_surge': 1}, 21.0),
    ],
)
def test_the_longest_time_has_that_of_the_commands_in_it(letter, hooks, options, seconds):
    struct = planned(letter, options=Options(**options), hooks=hooks)
    assert [batch['longest'] for batch in struct['batches']] == [seconds]


# -- there twice ---------------------------------------------------------------------------------


@pytest.mark.parametrize(('letters', 'options', 'actions'), [
    ('Rr', {'max_surge': 1},                 ['surge', 'restart']),
    ('SD', {'max_surge': '50%'},             ['surge', 'start']),
    ('Rr', {},                               ['restart', 'restart']),
])  # fmt: skip
def test_what_may_be_there_twice_is_so_if_max_surge_says_it(letters, options, actions):
    assert each(planned(letters, options=Options(**options)), 'action') == dict(zip('01', actions))


SCOUT = {'scout': 4.0}


@pytest.mark.parametrize(('letters', 'options', 'expected'), [
    ('RRR',   {'max_surge': 1},           [('0', 0.0), ('1', 1.0), ('2', 2.0)]),
    ('RRR',   {'max_surge': 2},           [('0 1', 0.0), ('2', 1.0)]),
    ('RRR',   {'max_surge': '34%'},       [('0 1', 0.0), ('2', 1.0)]),
    ('RRR',   {'max_surge': 9},           [('0 1 2', 0.0)]),
    ('RR',    {'max_surge': 1, 'min_ready': 2.0}, [('0', 0.0), ('1', 3.0)]),
    # the others of the group go as always, beside them
    ('RrRr',  {'max_surge': 1},           [('1 3 0', 0.0), ('2', 1.0)]),
    ('RrRr',  {'max_surge': 1, 'max_unavailable': 1}, [('1 0', 0.0), ('3 2', 1.0)]),
    # what is not there twice costs no room of those that are, and the other way round
    ('RRd',   {'max_surge': 1, 'max_unavailable': 1}, [('2 0', 0.0), ('1', 1.0)]),
    # one of a group goes alone at first
    ('RRR',   {'max_surge': 3, **SCOUT},  [('0', 0.0), ('1 2', 4.0)]),
    ('RrR',   {'max_surge': 3, 'max_unavailable': 1, **SCOUT}, [('0', 0.0), ('1 2', 4.0)]),
])  # fmt: skip
def test_so_many_are_there_twice_at_once(letters, options, expected):
    found = batches(planned(letters, options=Options(**options)))
    assert sorted((set(names.split()), at) for names, at in found) == sorted(
        (set(names.split()), at) for names, at in expected
    )


def test_max_surge_is_counted_of_the_whole_group_and_in_each():
    own = [*candidates('RR'), *candidates('RR', group='app')]
    struct = plan(own, candidates('RR', 2), Options(max_surge='50%'))
    assert batches(struct) == [('0 1 0', 0.0), ('1', 1.0)]


@pytest.mark.parametrize(('letters', 'neighbours', 'left'), [('Rr', 'd', '1'), ('R', 'd', '')])
def test_what_is_not_stopped_before_it_is_replaced_needs_no_room(letters, neighbours, left):
    struct = planned(letters, neighbours, Options(max_surge=1, max_unavailable=1))
    assert [one['name'] for one in struct['left']] == list(left)


# -- what its user is told -----------------------------------------------------------------------

ALL_AT_ONCE = 'all {} processes may be down at once; a smaller max_unavailable keeps some ready'
ONLY_ONE = 'no process would keep running: its only one is restarted'


@pytest.mark.parametrize(('letters', 'max_surge', 'text'), [
    ('R',  1, ''),
    ('R',  0, ONLY_ONE),
    ('Rr', 1, ''),
    ('Rr', 0, ALL_AT_ONCE.format(2)),
    ('Sr', 1, ALL_AT_ONCE.format(2)),  # the one that is there twice is not ready
])  # fmt: skip
def test_what_is_there_twice_is_never_down(letters, max_surge, text):
    warnings = planned(letters, options=Options(max_surge=max_surge))['warnings']
    assert warnings == ([f'web: {text}'] if text else [])


EITHER = (
    'web:0: max_surge: the old process may answer the RESTARTER_READY of the new one; exec: and '
    'notify know which of them it is'
)


@pytest.mark.parametrize(('letter', 'max_surge', 'told'), [('R', 1, True), ('R', 0, False),
                                                           ('r', 1, False), ('D', 1, False)])  # fmt: skip
def test_who_is_asked_by_its_address_may_be_the_other(letter, max_surge, told):
    options = Options(max_surge=max_surge, max_unavailable=1)
    warnings = planned(letter, options=options, either_answers=True)['warnings']
    assert [text for text in warnings if 'max_surge' in text] == [EITHER] * told


def test_a_listener_that_wants_to_be_there_twice_is_told_that_it_will_not():
    own = candidates('rr', listener=True, said={'surge': True})
    text = 'web:0, web:1: an event listener is never there twice, whatever its RESTARTER_SURGE says'
    options = Options(max_surge=1, max_unavailable=1)
    assert plan(own, [], options)['warnings'] == [text]
    assert warnings(survey(own, [], options)) == [text]
    assert plan(own, [], Options(max_unavailable=1))['warnings'] == []


def by_call(max_surge):
    return Options(max_surge=max_surge, origin={'max_surge': CALL})


def test_a_call_that_wants_it_of_none_that_may_is_refused():
    for letters, neighbours in (('rr', ''), ('r', 'R')):
        with pytest.raises(Refusal, match="'web' has none") as info:
            planned(letters, neighbours, by_call(1))
        assert info.value.code is Code.BAD_OPTION
    assert each(planned('rR', options=by_call(1)), 'action') == {'0': 'restart', '1': 'surge'}


def test_what_makes_no_sense_is_told_first():
    own = candidates('r', malformed="RESTARTER_SURGE = 'x'")
    with pytest.raises(Refusal, match='RESTARTER_SURGE'):
        survey(own, [], by_call(1)).refuse()
    # ... and is nobody that is restarted
    known = survey([*own, *candidates('R', group='app')], [], by_call(1))
    assert [c.member.surges for c in known.candidates] == [False, True]


def test_a_restart_with_something_there_twice_is_waited_for_as_a_rolling_one():
    assert survey(candidates('rR'), [], Options(max_surge=1)).rolling
    assert not survey(candidates('rR'), [], Options()).rolling
