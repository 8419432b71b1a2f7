"""What bench.flat makes of its rounds: figures, ratios in pairs, and aims. No supervisors."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from typing import NamedTuple

from bench.peers.aims import OF_FLOOR, Aim

FLOOR, BEFORE, AFTER = 'floor', 'before', 'after'  # who restarts the processes

# The aims, besides OF_FLOOR. Processor time per process: of what it was before, with so many; and
# its growth from few to many.
OF_BEFORE, OF_BEFORE_AT = 0.65, 500
GROWTH, GROWTH_FROM, GROWTH_TO = 1.2, 200, 2000
AS_BEFORE = 1.1  # what "as before" may be; looks at the same thing differ by as much


class Restart(NamedTuple):
    """One restart of all processes."""

    last_new: float  # seconds to the last new process
    busy: float = 0.0  # milliseconds of the supervisor's processor, from the call to its answer


class Row(NamedTuple):
    """So many processes, restarted so often by one of the three. Medians."""

    workers: int
    who: str
    last_new: float  # seconds
    of_floor: float  # last_new as a multiple of the floor's, in pairs
    each: float  # milliseconds of processor per process
    of_before: float  # the same as a multiple of what it was before, in pairs; NaN for the floor


class Cost(NamedTuple):
    """Something else that a supervisord with many processes does, before and after. Medians."""

    key: str
    words: str  # with the unit
    before: float
    after: float
    ratio: float  # after / before, in pairs
    limit: float | None = None  # of `after`, if that is an aim
    most: float | None = None  # of `ratio`, if that is an aim


def rows(workers: int, rounds: dict[str, list[Restart]]) -> list[Row]:
    """The figures of all rounds with so many processes. The rounds of all are in the same order."""
    found = []
    for who, restarts in rounds.items():
        busy, before = ([one.busy for one in rounds[name]] for name in (who, BEFORE))
        found.append(
            Row(
                workers,
                who,
                statistics.median(one.last_new for one in restarts),
                paired([one.last_new for one in restarts], [one.last_new for one in rounds[FLOOR]]),
                statistics.median(busy) / workers,
                math.nan if who == FLOOR else paired(busy, before),
            )
        )
    return found


def paired(values: list[float], others: list[float]) -> float:
    """The median of how many times each value is the other one of its round."""
    return statistics.median(value / other for value, other in zip(values, others))


def percentile(values: list[float], share: float) -> float:
    """The value that this share of all values does not exceed."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def judge(found: list[Row], costs: list[Cost]) -> Iterator[Aim]:
    """All aims for which there are figures."""
    after = {row.workers: row for row in found if row.who == AFTER}
    for workers, limit in OF_FLOOR.items():
        if workers in after:
            text = f'{workers} processes: last new process / floor'
            yield Aim(text, after[workers].of_floor, limit)
    if OF_BEFORE_AT in after:
        text = f'{OF_BEFORE_AT} processes: processor per process / before'
        yield Aim(text, after[OF_BEFORE_AT].of_before, OF_BEFORE)
    if {GROWTH_FROM, GROWTH_TO} <= set(after):
        text = f'processor per process, {GROWTH_TO} processes / {GROWTH_FROM}'
        yield Aim(text, after[GROWTH_TO].each / after[GROWTH_FROM].each, GROWTH)
    for cost in costs:
        if cost.limit is not None:
            yield Aim(cost.words, cost.after, cost.limit)
        if cost.most is not None:
            yield Aim(f'{cost.words} / before', cost.ratio, cost.most)


def show_rows(found: list[Row]) -> None:
    """Print the table of so many processes."""
    print(
        f'\n{f"{found[0].workers} processes":<18}{"last new s":>11}{"/ floor":>9}'
        f'{"ms each":>9}{"/ before":>9}'
    )
    for row in found:
        busy = '' if row.who == FLOOR else f'{row.each:>9.3f}{row.of_before:>9.2f}'
        print(f'{row.who:<18}{row.last_new:>11.3f}{row.of_floor:>9.2f}{busy}', flush=True)


def show_costs(costs: list[Cost]) -> None:
    """Print what else was measured."""
    print(f'\n{"":<62}{"before":>9}{"after":>9}{"ratio":>7}')
    for cost in costs:
        print(f'{cost.words:<62}{cost.before:>9.2f}{cost.after:>9.2f}{cost.ratio:>7.2f}')


def show_aims(aims: list[Aim]) -> None:
    """Print which aims are met."""
    print('\nAims:')
    for aim in aims:
        met = 'met   ' if aim.met else 'MISSED'
        print(f'{met}  {aim.text}: {aim.value:.2f}, aim {aim.limit:.2f}')
