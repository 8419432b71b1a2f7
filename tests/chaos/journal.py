"""Who did what when, what supervisord logged and what its programs wrote down: the story of a
group.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.chaos.programs import BY_NAME
from tests.chaos.worker import Record

LOOK = 0.02  # seconds between two looks at the log
MOST_LINES = 400  # of one story
STAMP = re.compile(r'^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ')


class Entry(NamedTuple):
    """Something that somebody did, or supervisord said. groups: none means that it concerns all."""

    time: float
    who: str
    text: str
    groups: frozenset[str] = frozenset()


class Journal(threading.Thread):
    """Takes entries from all threads, and reads supervisord's log along.

    The lines of the log get the monotonic time at which they were seen, as supervisord's own clock
    is not to be trusted here.
    """

    def __init__(self, log: Path) -> None:
        super().__init__(daemon=True)
        self._log = log
        self._over = threading.Event()
        self._read = 0
        self._lock = threading.Lock()
        self.lines: list[Entry] = []
        self.entries: list[Entry] = []

    def add(self, who: str, text: str, groups: Iterable[str] = ()) -> None:
        """Somebody does something now."""
        self.entries.append(Entry(time.monotonic(), who, text, frozenset(groups)))

    def run(self) -> None:
        while not self._over.wait(LOOK):
            self.catch_up()

    def catch_up(self) -> None:
        """Read what is new in the log."""
        with self._lock:
            self._catch_up()

    def _catch_up(self) -> None:
        with self._log.open('rb') as file:
            file.seek(self._read)
            text = file.read()
        whole = text.rpartition(b'\n')[0] + b'\n' if b'\n' in text else b''
        self._read += len(whole)
        now = time.monotonic()
        self.lines += [
            Entry(now, 'supervisord', STAMP.sub('', line), _groups_in(line))
            for line in whole.decode('utf-8', 'replace').splitlines()
        ]

    def close(self) -> None:
        """Read no more."""
        self._over.set()
        self.join()
        self.catch_up()

    def story(self, group: str, since: float, records: Iterable[Record]) -> str:
        """What has happened to the group since that time; all groups, if it is ''."""
        told = [
            entry
            for entry in self.entries + self.lines
            if not group or not entry.groups or group in entry.groups
        ]
        told += [
            Entry(record.time, f'{record.name} ({record.pid})', record.what)
            for record in records
            if not group or record.name.startswith(f'{group}:')
        ]
        lines = [
            f'{entry.time - since:9.3f}  {entry.who:<24}  {entry.text}'
            for entry in sorted(told)
            if entry.time >= since
        ]
        if len(lines) > MOST_LINES:
            lines = [f'... {len(lines) - MOST_LINES} lines before ...', *lines[-MOST_LINES:]]
        return '\n'.join(lines)


def _groups_in(line: str) -> frozenset[str]:
    """The groups that a line of the log names; their processes have their names and a number."""
    words = set(re.findall(r'[a-z]+(?=\d*\b)', line))
    return frozenset(BY_NAME.keys() & words)
