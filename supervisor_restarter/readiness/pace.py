"""How often the probes of processes are asked: soon while one is not ready, and so seldom that all of an
operation together cost little.
"""

from __future__ import annotations

from typing import NamedTuple

# Seconds between two attempts while a process is not ready: this part of the time it has been
# waited for, but no more than LONGEST_RETRY.
RETRY_FRACTION = 0.1
LONGEST_RETRY = 1.0


class Pace(NamedTuple):
    """How often one sort of probes is asked.

    first: seconds from a process's start to the first question. soonest: seconds between two
    questions, at least. rechecks, attempts: questions per second of one operation, to processes
    that are ready and that are not. hung: seconds without an answer after which a process that was
    ready may have hung.
    """

    first: float
    soonest: float
    rechecks: float
    attempts: float
    hung: float

    def pause(self, probed: int, ready: bool, seconds: float, min_ready: float) -> float:
        """Seconds until the next question to a process that has been ready, or not ready, for
        `seconds`. probed: how many processes of the operation have a probe.
        """
        if not ready:
            growing = min(LONGEST_RETRY, seconds * RETRY_FRACTION)
            return max(self.soonest, probed / self.attempts, growing)
        recheck = max(1.0, probed / self.rechecks)
        return recheck if seconds >= min_ready else min(recheck, max(self.soonest, min_ready / 4))


PACE_OF_CONNECTIONS = Pace(first=0.0, soonest=0.02, rechecks=50, attempts=400, hung=0.5)
# Commands are dear: each is a process.
PACE_OF_COMMANDS = Pace(first=0.2, soonest=1.0, rechecks=2, attempts=4, hung=2.5)
