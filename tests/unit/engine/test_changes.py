"""Small answers: whoever puts the changed rows in their places has the whole list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.engine.changes import Changes
from tests.examples import examples

lists = st.lists(st.integers(0, 2), max_size=5)
# Each a list of rows, and whether it is noted: what is not noted is told to nobody.
histories = st.lists(st.tuples(lists, st.booleans()), min_size=1, max_size=8)


def merged(known, length, changed):
    """What a client knows after an answer; None stands for a row that it was never sent."""
    rows = [*known, *[None] * length][:length]
    for place, row in changed:
        rows[place] = row
    return rows


@examples(300, 3000)
@given(histories)
def test_a_client_of_any_version_gets_what_it_lacks(history):
    changes: Changes[int] = Changes()
    told = []
    for version, (rows, noted) in enumerate(history):
        if noted:
            changes.note(rows, version)
            told.append((version, rows))
            for known, before in told:
                assert merged(before, len(rows), changes.since(known)) == rows
            assert merged([], len(rows), changes.since(-1)) == rows


def test_no_more_is_sent_than_what_has_changed():
    changes: Changes[str] = Changes()
    changes.note(['a', 'b', 'c'], 1)
    changes.note(['a', 'B', 'c'], 4)
    changes.note(['a', 'B', 'C'], 6)
    assert changes.since(0) == [(0, 'a'), (1, 'B'), (2, 'C')]
    assert changes.since(1) == changes.since(3) == [(1, 'B'), (2, 'C')]
    assert changes.since(4) == [(2, 'C')]
    assert changes.since(6) == changes.since(10**9) == []


def test_in_a_list_of_another_length_all_rows_are_new():
    changes: Changes[str] = Changes()
    changes.note(['a', 'b'], 1)
    changes.note(['a'], 2)
    assert changes.since(1) == [(0, 'a')]
