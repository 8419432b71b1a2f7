"""The table of phases, entry by entry, and what holds for it as a whole."""
from __future__ import annotations

import itertools

import pytest

from supervisor_restarter.phases import DOWN, ENDS, TABLE, Order, Phase, Seen, after, follow

# Cells are 'next phase', or 'order>next phase' where the phase changes with the order.
TRANSITIONS = """
seen          waiting   due             stopping   stopped         starting
STOPPED       skipped   start>starting  stopped    start>starting  skipped
STARTING      waiting   stop>stopping   starting   starting        starting
RUNNING       waiting   stop>stopping   starting   starting        ready
BACKOFF       waiting   stop>stopping   failed     failed          failed
STOPPING      skipped   stopping        stopping   skipped         skipped
EXITED        waiting   start>starting  stopped    start>starting  ready
EXITED_BADLY  waiting   start>starting  stopped    start>starting  failed
FATAL         waiting   start>starting  stopped    start>starting  failed
UNKNOWN       failed    failed          failed     failed          failed
WANTED_DOWN   skipped   skipped         skipped    skipped         skipped
"""

# Where follow() comes to rest: 'phase', or 'phase!order' with the order to be carried out there.
RESTING = """
seen          waiting   due        stopping       stopped        starting
STOPPED       skipped   due!start  stopped!start  stopped!start  skipped
STARTING      waiting   due!stop   starting       starting       starting
RUNNING       waiting   due!stop   ready          ready          ready
BACKOFF       waiting   due!stop   failed         failed         failed
STOPPING      skipped   stopping   stopping       skipped        skipped
EXITED        waiting   due!start  stopped!start  stopped!start  ready
EXITED_BADLY  waiting   due!start  stopped!start  stopped!start  failed
FATAL         waiting   due!start  stopped!start  stopped!start  failed
UNKNOWN       failed    failed     failed         failed         failed
WANTED_DOWN   skipped   skipped    skipped        skipped        skipped
"""

EVERY_PAIR = list(itertools.product(Phase, Seen))


def cells(text):
    heading, *rows = (line.split() for line in text.strip().splitlines())
    for seen, *entries in rows:
        for phase, entry in zip(heading[1:], entries):
            yield pytest.param(Phase(phase), Seen(seen), entry, id=f'{phase}-{seen}')


@pytest.mark.parametrize(('phase', 'seen', 'entry'), cells(TRANSITIONS))
def test_transition(phase, seen, entry):
    order, _, to = entry.rpartition('>')
    assert TABLE[phase, seen] == (Phase(to), Order(order) if order else None)
    assert after(phase, seen) is Phase(to)


@pytest.mark.parametrize(('phase', 'seen', 'entry'), cells(RESTING))
def test_follow_takes_all_steps_without_an_order(phase, seen, entry):
    to, _, order = entry.partition('!')
    assert follow(phase, seen) == (Phase(to), Order(order) if order else None)


def test_both_tables_of_this_test_cover_everything_but_the_ends():
    wanted = {pair for pair in EVERY_PAIR if pair[0] not in ENDS}
    for text in (TRANSITIONS, RESTING):
        assert {(param.values[0], param.values[1]) for param in cells(text)} == wanted


def test_the_table_is_total():
    assert set(TABLE) == set(EVERY_PAIR)


def test_the_ends_are_ready_skipped_and_failed():
    assert {end.value for end in ENDS} == {'ready', 'skipped', 'failed'}


@pytest.mark.parametrize('end', sorted(ENDS))
@pytest.mark.parametrize('seen', Seen)
def test_an_end_is_never_left(end, seen):
    assert TABLE[end, seen] == (end, None)
    assert follow(end, seen) == (end, None)


@pytest.mark.parametrize(('phase', 'seen'), EVERY_PAIR)
def test_follow_comes_to_rest(phase, seen):
    to, order = follow(phase, seen)
    assert order is not None or TABLE[to, seen] == (to, None)


@pytest.mark.parametrize(('phase', 'seen'), EVERY_PAIR)
def test_what_is_seen_again_changes_nothing_more(phase, seen):
    resting = follow(phase, seen)
    assert follow(resting[0], seen) == resting


def test_only_a_process_whose_turn_has_come_is_stopped():
    assert {phase for (phase, _), (_, order) in TABLE.items() if order is Order.STOP} == {Phase.DUE}


def test_only_a_process_that_is_down_is_started():
    assert {seen for (_, seen), (_, order) in TABLE.items() if order is Order.START} == DOWN


# What says that somebody else has stopped the process: a stop that the restart did not order.
BY_OTHERS = {
    (Phase.STOPPING, Seen.WANTED_DOWN),
    (Phase.STOPPED, Seen.WANTED_DOWN), (Phase.STOPPED, Seen.STOPPING),
    (Phase.STARTING, Seen.WANTED_DOWN), (Phase.STARTING, Seen.STOPPING), (Phase.STARTING, Seen.STOPPED),
}


@pytest.mark.parametrize('taken_down', [Phase.STOPPING, Phase.STOPPED])
def test_what_is_down_is_never_forgotten(taken_down):
    reached, steps = {taken_down}, [taken_down]
    while steps:
        phase = steps.pop()
        for seen in Seen:
            to = TABLE[phase, seen][0]
            if to is Phase.SKIPPED and phase not in ENDS:
                assert (phase, seen) in BY_OTHERS
            elif to not in reached:
                reached.add(to)
                steps.append(to)
    assert reached - {Phase.STOPPING} == {Phase.STOPPED, Phase.STARTING, Phase.READY, Phase.FAILED}


def test_nothing_becomes_ready_without_having_been_started():
    assert {phase for (phase, _), (to, _) in TABLE.items() if to is Phase.READY} == {Phase.STARTING, Phase.READY}


@pytest.mark.parametrize('phase', [Phase.STARTING, Phase.STOPPING, Phase.STOPPED])
@pytest.mark.parametrize('seen', [Seen.BACKOFF, Seen.UNKNOWN])
def test_a_process_that_does_not_come_up_fails_at_once(phase, seen):
    assert follow(phase, seen) == (Phase.FAILED, None)
