"""Supervisor's real objects, as they are in a supervisord that has read its files; no process is
started.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supervisor import loggers
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

from supervisor_restarter.configuration.plan import ProcessState
from supervisor_restarter.configuration.planner import Planner
from supervisor_restarter.engine.phases import Seen

HEAD = """\
[unix_http_server]
file=%(here)s/sock
username=someone
password=hunter2
[supervisord]
logfile=%(here)s/log
pidfile=%(here)s/pid
childlogdir=%(here)s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
UP = ProcessState(Seen.READY, 'RUNNING', 7)


def program(name: str = 'web', kind: str = 'program', **keys: Any) -> str:
    """A section; a key with a count of processes makes their names numbers."""
    keys = {'command': '/bin/cat', **keys}
    if 'numprocs' in keys:
        keys.setdefault('process_name', '%(process_num)s')
    return '\n'.join([f'[{kind}:{name}]', *(f'{k}={v}' for k, v in keys.items()), ''])


class Running:
    """What runs, with its files in a directory. Changed files are not read before they are asked
    for.
    """

    def __init__(self, directory: Path, text: str, head: str = HEAD) -> None:
        self.directory, self.head = directory, head
        self.file = directory / 'supervisord.conf'
        self.states: dict[tuple[str, str], ProcessState] = {}
        self.write(text)
        self.options = ServerOptions()
        self.options.realize(['-c', str(self.file), '-n'], doc='')
        self.options.logger = loggers.Logger()
        self.supervisord = Supervisor(self.options)
        self.planner = Planner(self.supervisord, self.look)
        for config in self.options.process_group_configs:
            self.supervisord.add_process_group(config)

    def look(self, group: str, name: str) -> ProcessState:
        """The state that was set for the process; UP if none was."""
        assert name in self.supervisord.process_groups[group].processes
        return self.states.get((group, name), UP)

    def write(self, text: str, head: str = '') -> None:
        """Change the main file."""
        self.file.write_text((head or self.head) + text, encoding='utf-8')

    def include(self, name: str, text: str) -> Path:
        """Change a file of conf.d."""
        path = self.directory / 'conf.d' / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding='utf-8')
        return path

    def plan(self, text: str | None = None, names: Any = '', secrets: bool = False) -> Any:
        """What the files change, or would with `text` as the main one."""
        if text is not None:
            self.write(text)
        return self.planner.plan(self.planner.compare(names, secrets), secrets)

    def reread(self) -> list[list[str]]:
        """Supervisor's own: the names of groups added, changed and removed."""
        self.options.process_config(do_usage=False)
        return [[group.name for group in some] for some in self.supervisord.diff_to_active()]


def changes(struct: Any) -> dict[str, tuple[str, str]]:
    """Old and new value of each changed key of a group's or a process's struct."""
    return {one['key']: (one['old'], one['new']) for one in struct['changes']}


def effects(struct: Any) -> dict[str, str]:
    """The effect of each changed key."""
    return {one['key']: one['effect'] for one in struct['changes']}


def actions(plan: Any) -> dict[str, str]:
    """What becomes of each process that changes, as group:process."""
    return {
        f'{group["group"]}:{process["name"]}': process['action']
        for group in plan['groups']
        for process in group['processes']
    }


def only(plan: Any) -> Any:
    """The struct of the one group that changes."""
    [group] = plan['groups']
    return group
