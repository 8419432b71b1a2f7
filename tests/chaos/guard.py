"""max_unavailable, by what the workers of a group have written down themselves. Pure.

A worker writes down that it is ready before anybody can see it, and that it was told to stop after
it was told. Its hooks do likewise (hook.py): one that is drained does not serve, until it is stopped
and ready again, or put back. So with a correct engine, at each moment at which one is told to stop
or drained, enough others have written that they are ready.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tests.chaos.worker import Record


class Verdict(NamedTuple):
    """The fewest that were ready, how often one was taken down, and the first moment at which too
    few were left.
    """

    lowest: int
    taken: int
    breach: Record | None


def judge(
    records: Iterable[Record],
    group: str,
    size: int,
    allowed: int,
    probed: bool,
    since: float,
    beside: bool = False,
) -> Verdict:
    """What became of a group of `size` since a moment at which all of it was ready.

    probed: a process is ready when it says so, otherwise as soon as it is up. beside: there may be two
    of one name; that another one is up does not mean that the one before is gone.
    """
    ready: dict[str, set[int]] = {}
    lowest, taken, breach = size, 0, None
    for record in sorted(records):
        if record.name.partition(':')[0] != group:
            continue
        pids = ready.setdefault(record.name, set())
        if record.what in ('up', 'ready', 'told'):
            if not beside:
                pids &= {record.pid}  # another one has been killed before it could write
            if record.what != 'up' or not probed:
                pids.add(record.pid)
        elif record.what in ('term', 'hup', 'drain') and record.pid in pids:
            if record.what == 'hup' and not probed:
                continue  # it does not mind
            pids.remove(record.pid)
            if record.time >= since and not pids:
                taken += 1
                left = sum(map(bool, ready.values()))
                lowest = min(lowest, left)
                if left < size - allowed and breach is None:
                    breach = record
    return Verdict(lowest, taken, breach)
