"""What is true of which members: kept up as they change, it is what a look at all of them finds."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.engine.judging import is_ordered
from supervisor_restarter.engine.ledger import Ledger
from supervisor_restarter.engine.member import Goal, Member, Observation
from supervisor_restarter.engine.phases import Order, Phase, Seen
from supervisor_restarter.names import Match
from tests.examples import examples

READY = Observation(Seen.READY)


def member(name: str, group: str = 'web', **attributes: Any) -> Member:
    made = Member(Match(group, name, True, False))
    for attribute, value in attributes.items():
        setattr(made, attribute, value)
    return made


def read(ledger):
    """All that it says, of names."""
    ledger.update()
    return {
        'unsettled': {one.name for one in ledger.unsettled},
        'waiting': {one.name for one in ledger.waiting},
        'unordered': {one.name for one in ledger.unordered},
        'serving': dict(+ledger.serving),
        'ready': ledger.ready,
        'starts': in_order(ledger, True),
        'orders': in_order(ledger, False),
    }


def in_order(ledger, starting):
    """The names of those with an order, one after the other."""
    found, last = [], ledger.next_order(starting)
    while last is not None:
        found.append(last.name)
        last = ledger.next_order(starting, last)
    return found


def looked_up(members):
    """The same, found by looking at all members."""
    serving = Counter(one.group for one in members if one.serving and not one.leaving)
    starts = [one.name for one in members if one.order is Order.START]
    return {
        'unsettled': {one.name for one in members if not one.settled},
        'waiting': {one.name for one in members if one.phase is Phase.WAITING},
        'unordered': {one.name for one in members if not is_ordered(one)},
        'serving': dict(serving),
        'ready': sum(serving.values()),
        'starts': starts,
        'orders': [one.name for one in members if one.order and one.name not in starts],
    }


@pytest.mark.parametrize(
    ('before', 'attribute', 'value'),
    [
        ({}, 'phase', Phase.READY),
        ({}, 'order', Order.STOP),
        ({'order': Order.STOP}, 'order', Order.START),
        ({}, 'observed', READY),
        ({'observed': READY}, 'leaving', True),
        ({'observed': READY, 'leaving': True}, 'leaving', False),
        ({'phase': Phase.STOPPED}, 'goal', Goal.STOP),
    ],
)
def test_each_change_alone_is_found(before, attribute, value):
    own = member('0', **before)
    ledger = Ledger([own])
    first = read(ledger)
    assert first == looked_up([own])
    setattr(own, attribute, value)
    assert read(ledger) == looked_up([own]) != first


def test_neighbours_are_watched_and_not_counted():
    own, other = member('0', observed=READY), member('1', observed=READY)
    ledger = Ledger([own], [other])
    assert read(ledger) == looked_up([own])
    ledger.stirred = False
    ledger.unfollowed.clear()
    other.observed = Observation(Seen.STOPPED)
    assert read(ledger) == looked_up([own])
    assert (ledger.stirred, ledger.unfollowed) == (True, {other})


def test_what_is_leaving_is_not_counted_when_it_is_no_longer_ready():
    own, leaving = member('0', observed=READY), member('1', observed=READY, leaving=True)
    ledger = Ledger([own, leaving])
    assert read(ledger)['serving'] == {'web': 1}
    leaving.observed = Observation(Seen.STOPPED)
    assert read(ledger)['serving'] == {'web': 1}


def test_what_changes_nothing_stirs_nobody():
    own = member('0', observed=READY)
    ledger = Ledger([own])
    ledger.update()
    ledger.stirred = False
    ledger.unfollowed.clear()
    own.observed, own.phase, own.ready_at = Observation(Seen.READY), Phase.WAITING, 7.0
    ledger.update()
    assert (ledger.stirred, ledger.unfollowed) == (False, set())
    own.observed = Observation(Seen.READY, due=5.0)  # to be looked at, and nobody else's business
    ledger.update()
    assert (ledger.stirred, ledger.unfollowed) == (False, {own})


def test_of_two_the_one_that_lies_aside_counts_for_its_successor():
    new = member('0', phase=Phase.SURGING, observed=Observation(Seen.STARTING))
    ledger = Ledger([new])
    assert read(ledger)['ready'] == 0
    old = member('0.old', observed=READY)
    old.successor, new.old, new.old_served = new, old, True
    ledger.watch(old)
    assert read(ledger)['ready'] == 1
    old.observed = Observation(Seen.STOPPED)
    assert read(ledger)['ready'] == 0


def test_orders_that_change_while_they_are_carried_out_are_found():
    members = [member(str(number), order=Order.STOP) for number in range(4)]
    ledger = Ledger(members)
    first = ledger.next_order(False)
    assert first is members[0]
    first.order = None  # carried out
    members[1].order = None  # its turn was taken back
    assert ledger.next_order(False, first) is members[2]
    members[1].order = Order.START
    assert ledger.next_order(True) is members[1]
    assert ledger.next_order(False, members[3]) is None


def test_once_more_means_all_of_them():
    members = [member(str(number)) for number in range(3)]
    ledger = Ledger(members[:2], members[2:])
    ledger.update()
    ledger.unscheduled.clear()
    ledger.stirred = False
    ledger.touch_all()
    ledger.update()
    assert (ledger.stirred, ledger.unscheduled) == (True, set(members))


def test_the_order_of_turns_is_that_of_the_members():
    members = [member(name) for name in ('b', 'c', 'a')]
    stranger = member('a')
    assert Ledger(members).in_turn({stranger, *members}) == members


NUMBER = 6
changes = st.one_of(
    st.tuples(st.just('phase'), st.sampled_from(Phase)),
    st.tuples(st.just('order'), st.none() | st.sampled_from(Order)),
    st.tuples(
        st.just('observed'), st.builds(Observation, st.sampled_from(Seen), st.integers(0, 2))
    ),
    st.tuples(st.just('goal'), st.sampled_from(Goal)),
    st.tuples(st.just('leaving'), st.booleans()),
    st.tuples(st.just('old_served'), st.booleans()),
    # Of what lies aside behind it; and whether anything does.
    st.tuples(st.just('seen of old'), st.builds(Observation, st.sampled_from(Seen))),
    st.tuples(st.just('two of it'), st.booleans()),
)
histories = st.lists(
    st.none() | st.tuples(st.integers(0, NUMBER - 1), changes),  # None: it is read
    max_size=60,
)


def change(ledger, one, what, value):
    if what == 'two of it' and value and one.old is None:
        one.old = member(f'{one.name}.old', observed=READY, successor=one)
        ledger.watch(one.old)
    elif what == 'two of it' and not value and one.old is not None:
        one.old.successor, one.old = None, None
    elif what == 'seen of old' and one.old is not None:
        one.old.observed = value
    elif what not in ('two of it', 'seen of old'):
        setattr(one, what, value)


@examples(300, 2000)
@given(histories)
def test_it_is_what_a_look_at_all_of_them_finds(history):
    members = [member(str(number), 'web' if number % 2 else 'api') for number in range(NUMBER)]
    neighbour = member('n', observed=READY)
    ledger = Ledger(members, [neighbour])
    for deed in [*history, None]:
        if deed is None:
            assert read(ledger) == looked_up(members)
        else:
            number, (what, value) = deed
            change(ledger, members[number], what, value)


@pytest.mark.parametrize('seen', Seen)
@pytest.mark.parametrize('phase', Phase)
def test_each_phase_is_counted_as_it_is(phase, seen):
    own = member('0')
    ledger = Ledger([own])
    assert read(ledger) == looked_up([own])
    own.phase, own.observed = phase, Observation(seen)
    assert read(ledger) == looked_up([own])
