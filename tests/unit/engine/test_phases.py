"""The table of phases, entry by entry, and what holds for it as a whole."""

from __future__ import annotations

import itertools

import pytest

from supervisor_restarter.engine.phases import (
    BESIDE,
    DOWN,
    ENDS,
    IN_FLIGHT,
    ON_RETURN,
    SETTLED,
    SHOWN,
    TABLE,
    UP,
    Order,
    Phase,
    Seen,
    after,
    follow,
)

# Cells are 'next phase', or 'order>next phase' where the phase changes with the order.
TRANSITIONS = """
seen          waiting  due             stopping  stopped         starting  to-signal         signalled
STOPPED       taken    start>starting  stopped   start>starting  taken     taken             taken
STARTING      waiting  stop>stopping   starting  starting        starting  to-signal         failed
RUNNING       waiting  stop>stopping   starting  starting        starting  signal>signalled  signalled
READY         waiting  stop>stopping   starting  starting        ready     signal>signalled  ready
BACKOFF       waiting  stop>stopping   failed    failed          failed    due               failed
STOPPING      taken    stopping        stopping  taken           taken     taken             taken
EXITED        waiting  start>starting  stopped   start>starting  ended     due               start>failed
EXITED_BADLY  waiting  start>starting  stopped   start>starting  failed    due               start>failed
FATAL         waiting  start>starting  stopped   start>starting  failed    due               failed
UNKNOWN       failed   failed          failed    failed          failed    failed            failed
WANTED_DOWN   taken    taken           taken     taken           taken     taken             taken
"""

# The same for a process that the restart is done with, as long as the restart lasts.
TRANSITIONS_LATER = """
seen          ready     wavering  ended     taken
STOPPED       taken     taken     ended     taken
STARTING      failed    failed    starting  starting
RUNNING       wavering  wavering  starting  starting
READY         ready     ready     starting  starting
BACKOFF       failed    failed    ended     failed
STOPPING      taken     taken     ended     taken
EXITED        ended     failed    ended     taken
EXITED_BADLY  failed    failed    ended     taken
FATAL         failed    failed    ended     taken
UNKNOWN       failed    failed    ended     taken
WANTED_DOWN   taken     taken     ended     taken
"""

# The same where commands of the program are run, before the stop and after the start.
TRANSITIONS_OF_COMMANDS = """
seen          to-drain        draining  drained        to-tell       telling  to-return        returning
STOPPED       taken           taken     taken          taken         taken    skipped          skipped
STARTING      drain>draining  draining  stop>stopping  failed        failed   tell>returning   returning
RUNNING       drain>draining  draining  stop>stopping  starting      telling  tell>returning   returning
READY         drain>draining  draining  stop>stopping  tell>telling  telling  tell>returning   returning
BACKOFF       due             due       due            failed        failed   skipped          skipped
STOPPING      taken           taken     taken          taken         taken    skipped          skipped
EXITED        due             due       due            ended         ended    skipped          skipped
EXITED_BADLY  due             due       due            failed        failed   skipped          skipped
FATAL         due             due       due            failed        failed   skipped          skipped
UNKNOWN       failed          failed    failed         failed        failed   skipped          skipped
WANTED_DOWN   taken           taken     taken          taken         taken    skipped          skipped
"""

# The same where the new process is started beside the old one; what is seen is the new one.
TRANSITIONS_BESIDE = """
seen          to-surge       surging       handing-over  restoring
STOPPED       taken          retire>taken  retire>taken  retire>taken
STARTING      surge>surging  surging       failed        restore>skipped
RUNNING       surge>surging  surging       handing-over  restore>skipped
READY         surge>surging  handing-over  handing-over  restore>skipped
BACKOFF       due            failed        failed        restore>skipped
STOPPING      taken          retire>taken  retire>taken  retire>taken
EXITED        due            failed        failed        restore>skipped
EXITED_BADLY  due            failed        failed        restore>skipped
FATAL         due            failed        failed        restore>skipped
UNKNOWN       failed         failed        failed        restore>skipped
WANTED_DOWN   taken          retire>taken  retire>taken  retire>taken
"""

