"""A supervisord whose loop is turned by hand, with real processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
from supervisor.states import ProcessStates

from supervisor_restarter.programs.asides import sharing_logs, take_place
from tests.unit.configuration.running import Running, program

SECONDS = 30.0


def web(**keys: Any) -> str:
    """Two processes, web:0 and web:1, which no turn of the loop starts by itself."""
    return program(**{'numprocs': 2, 'startsecs': 0, 'autostart': 'false', **keys})


class Turning(Running):
    """What runs, with a loop that is turned by hand."""

    def __init__(self, directory: Path, text: str) -> None:
        super().__init__(directory, text)
        self.options.test = True  # one turn, and no more
        poll = self.options.poller.poll
        self.options.poller.poll = lambda timeout: poll(0.005)
        self.rpc = SupervisorNamespaceRPCInterface(self.supervisord)

    def group(self, name: str = 'web') -> Any:
        """The process group."""
        return self.supervisord.process_groups[name]

    def names(self, name: str = 'web') -> list[str]:
        """The names of its processes, what lies aside among them."""
        return list(self.group(name).processes)

    def turn_until(self, condition: Callable[[], object]) -> None:
        """Turn the loop until the condition holds."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline
            self.supervisord.runforever()

    def run(self) -> None:
        """Have all of them started."""
        for group in self.supervisord.process_groups.values():
            for process in group.processes.values():
                process.spawn()
        self.settle()

    def settle(self, name: str = 'web') -> None:
        """Wait until nothing is on its way up."""
        there = self.group(name).processes
        self.turn_until(lambda: all(one.state != ProcessStates.STARTING for one in there.values()))

    def surge(self, name: str, group: str = 'web') -> tuple[Any, Any]:
        """A second process in its place, which runs; the first and the second."""
        old = self.group(group).processes[name]
        config = old.config
        new = take_place(old, config)
        new.config = sharing_logs(config, old)
        new.spawn()
        new.config = config
        self.settle(group)
        return old, new

    def log(self, name: str) -> str:
        """What is in the file."""
        return (self.directory / name).read_text()

    def end(self) -> None:
        """Kill what runs."""
        for group in self.supervisord.process_groups.values():
            for process in group.processes.values():
                process.config.autorestart = False
                if process.pid:
                    os.kill(process.pid, signal.SIGKILL)
        self.turn_until(lambda: not self.options.pidhistory)
