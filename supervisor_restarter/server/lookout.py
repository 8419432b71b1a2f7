"""Which of the processes that a job holds have to be looked at in a turn of supervisord's loop.

To look at all of them would cost more with each process, in each turn, and mostly nothing has
happened to any. So a process is looked at when

* Supervisor says that it has changed its state, or that a group has come or gone (events),
* this job has done something to it, or a client wants something else of it,
* a time has come: Supervisor's own, as from STARTING to RUNNING, or that of its probe,
* its probe has been answered,

and all of them now and then, for another plugin may change a process without an event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from supervisor_restarter.engine.agenda import Agenda
from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.waking import earliest
from supervisor_restarter.programs.host import Subprocess
from supervisor_restarter.server.processes import Handle

# Seconds after which all are looked at though nothing is known to have happened.
LOOK_AT_ALL = 1.0


class Lookout:
    """For the processes of these handles. Where a handle comes, or gets another process, there has
    to be a new one.
    """

    def __init__(self, handles: Mapping[Member, Handle]) -> None:
        self._handles = handles
        # Supervisor's processes are equal if they have the same priority.
        self._members = {id(handle.process): member for member, handle in handles.items()}
        self._probed = [(member, handle) for member, handle in handles.items() if handle.monitor]
        self._agenda: Agenda[Member] = Agenda()
        self._stirred: set[Member] = set()
        self._all_at = 0.0

    def note(self, process: Subprocess) -> None:
        """Something has happened to the process."""
        member = self._members.get(id(process))
        if member is not None:
            self._stirred.add(member)

    def stir(self, member: Member) -> None:
        """Look at this one in the next turn."""
        self._stirred.add(member)

    def stir_all(self) -> None:
        """Look at all in the next turn."""
        self._all_at = 0.0

    def to_be_looked_at(self, now: float) -> set[Member] | None:
        """Those to look at in this turn; None: all of them."""
        due = self._agenda.due(now)
        stirred, self._stirred = self._stirred, set()
        if now >= self._all_at:
            self._all_at = now + LOOK_AT_ALL
            return None
        answered = (
            one for one, handle in self._probed if handle.monitor and handle.monitor.due(now)
        )
        return {*stirred, *due, *answered}

    def looked_at(self, members: Iterable[Member]) -> None:
        """These have been: note when they are to be looked at again though nothing happens."""
        for member in members:
            handle = self._handles[member]
            self._agenda.enter(
                member,
                earliest(
                    handle.seen.due if handle.seen else None,
                    handle.monitor.wake_at() if handle.monitor else None,
                ),
            )

    def wake_at(self, grain: float) -> float | None:
        """When (monotonic) one is to be looked at; see Agenda.first(). What is stirred is not waited
        for: that comes with a turn of its own, or with a change that clients are told of soon.
        """
        return self._agenda.first(grain)
