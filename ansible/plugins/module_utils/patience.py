# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""Looking again where a connection breaks or supervisord does not answer for a while."""

from __future__ import annotations

import time
from typing import Any, Callable

from ansible_collections.supervisor.restarter.plugins.module_utils.errors import Unreachable

PATIENCE_SECONDS = 30.0  # how long a supervisord that does not answer is asked again
PAUSE_SECONDS = 0.5  # between two such attempts


class Patience:
    """Asks what may be asked twice. clock: monotonic seconds; sleep: waits for so many."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock, self.sleep = clock, sleep

    def ask(self, question: Callable[[], Any]) -> Any:
        """What `question` returns; the last Unreachable where it has raised only that for long."""
        until: float | None = None
        while True:
            try:
                return question()
            except Unreachable:
                now = self.clock()
                until = now + PATIENCE_SECONDS if until is None else until
                if now >= until:
                    raise
            self.sleep(PAUSE_SECONDS)
