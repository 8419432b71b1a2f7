"""What an open page shows, by version, so that it is sent only what has changed. Pure.

Processes are rows, in one list over all groups: [index, state, pid, since, text, logs]. A page that
knows the board at some version knows it as it is after news(version); where groups or processes
have come or gone it is sent everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from supervisor_restarter.engine.changes import Changes

Header = dict[str, object]  # a restart as a list of restarts shows it; it is never changed in place


class Tile(NamedTuple):
    """A process as it is shown.

    state: Supervisor's word. since: when it was started last or, if it is down, has ended last
    (seconds of the wall clock, 0: never). text: why it is down, if there is something to be said.
    logs: 1 for its stdout and 2 for its stderr.
    """

    state: str
    pid: int
    since: int
    text: str
    logs: int


class Board:
    """epoch: what tells this board from that of a supervisord that was there before."""

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.version = 0
        self._groups: list[object] = []
        self._tiles: Changes[Tile] = Changes()
        self._headers: dict[str, tuple[int, Header]] = {}  # with the version of its last change
        self._laid_out = 0  # the version at which groups or processes came or went
        self._ordered = 0  # ... restarts came or went

    def put_processes(self, groups: Mapping[str, Sequence[str]], tiles: Sequence[Tile]) -> None:
        """The groups with the names of their processes, and all of those in this order."""
        shown: list[object] = [
            {'name': name, 'processes': list(names)} for name, names in groups.items()
        ]
        moved = shown != self._groups or not self.version
        if not moved and list(tiles) == self._tiles.rows:
            return
        self.version += 1
        if moved:
            self._groups, self._laid_out = shown, self.version
        self._tiles.note(tiles, self.version)

    def put_restarts(self, found: Mapping[str, Header]) -> None:
        """The restarts by their ids, newest first."""
        before = self._headers
        changed = {
            id for id, header in found.items() if id not in before or before[id][1] != header
        }
        moved = list(found) != list(before)
        if not changed and not moved:
            return
        self.version += 1
        if moved:
            self._ordered = self.version
        self._headers = {
            id: (self.version if id in changed else before[id][0], header)
            for id, header in found.items()
        }

    def news(self, since: int | None) -> dict[str, object]:
        """What has changed since that version. None, or a version that is none of this board's:
        everything.
        """
        full = since is None or not self._laid_out <= since <= self.version
        after = -1 if full or since is None else since
        news: dict[str, object] = {'epoch': self.epoch, 'version': self.version, 'full': full}
        if full:
            news['groups'] = self._groups
        news['processes'] = [[index, *tile] for index, tile in self._tiles.since(after)]
        news['restarts'] = [header for at, header in self._headers.values() if at > after]
        if self._ordered > after:
            news['order'] = list(self._headers)
        return news