# The same for a process that is to be left alone if it is ready.
TRANSITIONS_KEPT = """
seen          kept
STOPPED       taken
STARTING      kept
RUNNING       kept
READY         skipped
BACKOFF       failed
STOPPING      taken
EXITED        skipped
EXITED_BADLY  failed
FATAL         failed
UNKNOWN       failed
WANTED_DOWN   taken
"""

# Where follow() comes to rest: 'phase', or 'phase!order' with the order to be carried out there.
RESTING = """
seen          waiting  due        stopping       stopped        starting  to-signal         signalled
STOPPED       taken    due!start  stopped!start  stopped!start  taken     taken             taken
STARTING      waiting  due!stop   starting       starting       starting  to-signal         failed
RUNNING       waiting  due!stop   starting       starting       starting  to-signal!signal  signalled
READY         waiting  due!stop   ready          ready          ready     to-signal!signal  ready
BACKOFF       waiting  due!stop   failed         failed         failed    due!stop          failed
STOPPING      taken    stopping   stopping       taken          taken     taken             taken
EXITED        waiting  due!start  stopped!start  stopped!start  ended     due!start         signalled!start
EXITED_BADLY  waiting  due!start  stopped!start  stopped!start  failed    due!start         signalled!start
FATAL         waiting  due!start  stopped!start  stopped!start  failed    due!start         failed
UNKNOWN       failed   failed     failed         failed         failed    failed            failed
WANTED_DOWN   taken    taken      taken          taken          taken     taken             taken
"""

RESTING_LATER = """
seen          ready     wavering  ended     taken
STOPPED       taken     taken     ended     taken
STARTING      failed    failed    starting  starting
RUNNING       wavering  wavering  starting  starting
READY         ready     ready     ready     ready
BACKOFF       failed    failed    ended     failed
STOPPING      taken     taken     ended     taken
EXITED        ended     failed    ended     taken
EXITED_BADLY  failed    failed    ended     taken
FATAL         failed    failed    ended     taken
UNKNOWN       failed    failed    ended     taken
WANTED_DOWN   taken     taken     ended     taken
"""

RESTING_OF_COMMANDS = """
seen          to-drain        draining   drained       to-tell       telling  to-return       returning
STOPPED       taken           taken      taken         taken         taken    skipped         skipped
STARTING      to-drain!drain  draining   drained!stop  failed        failed   to-return!tell  returning
RUNNING       to-drain!drain  draining   drained!stop  starting      telling  to-return!tell  returning
READY         to-drain!drain  draining   drained!stop  to-tell!tell  telling  to-return!tell  returning
BACKOFF       due!stop        due!stop   due!stop      failed        failed   skipped         skipped
STOPPING      taken           taken      taken         taken         taken    skipped         skipped
EXITED        due!start       due!start  due!start     ended         ended    skipped         skipped
EXITED_BADLY  due!start       due!start  due!start     failed        failed   skipped         skipped
FATAL         due!start       due!start  due!start     failed        failed   skipped         skipped
UNKNOWN       failed          failed     failed        failed        failed   skipped         skipped
WANTED_DOWN   taken           taken      taken         taken         taken    skipped         skipped
"""

RESTING_BESIDE = """
seen          to-surge        surging         handing-over         restoring
STOPPED       taken           surging!retire  handing-over!retire  restoring!retire
STARTING      to-surge!surge  surging         failed               restoring!restore
RUNNING       to-surge!surge  surging         handing-over         restoring!restore
READY         to-surge!surge  handing-over    handing-over         restoring!restore
BACKOFF       due!stop        failed          failed               restoring!restore
STOPPING      taken           surging!retire  handing-over!retire  restoring!retire
EXITED        due!start       failed          failed               restoring!restore
EXITED_BADLY  due!start       failed          failed               restoring!restore
FATAL         due!start       failed          failed               restoring!restore
UNKNOWN       failed          failed          failed               restoring!restore
WANTED_DOWN   taken           surging!retire  handing-over!retire  restoring!retire
"""

ALL_TRANSITIONS = (
    TRANSITIONS,
    TRANSITIONS_LATER,
    TRANSITIONS_OF_COMMANDS,
    TRANSITIONS_BESIDE,
    TRANSITIONS_KEPT,
)
ALL_RESTING = (RESTING, RESTING_LATER, RESTING_OF_COMMANDS, RESTING_BESIDE, TRANSITIONS_KEPT)
EVERY_PAIR = list(itertools.product(Phase, Seen))


