"""Processes that tests have left behind, known by a variable in their environment."""

from __future__ import annotations

import os
import signal
from pathlib import Path

MARK = 'SHAKEN_BY'  # the variable


def leftovers(value: str) -> list[int]:
    """The pids of all processes whose environment has MARK with this value."""
    wanted = os.fsencode(f'{MARK}={value}')
    found = []
    for path in Path('/proc').glob('[0-9]*'):
        try:
            if (
                wanted in (path / 'environ').read_bytes().split(b'\0')
                and (path / 'cmdline').read_bytes()
            ):
                found.append(int(path.name))
        except OSError:
            pass  # it is gone, or somebody else's
    return found


def end_leftovers(value: str) -> list[str]:
    """Kill them; what they were."""
    seen = []
    for pid in leftovers(value):
        try:
            seen.append(
                Path(f'/proc/{pid}/cmdline')
                .read_bytes()
                .replace(b'\0', b' ')
                .decode('utf-8', 'replace')[:100]
            )
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass  # it has just ended
    return seen
