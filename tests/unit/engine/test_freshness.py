"""Which processes are new enough, and when they were started."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.engine.freshness import CLOCK_JITTER, Change, exact_start, kept
from supervisor_restarter.engine.phases import UP, Seen
from supervisor_restarter.options import Options

TICK = 0.01
CHANGE = Change('/srv/app/current', at=100.0, seen_at=120.0)


@pytest.mark.parametrize(('laststart', 'kernels', 'start'), [
    (100.005, 100.00, 100.005),  # Supervisor's is exact
    (100.000, 100.00, 100.000),
    (100.0105, 100.00, 100.0105),  # the two clocks were not read at the same moment
    (100.012, 100.00, 100.00),  # the wall clock was put back since
    (99.9999, 100.00, 100.00),  # noted before a tick, started after it
    (3700.0, 100.00, 100.00),  # an hour back
    (5.0, 100.00, 100.00),  # the machine was started without knowing the time
    (100.005, None, 100.005),  # no /proc
])  # fmt: skip
def test_the_exact_start_of_a_process(laststart, kernels, start):
    assert exact_start(laststart, kernels, TICK) == start


@given(st.floats(0, 2e9), st.floats(0, 0.5), st.floats(-1e6, 1e6))
def test_a_start_is_never_said_to_be_later_than_it_was_but_for_a_small_step_of_the_clock(
    true, fork, step
):
    kernels = true // TICK * TICK
    start = exact_start(true - fork + step, kernels, TICK)
    assert start <= true + (0 if step <= 0 else TICK + CLOCK_JITTER) + 1e-6
    assert start >= true - max(fork, TICK) - 1e-6


@pytest.mark.parametrize(('started_at', 'newer'), [
    (99.0, False),
    (100.0, False),
    (100.02, False),  # the file may have changed as late as this
    (100.021, True),
    (0.0, False),  # not known
])  # fmt: skip
def test_newer_is_what_started_after_the_change(started_at, newer):
    why = 'already newer than /srv/app/current' if newer else ''
    assert kept(Options(), CHANGE, Seen.READY, started_at) == why


@pytest.mark.parametrize('seen', Seen)
def test_only_what_is_up_is_left_alone(seen):
    up = seen in UP
    assert bool(kept(Options(), CHANGE, seen, 110.0)) is up
    start = Options(method='start')
    assert kept(start, None, seen, 0.0) == ('already started' if up else '')
    assert kept(start, CHANGE, seen, 110.0) == ('already started' if up else '')
    assert kept(Options(), None, seen, 110.0) == ''


def test_a_reason_is_one_short_line_whatever_the_path():
    why = kept(Options(), CHANGE._replace(path='/a\n' + 4000 * 'x'), Seen.READY, 110.0)
    assert why.startswith(r'already newer than /a\nxxx')
    assert len(why) < 250
