"""How the rules of the listener are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervisor.events import EventTypes

from supervisor_restarter.listener import rules
from supervisor_restarter.listener.rules import When

MB = 1024 * 1024


@pytest.mark.parametrize(
    ('text', 'target', 'limit'),
    [
        ('web=512MB', 'web', 512 * MB),
        ('web=1kb', 'web', 1024),
        ('web:1?=1.5GB', 'web:1?', 1.5 * 1024 * MB),
        ('a=b=2MB', 'a=b', 2 * MB),
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


@pytest.mark.parametrize('text', [
    '', 'web', 'web=', '=512MB', 'web=512', 'web=MB', 'web=-1MB', 'web=5 MB', 'web=1e3MB',
    'web=1TB', 'web=12h', 'web=٣MB', 'web=1MB\n', 'web=0.0000001KB',
])  # fmt: skip
def test_bad_sizes(text):
    with pytest.raises(ValueError, match='is not NAME=LIMIT with a size in KB, MB or GB'):
        rules.memory_rule(text)


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('web=12', 'is not NAME=LIMIT with a time in s, m, h or d'),
        ('web=512MB', 'is not NAME=LIMIT with a time in s, m, h or d'),
        ('web=0s', 'the limit must be more than 0'),
        ('web=999999999d', 'the limit must be at most 10000000 seconds'),
    ],
)
def test_bad_times(text, said):
    with pytest.raises(ValueError, match=said):
        rules.age_rule(text)


@given(st.text('w:=1.٣²MBsdK_ \n\x1b', max_size=12))
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
    assert rules.when_rule(text) == When(event, target)


@pytest.mark.parametrize('text', ['', 'web', 'TICK_5=', '=web', 'TICK 5=web', '5=web'])
def test_bad_whens(text):
    with pytest.raises(ValueError, match='is not EVENT=NAME'):
        rules.when_rule(text)


def test_a_rule_for_a_type_of_events_matches_as_supervisors_classes_do():
    types = {name: type for name, type in vars(EventTypes).items() if name.isupper()}
    for wanted, supertype in types.items():
        for came, type in types.items():
            assert When(wanted, 'web').matches(came) is issubclass(type, supertype), (wanted, came)


def test_events_of_other_plugins_match_by_name():
    assert When('CACHE', 'web').matches('CACHE_FULL')
    assert not When('CACHE', 'web').matches('CACHES_FULL')
