"""How much is done in one turn of supervisord's loop, and how soon the next one comes. Pure.

Supervisor itself goes through all of its processes in each turn, and nothing of ours can change
that: 0.1 ms with 32 processes, several with 2,000. So with many of them there must be few turns.
"""

from __future__ import annotations

SLICE, LONGEST_SLICE = 0.01, 0.02  # seconds
# A turn may follow the one before after so many times as long as it takes: then Supervisor's part
# of it is a tenth of a processor.
GRAINS = 10
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
        return min(max(SLICE, self.turn), LONGEST_SLICE)

    @property
    def grain(self) -> float:
        """By how many seconds something may be late that is not urgent, to share a turn."""
        return min(GRAINS * self.turn, LONGEST_GRAIN)
