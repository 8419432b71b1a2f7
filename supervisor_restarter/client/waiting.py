"""Which process a restart in motion is waiting for, and for how long already."""

from __future__ import annotations

from supervisor_restarter.client.structs import Restart, ended
from supervisor_restarter.client.wording import namespec

# A process that has been stopping, or starting, for less is not worth a word.
LONG_WAIT = 1.0  # seconds


class Waiting:
    """What a restart in motion is waiting for. Pure: the time (monotonic, seconds) comes in."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str, str], float] = {}
        self._restart: Restart | None = None

    def update(self, restart: Restart, now: float) -> None:
        """A new look at the restart."""
        self._restart = restart
        since = {}
        for process in restart['processes']:
            if process['phase'] in ('stopping', 'starting') and not ended(restart):
                # A server that knows how long a stop has been going on says so.
                began = now - (process['stop_seconds'] if process['phase'] == 'stopping' else 0)
                key = (process['group'], process['name'], process['phase'])
                since[key] = min(began, self._since.get(key, began))
        self._since = since

    def text(self, now: float) -> str:
        """`web:2 stopping for 42 s of 600 and 3 more`: the one that is waited for longest; '' if
        there is none, or not for long.

        What stops comes before what starts: the next one's turn may depend on it, and it may end
        with a SIGKILL.
        """
        if self._restart is None or not self._since:
            return ''
        key = min(self._since, key=lambda one: (one[2] != 'stopping', self._since[one]))
        group, name, phase = key
        seconds = now - self._since[key]
        if seconds < LONG_WAIT:
            return ''
        process = next(
            p for p in self._restart['processes'] if (p['group'], p['name']) == (group, name)
        )
        limit = process.get('stop_limit') or self._restart['options'].get('stop_timeout')
        of = f' of {limit:.0f}' if limit and phase == 'stopping' else ''
        others = len(self._since) - 1
        more = f' and {others} more' if others else ''
        return f'{namespec(process)} {phase} for {seconds:.0f} s{of}{more}'
