"""A service in the simulated world of which everything is counted."""

from __future__ import annotations

from supervisor_restarter.server.job import Job
from supervisor_restarter.web.tally import GroupTally, Tally
from tests.simulated import Simulation


class Counted(Simulation):
    """A service whose jobs are counted. there: the groups that there are."""

    def __init__(self, *names: str) -> None:
        self.there = {name.partition(':')[0] for name in names}
        self.tally = Tally(lambda: self.there)
        super().__init__(*names)

    def _announce(self, job: Job) -> None:
        self.tally.note(job)
        super()._announce(job)

    def of(self, group: str = 'web') -> GroupTally:
        return self.tally.groups()[group]
