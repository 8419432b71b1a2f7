"""Whether a restart's word is true: what it calls ready at its end has not died before, by
supervisord's log. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

SPAWNED = re.compile(r"INFO spawned: '(\S+)' with pid (\d+)")
DIED = re.compile(r'\w+ exited: (\S+) \(.*not expected\)')
ENDED = re.compile(r'INFO restarter: (?:restart|apply) (\d+) of .*? (?:succeeded|failed) after ')


class Log:
    """What supervisord has logged so far, line by line: who died before which restart ended."""

    def __init__(self) -> None:
        self._pids: dict[str, int] = {}
        self._died: dict[int, int] = {}  # pid: number of the line
        self._ended: dict[str, int] = {}  # restart: number of the line
        self._lines = 0

    def read(self, lines: Iterable[str]) -> None:
        """Take in further lines, without their time."""
        for line in lines:
            self._lines += 1
            if found := SPAWNED.match(line):
                self._pids[found[1]] = int(found[2])
            elif found := DIED.match(line):
                self._died[self._pids.get(found[1], 0)] = self._lines
            elif found := ENDED.match(line):
                self._ended[found[1]] = self._lines

    def untrue(self, restart: dict[str, Any]) -> list[str]:
        """The processes that the restart calls ready though they had died when it ended."""
        ended = self._ended.get(restart['id'], 0)
        return [
            f'{one["group"]}:{one["name"]} ({one["new_pid"]})'
            for one in restart['processes']
            if one['phase'] == 'ready' and 0 < self._died.get(one['new_pid'], ended) < ended
        ]
