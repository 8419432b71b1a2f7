"""The chaos run's own judge of max_unavailable can say no."""

from __future__ import annotations

import pytest

from tests.chaos.guard import judge
from tests.chaos.worker import Record

UP = 'a0 up, a0 ready, a1 up, a1 ready, a2 up, a2 ready'


def records(text, group='web'):
    """'a0 term' is something of the first process of web:web0; 'b0' is the next one of that name."""
    found = []
    for time, words in enumerate(text.split(', ')):
        process, what = words.split()
        found.append(Record(float(time), ord(process[0]), 1, f'{group}:{group}{process[1]}', what))
    return found


@pytest.mark.parametrize(
    ('text', 'lowest', 'breach'),
    [
        (UP, 3, None),
        (f'{UP}, a0 term, b0 up, b0 ready, a1 term, b1 up, b1 ready', 2, None),
        (f'{UP}, a0 term, b0 up, a1 term', 1, 'web:web1'),  # before the new one was ready
        # What is not ready costs nothing.
        (f'{UP}, a0 term, b0 up, b0 term, c0 up, c0 ready, a1 term', 2, None),
        (f'{UP}, a0 hup, a0 ready, a1 hup, a1 ready', 2, None),
        (f'{UP}, a0 hup, a1 hup', 1, 'web:web1'),
        (f'{UP}, b0 up, a1 term', 1, 'web:web1'),  # a0 was killed and wrote nothing
        (f'{UP}, a0 term, a0 term, a0 term', 2, None),
        # drained and stopped, or put back
        (f'{UP}, a0 drain, a0 term, b0 up, b0 ready, a1 drain, a1 term, b1 up, b1 ready', 2, None),
        (f'{UP}, a0 drain, a0 told, a1 drain, a1 told', 2, None),
        (f'{UP}, a0 drain, a1 drain', 1, 'web:web1'),
    ],
)
def test_processes_with_probes(text, lowest, breach):
    verdict = judge(records(text), 'web', size=3, allowed=1, probed=True, since=0.0)
    assert verdict.lowest == lowest
    assert (verdict.breach and verdict.breach.name) == breach


def test_a_new_process_beside_the_old_one_costs_nothing():
    surge = f'{UP}, b0 up, b0 ready, a0 drain, a0 term, b1 up, b1 ready, a1 term'
    verdict = judge(records(surge), 'web', 3, 1, True, 0.0, beside=True)
    assert verdict == (3, 0, None)
    early = judge(records(f'{UP}, b0 up, a0 term, b1 up, a1 term'), 'web', 3, 1, True, 0.0, True)
    assert (early.lowest, early.breach and early.breach.name) == (1, 'web:web1')


def test_an_old_process_that_gets_its_name_back_serves_as_before():
    given_up = f'{UP}, b0 up, b0 ready, b0 term, b1 up, b1 term, a0 term, c0 up, c0 ready, a1 term'
    assert judge(records(given_up), 'web', 3, 1, True, 0.0, beside=True) == (2, 2, None)


def test_without_a_probe_a_process_is_ready_when_it_is_up():
    assert judge(records(f'{UP}, a0 term, b0 up, a1 term'), 'web', 3, 1, False, 0.0).breach is None


def test_what_was_before_and_other_groups_do_not_count():
    text = f'{UP}, a0 term, a1 term, b0 ready, b1 ready'
    assert judge(records(text), 'web', 3, 1, True, since=7.5).breach is None
    assert judge(records(text), 'web', 3, 1, True, since=0.0).breach is not None
    assert judge(records(text, group='app'), 'web', 3, 1, True, 0.0) == (3, 0, None)