def named(phase):
    return Phase(phase.replace('-', ' '))


def columns(*texts):
    """Each column of the tables: a phase, and the entry for everything that is seen."""
    for text in texts:
        heading, *rows = (line.split() for line in text.strip().splitlines())
        for number, phase in enumerate(heading[1:], 1):
            entries = {Seen(row[0]): row[number] for row in rows}
            yield pytest.param(named(phase), entries, id=phase)


@pytest.mark.parametrize(('phase', 'entries'), columns(*ALL_TRANSITIONS))
def test_transition(phase, entries):
    for seen, entry in entries.items():
        order, _, to = entry.rpartition('>')
        assert TABLE[phase, seen] == (named(to), Order(order) if order else None), seen
        assert after(phase, seen) is named(to)


@pytest.mark.parametrize(('phase', 'entries'), columns(*ALL_RESTING))
def test_follow_takes_all_steps_without_an_order(phase, entries):
    for seen, entry in entries.items():
        to, _, order = entry.partition('!')
        assert follow(phase, seen) == (named(to), Order(order) if order else None), seen


def test_both_tables_of_this_test_cover_everything_but_the_ends():
    for texts in (ALL_TRANSITIONS, ALL_RESTING):
        covered = dict(column.values for column in columns(*texts))
        assert set(covered) == set(Phase) - ENDS
        assert all(set(entries) == set(Seen) for entries in covered.values())


def test_the_table_is_total():
    assert set(TABLE) == set(EVERY_PAIR)


def test_the_ends_are_skipped_and_failed_and_what_is_settled_is_shown_as_an_end_of_users():
    assert {end.value for end in ENDS} == {'skipped', 'failed'}
    assert {SHOWN.get(phase, phase) for phase in SETTLED} == {
        Phase.READY,
        Phase.SKIPPED,
        Phase.FAILED,
    }


@pytest.mark.parametrize('end', sorted(ENDS))
def test_an_end_is_never_left(end):
    assert {follow(end, seen) for seen in Seen} == {(end, None)}
    assert {TABLE[end, seen] for seen in Seen} == {(end, None)}


def test_follow_comes_to_rest_and_what_is_seen_again_changes_nothing_more():
    for phase, seen in EVERY_PAIR:
        to, order = follow(phase, seen)
        assert order is not None or TABLE[to, seen] == (to, None)
        assert follow(to, seen) == (to, order)


def seen_with(order):
    return {pair for pair, (_, given) in TABLE.items() if given is order}


def test_every_phase_is_before_during_or_after_what_is_done():
    stages = [{Phase.WAITING, Phase.KEPT}, IN_FLIGHT, BESIDE, SETTLED]
    assert set().union(*stages) == set(Phase)
    assert sum(map(len, stages)) == len(Phase)


def test_only_a_process_whose_turn_has_come_is_drained_stopped_or_signalled():
    assert {phase for phase, _ in seen_with(Order.DRAIN)} == {Phase.TO_DRAIN}
    assert {phase for phase, _ in seen_with(Order.SURGE)} == {Phase.TO_SURGE}
    assert {phase for phase, _ in seen_with(Order.STOP)} == {Phase.DUE, Phase.DRAINED}
    assert {phase for phase, _ in seen_with(Order.SIGNAL)} == {Phase.TO_SIGNAL}


def test_what_concerns_a_process_that_runs_is_not_ordered_for_one_that_does_not():
    for order in (Order.DRAIN, Order.SURGE, Order.SIGNAL, Order.TELL):
        assert {seen for _, seen in seen_with(order)} <= UP


def test_only_a_process_that_is_down_is_started():
    assert {seen for _, seen in seen_with(Order.START)} == DOWN


def test_only_a_process_that_runs_is_signalled():
    assert {seen for _, seen in seen_with(Order.SIGNAL)} == {Seen.RUNNING, Seen.READY}


def test_nothing_is_done_before_its_turn_or_to_a_process_that_somebody_wants_down():
    assert {
        phase
        for phase, _ in seen_with(Order.STOP) | seen_with(Order.START) | seen_with(Order.SIGNAL)
    } == {Phase.DUE, Phase.DRAINED, Phase.STOPPED, Phase.TO_SIGNAL, Phase.SIGNALLED}
    wanted_down = {order for (_, seen), (_, order) in TABLE.items() if seen is Seen.WANTED_DOWN}
    assert wanted_down == {None, Order.RETIRE}  # of what is there twice the old one, too


