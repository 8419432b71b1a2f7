"""When a process was started, as Supervisor and the kernel say it."""

from __future__ import annotations

import os
import time

from supervisor_restarter.engine.freshness import exact_start
from supervisor_restarter.readiness.procfs import start_ticks


def started_at(pid: int, laststart: float) -> float:
    """When the process was started, on the wall clock of now; 0.0 if there is none (pid 0).

    laststart: what Supervisor has noted.
    """
    if not pid:
        return 0.0
    per_second = os.sysconf('SC_CLK_TCK')
    ticks = start_ticks(pid)
    kernels = None if ticks is None else _wall_of(ticks / per_second)
    return exact_start(laststart, kernels, 1 / per_second)


def _wall_of(since_boot: float) -> float | None:
    """The wall time of a moment so many seconds after the boot; None where nothing tells."""
    if not hasattr(time, 'CLOCK_BOOTTIME'):
        return None
    # The wall clock first: a pause in between makes the moment seem earlier, which does no harm.
    now = time.time()
    return now - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot
