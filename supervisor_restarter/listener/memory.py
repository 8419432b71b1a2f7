"""How much memory processes use, each with all its children; needs psutil."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import psutil


def measure(pids: Iterable[int]) -> dict[int, int]:
    """The resident memory, in bytes, of each of the processes together with its children and
    theirs.

    What they share counts for each of them. A process that is gone, or may not be looked at, is
    left out.
    """
    children = defaultdict(list)
    found = {}
    for process in psutil.process_iter(['ppid']):
        found[process.pid] = process
        children[process.info['ppid']].append(process.pid)
    sizes = {}
    for pid in set(pids) & found.keys():
        size = _tree_size(pid, found, children)
        if size is not None:
            sizes[pid] = size
    return sizes


def _tree_size(
    root: int, found: dict[int, psutil.Process], children: dict[int, list[int]]
) -> int | None:
    total, waiting, seen = 0, [root], {root}
    while waiting:
        pid = waiting.pop()
        try:
            total += found[pid].memory_info().rss
        except psutil.NoSuchProcess:
            if pid == root:
                return None
        except psutil.Error:
            return None  # less than all of it would be a wrong answer
        below = [child for child in children.get(pid, ()) if child not in seen]
        seen.update(below)
        waiting += below
    return total
