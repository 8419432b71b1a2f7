"""Whether the plugin is as fast as it is meant to be: ratios and differences within one run of
bench.speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bench.speed import Row

STARTSECS = 1.0
# RPC, up to so many processes: seconds to the last new one, as a multiple of the floor's.
OF_FLOOR = {200: 1.5, 500: 1.8, 1000: 2.0, 2000: 2.5}
ABOVE_FLOOR = 0.040  # few processes: seconds above the floor, and above the command's own start
ABOVE_STARTSECS = 0.050
MANY = 100


class Aim(NamedTuple):
    """One aim: met if the value does not exceed the limit."""

    text: str
    value: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.value <= self.limit


def most_of_floor(workers: int) -> float:
    """The limit for so many; of more than all of them, the last."""
    return next(
        (limit for most, limit in OF_FLOOR.items() if workers <= most), max(OF_FLOOR.values())
    )


def judge(rows: list[Row], starts: dict[str, float]) -> Iterator[Aim]:
    """All aims, for each setting in the order of the rows. starts: seconds of each command alone."""
    for setting in dict.fromkeys((row.workers, row.milliseconds) for row in rows):
        here = [row for row in rows if (row.workers, row.milliseconds) == setting]
        floor = next(row for row in here if row.role == 'floor').figures.last_new
        peers = [row for row in here if row.role == 'peer']
        fastest = min(peers, key=lambda row: row.figures.last_new)
        least = min(peers, key=lambda row: row.figures.down)
        place = f'{setting[0]} workers, {setting[1]} ms'
        for row in (row for row in here if row.role in ('command', 'rpc')):
            what, figures = f'{place}: {row.role}', row.figures
            if setting[0] >= MANY:
                if row.role == 'rpc':
                    of_floor = figures.last_new / floor
                    yield Aim(f'{what}, last new / floor', of_floor, most_of_floor(setting[0]))
                yield Aim(
                    f'{what}, last new beside the fastest peer ({fastest.way})',
                    figures.last_new,
                    fastest.figures.last_new,
                )
            else:
                start = starts.get(row.way, 0.0)
                yield Aim(
                    f'{what}, last new - floor - start',
                    figures.last_new - floor - start,
                    ABOVE_FLOOR,
                )
            if row.role == 'rpc':
                yield Aim(
                    f'{what}, returned - startsecs - floor',
                    figures.returned - STARTSECS - floor,
                    ABOVE_STARTSECS,
                )
            yield Aim(
                f'{what}, mean down beside the best peer ({least.way})',
                figures.down,
                least.figures.down,
            )
