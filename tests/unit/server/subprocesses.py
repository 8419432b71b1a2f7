"""One of Supervisor's own Subprocess objects, which never forks and is signalled nowhere."""

from __future__ import annotations

import signal
import time
from types import SimpleNamespace
from typing import Any

from supervisor.datatypes import RestartWhenExitUnexpected
from supervisor.process import Subprocess
from supervisor.states import ProcessStates, SupervisorStates

from supervisor_restarter.names import Match
from supervisor_restarter.server.actions import Actions
from supervisor_restarter.server.processes import Processes

PID = 4711


class Options:
    """As much of ServerOptions as a Subprocess needs. kill_error: what kill() raises."""

    mood = SupervisorStates.RUNNING
    configroot = SimpleNamespace(
        supervisord=SimpleNamespace(server_configs=[], rpcinterface_factories=[])
    )

    def __init__(self) -> None:
        self.pidhistory: dict[int, Any] = {}
        self.lines: list[str] = []
        log = {name: lambda line, *args: None for name in ('debug', 'info', 'critical')}
        self.logger = SimpleNamespace(warn=self.lines.append, **log)
        self.kill_error: Exception | None = None
        self.signals: list[int] = []
        self.pids = iter(range(PID, PID + 100))

    def fork(self) -> int:
        return next(self.pids)

    def kill(self, pid: int, sig: int) -> None:
        if self.kill_error:
            raise self.kill_error
        self.signals.append(sig)

    def close_parent_pipes(self, pipes: Any) -> None:
        pass

    def close_child_pipes(self, pipes: Any) -> None:
        pass


class One:
    """The process web:0, RUNNING, with all that acts on it. Settings are those of its config."""

    def __init__(self, **config: Any) -> None:
        self.options = Options()
        settings: dict[str, Any] = {
            'name': '0', 'options': self.options, 'exitcodes': [0], 'startsecs': 1,
            'stopwaitsecs': 10, 'startretries': 3, 'autostart': False,
            'autorestart': RestartWhenExitUnexpected, 'stopsignal': signal.SIGTERM,
            'killasgroup': False, 'stopasgroup': False, 'environment': {}, 'uid': None,
            'command': '/bin/cat', 'priority': 999, 'make_dispatchers': lambda process: ({}, {}),
        }  # fmt: skip
        self.config = SimpleNamespace(**{**settings, **config})
        self.process = Subprocess(self.config)
        self.process.get_execv_args = lambda: ('/bin/cat', ['cat'])
        self.group = SimpleNamespace(
            config=SimpleNamespace(name='web', priority=5), processes={'0': self.process}
        )
        self.supervisord = SimpleNamespace(options=self.options, process_groups={'web': self.group})
        self.processes = Processes(self.supervisord)
        self.actions = Actions(self.supervisord, self.processes, fast=False)
        self.process.spawn()
        self.process.state = ProcessStates.RUNNING
        self.process.laststart = time.time() - 60
        self.handle = self.hold()

    def hold(self) -> Any:
        return self.processes.hold(Match('web', '0', True, True))

    def look(self) -> Any:
        self.actions.attend(self.handle, time.monotonic())
        return self.handle.seen

    def exit(self, status: int) -> None:
        """The process ends, with this wait status, and supervisord reaps it."""
        pid = self.process.pid
        self.options.pidhistory.pop(pid).finish(pid, status)
