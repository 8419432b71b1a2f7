"""What is known of a process's readiness, and what is said of it. The table is restated here by hand."""

from __future__ import annotations

import pytest

from supervisor_restarter.engine.member import Observation
from supervisor_restarter.engine.phases import UP, Seen
from supervisor_restarter.readiness.verdict import (
    PRESUMED_READY,
    UNANSWERED,
    UNTRUSTED,
    VERDICTS,
    Heard,
    Readiness,
    Verdict,
)

OLD, NEW = 41, 42  # pids
BEGINNING = 1000.0
NO_ANSWER, REFUSED = 'probe: no answer yet', 'probe: connection refused'

# fmt: off
# Readiness     another pid, signal,    yes,     no,        yes of another; '' where it cannot be
RESTATED = {
    'unasked':  ('new',     'renewed',  '',      '',        ''),
    'assumed':  ('new',     'renewed',  'ready', 'unready', 'occupied'),
    'new':      ('new',     'new',      'ready', 'unready', 'occupied'),
    'occupied': ('new',     'new',      'ready', 'unready', 'occupied'),
    'renewed':  ('new',     'renewed',  'ready', 'unready', ''),
    'unready':  ('new',     'renewed',  'ready', 'unready', ''),
    'ready':    ('new',     'renewed',  'ready', 'lapsed',  ''),
    'lapsed':   ('new',     'renewed',  'ready', 'lapsed',  ''),
}
# fmt: on


def test_the_table():
    columns = (Heard.ANOTHER, Heard.SIGNALLED, Heard.YES, Heard.NO, Heard.FOREIGN_YES)
    assert {
        (Readiness(known), heard): Readiness(to)
        for known, row in RESTATED.items()
        for heard, to in zip(columns, row)
        if to
    } == VERDICTS


def test_the_sets_of_states():
    r = Readiness
    assert {r.ASSUMED, r.NEW, r.RENEWED} == UNANSWERED
    assert {r.NEW, r.OCCUPIED} == UNTRUSTED
    assert {r.ASSUMED, r.READY} == PRESUMED_READY


def known(state, error=''):
    """The verdict on a process that is looked at, in a state."""
    verdict = Verdict('probe', patient=False)
    verdict.first_seen(OLD, BEGINNING)
    verdict.state, verdict.error = state, error
    return verdict


def shown(seen=Seen.READY, **more):
    return Observation(seen, OLD, 'why', 7.0, 8.0, **more)


# -- what happens --------------------------------------------------------------------------------


@pytest.mark.parametrize(('patient', 'state'), [(True, 'unasked'), (False, 'assumed')])
def test_the_process_that_runs_at_the_beginning_is_taken_as_ready(patient, state):
    verdict = Verdict('probe', patient)
    assert (verdict.state, verdict.pid) == (Readiness(state), None)
    verdict.first_seen(OLD, BEGINNING)
    assert (verdict.state, verdict.pid, verdict.since) == (Readiness(state), OLD, BEGINNING)


@pytest.mark.parametrize('heard', [Heard.YES, Heard.NO, Heard.FOREIGN_YES])
def test_what_is_not_asked_cannot_answer_and_stays_what_it_is(heard):
    verdict = known(Readiness.UNASKED)
    with pytest.raises(KeyError):
        verdict.said(heard, REFUSED)
    assert (verdict.state, verdict.error) == (Readiness.UNASKED, '')


@pytest.mark.parametrize(
    ('happen', 'pid', 'state', 'unproven'),
    [
        (lambda verdict: verdict.started(NEW, BEGINNING + 9), NEW, 'new', True),
        (lambda verdict: verdict.replaced(NEW, BEGINNING + 9), NEW, 'new', False),
        (lambda verdict: verdict.signalled(BEGINNING + 9), OLD, 'renewed', False),
    ],
)
def test_a_new_process_and_a_signal_put_an_end_to_what_was_known(happen, pid, state, unproven):
    verdict = known(Readiness.ASSUMED)
    verdict.answered(Heard.NO, BEGINNING + 5, REFUSED)
    happen(verdict)
    assert (verdict.state, verdict.pid, verdict.unproven) == (Readiness(state), pid, unproven)
    assert (verdict.since, verdict.asked_at, verdict.error) == (BEGINNING + 9, 0.0, '')


def test_the_waiting_begins_anew_when_it_is_ready_and_when_it_is_not_any_more():
    verdict, since = known(Readiness.ASSUMED), []
    for at, heard in enumerate(
        [Heard.NO, Heard.NO, Heard.YES, Heard.YES, Heard.NO, Heard.NO, Heard.YES]
    ):
        verdict.answered(heard, at, REFUSED)
        assert verdict.asked_at == at
        since.append(verdict.since)
    assert since == [BEGINNING, BEGINNING, 2, 2, 4, 4, 6]


# -- what is said --------------------------------------------------------------------------------


@pytest.mark.parametrize('seen', [seen for seen in Seen if seen not in UP])
def test_what_is_not_up_is_passed_on(seen):
    for state in Readiness:
        assert known(state).of(shown(seen), hung=True) == shown(seen)


# fmt: off
@pytest.mark.parametrize(('state', 'change'), [
    ('unasked',  {}),
    ('assumed',  {'confirmed': False}),
    ('ready',    {}),
    ('new',      {'seen': Seen.RUNNING, 'unready': NO_ANSWER}),
    ('renewed',  {'seen': Seen.RUNNING, 'unready': NO_ANSWER}),
    ('occupied', {'seen': Seen.RUNNING, 'unready': NO_ANSWER}),
    ('unready',  {'seen': Seen.RUNNING, 'unready': NO_ANSWER}),
    ('lapsed',   {'seen': Seen.RUNNING, 'unready': NO_ANSWER}),
])
# fmt: on
def test_what_is_said_of_one_that_is_up(state, change):
    verdict = known(Readiness(state))
    assert verdict.of(shown(), hung=False) == shown()._replace(**change)
    change.pop('seen', None)
    # nothing makes it better than Supervisor shows it
    for seen in (Seen.STARTING, Seen.RUNNING):
        assert verdict.of(shown(seen), hung=False) == shown(seen)._replace(**change)


def test_one_that_is_not_ready_says_why():
    said = known(Readiness.UNREADY, REFUSED).of(shown(), hung=False)
    assert said == shown(Seen.RUNNING, unready=REFUSED)


def test_a_ready_one_may_have_hung_and_says_when_it_was_asked():
    verdict = known(Readiness.NEW)
    verdict.answered(Heard.YES, BEGINNING + 1)
    assert verdict.of(shown(), hung=True) == shown(confirmed=False, asked_at=BEGINNING + 1)


def test_one_that_ends_before_it_was_ready_says_so():
    """Also if nothing was seen of it between its start and its end."""
    verdict = known(Readiness.READY)
    verdict.started(NEW, BEGINNING)
    verdict.replaced(0, BEGINNING)
    assert verdict.of(shown(Seen.EXITED), hung=False) == shown(Seen.EXITED, unready=NO_ANSWER)
    assert verdict.of(shown(Seen.EXITED_BADLY), hung=False) == shown(Seen.EXITED_BADLY)


def test_one_that_ends_after_it_was_ready_is_passed_on():
    verdict = known(Readiness.READY)
    verdict.started(NEW, BEGINNING)
    verdict.said(Heard.YES, '')
    verdict.replaced(0, BEGINNING)
    assert verdict.of(shown(Seen.EXITED), hung=False) == shown(Seen.EXITED)