def test_what_another_client_wants_down_is_left_alone():
    for phase in set(Phase) - ENDS - ON_RETURN - {Phase.ENDED}:
        if phase in BESIDE - {Phase.TO_SURGE}:
            assert follow(phase, Seen.WANTED_DOWN) == (phase, Order.RETIRE)
            assert after(phase, Seen.WANTED_DOWN) is Phase.TAKEN
        else:
            assert follow(phase, Seen.WANTED_DOWN) == (Phase.TAKEN, None)
    for phase in ON_RETURN:  # nothing is done to it any more
        assert follow(phase, Seen.WANTED_DOWN) == (Phase.SKIPPED, None)


# What says that somebody else has stopped the process: a stop that the restart did not order.
BY_OTHERS = {(Phase.STOPPING, Seen.WANTED_DOWN)}
BY_OTHERS |= {(Phase.STOPPED, seen) for seen in (Seen.WANTED_DOWN, Seen.STOPPING)}
BY_OTHERS |= {
    (phase, seen)
    for phase in (
        Phase.KEPT,
        Phase.STARTING,
        Phase.TO_SIGNAL,
        Phase.SIGNALLED,
        Phase.READY,
        Phase.WAVERING,
    )
    for seen in (Seen.WANTED_DOWN, Seen.STOPPING, Seen.STOPPED)
}


def reached_from(first):
    """The phases that a process can reach, other than by being left alone for its being stopped by
    others.
    """
    reached, steps = {first}, [first]
    while steps:
        phase = steps.pop()
        for seen in Seen:
            to = TABLE[phase, seen][0]
            if to is Phase.TAKEN and phase is not Phase.TAKEN:
                assert (phase, seen) in BY_OTHERS
            elif to not in reached:
                reached.add(to)
                steps.append(to)
    return reached


AFTERWARDS = {Phase.STARTING, Phase.READY, Phase.WAVERING, Phase.ENDED, Phase.FAILED}


def test_what_is_down_or_signalled_is_never_forgotten_and_nothing_else_is_done_to_it():
    assert reached_from(Phase.STOPPING) == AFTERWARDS | {Phase.STOPPING, Phase.STOPPED}
    assert reached_from(Phase.STOPPED) == AFTERWARDS | {Phase.STOPPED}
    assert reached_from(Phase.SIGNALLED) == AFTERWARDS | {Phase.SIGNALLED}


def test_nothing_is_ever_done_to_what_is_left_alone():
    ends = {Phase.KEPT, Phase.SKIPPED, Phase.FAILED}
    assert reached_from(Phase.KEPT) == ends
    assert {TABLE[phase, seen][1] for phase in ends for seen in Seen} == {None}


def test_nothing_that_runs_is_stopped_where_it_is_to_be_signalled():
    stopped = {seen for seen in Seen if follow(Phase.TO_SIGNAL, seen)[1] is Order.STOP}
    assert stopped == {Seen.BACKOFF}
    assert stopped.isdisjoint(UP)


def test_what_cannot_be_signalled_because_it_is_down_is_started():
    assert {
        seen for seen in Seen if follow(Phase.TO_SIGNAL, seen) == (Phase.DUE, Order.START)
    } == DOWN - {Seen.STOPPED}


def test_nothing_becomes_ready_without_having_been_started_or_signalled():
    assert {phase for (phase, _), (to, _) in TABLE.items() if to is Phase.READY} == {
        Phase.STARTING,
        Phase.SIGNALLED,
        Phase.READY,
        Phase.WAVERING,
    }


def test_whether_an_old_process_is_ready_makes_no_difference_to_what_is_done():
    for phase in (Phase.WAITING, Phase.DUE, Phase.TO_SIGNAL, *ENDS):
        assert TABLE[phase, Seen.RUNNING] == TABLE[phase, Seen.READY]


def test_what_users_are_shown_instead_of_a_phase_is_shown_as_it_is():
    assert {SHOWN.get(phase, phase) for phase in Phase} == set(Phase) - set(SHOWN)
