"""What GROUP_RESTART events say, and how it is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervisor import childutils

from supervisor_restarter import event_text

STRUCT = {
    'id': '7',
    'groups': ['web'],
    'total': 32,
    'done': 32,
    'failed': 0,
    'lowest_ready': 28,
    'duration': 0.4123,
    'killed': 0,
    'kind': 'restart',
    'state': 'succeeded',
}
NAMES = st.text(st.characters(), min_size=1, max_size=20)


def failures(count):
    text = 'START_FAILED: exit status 3'
    return [{'group': 'web', 'name': f'{number:02d}', 'text': text} for number in range(count)]


def test_the_header_is_that_of_the_contract():
    assert event_text.header(STRUCT) == (
        'id:7 groupname:web total:32 done:32 failed:0 lowest_ready:28 duration:0.412 killed:0 '
        'kind:restart state:succeeded'
    )


def test_several_groups_are_joined_with_commas():
    assert ' groupname:web,app ' in event_text.header({**STRUCT, 'groups': ['web', 'app']})


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_names_inject_nothing_into_the_header(names):
    header = event_text.header({**STRUCT, 'groups': names})
    assert header.isascii()
    assert header.isprintable()
    keys = [*STRUCT, 'groupname']
    keys.remove('groups')
    assert childutils.get_headers(header).keys() == set(keys)
    assert event_text.groups_of(event_text.STARTED, header) == frozenset(names)


@given(NAMES)
def test_a_name_comes_back_from_its_word(name):
    assert event_text.name_of(event_text.word(name)) == name


@pytest.mark.parametrize('text', ['größe', '\\x', 'a\\'])
def test_what_is_no_word_stays_as_it_is(text):
    assert event_text.name_of(text) == text


def test_each_failure_is_a_line():
    assert event_text.failure_lines(failures(2)) == (
        'web:00 START_FAILED: exit status 3\nweb:01 START_FAILED: exit status 3\n'
    )


@given(NAMES, NAMES, st.text(st.characters(), max_size=600))
def test_a_failure_is_one_line_of_printable_ascii(group, name, text):
    lines = event_text.failure_lines([{'group': group, 'name': name, 'text': text}])
    assert lines.count('\n') == 1
    assert lines.endswith('\n')
    assert lines[:-1].isascii()
    assert lines[:-1].isprintable()
    assert len(lines) <= event_text.LONGEST_LINE + 1
    assert lines.splitlines() == [lines[:-1]]


def test_more_failures_than_anyone_reads_are_counted():
    lines = event_text.failure_lines(failures(event_text.MOST_LINES + 3)).splitlines()
    assert len(lines) == event_text.MOST_LINES + 1
    assert lines[-1] == 'and 3 more'


@pytest.mark.parametrize(('event', 'text', 'groups'), [
    ('PROCESS_STATE_EXITED', 'processname:0 groupname:web from_state:RUNNING', {'web'}),
    ('PROCESS_LOG_STDOUT', 'processname:0 groupname:web pid:7\ngroupname:app', {'web'}),
    ('PROCESS_GROUP_ADDED', 'groupname:web\n', {'web'}),
    ('GROUP_RESTART_FAILED', 'id:1 groupname:web,a\\x2cb\nweb:0 groupname:no', {'web', 'a,b'}),
    ('TICK_5', 'when:1700000000', set()),
    ('REMOTE_COMMUNICATION', 'type:deploy groupname:web\n', set()),
    ('PROCESS_STATE_EXITED', 'groupname', set()),
])  # fmt: skip
def test_the_groups_that_an_event_is_about(event, text, groups):
    assert event_text.groups_of(event, text) == groups


@pytest.mark.parametrize('name', ['we\xa0b', 'we\tb'])
def test_white_space_in_a_name_is_part_of_it(name):
    # A rule that did not see that the event is about its own group would restart it for ever.
    text = f'processname:{name} groupname:{name} from_state:STARTING pid:1'
    assert event_text.groups_of('PROCESS_STATE_RUNNING', text) == {name}
