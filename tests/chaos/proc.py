"""What the kernel says of supervisord and its family, read from /proc."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf('SC_CLK_TCK')
TAG = 'CHAOS_TAG'  # in the environment of supervisord, and so of everything that comes from it
# the state of a unix, and of a TCP socket; see proc(5)
LISTENING = {'01': 'listening', '0A': 'listening'}


class Process(NamedTuple):
    """A process that is alive. name: group:process as supervisord has told it, '' for supervisord's
    own.
    """

    pid: int
    parent: int
    name: str
    born: int


def family(tag: str) -> list[Process]:
    """Every living process that comes from the supervisord with that tag, but not itself."""
    found = []
    for directory in Path('/proc').iterdir():
        if not directory.name.isdigit():
            continue
        try:
            text = (directory / 'environ').read_bytes().decode('utf-8', 'replace')
            environment = dict(part.split('=', 1) for part in text.split('\0') if '=' in part)
            if environment.get(TAG) != tag or 'SUPERVISOR_PROCESS_NAME' not in environment:
                continue
            state, parent, born = stat(int(directory.name))
        except (OSError, ValueError):
            continue  # it is gone, or somebody else's
        if state not in 'ZX':
            name = (
                f'{environment["SUPERVISOR_GROUP_NAME"]}:{environment["SUPERVISOR_PROCESS_NAME"]}'
            )
            found.append(Process(int(directory.name), parent, name, born))
    return found


def stat(pid: int) -> tuple[str, int, int]:
    """State, parent, and time of birth in ticks. OSError if there is no such process."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2].split()
    return fields[0], int(fields[1]), int(fields[19])


def zombies(parent: int) -> list[int]:
    """The dead children that it has not waited for."""
    found = []
    for directory in Path('/proc').iterdir():
        if directory.name.isdigit():
            try:
                if stat(int(directory.name))[:2] == ('Z', parent):
                    found.append(int(directory.name))
            except (OSError, ValueError):
                continue
    return found


def threads(pid: int) -> int:
    """How many threads it has."""
    return len(os.listdir(f'/proc/{pid}/task'))


def children(pid: int) -> set[int]:
    """The pids of its children, of whichever thread of it, zombies too; none if it is gone."""
    lists = Path(f'/proc/{pid}/task').glob('*/children')
    return {int(child) for listed in lists for child in listed.read_text().split()}


def used(pid: int) -> float:
    """Seconds of processor time that it has used."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> int:
    """Resident memory, in KiB."""
    return int(re.findall(r'VmRSS:\s+(\d+)', Path(f'/proc/{pid}/status').read_text())[0])


def descriptors(pid: int) -> Counter[str]:
    """Its open descriptors, by what they are: 'pipe', a path, 'listening /path/of/socket'."""
    sockets = _sockets()
    found: Counter[str] = Counter()
    for link in Path(f'/proc/{pid}/fd').iterdir():
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith('socket:'):
            found[sockets.get(target[8:-1], 'a socket that is not bound')] += 1
        else:
            found['pipe' if target.startswith('pipe:') else target] += 1
    return found


def _sockets() -> dict[str, str]:
    """What each socket of this machine is, by its inode."""
    found = {}
    for line in Path('/proc/net/unix').read_text().splitlines()[1:]:
        fields = line.split()
        kind = 'datagrams' if fields[4] == '0002' else LISTENING.get(fields[5], 'connected')
        found[fields[6]] = f'{kind} {fields[7] if len(fields) > 7 else "without a name"}'
    for line in Path('/proc/net/tcp').read_text().splitlines()[1:]:
        fields = line.split()
        found[fields[9]] = f'{LISTENING.get(fields[3], "connected")} {fields[1]}'
    return found
