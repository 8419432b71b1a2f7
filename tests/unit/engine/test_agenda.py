"""When things are to be looked at again: beside a plain table that is searched each time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.engine.agenda import Agenda
from tests.examples import examples


def agenda(**times):
    found: Agenda[str] = Agenda()
    for thing, at in times.items():
        found.enter(thing, at)
    return found


def test_nothing_is_entered_at_first():
    assert agenda().first() is None
    assert agenda().due(9.0) == []


def test_what_is_due_is_told_once_and_the_rest_stays():
    times = agenda(a=2.0, b=1.0, c=3.0)
    assert times.first() == 1.0
    assert times.due(2.0) == ['b', 'a']
    assert times.due(2.0) == []
    assert times.first() == 3.0


@pytest.mark.parametrize(('later', 'first'), [(0.5, 0.5), (2.0, 1.0), (None, 1.0)])
def test_the_last_time_of_a_thing_holds(later, first):
    times = agenda(a=0.7, b=1.0)
    times.enter('a', later)
    assert times.first() == first
    assert times.due(0.7) == (['a'] if later == 0.5 else [])


def test_a_time_that_was_taken_back_can_be_entered_again():
    times = agenda(a=1.0)
    times.enter('a', None)
    times.enter('a', 1.0)
    assert times.due(1.0) == ['a']
    assert times.due(1.0) == []


def test_with_a_grain_it_is_the_last_time_within_it():
    times = agenda(a=1.0, b=1.004, c=1.006)
    assert times.first(0.005) == 1.004
    assert times.due(1.004) == ['a', 'b']


def test_things_need_no_order_of_their_own():
    first, second = object(), object()
    times: Agenda[object] = Agenda()
    times.enter(first, 1.0)
    times.enter(second, 1.0)
    assert times.due(1.0) == [first, second]


moments = st.sampled_from([0.0, 1.0, 1.5, 2.0, 2.25, 3.0, 7.0])
deeds = st.lists(
    st.one_of(
        st.tuples(st.just('enter'), st.sampled_from('abcd'), st.none() | moments),
        st.tuples(st.just('due'), moments),
        st.tuples(st.just('first'), st.sampled_from([0.0, 0.25, 1.0])),
    ),
    max_size=30,
)


@examples(300, 2000)
@given(deeds)
def test_it_is_as_a_table_that_is_searched(deeds):
    times, table = Agenda[str](), dict[str, float]()
    for what, *given_ in deeds:
        if what == 'enter':
            thing, at = given_
            times.enter(thing, at)
            table.pop(thing, None)
            if at is not None:
                table[thing] = at
        elif what == 'due':
            due = {thing for thing, at in table.items() if at <= given_[0]}
            found = times.due(given_[0])
            assert sorted(found) == sorted(due)
            assert [table[thing] for thing in found] == sorted(table[thing] for thing in due)
            table = {thing: at for thing, at in table.items() if thing not in due}
        else:
            first = min(table.values(), default=None)
            assert times.first() == first
            if first is not None:
                found_at = times.first(given_[0])
                assert found_at is not None
                assert first <= found_at <= first + given_[0]
