"""What is counted of restarts and applies, of a whole service in the simulated world."""

from __future__ import annotations

import pytest

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.web.tally import BOUNDS, Durations
from tests.simulated import WALL, slow
from tests.unit.web.counted import Counted
from tests.world import BEGINNING, Life, Program


@pytest.fixture
def two():
    """Two groups of two processes that take a tenth of a second to stop and a second to start."""
    return Counted('web:0', 'web:1', 'app:0', 'app:1')


def counts(durations: Durations) -> dict[float, int]:
    """The buckets that are not empty, by their bounds."""
    bounds = [*BOUNDS, float('inf')]
    return {bound: count for bound, count in zip(bounds, durations.counts) if count}


def test_all_of_a_group_that_nothing_has_happened_to_is_0(two):
    two.ask('app')
    two.end()
    tally = two.of('web')
    assert (tally.ended, counts(tally.down), counts(tally.ready), tally.last) == ({}, {}, {}, None)


def test_a_restart_is_counted_in_each_of_its_groups(two):
    for names in (['web', 'app'], 'web'):
        two.ask(names)
        two.end()
    assert two.of('web').ended == {('restart', 'succeeded'): 2}
    assert two.of('app').ended == {('restart', 'succeeded'): 1}


def test_each_process_is_measured_once_it_is_over(two):
    two.ask('web:0')
    two.to(0.5)
    assert counts(two.of().down) == {}
    two.end()
    two.ask('web')
    two.end()
    assert counts(two.of().down) == {0.01: 3}
    assert counts(two.of().ready) == {3.0: 3}  # startsecs is 1, and Supervisor wants a bit more
    assert two.of().ready.sum == pytest.approx(3.0, abs=0.01)
    assert counts(two.of('app').ready) == {}


def test_a_bucket_has_what_is_as_long_as_its_bound():
    durations = Durations()
    for seconds in (0.0, 0.01, 0.011, 300.0, 301.0):
        durations.add(seconds)
    assert counts(durations) == {0.01: 2, 0.03: 1, 300.0: 1, float('inf'): 1}
    assert durations.sum == pytest.approx(601.021)


@pytest.mark.parametrize('seen', [Seen.STOPPED, Seen.BACKOFF, Seen.FATAL])
def test_what_had_been_down_before_was_not_down_because_of_it(two, seen):
    two.world.add('web:2', seen)
    two.ask('web')
    two.end()
    assert (sum(two.of().down.counts), sum(two.of().ready.counts)) == (2, 3)


def test_what_does_not_get_ready_has_no_ready_seconds(two):
    two.world.processes['web:1'].program = Program(lives=())
    two.world.processes['web:1'].lives = iter([Life(seconds=0.1, status=3)] * 9)
    job = two.ask('web')
    two.end()
    assert job.operation.state.value == 'failed'
    assert two.of().ended == {('restart', 'failed'): 1}
    assert (sum(two.of().down.counts), sum(two.of().ready.counts)) == (2, 1)


def test_how_the_last_restart_of_each_group_went(two):
    two.ask(['web', 'app'], max_unavailable=1)
    two.end()
    one = two.of('app').last
    assert one is not None
    assert (one.lowest_ready, one.allowed) == (1, 1)
    two.ask('web')
    end = two.end()
    last = two.of('web').last
    assert last is not None
    assert (last.lowest_ready, last.allowed) == (0, 0)
    assert last.finished == pytest.approx(WALL + BEGINNING + end, abs=0.1)
    assert two.of('app').last == one


def test_a_restart_that_never_began_says_nothing_of_the_processes(two):
    two.ask('web')
    queued = two.ask('web', if_busy='queue')
    two.service.cancel(queued.id)
    two.to(0.01)
    assert two.of().ended == {('restart', 'cancelled'): 1}
    assert two.of().last is None


def test_what_goes_on_is_seen_until_it_is_over(two):
    two.world.processes['web:0'].program = slow(5.0)
    two.ask(['web', 'app'])
    two.ask('web', if_busy='queue')
    two.to(0.5)
    assert two.tally.running() == {'web': 1, 'app': 1}
    two.end()
    assert not two.tally.running()


def test_starts_and_stops_are_not_counted(two):
    for goal in (Goal.STOP, Goal.START):
        two.ask('web', goal)
        two.end()
    assert two.of().ended == {}
    assert sum(two.of().ready.counts) == 0


def test_a_group_that_is_gone_is_forgotten_and_begins_anew(two):
    two.ask(['web', 'app'])
    two.end()
    two.there.remove('web')
    assert set(two.tally.groups()) == {'app'}
    two.there.add('web')
    assert two.of('web').ended == {}
    assert two.of('app').ended == {('restart', 'succeeded'): 1}


def test_nobody_need_ask_for_what_is_gone_to_be_forgotten(two):
    two.ask(['web', 'app'])
    two.there.remove('web')
    two.end()
    assert set(two.tally._groups) == {'app'}
