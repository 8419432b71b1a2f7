"""Which process descends from which, which has one of several sockets open, and when one was started,
as /proc says (Linux).

For READY=1: whether its sender descends from a process that is waited for. For a probe that says
yes: whether the process in question listens at the address, or something else does. For newer_than:
when it was started.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from supervisor_restarter.readiness.listeners import Listeners
from supervisor_restarter.readiness.spec import Spec

MOST_ANCESTORS = 32  # how far up a lineage is followed
# So many are looked at, which takes supervisord some 20 ms; then it cannot be told.
MOST_DESCRIPTORS = 4000
# Fields of /proc/PID/stat; the third is the first after the command.
STATE, PPID, STARTTIME = 3, 4, 22


def lineage(pid: int) -> Iterator[int]:
    """`pid`, its parent, its parent's parent and so on; `pid` alone where /proc does not tell."""
    for _ in range(MOST_ANCESTORS):
        if pid <= 0:
            return
        yield pid
        try:
            pid = _field(pid, PPID)
        except (OSError, ValueError, IndexError):
            return


def start_ticks(pid: int) -> int | None:
    """When the process was started: clock ticks (SC_CLK_TCK per second) since the boot, rounded
    down; None where /proc does not tell.
    """
    try:
        return _field(pid, STARTTIME)
    except (OSError, ValueError, IndexError):
        return None


def _field(pid: int, field: int) -> int:
    """A number out of /proc/PID/stat. field: counted from 1, as in proc(5)."""
    with open(f'/proc/{pid}/stat', 'rb') as stat:
        # "pid (command) state ppid ...": the command may contain anything, also brackets
        return int(stat.read().rpartition(b')')[2].split()[field - STATE])


def holds(pid: int, spec: Spec, listeners: Listeners, since: float) -> bool | None:
    """Whether `pid` or one of its descendants has a listening socket open at which `spec` arrives,
    as it was at the monotonic time `since` or later.

    None where that cannot be told: no /proc, descriptors that may not be looked at, or nothing on
    this machine that listens at the address.
    """
    try:
        sockets = listeners.at(spec, since)
        return _has_open(pid, sockets) if sockets else None
    except (OSError, ValueError, IndexError):
        return None


def _has_open(pid: int, links: set[str]) -> bool | None:
    conclusive, seen = True, 0
    pending = [pid]
    while pending:
        member = pending.pop()
        try:
            with os.scandir(f'/proc/{member}/fd') as descriptors:
                for descriptor in descriptors:
                    if _link(descriptor.path) in links:
                        return True
                    seen += 1
                    if seen > MOST_DESCRIPTORS:
                        return None
            pending += _children(member)
        except OSError:
            ended_meanwhile = member != pid and not os.path.exists(f'/proc/{member}')
            conclusive = conclusive and ended_meanwhile
    return False if conclusive else None


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ''  # closed meanwhile


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for thread in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{thread}/children', 'rb') as names:
            children += map(int, names.read().split())
    return children
