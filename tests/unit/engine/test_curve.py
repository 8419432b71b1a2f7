"""How many were ready in the course of time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.engine import curve
from supervisor_restarter.engine.curve import Curve
from tests.examples import examples


def drawn(numbers):
    """A curve on which these numbers were seen, one a second; versions count from 1."""
    found = Curve()
    for second, ready in enumerate(numbers):
        if found.differs(ready):
            found.note(second + 1, float(second), ready)
    return found


def test_a_point_for_each_change():
    found = drawn([3, 3, 2, 2, 3])
    assert found.since(0) == [(0.0, 3), (2.0, 2), (4.0, 3)]
    assert found.since(1) == found.since(2) == [(2.0, 2), (4.0, 3)]
    assert found.since(5) == []
    assert (found.last, found.lowest) == (3, 2)


def test_before_the_beginning_there_is_none():
    assert (Curve().last, Curve().lowest, Curve().since(0)) == (0, 0, [])


def test_that_none_is_ready_in_the_beginning_is_a_point_too():
    assert drawn([0]).since(0) == [(0.0, 0)]


@examples(200, 2000)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_it_keeps_the_lowest_the_first_and_the_last(numbers):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curve, 'MOST_POINTS', 6)
        found = drawn(numbers)
    points = found.since(0)
    assert len(points) <= 6
    assert min(ready for _, ready in points) == found.lowest == min(numbers)
    assert points[0] == (0.0, numbers[0])
    assert points[-1][1] == found.last == numbers[-1]
    assert [offset for offset, _ in points] == sorted(offset for offset, _ in points)
    assert all(numbers[int(offset)] == ready for offset, ready in points)
