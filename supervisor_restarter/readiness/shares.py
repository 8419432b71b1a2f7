"""How many probes, and commands of programs, may be under way at once, and how the groups share
that.

A group may begin one more only while it has fewer under way than are left for all. So a single
group gets half of the places, two get a third each, and so on: those whose probes or commands hang
never hold what others need.
"""

from __future__ import annotations

import os
import resource

# Of one supervisord at once. A connection takes a descriptor, a command takes a processor.
MOST_CONNECTIONS = 200
FEWEST_CONNECTIONS = 10
MOST_COMMANDS = 8


class Places:
    """The places for one sort of them on one supervisord."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0


class Share:
    """What one group in one operation has of the places."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._mine = 0

    @property
    def has_room(self) -> bool:
        """Whether there is a place for this group."""
        return self._mine < self._places.most - self._places.taken

    def take(self) -> bool:
        """Take a place, if there is one for this group."""
        if not self.has_room:
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
        unlimited = limit == resource.RLIM_INFINITY
        left = 2 * MOST_CONNECTIONS if unlimited else limit - len(os.listdir('/dev/fd'))
    except OSError:
        left = 0  # it cannot be known
    return max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, left // 2 + taken))
