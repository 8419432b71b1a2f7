"""What the chaos run takes for the newer will."""

from __future__ import annotations

import pytest

from tests.chaos.calls import Request
from tests.chaos.wills import DOWN, GONE, NEVER, UP, Will, Wills

WAITS = 1.0  # seconds after which supervisord has surely taken in a call, in these tests


def allowed(*wills, base=UP):
    ours = Wills(lambda sent: sent + WAITS)
    ours.begin({'web:0': base})
    for effect, start, answered, certain in wills:
        ours.add('web:0', Will(effect, start, start, answered, certain))
    return ours.allowed('web:0')


@pytest.mark.parametrize(
    ('wills', 'what'),
    [
        ([], {UP}),
        ([(DOWN, 1.0, 1.1, True)], {DOWN}),
        ([(DOWN, 1.0, 1.1, False)], {UP, DOWN}),  # it may have been in vain
        ([(DOWN, 1.0, 1.1, True), (UP, 2.0, 2.1, True)], {UP}),
        ([(UP, 2.0, 2.1, True), (DOWN, 1.0, 1.1, True)], {UP}),  # in whichever order they are noted
        ([(DOWN, 1.0, 1.5, True), (UP, 1.4, 1.6, True)], {UP, DOWN}),  # at the same time
        ([(DOWN, 1.0, 9.0, True), (UP, 2.5, 2.6, True)], {UP}),  # it waits, but is taken in at once
        ([(DOWN, 1.0, NEVER, False), (UP, 1.5, 1.6, True)], {UP, DOWN}),
        ([(DOWN, 1.0, NEVER, False), (UP, 2.5, 2.6, True)], {UP}),
        (
            [(DOWN, 1.0, 1.1, True), (UP, 2.0, 2.1, False), (GONE, 3.0, 3.1, False)],
            {UP, DOWN, GONE},
        ),
    ],
)
def test_the_newer_will_wins(wills, what):
    assert allowed(*wills) == what


def test_the_base_holds_until_somebody_wants_something():
    assert allowed(base=DOWN) == {DOWN}
    assert allowed((UP, 1.0, 1.1, False), base=DOWN) == {UP, DOWN}


@pytest.mark.parametrize(
    ('request_', 'how'),
    [
        (Request('restarter.startRestart'), 'restarter.startRestart'),
        (
            Request('system.multicall', ([{'methodName': 'restarter.quickStart'}],)),
            'system.multicall',
        ),
        (
            Request(
                'system.multicall',
                (
                    [
                        {'methodName': 'restarter.quickStop'},
                        {'methodName': 'supervisor.startProcess'},
                    ],
                ),
            ),
            'supervisor.startProcess',
        ),
    ],
)
def test_a_start_of_supervisors_own_in_a_multicall_is_known(request_, how):
    assert request_.how == how
