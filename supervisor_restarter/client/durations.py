"""Times as users write them: 90, 90s, 5m, 2h, 1d."""

from __future__ import annotations

from supervisor_restarter.faults import Refusal
from supervisor_restarter.option_kinds import SECONDS, checked

# Seconds in each unit.
TIME_UNITS = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}


def duration(word: str) -> float:
    """'90', '90s', '5m', '2h' and '1d' in seconds. ValueError for anything else."""
    unit = TIME_UNITS.get(word[-1:])
    return float(word) if unit is None else float(word[:-1]) * unit


def read_seconds(word: str) -> float:
    """A time in seconds; ValueError for what the server would refuse."""
    try:
        return float(checked('seconds', SECONDS, duration(word)))
    except (ValueError, Refusal):
        raise ValueError(
            f'must be {SECONDS.allowed}, or with a unit as in 90s, 5m, 2h, 1d'
        ) from None
