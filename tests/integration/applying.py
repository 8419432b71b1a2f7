"""Configuration files that are changed and applied: a supervisord for many tests, each with groups
in an included file of its own.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.server import SECONDS, Server, program, shared, worker

# Beside the main file: %(here)s is the same in them.
INCLUDE = '[include]\nfiles=*.site\n\n'
# What is in the main file, and is not touched by any test.
BYSTANDER = program('bystander', count=2)
NOTHING: list[list[list[str]]] = [
    [[], [], []]
]  # what stock reloadConfig answers where nothing differs
_numbers = itertools.count()


def section(name: str, *arguments: Any, **settings: Any) -> str:
    """A [program:x] section, as server.program() makes it; a setting that is None is left out."""
    given = {key: value for key, value in settings.items() if value is not None}
    return program(name, *arguments, **given)


def held_by(name: str, *arguments: str) -> str:
    """The command of a worker that waits on SIGTERM until the site of that name lets it stop."""
    return worker('--hold', f'%(here)s/{name}.may-stop', *arguments)


class Site:
    """Groups of a supervisord that live in one included file.

    name: of the file and, mostly, of its one group; no other site has it.
    """

    def __init__(self, server: Server, name: str) -> None:
        self.server, self.name = server, name
        self.file = server.dir / f'{name}.site'
        self._bystanders = server.pids('bystander')

    def write(self, *sections: str) -> None:
        """The file has these sections now."""
        new = self.file.with_suffix('.new')
        new.write_text(''.join(sections))
        new.rename(self.file)

    def edit(self, *changes: tuple[str, str]) -> None:
        """Change texts of the file."""
        text = self.file.read_text()
        for old, new in changes:
            assert old in text, (old, text)
            text = text.replace(old, new)
        self.write(text)

    # -- applying ------------------------------------------------------------------------------

    def begin(self, groups: Any = None, **options: Any) -> str:
        """Start an apply of the group (or of these); its id."""
        wanted = self.name if groups is None else groups
        return str(self.server.rpc().restarter.startApply(wanted, {'scout': 0, **options}))

    def apply(self, groups: Any = None, **options: Any) -> dict[str, Any]:
        """Apply, and wait for the end; the apply then."""
        return self.server.wait_finished(self.begin(groups, **options))

    def set_up(self, *sections: str, count: int = 1, group: str | None = None) -> dict[str, int]:
        """Write the file, have its groups added, and wait until so many processes of the group are
        RUNNING. Their pids.
        """
        self.write(*sections)
        self.stock_add()
        group = group or self.name
        self.server.wait(
            lambda: list(self.server.states(group).values()) == ['RUNNING'] * count,
            f'{count} processes of {group}',
        )
        return self.pids(group)

    def stock_add(self) -> None:
        """Add the groups of the file by Supervisor's own calls."""
        rpc = self.server.rpc()
        for name in rpc.supervisor.reloadConfig()[0][0]:
            rpc.supervisor.addProcessGroup(name)

    # -- looking -------------------------------------------------------------------------------

    def pids(self, group: str | None = None) -> dict[str, int]:
        """The pid of each process of the group, by its name."""
        return self.server.pids(group or self.name)

    def let_stop(self) -> None:
        """Let workers that are held_by() the site stop, those that are told to now and later."""
        (self.server.dir / f'{self.name}.may-stop').touch()

    def check(self) -> None:
        """The files hold everywhere, supervisord's own reread says so, and nobody else was touched."""
        plan = self.server.rpc().restarter.planConfig()
        assert plan['groups'] == []
        assert self.server.rpc().supervisor.reloadConfig() == NOTHING
        self.check_bystanders()

    def check_bystanders(self) -> None:
        """What no file changed runs as it did."""
        assert self.server.pids('bystander') == self._bystanders

    def remove(self) -> None:
        """Take the file away, and what it had out of supervisord, by Supervisor's own calls."""
        self.let_stop()
        self.file.unlink(missing_ok=True)
        rpc = self.server.rpc()
        for group in rpc.supervisor.reloadConfig()[0][2]:
            rpc.restarter.quickStop(f'{group}:*', True)
            rpc.supervisor.removeProcessGroup(group)


@contextmanager
def shared_sites(restarter: str = '', extra: str = '') -> Iterator[Server]:
    """A supervisord for the sites of many tests; its log is checked at the end."""
    with shared(BYSTANDER, restarter, INCLUDE + extra) as server:
        server.wait_state('bystander')
        yield server


@contextmanager
def new_site(server: Server) -> Iterator[Site]:
    """A site that is there for one test."""
    site = Site(server, f'web{next(_numbers)}')
    try:
        yield site
    finally:
        site.remove()


# -- what processes are ------------------------------------------------------------------------


def variable(pid: int, name: str) -> str | None:
    """The value of the variable in the environment that the process was started with; waits until
    it has become its program.
    """
    deadline = time.monotonic() + SECONDS
    while True:
        entries = Path(f'/proc/{pid}/environ').read_text().split('\0')
        found = dict(entry.split('=', 1) for entry in entries if '=' in entry)
        if 'SUPERVISOR_PROCESS_NAME' in found:
            return found.get(name)
        assert time.monotonic() < deadline, f'{pid} has not become its program'
        time.sleep(0.005)


def by_name(struct: dict[str, Any], key: str) -> dict[str, Any]:
    """One key of each process of an apply, by the process's name."""
    return {process['name']: process[key] for process in struct['processes']}


def at_once(struct: dict[str, Any]) -> dict[str, str]:
    """What an apply did without stop and start: the action by group:process."""
    return {f'{one["group"]}:{one["name"]}': one['action'] for one in struct['at_once']}
