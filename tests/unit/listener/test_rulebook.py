"""What the listener does by its rules about processes, on a clock that the test advances."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.listener import rulebook, rules
from supervisor_restarter.listener.rulebook import (
    FIRST_RETRY_PAUSE,
    JITTER,
    LONGEST_RETRY_PAUSE,
    UNSETTLED,
    ProcessInfo,
    RuleBook,
    ripe_age,
    seen,
    selected,
)
from tests.unit.client.samples import info

MB = 1024 * 1024


def process(name='0', state='RUNNING', pid=100, start=1000, age=60, group='web'):
    down = state in ('STOPPED', 'FATAL', 'EXITED', 'BACKOFF')
    return ProcessInfo(group, name, state, 0 if down else pid, start, age)


def web(*states, **values):
    return [
        process(str(number), state, 100 + number, **values) for number, state in enumerate(states)
    ]


class Ticks:
    """A RuleBook, asked again and again; what it wishes is granted unless `refuse`d."""

    def __init__(self, *texts):
        read = {'memory': rules.memory_rule, 'age': rules.age_rule, 'fatal': rules.fatal_rule}
        self.book = RuleBook(
            [read[kind](text) for kind, text in (text.split(' ') for text in texts)]
        )
        self.now = 0.0

    def __call__(self, everything, sizes=None, after=5.0, refuse=False):
        """The names in the wishes after so many seconds."""
        self.now += after
        wishes = self.book.due(everything, sizes or {}, self.now)
        for wish in wishes:
            if not refuse:
                self.book.granted(wish, everything, self.now)
        return [wish.names for wish in wishes]


# -- memory ----------------------------------------------------------------------------------


def test_memory_restarts_those_alone_that_exceed_it_in_one_restart_per_group():
    tick = Ticks('memory web=10MB', 'memory app=1MB')
    everything = [
        *web('RUNNING', 'RUNNING', 'RUNNING'),
        process(group='app', pid=7),
        process(group='other', pid=8),
    ]
    assert tick.book.to_measure(everything) == {100, 101, 102, 7}
    sizes = {100: 11 * MB, 101: 10 * MB, 102: 12 * MB, 7: 2 * MB, 8: 99 * MB}
    assert tick(everything, sizes) == [('web:0', 'web:2'), ('app:0',)]


def test_memory_does_not_ask_for_the_same_process_twice():
    tick = Ticks('memory web=10MB')
    everything, sizes = web('RUNNING', 'RUNNING'), {100: 11 * MB, 101: 1 * MB}
    assert tick(everything, sizes) == [('web:0',)]
    assert tick(everything, sizes) == []
    assert tick(everything, {100: 11 * MB, 101: 11 * MB}) == [('web:1',)]


def test_memory_asks_again_with_growing_pauses_also_if_each_new_process_is_too_large():
    tick = Ticks('memory web=10MB')
    asked = []
    for second in range(1000):
        if tick(web('RUNNING', age=second), {100: 11 * MB}, after=1):
            asked.append(second)
    assert asked == [
        0,
        FIRST_RETRY_PAUSE,
        3 * FIRST_RETRY_PAUSE,
        7 * FIRST_RETRY_PAUSE,
        15 * FIRST_RETRY_PAUSE,
    ]


def test_the_pauses_begin_anew_after_a_time_without_trouble():
    tick = Ticks('memory web=10MB')
    for after in (0, FIRST_RETRY_PAUSE, 2 * FIRST_RETRY_PAUSE):
        assert tick(web('RUNNING'), {100: 11 * MB}, after=after) == [('web:0',)]
    assert tick(web('RUNNING'), {100: 9 * MB}, after=8 * FIRST_RETRY_PAUSE) == []
    assert tick(web('RUNNING'), {100: 11 * MB}, after=1) == [('web:0',)]
    assert tick(web('RUNNING'), {100: 11 * MB}, after=FIRST_RETRY_PAUSE) == [('web:0',)]


def test_what_was_refused_is_asked_for_at_the_next_tick():
    tick = Ticks('memory web=10MB')
    assert tick(web('RUNNING'), {100: 11 * MB}, refuse=True) == [('web:0',)]
    assert tick(web('RUNNING'), {100: 11 * MB}) == [('web:0',)]


@pytest.mark.parametrize('state', ['STOPPING', 'STOPPED', 'BACKOFF'])
def test_memory_leaves_alone_what_does_not_run(state):
    assert Ticks('memory web=10MB')(web(state), {100: 11 * MB}) == []


def test_memory_says_what_it_could_not_measure():
    tick = Ticks('memory web=10MB')
    assert tick(web('RUNNING'), {}) == []
    assert tick.book.notes == [
        '--memory web=10MB: the memory of web:0 (pid 100) cannot be measured'
    ]


def test_the_first_rule_that_names_a_process_holds():
    tick = Ticks('memory web:0=20MB', 'memory web=10MB')
    assert tick(web('RUNNING', 'RUNNING'), {100: 15 * MB, 101: 15 * MB}) == [('web:1',)]


def test_the_reason_is_in_the_wish():
    [wish] = Ticks('memory web=512MB').book.due(web('RUNNING'), {100: 600 * MB}, 0.0)
    assert wish.why == 'web:0 uses 600MB (more than 512MB)'


# -- age -------------------------------------------------------------------------------------


def old(*ages, states=None):
    """Processes that are so many times older than 100 s and its jitter; 0: a new one, with another
    pid.
    """
    found = []
    for number, times in enumerate(ages):
        state = (states or {}).get(number, 'RUNNING')
        pid, age = number + (100 if times else 200), int(times * 100 * 1.2)
        found.append(process(str(number), state, pid, 10_000 - age, age))
    return found


def test_the_oldest_process_is_recycled_alone():
    tick = Ticks('age web=100s')
    assert tick(old(1, 3, 2, 0.5)) == [('web:1',)]
    assert tick(old(1, 0, 2, 0.5)) == [('web:2',)]
    assert tick(old(1, 0, 0, 0.5)) == [('web:0',)]
    assert tick(old(0, 0, 0, 0.5)) == []


def test_equally_old_ones_go_in_natural_order():
    everything = [process(name, age=900) for name in ('10', '9')]
    assert Ticks('age web=100s')(everything) == [('web:9',)]


def test_each_group_has_its_own_turn():
    everything = [*old(2), process(group='app', age=900, pid=7)]
    assert Ticks('age all=100s')(everything) == [('web:0',), ('app:0',)]


@pytest.mark.parametrize('state', ['STARTING', 'BACKOFF', 'FATAL'])
def test_nothing_is_recycled_while_the_group_is_in_trouble(state):
    tick = Ticks('age web=100s')
    assert tick(old(2, 1, 0, states={2: state})) == []
    assert tick.book.notes == [f'--age web=100s: web:0 is left alone while web:2 is {state}']


@pytest.mark.parametrize('state', ['STOPPED', 'EXITED'])
def test_what_is_down_on_purpose_is_no_trouble(state):
    assert Ticks('age web=100s')(old(2, 9, states={1: state})) == [('web:0',)]


def test_a_process_that_stays_as_it_is_does_not_draw_the_others_after_it():
    tick = Ticks('age web=100s')
    assert tick(old(3, 2)) == [('web:0',)]
    assert tick(old(3, 2)) == []


def test_processes_that_fail_to_come_up_do_not_draw_the_others_after_them():
    tick = Ticks('age web=100s')
    assert tick(old(3, 2)) == [('web:0',)]
    for state in ('BACKOFF', 'STARTING', 'BACKOFF', 'FATAL', 'FATAL'):
        assert tick(old(3, 2, states={0: state})) == []


@given(st.integers(1, 2**22), st.integers(0, 2**31), st.floats(1, 1e7))
def test_the_jitter_is_a_tenth_at_most_and_always_the_same(pid, start, limit):
    one = ProcessInfo('web', 'größe', 'RUNNING', pid, start, 0)
    ripe = ripe_age(one, limit)
    assert limit <= ripe <= limit * (1 + JITTER)
    assert ripe_age(one._replace(age=7, state='STARTING'), limit) == ripe


def test_the_jitter_spreads_a_group_evenly():
    ripe = sorted(ripe_age(process(str(number), pid=number), 1000) for number in range(200))
    assert all(high - low < 5 for low, high in zip(ripe, ripe[1:]))


# -- fatal -----------------------------------------------------------------------------------


def test_a_fatal_process_is_tried_with_growing_pauses():
    tick = Ticks('fatal web=60s')
    tried = []
    while tick.now < 60 * 16:
        tried += [tick.now] if tick(web('FATAL', 'RUNNING'), after=1.0) else []
    # First seen after 1 s; after each attempt it is seen FATAL again a second later.
    assert tried == [61, 61 + 1 + 120, 61 + 1 + 120 + 1 + 240, 61 + 1 + 120 + 1 + 240 + 1 + 480]


def test_the_pauses_grow_to_an_hour_and_a_longer_one_stays():
    tick = Ticks('fatal web=2000s', 'fatal app=9000s')
    both = [process(state='FATAL'), process(state='FATAL', group='app')]
    pauses: dict[str, list[float]] = {'web:0': [], 'app:0': []}
    last = dict.fromkeys(pauses, 0.0)
    for _ in range(4 * 91):
        for [name] in tick(both, after=100.0):
            pauses[name].append(tick.now - last[name])
            last[name] = tick.now
    # After each attempt it is seen FATAL again 100 s later.
    assert pauses['web:0'][:4] == [2100.0] + [LONGEST_RETRY_PAUSE + 100] * 3
    assert pauses['app:0'] == [9100.0] * 4


def test_a_process_that_has_lived_long_enough_begins_anew():
    tick = Ticks('fatal web=60s')
    fatal, recovered = web('FATAL'), web('RUNNING', age=60)
    assert tick(fatal) == []
    assert tick(fatal, after=60) == [('web:0',)]
    assert tick(recovered) == []
    assert tick(fatal) == []
    assert tick(fatal, after=60) == [('web:0',)]


def test_a_process_that_dies_before_does_not():
    tick = Ticks('fatal web=60s')
    assert tick(web('FATAL')) == []
    assert tick(web('FATAL'), after=60) == [('web:0',)]
    assert tick(web('RUNNING', age=59)) == []
    assert tick(web('FATAL')) == []
    assert tick(web('FATAL'), after=119) == []
    assert tick(web('FATAL'), after=1) == [('web:0',)]


def test_a_process_that_somebody_stopped_begins_anew():
    tick = Ticks('fatal web=60s')
    assert tick(web('FATAL')) == []
    assert tick(web('FATAL'), after=60) == [('web:0',)]
    assert tick(web('STOPPED')) == []
    assert tick(web('FATAL')) == []
    assert tick(web('FATAL'), after=60) == [('web:0',)]


def test_a_refused_attempt_does_not_lengthen_the_pause():
    tick = Ticks('fatal web=60s')
    assert tick(web('FATAL')) == []
    assert tick(web('FATAL'), after=60, refuse=True) == [('web:0',)]
    assert tick(web('FATAL')) == [('web:0',)]


def test_members_that_are_due_together_are_one_restart():
    tick = Ticks('fatal web=60s')
    assert tick(web('FATAL', 'RUNNING', 'FATAL')) == []
    assert tick(web('FATAL', 'RUNNING', 'FATAL'), after=60) == [('web:0', 'web:2')]


@pytest.mark.parametrize('state', ['RUNNING', 'STOPPED', 'BACKOFF'])
def test_only_fatal_ones_are_tried(state):
    tick = Ticks('fatal web=1s')
    assert [tick(web(state)) for _ in range(5)] == [[]] * 5


# -- together --------------------------------------------------------------------------------


def test_one_restart_of_a_group_at_each_tick():
    tick = Ticks('memory web=10MB', 'age web=100s', 'fatal web=60s')
    everything = old(3, 2)
    assert tick(everything, {100: 1, 101: 11 * MB}) == [('web:1',)]


def test_names_that_match_nothing_are_told():
    tick = Ticks('memory web=1MB', 'age we*=1s', 'fatal web:1=1s')
    assert tick([process(group='app')]) == []
    assert tick.book.notes == [
        "--fatal web:1=1s: BAD_GROUP: nothing is named or matched by 'web:1'",
        "--memory web=1MB: BAD_GROUP: nothing is named or matched by 'web'",
        "--age we*=1s: BAD_GROUP: nothing is named or matched by 'we*'",
    ]


STATES = sorted(UNSETTLED | {'RUNNING', 'STOPPED', 'EXITED'})
# The state, the age and the size (MB) of each of three processes.
LOOKS = st.tuples(
    *[st.tuples(st.sampled_from(STATES), st.integers(0, 500), st.integers(0, 40))] * 3
)


@given(st.lists(LOOKS, max_size=12))
def test_whatever_comes_a_tick_asks_for_a_group_once_and_for_what_is_there(history):
    tick = Ticks('memory web=10MB', 'age web=100s', 'fatal web=60s')
    for states in history:
        everything = [
            process(str(number), state, 100 + number, 10_000 - age, age)
            for number, (state, age, _) in enumerate(states)
        ]
        sizes = {100 + number: size * MB for number, (_, _, size) in enumerate(states)}
        asked = tick(everything, sizes, after=30.0)
        assert len(asked) <= 1
        assert {name for names in asked for name in names} <= {'web:0', 'web:1', 'web:2'}
        for names in asked:
            states_of = {everything[int(name[4:])].state for name in names}
            assert states_of <= {'RUNNING', 'STARTING'} or states_of == {'FATAL'}


def test_what_supervisord_tells_of_processes():
    processes = seen([info('web:0')])
    assert processes == [ProcessInfo('web', '0', 'RUNNING', 7, 1000, 60)]
    assert selected(processes, 'we*') == processes


def test_sizes_are_shown_in_the_unit_that_fits():
    shown = [rulebook._size(value) for value in (512, 2048, 512 * MB, 1.5 * 1024 * MB)]
    assert shown == ['0.5KB', '2KB', '512MB', '1.5GB']
