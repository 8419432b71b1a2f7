"""A monitor is asked only when that would bring anything new, and that brings what asking it in
every turn would.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.engine.member import Observation
from supervisor_restarter.engine.phases import UP, Seen
from supervisor_restarter.readiness import monitor, procfs
from supervisor_restarter.readiness.monitor import (
    ANSWER_SECONDS,
    RETRY_WHEN_FULL,
    SILENT_AFTER,
    Probing,
    ReadinessMonitor,
)
from supervisor_restarter.readiness.notify import NotifySocket
from supervisor_restarter.readiness.pace import PACE_OF_CONNECTIONS
from supervisor_restarter.readiness.question import Question
from supervisor_restarter.readiness.shares import Places, Share
from supervisor_restarter.readiness.spec import parse
from tests.examples import examples

BEGINNING = 1000.0
TCP, EXEC, NOTIFY = 'tcp://127.0.0.1:8001', 'exec:/bin/true', 'notify'
OLD, NEW = 41, 42  # pids
QUEUE_RETRY = 0.05  # seconds


class Asked(Question):
    """A question that is answered when the test says so; until `full_until` it waits out a full
    queue.
    """

    def __init__(self, spec, deadline, full_until, over):
        super().__init__(spec, deadline, over)
        self._begun = deadline - ANSWER_SECONDS
        self._full_until = full_until
        self._retry(self._begun)

    def look(self, now):
        super().look(now)
        if self.again_at is not None and now >= self.again_at:
            self._retry(now)

    def answer(self, why, blind=False):
        self.blind = blind
        self._end(why)

    def _retry(self, now):
        if now < self._full_until:
            self.again_at = now + QUEUE_RETRY
        elif self.again_at is not None:
            self.answer('')

    def _clean_up(self):
        self._over()


class Side:
    """A monitor with all that it asks, whose clock the test advances."""

    def __init__(self, text=TCP, patient=False, kept=False, full_seconds=0.0):
        self.now, self.shown = BEGINNING, Observation(Seen.READY, OLD)
        self.questions: list[Asked] = []
        self.listens: bool | None = True  # None: it cannot be told whether it does
        self.full_until = BEGINNING + full_seconds
        self.places = Places(1)
        self.notify = NotifySocket(cast(Any, None))
        self.notify.path = '/run/notify'
        side = cast(Any, self)
        probing = Probing(side, 1, Share(self.places), Share(self.places), side)
        process = SimpleNamespace(side=self)
        self.monitor = ReadinessMonitor(
            parse(text), probing, self.notify, patient, 0.5, process, kept
        )

    def connect(self, spec, deadline, over):
        self.questions.append(Asked(spec, deadline, self.full_until, over))
        return self.questions[-1]

    @property
    def open(self):
        return [question for question in self.questions if not question.done]

    @property
    def due(self):
        return self.monitor.due(self.now)

    def see(self):
        """As a turn of the loop that passes over what has nothing to do."""
        return self.monitor.see(self.shown, self.now)

    def see_in_full(self):
        """As a turn of the loop that looks at everything."""
        self.monitor.turn(self.shown, self.now)
        return self.monitor.seen(self.shown, self.now)

    def answer(self, why='', blind=False):
        for question in self.open:
            question.answer(why, blind)


@pytest.fixture(autouse=True, scope='module')
def _scripted():
    def run(process, spec, deadline, identities, over):
        return process.side.connect(spec, deadline, over)

    def connect(options, spec, deadline, waits, over):
        return options.connect(spec, deadline, over)

    def holds(pid, spec, side, since):
        return side.listens

    with (
        mock.patch.object(monitor, 'ConnectProbe', connect),
        mock.patch.object(monitor, 'ExecProbe', run),
        mock.patch.object(procfs, 'holds', holds),
    ):
        yield


# -- one by one ----------------------------------------------------------------------------------


@pytest.fixture
def one():
    return Side()


def ready(one):
    """It has answered, and there is nothing to do."""
    one.see()
    one.answer()
    return one.see()


def asked_again(one):
    ready(one)
    one.now = one.monitor.wake_at()
    one.see()


def test_it_is_due_before_it_was_seen_and_not_after(one):
    assert one.due
    one.see()
    assert not one.due


def test_it_is_due_when_there_is_an_answer_and_when_it_is_to_be_asked_again(one):
    one.see()
    one.answer()
    assert one.due
    said = one.see()
    assert not one.due
    at = one.monitor.wake_at()
    one.now = math.nextafter(at, 0)
    assert not one.due
    one.now = at
    assert one.due
    assert (one.see(), len(one.open), one.due) == (said, 1, False)


@pytest.mark.parametrize('act', [
    lambda one: one.monitor.started(NEW, one.now),
    lambda one: one.monitor.signalled(one.now),
    lambda one: one.monitor.close(),
])  # fmt: skip
def test_it_is_due_when_something_was_done_to_it(one, act):
    ready(one)
    act(one)
    assert one.due
    assert one.monitor.wake_at() is None  # the turn that has done so is followed by another one


@pytest.mark.parametrize('moment', [
    lambda one: one.now + PACE_OF_CONNECTIONS.hung,
    lambda one: one.now + ANSWER_SECONDS,
])  # fmt: skip
def test_it_is_due_when_one_may_have_hung_and_when_the_answer_is_overdue(one, moment):
    asked_again(one)
    times, last = [], moment(one)
    while one.now < last:
        one.now = one.monitor.wake_at()
        assert one.due
        times.append(one.now)
        one.see()
        assert not one.due
    assert times[-1] == pytest.approx(last)


def test_it_is_due_when_an_error_is_no_longer_the_latest_news(one):
    one.see()
    one.answer('connection refused')
    one.see()
    one.now = one.monitor.wake_at()
    one.see()
    assert one.monitor.wake_at() == pytest.approx(one.now + SILENT_AFTER)
    one.now = one.monitor.wake_at()
    assert one.due
    assert one.see().unready.endswith('no answer yet')
    assert one.monitor.wake_at() > one.now + 1  # its deadline


def test_it_is_due_when_there_is_a_place_and_now_and_then_before(one):
    one.places.taken = 1
    one.see()
    assert not one.due
    assert one.monitor.wake_at() == one.now + RETRY_WHEN_FULL
    one.places.taken = 0
    assert one.due
    one.places.taken = 1
    assert not one.due
    one.now += RETRY_WHEN_FULL
    assert one.due
    one.see()
    one.places.most = 9
    one.see()
    assert len(one.open) == 1
    assert not one.due  # it has its place
    one.answer('refused')
    one.see()
    assert not one.due  # there is a place, and it is not its time


def test_one_that_has_gone_down_waits_for_no_place(one):
    one.places.taken = 1
    one.see()
    one.shown = Observation(Seen.STOPPED)
    one.see()
    one.places.taken = 0
    assert not one.due


def test_it_is_due_when_the_process_has_said_that_it_is_ready():
    one = Side(NOTIFY)
    one.notify.expect(OLD)
    one.see()
    assert not one.due
    one.notify._believe(OLD)
    assert one.due
    assert one.see().seen is Seen.READY
    assert not one.due


@pytest.mark.parametrize('seen', [Seen.STOPPED, Seen.RUNNING])
def test_what_is_not_asked_is_never_due(one, seen):
    one.shown = Observation(seen, OLD)
    one.see()
    one.now = 1e9
    assert not one.due
    assert one.monitor.wake_at() is None


def test_what_is_taken_as_ready_is_never_due():
    one = Side(patient=True)
    one.see()
    one.now = 1e9
    assert not one.due


def test_while_nothing_has_changed_what_is_seen_is_the_same_object(one):
    one.see()
    one.answer('connection refused')
    said = one.see()
    assert one.see() is said
    one.shown = Observation(Seen.READY, OLD)  # as it was, and another object
    assert one.see() is said
    one.now = one.monitor.wake_at()
    assert one.see() is said  # only the next question was asked
    one.answer('connection refused')
    one.see()
    one.shown = one.shown._replace(seen=Seen.STARTING)
    assert one.see().seen is Seen.STARTING


def test_what_is_not_up_is_passed_on_as_it_is(one):
    one.shown = Observation(Seen.STOPPED)
    assert one.see() is one.see()


# -- all of it -----------------------------------------------------------------------------------


def show(side, seen):
    side.shown = Observation(seen, side.shown.pid if seen in UP else 0)


def replace(side, pid):
    side.shown = Observation(Seen.READY, pid)


def start(side, pid):
    side.shown = Observation(Seen.STARTING, pid)
    side.monitor.started(pid, side.now)


def signal(side, heeded):
    side.monitor.signalled(side.now)
    show(side, Seen.READY if heeded else Seen.RUNNING)


def wait(side, seconds):
    side.now += seconds


def wait_for_it(side, _):
    side.now = max(side.now, side.monitor.wake_at() or 0.0)


def fill_queue(side, seconds):
    side.full_until = side.now + seconds


def take_places(side, taken):
    if not side.open:
        side.places.taken = taken


def listen(side, listens):
    side.listens = listens


OF_TIME = {wait, wait_for_it}
pids, seconds = st.sampled_from([OLD, NEW]), st.sampled_from([0.01, 0.5, 1.0, 5.0, 30.0])
whys = st.sampled_from(['', 'refused', 'busy'])
happenings = st.one_of(
    st.tuples(st.just(wait_for_it), st.none()),
    st.tuples(st.just(wait), seconds),
    st.tuples(st.just(Side.answer), whys),
    st.tuples(st.just(lambda side, _: side.answer('too many open files', blind=True)), st.none()),
    st.tuples(st.just(show), st.sampled_from(sorted({*Seen} - {Seen.RUNNING}, key=str))),
    st.tuples(st.just(replace), pids),
    st.tuples(st.just(start), pids),
    st.tuples(st.just(signal), st.booleans()),
    st.tuples(st.just(lambda side, pid: side.notify.expect(pid)), pids),
    st.tuples(st.just(lambda side, pid: side.notify._believe(pid)), pids),
    st.tuples(st.just(lambda side, pid: side.notify.forget(pid)), pids),
    st.tuples(st.just(fill_queue), seconds),
    st.tuples(st.just(take_places), st.sampled_from([0, 1])),
    st.tuples(st.just(listen), st.sampled_from([True, False, None])),
)


def known(side):
    """What a turn can change."""
    return side.see(), len(side.questions), len(side.open), side.monitor.wake_at()


@examples(150, 5000)
@given(
    st.sampled_from([TCP, TCP, EXEC, NOTIFY]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 0.0, 0.4]),
    st.lists(happenings, max_size=40),
)
def test_asked_only_when_due_it_says_and_does_what_it_does_asked_in_every_turn(
    text, patient, kept, full_seconds, history
):
    lazy, eager = (Side(text, patient, kept, full_seconds) for _ in range(2))
    before = known(lazy)
    assert eager.see_in_full() == before[0]
    for happen, how in history:
        happen(lazy, how)
        happen(eager, how)
        said, due = eager.see_in_full(), lazy.due
        after = known(lazy)
        assert after == (said, len(eager.questions), len(eager.open), eager.monitor.wake_at())
        assert not lazy.due
        if happen in OF_TIME:
            assert due is (after != before)
        before = after
