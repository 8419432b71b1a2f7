"""max_unavailable, by what the workers of a group have written down themselves. Pure.

A worker writes down that it is ready before anybody can see it, and that it was told to stop after
it was told. So with a correct engine, at each moment at which one is told to stop, enough others
have written that they are ready.
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
    records: Iterable[Record], group: str, size: int, allowed: int, probed: bool, since: float
) -> Verdict:
    """What became of a group of `size` since a moment at which all of it was ready.

    probed: a process is ready when it says so, otherwise as soon as it is up.
    """
    ready: dict[str, int] = {}
    lowest, taken, breach = size, 0, None
    for record in sorted(records):
        if record.name.partition(':')[0] != group:
            continue
        if record.what in ('up', 'ready'):
            if record.what == 'ready' or not probed:
                ready[record.name] = record.pid
            elif ready.get(record.name) != record.pid:
                ready.pop(record.name, None)  # another one has been killed before it could write
        elif record.what in ('term', 'hup') and ready.get(record.name) == record.pid:
            if record.what == 'hup' and not probed:
                continue  # it does not mind
            del ready[record.name]
            if record.time >= since:
                taken += 1
                lowest = min(lowest, len(ready))
                if len(ready) < size - allowed and breach is None:
                    breach = record
    return Verdict(lowest, taken, breach)
