"""How much is done in one turn of the loop, and how soon the next one comes."""

from __future__ import annotations

import pytest

from supervisor_restarter.server.pacing import (
    GRAINS,
    LONGEST_GRAIN,
    LONGEST_SLICE,
    SLICE,
    SLICES,
    WEIGHT,
    Pacing,
)


def paced(*seconds):
    pacing = Pacing()
    for one in seconds:
        pacing.note(one)
    return pacing


def test_with_few_processes_a_turn_works_for_a_slice_and_nothing_waits_for_long():
    pacing = paced(0.0001, 0.0001)
    assert pacing.slice == SLICE
    assert pacing.grain == pytest.approx(GRAINS * 0.0001)


def test_before_the_first_turn_nothing_waits():
    assert (Pacing().slice, Pacing().grain) == (SLICE, 0.0)


def test_the_work_is_most_of_a_turn():
    assert paced(0.003).slice == pytest.approx(SLICES * 0.003)


def test_nobody_waits_for_longer_than_that():
    pacing = paced(0.2)
    assert (pacing.slice, pacing.grain) == (LONGEST_SLICE, LONGEST_GRAIN)


def test_one_long_turn_does_not_count_for_all():
    """As when 100 processes have exited at once."""
    pacing = paced(0.001, 0.1)
    assert pacing.turn == pytest.approx(0.001 + WEIGHT * 0.099)
