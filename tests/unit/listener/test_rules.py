"""The rules of the listener, on a clock that the test advances."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervisor.events import EventTypes

from supervisor_restarter.listener import rules
from supervisor_restarter.listener.rules import (
    AGAIN,
    JITTER,
    LONGEST_PAUSE,
    Process,
    RuleBook,
    When,
)

MB = 1024 * 1024


def process(name='0', state='RUNNING', pid=100, start=1000, age=60, group='web'):
    return Process(
        group,
        name,
        state,
        0 if state in ('STOPPED', 'FATAL', 'EXITED', 'BACKOFF') else pid,
        start,
        age,
    )


def web(*states, **values):
    return [
        process(str(number), state, 100 + number, **values) for number, state in enumerate(states)
    ]


class Ticks:
    """A RuleBook, asked again and again; what it wishes is granted unless `refuse`d."""

    def __init__(self, *texts):
        read = {'memory': rules.memory_rule, 'age': rules.age_rule, 'fatal': rules.fatal_rule}
        self.watch = RuleBook(
            [read[kind](text) for kind, text in (text.split(' ') for text in texts)]
        )
        self.now = 0.0

    def __call__(self, everything, sizes=None, after=5.0, refuse=False):
        """The names in the wishes after so many seconds."""
        self.now += after
        wishes = self.watch.due(everything, sizes or {}, self.now)
        for wish in wishes:
            if not refuse:
                self.watch.granted(wish, everything, self.now)
        return [wish.names for wish in wishes]


# -- how they are written --------------------------------------------------------------------


@pytest.mark.parametrize(
    ('text', 'target', 'limit'),
    [
        ('web=512MB', 'web', 512 * MB),
        ('web=1kb', 'web', 1024),
        ('web:1?=1.5GB', 'web:1?', 1.5 * 1024 * MB),
        ('a=b=2MB', 'a=b', 2 * MB),
        ('all=1GB', 'all', 1024 * MB),
    ],
)
def test_memory(text, target, limit):
    assert rules.memory_rule(text) == ('memory', target, limit, text)


@pytest.mark.parametrize(
    ('text', 'limit'), [('web=90s', 90), ('web=2m', 120), ('web=12h', 43200), ('web=1.5D', 129600)]
)
def test_times(text, limit):
    assert rules.age_rule(text) == ('age', 'web', limit, text)
    assert rules.fatal_rule(text) == ('fatal', 'web', limit, text)


@pytest.mark.parametrize(
    'text',
    [
        '',
        'web',
        '=',
        'web=',
        '=512MB',
        'web=512',
        'web=MB',
        'web=-1MB',
        'web=0MB',
        'web=5 MB',
        'web=1e3MB',
        'web=1TB',
        'web=12h',
        'web=٣MB',
        'web=nanMB',
        'web=1MB\n',
        'web=0.0000001KB',
    ],
)
def test_bad_sizes(text):
    with pytest.raises(ValueError):
        rules.memory_rule(text)


@pytest.mark.parametrize(
    'text', ['web', 'web=12', 'web=0s', 'web=512MB', 'web=1w', 'web=999999999d', 'web=h']
)
def test_bad_times(text):
    with pytest.raises(ValueError):
        rules.age_rule(text)


@given(st.text())
def test_nothing_but_a_value_error_comes_of_any_text(text):
    for read in (rules.memory_rule, rules.age_rule, rules.fatal_rule, rules.when_rule):
        complaint = ''
        try:
            read(text)
        except ValueError as error:
            complaint = str(error)
        assert complaint.isprintable()


@pytest.mark.parametrize(
    ('text', 'event', 'target'),
    [
        ('TICK_3600=web', 'TICK_3600', 'web'),
        ('remote_communication=web:*', 'REMOTE_COMMUNICATION', 'web:*'),
        ('TICK_5=a=b', 'TICK_5', 'a=b'),
    ],
)
def test_when(text, event, target):
    assert rules.when_rule(text) == (event, target)


@pytest.mark.parametrize('text', ['', '=', 'web', 'TICK_5=', '=web', 'TICK 5=web', '5=web'])
def test_bad_whens(text):
    with pytest.raises(ValueError):
        rules.when_rule(text)


def test_a_rule_for_a_type_of_events_matches_as_supervisors_classes_do():
    types = {name: type for name, type in vars(EventTypes).items() if name.isupper()}
    for wanted, supertype in types.items():
        for came, type in types.items():
            assert When(wanted, 'web').matches(came) is issubclass(type, supertype), (wanted, came)


def test_events_of_other_plugins_match_by_name():
    assert When('CACHE', 'web').matches('CACHE_FULL')
    assert not When('CACHE', 'web').matches('CACHES_FULL')


# -- memory ----------------------------------------------------------------------------------


def test_memory_restarts_those_alone_that_exceed_it_in_one_restart_per_group():
    tick = Ticks('memory web=10MB', 'memory app=1MB')
    everything = [
        *web('RUNNING', 'RUNNING', 'RUNNING'),
        process(group='app', pid=7),
        process(group='other', pid=8),
    ]
    assert tick.watch.to_measure(everything) == {100, 101, 102, 7}
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
    assert asked == [0, AGAIN, 3 * AGAIN, 7 * AGAIN, 15 * AGAIN]


def test_the_pauses_begin_anew_after_a_time_without_trouble():
    tick = Ticks('memory web=10MB')
    for after in (0, AGAIN, 2 * AGAIN):
        assert tick(web('RUNNING'), {100: 11 * MB}, after=after) == [('web:0',)]
    assert tick(web('RUNNING'), {100: 9 * MB}, after=8 * AGAIN) == []
    assert tick(web('RUNNING'), {100: 11 * MB}, after=1) == [('web:0',)]
    assert tick(web('RUNNING'), {100: 11 * MB}, after=AGAIN) == [('web:0',)]


def test_what_was_refused_is_asked_for_at_the_next_tick():
    tick = Ticks('memory web=10MB')
    assert tick(web('RUNNING'), {100: 11 * MB}, refuse=True) == [('web:0',)]
    assert tick(web('RUNNING'), {100: 11 * MB}) == [('web:0',)]


@pytest.mark.parametrize('state', ['STOPPING', 'STOPPED', 'EXITED', 'BACKOFF', 'FATAL', 'UNKNOWN'])
def test_memory_leaves_alone_what_does_not_run(state):
    assert Ticks('memory web=10MB')(web(state), {100: 11 * MB}) == []


def test_memory_says_what_it_could_not_measure():
    tick = Ticks('memory web=10MB')
    assert tick(web('RUNNING'), {}) == []
    assert tick.watch.notes == [
        '--memory web=10MB: the memory of web:0 (pid 100) cannot be measured'
    ]


def test_the_first_rule_that_names_a_process_holds():
    tick = Ticks('memory web:0=20MB', 'memory web=10MB')
    assert tick(web('RUNNING', 'RUNNING'), {100: 15 * MB, 101: 15 * MB}) == [('web:1',)]


def test_the_reason_is_in_the_wish():
    watch = Ticks('memory web=512MB').watch
    assert (
        watch.due(web('RUNNING'), {100: 600 * MB}, 0.0)[0].why
        == 'web:0 uses 600MB (more than 512MB)'
    )


# -- age -------------------------------------------------------------------------------------


def old(*ages, states=None, limit=100):
    """Processes that are so many times older than the limit and its jitter; 0: a new one, with
    another pid.
    """
    return [
        process(
            str(number),
            (states or {}).get(number, 'RUNNING'),
            number + (100 if age else 200),
            int(10_000 - age * limit * 1.2),
            int(age * limit * 1.2),
        )
        for number, age in enumerate(ages)
    ]


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


@pytest.mark.parametrize('state', sorted(rules.UNSETTLED))
def test_nothing_is_recycled_while_the_group_is_in_trouble(state):
    tick = Ticks('age web=100s')
    assert tick(old(2, 1, 0, states={2: state})) == []
    assert tick.watch.notes == [f'--age web=100s: web:0 is left alone while web:2 is {state}']


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


@given(st.text(), st.text(), st.integers(1, 2**22), st.integers(0, 2**31), st.floats(1, 1e7))
def test_the_jitter_is_a_tenth_at_most_and_always_the_same(group, name, pid, start, limit):
    one = Process(group, name, 'RUNNING', pid, start, 0)
    ripe = rules.ripe_age(one, limit)
    assert limit <= ripe <= limit * (1 + JITTER)
    assert rules.ripe_age(one._replace(age=7, state='STARTING'), limit) == ripe


def test_the_jitter_spreads_a_group_evenly():
    ripe = sorted(rules.ripe_age(process(str(number), pid=number), 1000) for number in range(200))
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
    pauses, last = [], dict.fromkeys([('web:0',), ('app:0',)], 0.0)
    for _ in range(4 * 9100):
        for wish in tick([process(state='FATAL'), process(state='FATAL', group='app')], after=1.0):
            pauses.append((wish[0], round(tick.now - last[wish])))
            last[wish] = tick.now
    assert [pause for name, pause in pauses if name == 'web:0'][:4] == [2001] + [
        int(LONGEST_PAUSE) + 1
    ] * 3
    assert {pause for name, pause in pauses if name == 'app:0'} == {9001}


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


@pytest.mark.parametrize(
    'state', ['RUNNING', 'STOPPED', 'EXITED', 'BACKOFF', 'STARTING', 'STOPPING']
)
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
    assert tick.watch.notes == [
        "--fatal web:1=1s: BAD_GROUP: nothing is named or matched by 'web:1'",
        "--memory web=1MB: BAD_GROUP: nothing is named or matched by 'web'",
        "--age we*=1s: BAD_GROUP: nothing is named or matched by 'we*'",
    ]


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(sorted(rules.UNSETTLED | {'RUNNING', 'STOPPED', 'EXITED'})),
                st.integers(0, 500),
                st.integers(0, 40),
            ),
            min_size=3,
            max_size=3,
        ),
        max_size=30,
    )
)
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
    info = {
        'group': 'web',
        'name': '0',
        'statename': 'RUNNING',
        'pid': 7,
        'start': 1000,
        'now': 1060,
        'stop': 3,
    }
    assert rules.processes([info]) == [Process('web', '0', 'RUNNING', 7, 1000, 60)]
    assert rules.selected(rules.processes([info]), 'we*') == rules.processes([info])


def test_sizes_are_shown_in_the_unit_that_fits():
    shown = [rules._size(value) for value in (512, 2048, 512 * MB, 1.5 * 1024 * MB)]
    assert shown == ['0.5KB', '2KB', '512MB', '1.5GB']
