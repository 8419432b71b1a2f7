"""Which process a restart in motion is waiting for, and for how long already."""

from __future__ import annotations

from typing import Any

from supervisor_restarter.client.structs import Process, Restart, ended
from supervisor_restarter.client.wording import namespec, only_old_stopping

# A process that has been in such a phase for less is not worth a word.
LONG_WAIT = 1.0  # seconds
# The phases in which a process is waited for, and the server's time that goes on meanwhile.
SPANS = {'draining': 'drain_seconds', 'stopping': 'stop_seconds', 'starting': ''}


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
            if process['phase'] in SPANS and not ended(restart):
                # A server that knows how long it has been going on says so.
                lasts: Any = process.get(SPANS[process['phase']], 0.0)
                began = now - lasts
                key = (process['group'], process['name'], process['phase'])
                since[key] = min(began, self._since.get(key, began))
        self._since = since

    def text(self, now: float) -> str:
        """`web:2 stopping for 42 s of 600 and 3 more`: the one that is waited for longest; '' if
        there is none, or not for long. `3 old processes still stopping` where that is all.

        What stops, or is about to, comes before what starts: the next one's turn may depend on it,
        and it may end with a SIGKILL.
        """
        if self._restart is None:
            return ''
        if not self._since:
            return only_old_stopping(self._restart)
        key = min(self._since, key=lambda one: (one[2] == 'starting', self._since[one]))
        group, name, phase = key
        seconds = now - self._since[key]
        if seconds < LONG_WAIT:
            return ''
        process = next(
            p for p in self._restart['processes'] if (p['group'], p['name']) == (group, name)
        )
        limit = self._limit(process)
        of = f' of {limit:.0f}' if limit else ''
        others = len(self._since) - 1
        more = f' and {others} more' if others else ''
        return f'{namespec(process)} {phase} for {seconds:.0f} s{of}{more}'

    def _limit(self, process: Process) -> Any:
        """Seconds that its phase may last, 0 or None where that is not known."""
        assert self._restart is not None
        options = self._restart['options']
        if process['phase'] == 'stopping':
            return process.get('stop_limit') or options.get('stop_timeout')
        return options.get('hook_timeout') if process['phase'] == 'draining' else None
