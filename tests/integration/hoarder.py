"""Another plugin, for tests, that takes away what supervisord needs to start processes.

    [rpcinterface:hoarder]
    supervisor.rpcinterface_factory = tests.integration.hoarder:make_hoarder

The repository must be on supervisord's PYTHONPATH.
"""

from __future__ import annotations

import contextlib
import os
import resource
from typing import Any, Callable

from supervisor import events

SECTION = '[rpcinterface:hoarder]\nsupervisor.rpcinterface_factory=tests.integration.hoarder:make_hoarder\n\n'
MOST = 100  # descriptors that supervisord may have open while it is short of them
NOBODY = 65534


class HoarderRPCInterface:
    """Takes descriptors and the right to fork, and gives them back."""

    def __init__(self) -> None:
        self._taken: list[int] = []
        self._limits = (
            resource.getrlimit(resource.RLIMIT_NOFILE),
            resource.getrlimit(resource.RLIMIT_NPROC),
        )
        self._user = os.getuid()
        self._at_start: Callable[[], object] | None = None
        events.subscribe(events.ProcessStateStartingEvent, self._starting)

    def takeDescriptors(self, leave: int) -> bool:
        """From now on supervisord can open so many descriptors."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (MOST, self._limits[0][1]))
        with contextlib.suppress(OSError):
            while True:
                self._taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(leave):
            os.close(self._taken.pop())
        return True

    def takeForks(self) -> bool:
        """From now on no fork succeeds. The kernel forbids it to no process of root's: supervisord
        becomes nobody.
        """
        resource.setrlimit(resource.RLIMIT_NPROC, (0, self._limits[1][1]))
        if self._user == 0:
            os.setresuid(NOBODY, NOBODY, 0)
        return True

    def giveBack(self) -> bool:
        """Everything is as it was."""
        if self._user == 0:
            os.setresuid(0, 0, 0)
        resource.setrlimit(resource.RLIMIT_NOFILE, self._limits[0])
        resource.setrlimit(resource.RLIMIT_NPROC, self._limits[1])
        while self._taken:
            os.close(self._taken.pop())
        return True

    def takeDescriptorsAtStart(self, leave: int) -> bool:
        """The same as soon as a process is to be started, and nothing has been opened for it yet."""
        self._at_start = lambda: self.takeDescriptors(leave)
        return True

    def takeForksAtStart(self) -> bool:
        """The same as soon as a process is to be started."""
        self._at_start = self.takeForks
        return True

    def _starting(self, event: object) -> None:
        act, self._at_start = self._at_start, None
        if act is not None:
            act()


def make_hoarder(supervisord: Any, **config: str) -> HoarderRPCInterface:
    """The factory that supervisord calls."""
    return HoarderRPCInterface()
