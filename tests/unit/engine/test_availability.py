"""max_unavailable at one moment, rule by rule: what counts as ready, who may be taken down, when
hope is given up.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.engine.availability import (
    BACK_BY_ITSELF,
    Availability,
    Room,
    floors,
    rooms,
)
from supervisor_restarter.engine.member import Member, Observation
from supervisor_restarter.engine.phases import DOWN, ENDS, IN_FLIGHT, Phase, Seen
from supervisor_restarter.engine.policy import Policy
from supervisor_restarter.names import Match
from supervisor_restarter.options import Options
from supervisor_restarter.text import MOST_NAMED

COSTS_NOTHING = sorted(DOWN | {Seen.BACKOFF})
UNREADY = sorted(set(Seen) - DOWN - {Seen.BACKOFF, Seen.READY})


def member(name='0', seen=Seen.READY, phase=Phase.WAITING, group='web', unready='', confirmed=True):
    return Member(
        Match(group, name, True, False),
        phase=phase,
        unready=unready,
        observed=Observation(seen, unready=unready, confirmed=confirmed),
    )


def members(count, first=0, **settings):
    return [member(str(number), **settings) for number in range(first, first + count)]


def room_of(*others, limit=1):
    """The room in a group of these processes."""
    return rooms(others, Options(max_unavailable=limit))['web']


def names(found):
    return [one.name for one in found]


# -- rooms ---------------------------------------------------------------------------------------


def test_the_policy_of_a_group_comes_before_the_options():
    own = [*members(4), *members(4, group='api')]
    for one in own[4:]:
        one.policy = Policy(max_unavailable='50%')
    found = rooms(own, Options(max_unavailable=1))
    assert {name: room.allowed for name, room in found.items()} == {'web': 1, 'api': 2}


def test_a_group_without_a_limit_waits_for_nothing_beside_one_that_has_one():
    web, api = members(3, confirmed=False), members(3, group='api')
    for one in web:
        one.policy = Policy()
    called, hopeless = Availability().choose(web + api, web + api, Options(max_unavailable=1), 0.0)
    assert (called, hopeless) == ([*web, api[0]], [])


def test_hope_lasts_as_long_as_the_slowest_may_take_by_its_own_policy():
    waiting = members(1)
    others = [member('1', Seen.RUNNING), member('2', Seen.STARTING)]
    for one, seconds in zip(others, (3.0, 8.0)):
        one.policy = Policy(1, ready_timeout=seconds)
    limiting = Availability()
    limiting.choose(waiting, waiting + others, Options(max_unavailable=1), 1.0)
    assert limiting.until == 9.0
    others[0].policy = Policy(1, ready_timeout=0.0)
    limiting.choose(waiting, waiting + others, Options(max_unavailable=1), 2.0)
    assert limiting.until is None


def test_without_processes_there_is_no_room():
    assert rooms([], Options(max_unavailable=1)) == {}


def test_a_group_in_which_everything_is_ready_has_all_of_its_room():
    assert room_of(*members(4)) == Room(allowed=1, in_flight=0, confirmed=True, not_ready=[])


@pytest.mark.parametrize(('limit', 'size', 'allowed'), [
    (1,      4, 1),
    (9,      4, 9),
    ('25%',  8, 2),
    ('50%',  5, 2),
    ('100%', 5, 5),
    ('1%',   1, 1),
])  # fmt: skip
def test_what_is_allowed_follows_from_the_size_of_the_group(limit, size, allowed):
    assert room_of(*members(size), limit=limit).allowed == allowed


def test_processes_of_every_phase_and_state_belong_to_the_size_of_the_group():
    everyone = [member(f'{phase}{seen}', seen, phase) for phase in Phase for seen in Seen]
    assert room_of(*everyone, limit='50%').allowed == len(everyone) // 2


def test_each_group_has_its_own_room():
    found = rooms(
        [
            *members(4),
            member(seen=Seen.FATAL, group='api'),
            member('1', group='api', confirmed=False),
            member('2', phase=Phase.DUE, group='api'),
            *members(3, first=3, group='api'),
        ],
        Options(max_unavailable='50%'),
    )
    assert list(found) == ['web', 'api']
    assert found['web'] == Room(allowed=2)
    assert (found['api'].allowed, found['api'].in_flight, found['api'].confirmed) == (3, 1, False)
    assert [one.namespec for one in found['api'].not_ready] == ['api:0', 'api:2']


def test_what_the_operation_has_in_hand_is_in_flight_and_not_ready_whatever_is_seen_of_it():
    for phase, seen in itertools.product(IN_FLIGHT, Seen):
        one = member(seen=seen, phase=phase)
        assert room_of(one) == Room(allowed=1, in_flight=1, confirmed=True, not_ready=[one])


def test_of_the_others_all_are_ready_that_are_seen_so_and_none_else():
    for phase, seen in itertools.product(ENDS | {Phase.WAITING}, Seen):
        one = member(seen=seen, phase=phase)
        not_ready = [] if seen is Seen.READY else [one]
        assert room_of(one) == Room(allowed=1, in_flight=0, confirmed=True, not_ready=not_ready)


def test_the_readiness_of_all_has_to_be_known_but_of_what_the_operation_has_in_hand():
    for phase in ENDS | {Phase.WAITING} | IN_FLIGHT:
        room = room_of(member(), member('1', phase=phase, confirmed=False))
        assert room.confirmed is (phase in IN_FLIGHT)


# -- take ----------------------------------------------------------------------------------------


def taken(room, *wanted):
    return [one.name for one in wanted if room.take(one)]


@pytest.mark.parametrize(('limit', 'count'), [(1, 1), (2, 2), (9, 4), ('74%', 2)])
def test_no_more_ready_ones_are_taken_than_allowed(limit, count):
    everyone = members(4)
    room = room_of(*everyone, limit=limit)
    assert taken(room, *everyone) == names(everyone[:count])
    assert (room.in_flight, room.not_ready) == (count, everyone[:count])


@pytest.mark.parametrize(
    'other',
    [
        member('9', Seen.STOPPED),
        member('9', Seen.RUNNING),
        member('9', phase=Phase.STARTING),
        member('9', Seen.FATAL, Phase.FAILED),
        member('9', Seen.RUNNING, Phase.READY),
    ],
)
def test_one_that_is_not_ready_takes_the_room_of_a_ready_one(other):
    everyone = members(4)
    assert taken(room_of(*everyone, other, limit=1), *everyone) == []
    assert taken(room_of(*everyone, other, limit=2), *everyone) == ['0']


def test_what_is_down_is_always_taken():
    blocked = [
        [],
        members(3, 1, seen=Seen.FATAL),
        members(3, 1, phase=Phase.STARTING),
        members(1, 1, confirmed=False),
    ]
    for seen, others in itertools.product(COSTS_NOTHING, blocked):
        one = member(seen=seen)
        room = room_of(one, *others)
        before = room.in_flight, list(room.not_ready)
        assert room.take(one)
        assert (room.in_flight, room.not_ready) == (before[0] + 1, before[1])


@pytest.mark.parametrize('seen', COSTS_NOTHING)
def test_what_was_down_and_is_taken_makes_room_only_when_it_is_ready(seen):
    down, ready = member('0', seen), member('1')
    assert taken(room_of(down, ready, *members(2, 2)), down, ready) == ['0']
    assert taken(room_of(down, ready, *members(2, 2), limit=2), down, ready) == ['0', '1']
    down.phase, down.observed = Phase.READY, Observation(Seen.READY)
    assert taken(room_of(down, ready, *members(2, 2)), ready) == ['1']


@pytest.mark.parametrize('seen', UNREADY)
def test_what_runs_and_is_not_ready_needs_no_room_but_only_as_many_as_allowed_go_at_once(seen):
    everyone = members(4, seen=seen)
    room = room_of(*everyone, limit=2)
    assert taken(room, *everyone) == ['0', '1']
    assert (room.in_flight, room.not_ready) == (2, everyone)
    unready, ready = member('0', seen), member('1')
    room = room_of(unready, ready, *members(3, 2, seen=Seen.FATAL))
    assert taken(room, ready, unready) == ['0']


@pytest.mark.parametrize('seen', [*UNREADY, Seen.READY])
def test_what_is_in_flight_or_unknown_counts_against_those_that_run(seen):
    one, in_flight = member(seen=seen), member('9', phase=Phase.SIGNALLED)
    assert taken(room_of(one, in_flight, limit=1), one) == []
    assert taken(room_of(one, *members(2, 3), in_flight, limit=2), one) == ['0']
    room = room_of(one, member('1', confirmed=False), limit=2)
    assert not room.take(one)
    assert room.in_flight == 0


@given(
    st.lists(
        st.builds(
            member,
            seen=st.sampled_from(Seen),
            phase=st.sampled_from(Phase),
            confirmed=st.booleans(),
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 12),
)
def test_never_are_more_not_ready_than_allowed_on_account_of_what_is_taken(everyone, limit):
    room = room_of(*everyone, limit=limit)
    before = len(room.not_ready)
    took = [one for one in everyone if one.phase is Phase.WAITING and room.take(one)]
    lost = [one for one in took if one.observed.seen is Seen.READY]
    assert len(room.not_ready) == before + len(lost)
    assert not lost or len(room.not_ready) <= limit
    assert not lost or room.confirmed


# -- patience ------------------------------------------------------------------------------------


def test_what_is_down_comes_back_by_itself_soon_or_never():
    down = [member(str(number), seen) for number, seen in enumerate({*DOWN, Seen.WANTED_DOWN})]
    for ready_timeout in (0.0, 30.0):
        assert room_of(*down, *members(2, 9)).patience(ready_timeout) == BACK_BY_ITSELF


@pytest.mark.parametrize('seen', sorted(set(Seen) - DOWN - {Seen.READY, Seen.WANTED_DOWN}))
def test_what_is_not_down_may_become_ready_within_ready_timeout(seen):
    room = room_of(member('0', Seen.FATAL), member('1', seen), member('2'))
    assert (room.patience(0.5), room.patience(0.0)) == (0.5, None)


# -- full ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('others', 'limit', 'text'),
    [
        (
            [member('1', Seen.FATAL)],
            1,
            'not ready are web:1 (FATAL), and max_unavailable = 1 allows 1',
        ),
        (
            [member('1', Seen.RUNNING, unready='connection refused'), member('web', Seen.STOPPED)],
            '50%',
            'not ready are web:1 (connection refused), web (STOPPED), and max_unavailable = 50% allows 1',
        ),
    ],
)
def test_the_reason_names_what_is_not_ready_and_why(others, limit, text):
    assert (
        room_of(member(), *others, limit=limit).full(Options(max_unavailable=limit))
        == f'left as it is: {text}'
    )


def test_at_most_ten_are_named():
    text = room_of(*members(32, seen=Seen.FATAL)).full(Options(max_unavailable=1))
    assert text.count('(FATAL)') == MOST_NAMED
    assert ' and 22 more, and max_unavailable' in text


# -- over the course of an operation ----------------------------------------------------------------

ROLLING = Options(max_unavailable=1, ready_timeout=30.0)


def test_with_nobody_waiting_there_is_nothing_to_choose():
    limiting = Availability()
    assert limiting.choose([], members(2), ROLLING, 0.0) == ([], [])
    assert limiting.until is None


def test_the_first_are_chosen_and_the_others_wait():
    limiting, waiting = Availability(), [*members(2), *members(2, group='api')]
    called, hopeless = limiting.choose(waiting, waiting, ROLLING, 0.0)
    assert [one.namespec for one in called] == ['web:0', 'api:0']
    assert hopeless == []
    assert (limiting.until, limiting.full) == (None, {})  # these two will make room


def test_one_for_which_there_is_no_room_does_not_keep_a_later_one_from_its_turn():
    limiting, waiting = Availability(), [member('0'), member('1', Seen.EXITED)]
    called, hopeless = limiting.choose(waiting, [*waiting, member('2', Seen.FATAL)], ROLLING, 0.0)
    assert (names(called), hopeless) == (['1'], [])


@pytest.mark.parametrize(
    ('blocking', 'patience'), [(Seen.FATAL, BACK_BY_ITSELF), (Seen.STARTING, 30.0)]
)
def test_where_nothing_in_hand_can_make_room_hope_is_given_up_after_a_while(blocking, patience):
    limiting, waiting, other = Availability(), members(2), member('2', blocking)
    for now in (5.0, 5.0 + patience / 2, 5.0 + patience - 0.001):
        assert limiting.choose(waiting, [*waiting, other], ROLLING, now) == ([], [])
        assert limiting.until == 5.0 + patience
    called, hopeless = limiting.choose(waiting, [*waiting, other], ROLLING, 5.0 + patience)
    assert called == []
    why = f'left as it is: not ready are web:2 ({blocking.value}), and max_unavailable = 1 allows 1'
    assert hopeless == [(one, why) for one in waiting]
    assert limiting.until is None


def test_without_a_ready_timeout_it_waits_for_what_may_become_ready():
    limiting, waiting = Availability(), members(1)
    options = Options(max_unavailable=1, ready_timeout=0.0)
    for now in (0.0, 1e6):
        assert limiting.choose(waiting, [*waiting, member('1', Seen.RUNNING)], options, now) == (
            [],
            [],
        )
        assert limiting.until is None


@pytest.mark.parametrize(
    'other',
    [
        member('1', phase=Phase.STOPPING),
        member('1', Seen.STARTING, Phase.STARTING),
        member('1', phase=Phase.TO_SIGNAL),
        member('1', confirmed=False),
    ],
)
def test_what_is_in_hand_or_not_known_yet_is_waited_for(other):
    limiting, waiting = Availability(), members(1)
    for now in (0.0, 100.0):
        assert limiting.choose(waiting, [*waiting, other], ROLLING, now) == ([], [])
        assert (limiting.until, limiting.full) == (None, {})


def test_the_waiting_begins_anew_when_there_was_room_in_between():
    limiting, waiting, other = Availability(), members(1), member('1', Seen.FATAL)
    limiting.choose(waiting, [*waiting, other], ROLLING, 0.0)
    assert limiting.until == BACK_BY_ITSELF
    assert names(limiting.choose(waiting, waiting, ROLLING, 0.5)[0]) == ['0']
    assert limiting.until is None
    assert limiting.choose(waiting, [*waiting, other], ROLLING, 2.0) == ([], [])
    assert limiting.until == 2.0 + BACK_BY_ITSELF


@pytest.mark.parametrize('order', [1, -1])
def test_groups_are_given_up_each_at_its_time(order):
    limiting = Availability()
    web, api = member('0'), member('0', group='api')
    waiting, others = (
        [web, api][::order],
        [member('1', Seen.RUNNING), member('1', Seen.STOPPED, group='api')],
    )
    assert limiting.choose(waiting, waiting + others, ROLLING, 0.0) == ([], [])
    assert limiting.until == BACK_BY_ITSELF
    _, hopeless = limiting.choose(waiting, waiting + others, ROLLING, BACK_BY_ITSELF)
    assert [one for one, _ in hopeless] == [api]
    assert limiting.until == 30.0
    _, hopeless = limiting.choose([web], waiting + others, ROLLING, 30.0)
    assert [one for one, _ in hopeless] == [web]


def test_only_those_whose_turn_has_come_are_given_up():
    limiting, (first, second) = Availability(), members(2)
    everyone = [first, second, member('2', Seen.FATAL)]
    limiting.choose([first], everyone, ROLLING, 0.0)
    assert [one for one, _ in limiting.choose([first], everyone, ROLLING, BACK_BY_ITSELF)[1]] == [
        first
    ]


def test_a_group_in_which_nobody_waits_is_not_full():
    limiting, (first, second) = Availability(), members(2)
    everyone = [first, second, member('2', Seen.FATAL)]
    limiting.choose([first], everyone, ROLLING, 0.0)
    limiting.choose([], everyone, ROLLING, 0.5)
    assert limiting.choose([second], everyone, ROLLING, 60.0) == ([], [])


def test_when_what_blocks_goes_down_it_is_given_time_to_come_back():
    limiting, waiting, other = Availability(), members(1), member('1', Seen.STOPPING)
    limiting.choose(waiting, [*waiting, other], ROLLING, 0.0)
    other.observed = Observation(Seen.STOPPED)
    assert limiting.choose(waiting, [*waiting, other], ROLLING, 20.0) == ([], [])
    assert limiting.until == 20.0 + BACK_BY_ITSELF


# -- the floor -----------------------------------------------------------------------------------


@pytest.mark.parametrize(('own', 'others', 'limit', 'kept'), [
    (4, 0, 1,      3),
    (4, 0, '50%',  2),
    (4, 0, '100%', 0),
    (4, 0, 9,      0),
    (0, 4, 1,      0),
    # Of ten, two may be down, and both of them may be among these.
    (4, 6, '20%',  2),
    (1, 9, 2,      0),
])  # fmt: skip
def test_the_floor_of_a_group(own, others, limit, kept):
    neighbours = members(others, first=own)
    found = floors(members(own), neighbours, Options(max_unavailable=limit))
    assert sum(found.values()) == kept


def test_each_group_has_its_floor():
    own = [*members(3), *members(4, group='api'), *members(5, group='db')]
    for one in own[7:]:
        one.policy = Policy(max_unavailable='100%')
    others = members(4, first=4, group='api')
    assert floors(own, others, Options(max_unavailable='25%')) == {'web': 2, 'api': 2, 'db': 0}
