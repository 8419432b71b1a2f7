"""supervisord's memory over many restarts: what is left behind by each would add up."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from tests.chaos import proc
from tests.chaos.wire import ask
from tests.integration.server import Server, program

PROCESSES = 2
STEP = 1000  # restarts between two looks
WARM_UP = 1000  # restarts after which every buffer and free list has got its size
MOST_KIB = 50.0  # growth per 1000 restarts, which is 50 bytes left behind by each
CALL_SECONDS = 30.0


@dataclass
class Growth:
    """Resident memory in KiB after each STEP restarts; descriptors at the beginning and at the end."""

    restarts: int = 0
    seconds: float = 0.0
    kib: list[int] = field(default_factory=list)
    descriptors: tuple[int, int] = (0, 0)

    @property
    def per_thousand(self) -> float:
        """KiB by which it has grown per 1000 restarts since the warm-up."""
        warm = self.kib[WARM_UP // STEP :]
        return (warm[-1] - warm[0]) / (len(warm) - 1) / STEP * 1000 if len(warm) > 1 else 0.0

    @property
    def violations(self) -> list[str]:
        """What is wrong."""
        grown = [f'memory grows by {self.per_thousand:.0f} KiB per 1000 restarts'] * (
            self.per_thousand > MOST_KIB
        )
        leaked = ['descriptors: {} at the beginning, {} at the end'.format(*self.descriptors)]
        return grown + leaked * (self.descriptors[0] != self.descriptors[1])

    def struct(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **vars(self),
            'kib_per_1000_restarts': round(self.per_thousand, 1),
            'violations': self.violations,
        }

    def __str__(self) -> str:
        rows = [f'{number * STEP:>8} restarts {kib:>8} KiB' for number, kib in enumerate(self.kib)]
        return '\n'.join(
            [
                *rows,
                f'{self.per_thousand:.1f} KiB per 1000 restarts after the first {WARM_UP}, '
                f'{self.seconds:.0f} s',
            ]
        )


def measure(restarts: int, group: str = 'small') -> Growth:
    """Restart a small group so many times."""
    growth = Growth()
    begun = time.monotonic()
    with Server(program(group, count=PROCESSES)) as server:
        server.wait_state(group)
        pid, where = server.process.pid, str(server.dir / 'sock')
        first = sum(proc.descriptors(pid).values())
        growth.kib.append(proc.memory(pid))
        while growth.restarts < restarts:
            outcome = ask(where, 'restarter.restartProcessGroup', (group,), CALL_SECONDS)
            assert outcome.value is True, f'restart {growth.restarts}: {outcome}'
            growth.restarts += 1
            if growth.restarts % STEP == 0:
                growth.kib.append(proc.memory(pid))
        server.wait(lambda: sum(proc.descriptors(pid).values()) <= first, 'end of all connections')
        growth.descriptors = (first, sum(proc.descriptors(pid).values()))
        server.check_log()
    growth.seconds = time.monotonic() - begun
    return growth
