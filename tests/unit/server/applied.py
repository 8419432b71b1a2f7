"""A whole service over Supervisor's real objects, whose processes are never forked: pids are made
up, and a signal ends a process in the next turn.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from supervisor.states import ProcessStates, SupervisorStates

from supervisor_restarter.options import ApplyOptions, Options, Settings, for_apply
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.plugin import joined
from tests.onlooker import Follower
from tests.unit.configuration.running import HEAD, Running

MOST_TURNS = 200
BROKEN = '/bin/false'  # ends at once, and badly


class Applied(Running):
    """A supervisord with a service. deaf: pids that do not heed signals. log: what was said."""

    def __init__(self, directory: Path, text: str) -> None:
        super().__init__(directory, text, HEAD)
        options, self.pids = self.options, itertools.count(1000)
        self.log: list[str] = []
        self.ending: dict[int, int] = {}
        self.deaf: set[int] = set()
        options.mood = SupervisorStates.RUNNING
        options.logger = SimpleNamespace(
            **dict.fromkeys(('debug', 'info', 'warn', 'critical'), self._say), close=lambda: None
        )
        options.fork, options.kill = lambda: next(self.pids), self._kill
        sockets: dict[int, object] = {}
        options.get_socket_map = lambda: sockets
        self.followers = [Follower(pause) for pause in (1, 4)]
        self.service = joined(self.supervisord, Settings(Options(scout=0.0), fast_spawn=False))
        self.planner = self.service._planner
        self.turn()
        self.until(lambda: set(self.all_states()) == {ProcessStates.RUNNING})

    def all_states(self) -> list[int]:
        """The states of all processes."""
        groups = self.supervisord.process_groups.values()
        return [process.state for group in groups for process in group.processes.values()]

    def _say(self, message: str, *args: Any, **kwargs: Any) -> None:
        self.log.append(message)

    def _kill(self, pid: int, sig: int) -> None:
        if pid not in self.deaf:
            self.ending[pid] = sig

    # -- the loop ----------------------------------------------------------------------------

    def turn(self) -> None:
        """Transitions, exits, then the service."""
        for group in list(self.supervisord.process_groups.values()):
            group.transition()
            for process in group.processes.values():
                if process.pid and process.config.command == BROKEN:
                    self.ending[process.pid] = 1 << 8
        for pid, status in list(self.ending.items()):
            del self.ending[pid]
            self.options.pidhistory.pop(pid).finish(pid, status)
        self.service.step()
        for follower in self.followers:
            follower.look(self.service.restarts())

    def until(self, condition: Any) -> None:
        for _ in range(MOST_TURNS):
            if condition():
                return
            self.turn()
        raise AssertionError('it takes too many turns')

    def end(self, job: Job) -> Job:
        """Run until the job is over."""
        self.until(lambda: job.operation.finished)
        self.until(lambda: job not in self.service._jobs.active)
        assert not [line for line in self.log if 'Traceback' in line], self.log
        return job

    # -- what is asked -----------------------------------------------------------------------

    def begin(self, text: str | None = None, groups: Any = '', **options: Any) -> Job:
        if text is not None:
            self.write(text)
        return self.service.apply(groups, self.taken(**options))

    def taken(self, **options: Any) -> ApplyOptions:
        return for_apply(Options(scout=0.0), options)

    def apply(self, text: str | None = None, groups: Any = '', **options: Any) -> Job:
        return self.end(self.begin(text, groups, **options))

    # -- what there is -----------------------------------------------------------------------

    def process(self, name: str) -> Any:
        group, _, name = name.partition(':')
        return self.supervisord.process_groups[group].processes[name or group]

    def running(self) -> dict[str, int]:
        """The pids of what runs."""
        return {
            f'{group}:{name}': process.pid
            for group, its in self.supervisord.process_groups.items()
            for name, process in its.processes.items()
            if process.pid
        }

    def different(self) -> list[str]:
        """The groups that the files would change."""
        return [group['group'] for group in self.plan()['groups']]
