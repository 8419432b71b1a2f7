"""What is put into supervisord's loop, and when that wakes up. Wake-ups on a real loop are in
tests/integration.
"""

from __future__ import annotations

import functools
import os
import select
import signal
import time
from types import SimpleNamespace

import pytest
from supervisor.http import deferring_http_channel

from supervisor_restarter.programs.nursery import nursery
from supervisor_restarter.server.hooks import MOST_IN_CHAIN
from supervisor_restarter.server.loop import MOST_ALARMS, Reactor, WakeUp

LONG = 10_000_000.0  # seconds; the longest that a client may ask for


class Poller:
    """Notes how long it would have slept, and what it knows."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.readables, self.writables = {7, 8}, {8, 9}

    def poll(self, timeout):
        self.slept.append(timeout)
        return [], []

    def unregister_readable(self, descriptor):
        self.readables.remove(descriptor)

    def unregister_writable(self, descriptor):
        self.writables.remove(descriptor)


@pytest.fixture
def poller():
    return Poller()


@pytest.fixture
def sockets():
    """The loop's socket map; 7 belongs to a process."""
    return {9: object()}


@pytest.fixture
def attached(poller, sockets):
    options = SimpleNamespace(poller=poller, get_socket_map=lambda: sockets)
    supervisord = SimpleNamespace(options=options, get_process_map=lambda: {7: object()})
    reactor = Reactor(supervisord, lambda: None)
    reactor.attach()
    yield reactor
    reactor.detach()


@pytest.fixture
def dispatcher(attached, sockets):
    """The reading end of our pipe."""
    (found,) = (one for one in sockets.values() if isinstance(one, WakeUp))
    return found


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


def test_who_starts_children_knows_what_wakes_the_loop(attached):
    def wakes():
        number = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(number, warn_on_full_buffer=False)
        return number

    before = wakes()
    assert nursery.wake_up_fd == before
    attached.detach()
    assert nursery.wake_up_fd == wakes() != before


def test_a_wake_up_descriptor_that_others_have_set_meanwhile_stays(attached):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    try:
        attached.detach()
        assert nursery.wake_up_fd == writing
        assert signal.set_wakeup_fd(-1) == writing
    finally:
        signal.set_wakeup_fd(-1)
        os.close(reading)
        os.close(writing)


def test_attaching_and_detaching_twice_is_like_once(attached, poller, sockets):
    before = dict(sockets)
    attached.attach()
    assert sockets == before
    for _ in range(2):
        attached.detach()
        assert list(sockets) == [9]
        assert vars(poller).keys() == {'slept', 'readables', 'writables'}


@pytest.fixture
def _sigchld():
    """SIGCHLD has a handler, as in supervisord."""
    former = signal.signal(signal.SIGCHLD, lambda *_: None)
    yield
    signal.signal(signal.SIGCHLD, former)


@pytest.mark.usefixtures('_sigchld')
def test_a_signal_makes_our_dispatcher_readable_until_it_is_read(attached, dispatcher):
    def is_waiting(seconds):
        return bool(select.select([dispatcher.reader], [], [], seconds)[0])

    assert not is_waiting(0)
    os.kill(os.getpid(), signal.SIGCHLD)
    assert is_waiting(10)
    for _ in range(2):  # nothing is there the second time
        dispatcher.handle_read_event()
        assert not is_waiting(0)


def test_the_loop_finds_a_dispatcher_of_its_kind(attached, dispatcher):
    assert dispatcher.readable()
    assert not dispatcher.writable()
    dispatcher.handle_write_event()
    dispatcher.handle_error()
    assert not dispatcher.readable()


def test_the_loop_may_ask_it_once_more_after_the_end(attached, dispatcher):
    attached.detach()
    assert not dispatcher.readable()


def test_poking_makes_channels_ask_for_deferred_answers_at_once(attached, sockets):
    channel = sockets[10] = deferring_http_channel.__new__(deferring_http_channel)
    channel.last_writable_check = 1000.0
    attached.poke()
    assert channel.last_writable_check == 0


def test_descriptors_that_nobody_holds_are_forgotten(attached, poller):
    attached.forget_closed()
    assert (poller.readables, poller.writables) == ({7}, {9})


def test_later_that_is_known_of_what_has_ended_or_was_closed_since_the_last_turn(
    attached, poller, sockets
):
    sockets.update({20: object(), 21: object(), 22: object()})
    sleep(poller)
    del sockets[20]
    ended = SimpleNamespace(dispatchers={30: 1, 31: 2})
    attached.note(ended)
    attached.note(SimpleNamespace(dispatchers={40: 1}))  # which lives
    started = SimpleNamespace(dispatchers={})
    attached.note(started)
    ended.dispatchers, started.dispatchers = {}, {22: 1}  # the number of a socket that was closed
    del sockets[22]
    poller.readables = {*sockets, 20, 22, 30, 40}
    poller.writables = {31}
    attached.forget_closed()
    assert (poller.readables, poller.writables) == ({*sockets, 22, 40}, set())


def test_a_poll_that_others_have_thrown_away_is_there_again_in_the_next_turn(
    attached, dispatcher, poller
):
    """Without its step, what is down would stay down."""
    attached.alarm(time.monotonic() + 0.5)
    poller.poll = functools.partial(type(poller).poll, poller)
    assert sleep(poller) == 1.0
    dispatcher.readable()
    assert sleep(poller) <= 0.5


def test_it_is_there_again_also_where_others_throw_it_away_in_every_turn(
    attached, dispatcher, poller
):
    attached.alarm(time.monotonic() + LONG)
    stepped = []
    attached._step = lambda: stepped.append(1)
    for _ in range(10 * MOST_IN_CHAIN):
        poller.poll = functools.partial(type(poller).poll, poller)
        dispatcher.readable()
        poller.poll(1.0)
    assert len(stepped) > 2 * MOST_IN_CHAIN
