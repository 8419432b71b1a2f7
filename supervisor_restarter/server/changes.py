"""When the files changed that a restart is asked to be newer than, as the disk says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from supervisor_restarter.engine.freshness import Change
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.text import brief

LONGEST_CHAIN = 40  # as many as Linux follows


def youngest(paths: Iterable[str], now: float) -> Change | None:
    """The youngest change of these paths; None if there are none. now: what the wall clock says.

    Refusal BAD_OPTION for a path that cannot be looked at: it is missing, leads nowhere or in a
    circle, or may not be looked at.
    """
    changes = [Change(path, _changed_at(path), now) for path in paths]
    return max(changes, key=lambda change: change.at, default=None)


def _changed_at(path: str) -> float:
    try:
        return max(_times(path))
    except (OSError, ValueError) as error:
        why = getattr(error, 'strerror', None) or 'it cannot be a path here'
        raise Refusal(Code.BAD_OPTION, f'newer_than = {brief(path)}: {why}') from None


def _times(path: str) -> Iterator[float]:
    """When (by the wall clock) the path's target was changed, and each link on the way to it."""
    yield os.stat(path).st_mtime
    link, links = path.rstrip('/') or '/', 0  # 'current/' would be the link's target already
    while stat.S_ISLNK((status := os.lstat(link)).st_mode) and links < LONGEST_CHAIN:
        yield status.st_mtime
        link = os.path.join(os.path.dirname(link), os.readlink(link).rstrip('/') or '/')
        links += 1  # there is an end, or stat() would have failed; but the disk changes meanwhile
