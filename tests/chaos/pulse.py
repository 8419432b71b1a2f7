"""A client that does nothing but ask how supervisord is, all the time."""

from __future__ import annotations

import bisect
import threading
import time

from tests.chaos.wire import Address, ask

PAUSE = 0.05  # seconds between two questions
DEADLINE = 30.0  # seconds within which an answer has to come


class Pulse(threading.Thread):
    """Notes when it asked and when it was answered."""

    def __init__(self, address: Address) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._over = threading.Event()
        self.beats: list[tuple[float, float]] = []
        self.silent = 0
        self.resting = False  # it asks nothing for a while

    def run(self) -> None:
        while not self._over.wait(PAUSE):
            if self.resting:
                continue
            start = time.monotonic()
            outcome = ask(self._address, 'supervisor.getState', deadline=DEADLINE)
            self.silent += outcome.kind in ('silent', 'broken')
            if outcome.kind == 'result' and outcome.value['statename'] == 'RUNNING':
                self.beats.append((start, outcome.answered))

    def close(self) -> None:
        """Ask no more."""
        self._over.set()
        self.join(DEADLINE)

    def processed(self, sent: float) -> float:
        """When supervisord had surely taken in a call that was sent by then.

        It takes connections in as they come. A group call of Supervisor's own begins its work in
        the turn after that, so it is the second later question whose answer counts.
        """
        second = bisect.bisect_right(self.beats, (sent, float('inf'))) + 1
        return self.beats[second][1] if second < len(self.beats) else float('inf')

    @property
    def longest(self) -> float:
        """The longest that an answer has taken, in seconds."""
        return max((answered - start for start, answered in self.beats), default=0.0)
