"""When each of many things has to be looked at again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.engine.agenda import Agenda

THINGS = 'abcd'
times = st.integers(0, 9).map(float)


@given(st.lists(st.tuples(st.sampled_from(THINGS), st.none() | times) | times, max_size=40))
def test_it_is_as_if_each_thing_had_its_last_time_in_a_table(steps):
    """A pair enters a time, a number lets it come."""
    agenda: Agenda[str] = Agenda()
    table: dict[str, float] = {}
    for step in steps:
        if isinstance(step, tuple):
            thing, at = step
            agenda.enter(thing, at)
            table.pop(thing, None)
            if at is not None:
                table[thing] = at
        else:
            due = agenda.due(step)
            assert len(due) == len({*due})
            assert {*due} == {thing for thing, at in table.items() if at <= step}
            table = {thing: at for thing, at in table.items() if at > step}
        assert agenda.first() == min(table.values(), default=None)


def test_what_comes_within_a_grain_of_the_first_is_waited_for():
    agenda: Agenda[str] = Agenda()
    for thing, at in zip(THINGS, (1.0, 1.02, 1.04, 1.2)):
        agenda.enter(thing, at)
    assert agenda.first(0.03) == 1.02
    assert agenda.first(0.1) == 1.04
    assert agenda.due(1.04) == ['a', 'b', 'c']
    assert agenda.first(0.1) == 1.2


def test_but_not_for_longer_than_a_grain():
    agenda: Agenda[str] = Agenda()
    agenda.enter('a', 1.0)
    assert agenda.first(0.1) == 1.0
    agenda.enter('a', 2.0)
    agenda.enter('b', 2.05)
    agenda.enter('b', 5.0)
    assert agenda.first(0.1) in (2.0, 2.05)
