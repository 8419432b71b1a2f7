"""How much is done in one turn of supervisord's loop, and how soon the next one comes. Pure.

Supervisor itself goes through all of its processes in each turn, and nothing of ours can change
that: 0.1 ms with 32 processes, 1 with 500, 5 with 2,000. So with many of them there must be few turns.
"""

from __future__ import annotations

SLICE, LONGEST_SLICE = 0.01, 0.025  # seconds
# How many times as long as Supervisor's part the work of a turn may be, so that most of the time is
# work.
SLICES = 4
# ... and how much later than it is due a turn may come: then Supervisor's part of them is a
# twentieth of a processor.
GRAINS = 20
LONGEST_GRAIN = 0.1  # seconds
WEIGHT = 0.2  # of the last turn in the average


class Pacing:
    """turn: the seconds that Supervisor's part of a turn takes, on an average of the last ones."""

    def __init__(self) -> None:
        self.turn = 0.0

    def note(self, seconds: float) -> None:
        """Supervisor's part of a turn has taken so long."""
        self.turn += WEIGHT * (seconds - self.turn) if self.turn else seconds

    @property
    def slice(self) -> float:
        """Seconds of work on jobs in one turn; other clients are served in between."""
        return min(max(SLICE, SLICES * self.turn), LONGEST_SLICE)

    @property
    def grain(self) -> float:
        """By how many seconds something may be late that is not urgent, to share a turn."""
        return min(GRAINS * self.turn, LONGEST_GRAIN)
