"""Surge on Supervisor's objects: the new process of a member is started beside the old one, or has
to give the name back. What becomes of what lies aside is in programs/asides.py.

    begin()    job.handles[member] is the new process, and that of a new member the old one
    restore()  job.handles[member] is the old process again, and that of a new member the new one
"""

from __future__ import annotations

from typing import NamedTuple

from supervisor.states import RUNNING_STATES

from supervisor_restarter.engine.member import Failure, Member
from supervisor_restarter.names import Match
from supervisor_restarter.programs.asides import give_back, take_place
from supervisor_restarter.programs.obstacles import Obstacles
from supervisor_restarter.server.changeover import Means
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.processes import Handle


class Begun(NamedTuple):
    """How a surge has begun. aside: the process that lies aside; with a failure that is the new one,
    if there is any.
    """

    failure: Failure | None
    aside: Member | None


class Surge:
    """Carries out the surges of one job."""

    def __init__(self, means: Means, job: Job) -> None:
        self._means, self._job = means, job

    def begin(self, member: Member, obstacles: Obstacles) -> Begun:
        """Start the new process beside the old one; where that fails, all is as it was."""
        old = self._job.handles[member]
        failure = self._means.processes.obstacle(old, obstacles)
        if failure is not None:
            return Begun(failure, None)
        config, asked = old.config, old.monitor
        new = Handle(old.group, take_place(old.process, config), config)
        try:
            self._readdress(old)
            self._job.handles[member], old.monitor = new, None
            self._means.resources.monitor(self._job, member, asked.spec if asked else None)
            failure = self._means.actions.start(new, old.process)
        except Exception:
            # A defect of ours: there are two, and the engine does not know.
            old.monitor = asked
            self._back(member, old, new)
            raise
        if failure is not None:
            old.monitor = asked
            return Begun(failure, self._back(member, old, new))
        if asked is not None:
            asked.close()
        return Begun(None, self._aside(old))

    def restore(self, member: Member) -> Member | None:
        """Give the old process its name again, and stop the new one, which is the member that is
        returned; None: it is down already.
        """
        assert member.old is not None, 'it is there as long as there are two'
        new, old = self._job.handles[member], self._job.handles.pop(member.old)
        aside = self._back(member, old, new)
        asked, new.monitor = new.monitor, None
        if asked is not None:
            asked.close()
            self._means.resources.monitor(self._job, member, asked.spec)
        if member.match.key in self._job.wanted_down:
            # A client has stopped what had the name a moment ago.
            self._stop(old)
        return aside

    def _back(self, member: Member, old: Handle, new: Handle) -> Member | None:
        give_back(old.process, new.process, new.config)
        self._readdress(old)
        self._readdress(new)
        self._job.handles[member] = old
        self._stop(new)
        return self._aside(new) if new.process.pid else None

    def _stop(self, handle: Handle) -> None:
        if handle.process.state in RUNNING_STATES:
            self._means.actions.signal_stop(handle, self._job.operation.options.stop_timeout)

    def _aside(self, handle: Handle) -> Member:
        """A member of its own for what lies aside from now on."""
        name = handle.process.config.name
        member = Member(Match(handle.group.config.name, name, False, False))
        self._job.handles[member] = handle
        return member

    def _readdress(self, held: Handle) -> None:
        """The process has got another configuration: whoever holds it is to put back that one."""
        config = held.config = held.process.config
        self._means.jobs.readdress(held.process, config)
