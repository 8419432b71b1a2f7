"""How many probes may be under way at once, and how the groups share that.

A group may begin one more only while it has fewer under way than are left for all. So a single
group gets half of the places, two get a third each, and so on: those whose probes hang never hold
what others need.
"""

from __future__ import annotations

import os
import resource

MOST_CONNECTIONS, FEWEST_CONNECTIONS = (
    200,
    10,
)  # of one supervisord at once; each takes a descriptor
MOST_COMMANDS = 8  # of one supervisord at once; each takes a processor


class Places:
    """The places for probes of one sort on one supervisord."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0


class Share:
    """What one group in one restart has of the places."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._mine = 0

    def take(self) -> bool:
        """Take a place, if there is one for this group."""
        if self._mine >= self._places.most - self._places.taken:
            return False
        self._mine += 1
        self._places.taken += 1
        return True

    def give_back(self) -> None:
        """A place that was taken is free again."""
        self._mine -= 1
        self._places.taken -= 1


def connections(taken: int) -> int:
    """How many connections may be open at once, `taken` of which are: half of the descriptors that
    supervisord has left, for it must be able to start processes.
    """
    try:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        left = (
            limit - len(os.listdir('/dev/fd'))
            if limit != resource.RLIM_INFINITY
            else 2 * MOST_CONNECTIONS
        )
    except OSError:
        left = 0  # it cannot be known
    return max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, left // 2 + taken))
