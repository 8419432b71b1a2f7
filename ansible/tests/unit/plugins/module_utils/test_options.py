# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
from __future__ import annotations

import pytest
from ansible_collections.supervisor.restarter.plugins.module_utils import options
from ansible_collections.supervisor.restarter.plugins.module_utils.errors import Trouble

NOTHING = dict.fromkeys([*options.RESTART, 'signal'])


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        (
            {'state': 'stopped', 'max_unavailable': '1'},
            'max_unavailable has no meaning with state: stopped, only with restarted or signalled',
        ),
        (
            {'state': 'started', 'newer_than': ['/x']},
            'newer_than has no meaning with state: started, only with restarted or signalled',
        ),
        (
            {'state': 'started', 'max_unavailable': '25%'},
            'max_unavailable has no meaning with state: started, only with restarted or signalled',
        ),
        (
            {'state': 'signalled', 'signal': 'HUP', 'stop_timeout': 0.0},
            'stop_timeout has no meaning with state: signalled, only with restarted',
        ),
        (
            {'state': 'signalled', 'signal': 'HUP', 'max_surge': '1'},
            'max_surge has no meaning with state: signalled, only with restarted',
        ),
        (
            {'state': 'restarted', 'signal': 'HUP'},
            'signal has no meaning with state: restarted, only with state: signalled',
        ),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(given, said):
    with pytest.raises(Trouble) as caught:
        options.refuse_meaningless({**NOTHING, **given})

    assert str(caught.value) == said


@pytest.mark.parametrize(
    'given',
    [
        {'state': 'stopped', 'timeout': 1.0},
        {'state': 'started', 'ready_timeout': 1.0, 'on_failure': 'continue'},
        {'state': 'signalled', 'signal': 'HUP', 'newer_than': ['/x']},
        {**{name: 0 for name in options.RESTART}, 'state': 'restarted'},
    ],
)
def test_what_has_a_meaning_is_not(given):
    options.refuse_meaningless({**NOTHING, **given})


@pytest.mark.parametrize(
    ('state', 'method'),
    [
        ('restarted', {}),
        ('started', {'method': 'start'}),
        ('signalled', {'method': 'signal:SIGHUP'}),
    ],
)
def test_the_method_of_a_state(state, method):
    assert options.method({'state': state, 'signal': 'SIGHUP'}) == method


def test_only_what_is_given_is_sent():
    assert options.given(NOTHING) == {}
    assert options.given({**NOTHING, 'delay': 0.0, 'only_running': False}) == {
        'delay': 0.0,
        'only_running': False,
    }


def test_no_path_at_all_does_not_mean_everything():
    with pytest.raises(Trouble, match='newer_than is empty: give a path, or leave it out'):
        options.given({**NOTHING, 'newer_than': []})


@pytest.mark.parametrize('name', ['NO', "N'O"])
def test_a_signal_that_is_none_is_refused_as_such(name):
    refusal = (
        f'BAD_OPTION: method = {"signal:" + name!r} is not allowed: it must be restart, start, '
        'or signal: and the name of a signal, such as signal:HUP'
    )

    assert options.in_own_words(refusal) == (
        f'BAD_OPTION: signal = {name!r} is not allowed: it must be the name of a signal, such as HUP'
    )


def test_any_other_refusal_keeps_its_words():
    assert options.in_own_words('BAD_OPTION: delay = -1') == 'BAD_OPTION: delay = -1'


def test_a_number_that_cannot_be_sent_as_one_is_sent_as_text():
    given = {**NOTHING, 'max_unavailable': '9' * 5000, 'stagger_factor': 2**40}

    assert options.given(given) == {'max_unavailable': '9' * 5000, 'stagger_factor': str(2**40)}


@pytest.mark.parametrize(('text', 'sent'), [('2', 2), ('25%', '25%'), ('²', '²'), ('x', 'x')])
def test_a_count_is_sent_as_a_number(text, sent):
    assert options.given({**NOTHING, 'max_unavailable': text}) == {'max_unavailable': sent}
