"""Times as users write them."""

from __future__ import annotations

import pytest

from supervisor_restarter.client.durations import read_seconds


@pytest.mark.parametrize(
    ('word', 'seconds'),
    [('0', 0), ('1.5', 1.5), ('90s', 90), ('0.5m', 30), ('2h', 7200), ('1d', 86400)],
)
def test_durations(word, seconds):
    assert read_seconds(word) == seconds


@pytest.mark.parametrize('word', ['', 's', '5x', '5M', '-1m', 'nan', 'infd', '1h30m', '116d', '²'])
def test_no_durations(word):
    with pytest.raises(
        ValueError, match='must be a number of seconds from 0 to 10000000, or with a unit'
    ):
        read_seconds(word)
