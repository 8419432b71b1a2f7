"""Who wanted what of a process, and what may have become of it: the newer will wins. Pure.

A will reached supervisord at some moment of a span: from just before it was sent until it was
answered, or until a later call of somebody else was. Of two wills whose spans overlap either may be
the newer one. A will that was not confirmed (a fault, no answer) may have been in vain, so that it
allows something and rules nothing out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Callable

UP, DOWN, GONE = 'up', 'down', 'gone'
NEVER = float('inf')


@dataclass(eq=False)
class Will:
    """What one client wanted of one process.

    start: before it was sent. sent: it was sent by then. answered: infinite without an answer.
    certain: it was confirmed. how: by which method.
    """

    effect: str
    start: float
    sent: float
    answered: float = NEVER
    certain: bool = False
    how: str = ''


class Wills:
    """The wills of one phase, by process.

    processed(sent): when supervisord had surely taken in what was sent by then.
    """

    def __init__(self, processed: Callable[[float], float]) -> None:
        self._processed = processed
        self._wills: dict[str, list[Will]] = {}
        self._base: dict[str, str] = {}

    def begin(self, base: dict[str, str]) -> None:
        """A new phase: this is how things are."""
        self._base = base
        self._wills = {}

    def add(self, process: str, will: Will) -> None:
        """Somebody wants something of the process."""
        self._wills.setdefault(process, []).append(will)

    def started_by_supervisor(
        self, processes: Iterable[str], since: float, own: Iterable[Will] = ()
    ) -> bool:
        """Whether one of these processes may have been started since then by one of Supervisor's
        own calls, beside the asker's own.
        """
        own = set(own)
        return any(
            will.how.startswith('supervisor.start')
            and will.effect == UP
            and will not in own
            and min(will.answered, self._processed(will.sent)) >= since
            for process in processes
            for will in self._wills.get(process, [])
        )

    def allowed(self, process: str) -> set[str]:
        """What the process may be now."""
        wills = self._wills.get(process, [])
        newest = max((will.start for will in wills if will.certain), default=None)
        if newest is None:
            return {self._base.get(process, UP), *(will.effect for will in wills)}
        return {
            will.effect
            for will in wills
            if min(will.answered, self._processed(will.sent)) >= newest
        }
