"""How the places for probes are shared."""

from __future__ import annotations

import os
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.readiness import shares
from supervisor_restarter.readiness.shares import (
    FEWEST_CONNECTIONS,
    MOST_CONNECTIONS,
    Places,
    Share,
)


def fill(share):
    taken = 0
    while share.take():
        taken += 1
    return taken


def test_one_group_may_have_half_of_the_places():
    assert fill(Share(Places(8))) == 4


def test_who_comes_later_finds_room_whatever_the_others_do():
    places = Places(200)
    assert [fill(Share(places)) for _ in range(6)] == [100, 50, 25, 13, 6, 3]


def test_in_the_long_run_all_get_the_same():
    places = Places(90)
    large, small = Share(places), Share(places)
    held = [fill(large), fill(small)]
    assert held == [45, 23]
    for _ in range(100):  # one after the other runs out of time, and wants to be asked again
        for number, share in enumerate((large, small)):
            share.give_back()
            held[number] += fill(share) - 1
    assert max(held) - min(held) <= 1


@given(
    most=st.integers(1, 300),
    wishes=st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=300),
)
def test_there_are_never_more_than_places_and_one_alone_always_gets_one(most, wishes):
    places, held = Places(most), [0] * 10
    groups = [Share(places) for _ in held]
    for number, take in wishes:
        if take:
            held[number] += groups[number].take()
        elif held[number]:
            groups[number].give_back()
            held[number] -= 1
        assert places.taken == sum(held) <= most
        if places.taken < most:
            share = Share(places)
            assert share.take()
            share.give_back()


@pytest.mark.parametrize(
    ('limit', 'open_now', 'taken', 'most'),
    [
        (1024, 24, 0, MOST_CONNECTIONS),
        (300, 100, 0, 100),
        (300, 120, 20, 110),
        (100, 99, 0, FEWEST_CONNECTIONS),
        (100, 300, 0, FEWEST_CONNECTIONS),
        (resource.RLIM_INFINITY, 5000, 0, MOST_CONNECTIONS),
    ],
)
def test_half_of_the_descriptors_that_are_left_may_be_used(
    monkeypatch, limit, open_now, taken, most
):
    monkeypatch.setattr(resource, 'getrlimit', lambda which: (limit, limit))
    monkeypatch.setattr(os, 'listdir', lambda path: ['x'] * open_now)
    assert shares.connections(taken) == most


def test_where_descriptors_cannot_be_counted_there_are_a_few(monkeypatch):
    def refuse(path):
        raise OSError

    monkeypatch.setattr(os, 'listdir', refuse)
    assert shares.connections(0) == FEWEST_CONNECTIONS
