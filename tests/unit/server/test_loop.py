"""Alarms: when supervisord's loop wakes up for clients that wait. Wake-ups on a real loop are in
tests/integration.
"""

from __future__ import annotations

import functools
import os
import signal
import time
from types import SimpleNamespace

import pytest

from supervisor_restarter.server.hooks import MOST_TIMES
from supervisor_restarter.server.loop import MOST_ALARMS, Reactor

LONG = 10_000_000.0  # seconds; the longest that a client may ask for


class Poller:
    """Notes how long it would have slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def poll(self, timeout):
        self.slept.append(timeout)
        return [], []

    def unregister_readable(self, descriptor):
        """Nothing is registered."""


@pytest.fixture
def poller():
    return Poller()


@pytest.fixture
def attached(poller):
    sockets: dict[int, object] = {}
    options = SimpleNamespace(poller=poller, get_socket_map=lambda: sockets)
    reactor = Reactor(SimpleNamespace(options=options), lambda: None)
    reactor.attach()
    yield reactor
    reactor.detach()


def sleep(poller):
    """How long supervisord, which asks for a second, would sleep now."""
    poller.poll(1.0)
    return poller.slept[-1]


@pytest.fixture
def now(monkeypatch):
    """The monotonic time, which stands still."""
    monkeypatch.setattr(time, 'monotonic', lambda: 1000.0)
    return 1000.0


def test_the_loop_sleeps_until_the_next_alarm(attached, poller, now):
    for seconds in (0.8, 0.4, 0.6, LONG):
        attached.alarm(now + seconds)
    assert sleep(poller) == pytest.approx(0.4)


def test_an_alarm_that_is_due_goes_off_once(attached, poller, monkeypatch):
    pokes = []
    monkeypatch.setattr(attached, 'poke', lambda: pokes.append(1))
    for _ in range(3):
        attached.alarm(time.monotonic())
    assert sleep(poller) == 0.0
    assert sleep(poller) == 1.0
    assert pokes == [1]


def test_clients_that_have_asked_for_months_keep_nobody_out(attached, poller, now):
    for _ in range(3 * MOST_ALARMS):
        attached.alarm(now + LONG)
    attached.alarm(now + 0.3)
    assert sleep(poller) == pytest.approx(0.3)
    assert len(attached._alarms) == MOST_ALARMS


def test_no_alarms_are_left_after_the_end(attached, poller):
    attached.alarm(time.monotonic() + LONG)
    attached.detach()
    assert attached._alarms == []
    attached.alarm(time.monotonic())
    assert attached._alarms == []
    assert sleep(poller) == 1.0


def test_a_wake_up_descriptor_that_others_have_set_meanwhile_stays(attached):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    try:
        attached.detach()
        assert signal.set_wakeup_fd(-1) == writing
    finally:
        signal.set_wakeup_fd(-1)
        os.close(reading)
        os.close(writing)


def test_a_poll_that_others_have_thrown_away_is_there_again_in_the_next_turn(attached, poller):
    """Without its step, what is down would stay down."""
    attached.alarm(time.monotonic() + 0.5)
    poller.poll = functools.partial(type(poller).poll, poller)
    assert sleep(poller) == 1.0
    [dispatcher] = attached._supervisord.options.get_socket_map().values()
    dispatcher.readable()
    assert sleep(poller) <= 0.5


def test_it_is_there_again_also_where_others_throw_it_away_in_every_turn(attached, poller):
    attached.alarm(time.monotonic() + LONG)
    [dispatcher] = attached._supervisord.options.get_socket_map().values()
    stepped = []
    attached._step = lambda: stepped.append(1)
    for _ in range(10 * MOST_TIMES):
        poller.poll = functools.partial(type(poller).poll, poller)
        dispatcher.readable()
        poller.poll(1.0)
    assert len(stepped) > 2 * MOST_TIMES
