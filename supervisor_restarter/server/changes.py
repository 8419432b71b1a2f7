"""When the files changed that a restart is asked to be newer than, as the disk says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from supervisor_restarter.engine.freshness import Change
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.programs.access import MOST_LINKS
from supervisor_restarter.text import brief


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
    """When (by the wall clock) the path's target was changed, and each link on the way to it, also
    one that is a directory of the path.
    """
    yield os.stat(path).st_mtime
    place, names, links = '/', _names(path), 0
    while names and links <= MOST_LINKS:
        name = names.pop(0)
        at = os.path.normpath(os.path.join(place, name))  # `place` has no links: '..' is above it
        status = os.lstat(at)
        if not stat.S_ISLNK(status.st_mode):
            place = at
            continue
        yield status.st_mtime
        target = os.readlink(at)
        names = _names(target) + names
        place = '/' if target.startswith('/') else place
        links += 1  # there is an end, or stat() would have failed; but the disk changes meanwhile


def _names(path: str) -> list[str]:
    return [name for name in path.split('/') if name not in ('', '.')]
