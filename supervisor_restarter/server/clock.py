"""The two clocks of a service, so that tests can run it on a clock that they advance."""

from __future__ import annotations

import time
from typing import Callable, NamedTuple


class Clock(NamedTuple):
    """monotonic: seconds, for deadlines. wall: seconds since 1970, for what users are shown."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
