"""How and when a process has ended, of which Supervisor keeps only a part."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from supervisor.options import decode_wait_status

from supervisor_restarter.programs.host import ProcessConfig, Reaped, Subprocess


class Obituary:
    """Stands in for a Subprocess in supervisord's table of pids, to learn how and when it ended.

    Subprocess.finish() drops the wait status of a process that died too early; without it the
    reason of a failed start would be unknown. Everything else is the process's own.

    kill_at: the wall clock's time at which Supervisor sends SIGKILL, once the process is being
    stopped; killed: it has. config_after: what is to be the process's config again after its end,
    while a copy stands in for it.
    """

    def __init__(self, process: Subprocess) -> None:
        self.process = process
        self.status = ''
        self.ended_at: float | None = None
        self.kill_at: float | None = None
        self.killed = False
        self.config_after: ProcessConfig | None = None

    def note_kill_at(self) -> None:
        """The process is being stopped: remember when Supervisor is to send SIGKILL first."""
        if self.kill_at is None:
            self.kill_at = self.process.delay

    def finish(self, pid: int, status: int) -> object:
        """What supervisord calls when it has reaped `pid`."""
        process = self.process
        self.status = decode_wait_status(status)[1]
        self.ended_at = time.monotonic()
        # With each signal that is to end the process Supervisor puts off the next SIGKILL: it has
        # sent another one.
        again = process.killing and self.kill_at is not None and process.delay > self.kill_at
        self.killed = again and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        try:
            return process.finish(pid, status)
        finally:
            if self.config_after is not None:
                process.config = self.config_after

    def __getattr__(self, name: str) -> Any:
        return getattr(self.process, name)


def expected(process: Subprocess, pids: dict[int, Reaped]) -> Obituary | None:
    """The obituary that stands in for the process in the table of pids from now on; None if the
    process is not in it.
    """
    known = pids.get(process.pid)
    if known is process:
        known = pids[process.pid] = Obituary(process)
    # It may be another job's: two jobs may hold one process.
    return known if isinstance(known, Obituary) else None
