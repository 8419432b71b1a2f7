"""Programs for tests of surge, and where their processes are."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from tests.integration.server import SECONDS, Server, program
from tests.integration.service import close_gate, marks, open_gate, service

YES = 'RESTARTER_SURGE="yes"'
BY_NOTIFY = f'{YES},RESTARTER_READY="notify"'


def beside(*options: str, name: str = 'web', count: int = 1, **settings: Any) -> str:
    """A program that may surge. Its processes become ready when there is a gate, and stop when they
    are let; see up().
    """
    command = service('--notify', '--gate', '--hold', *options)
    settings = {
        'process_name': '%(process_num)d',
        'environment': BY_NOTIFY,
        'stopwaitsecs': 600,
        **settings,
    }
    return program(name, command, count, **settings)


def up(server: Server, count: int = 1) -> None:
    """Wait until the first processes are ready; those that come later have to wait for a gate."""
    open_gate(server.dir)
    server.wait(lambda: len(marks(server.dir, 'ready')) >= count, 'services')
    close_gate(server.dir)


def begin(server: Server, names: Any = 'web', **options: Any) -> str:
    """Begin a restart in which one process at a time is there twice, unless said otherwise; its
    id.
    """
    return str(server.restarter.startRestart(names, {'max_surge': 1, **options}))


def begun(server: Server, names: Any = 'web', **options: Any) -> str:
    """... and wait until the first is there twice, and what is new can be told to stop."""
    id = begin(server, names, **options)
    server.wait_phase(id, 'starting')
    server.wait(lambda: all(map(heeds_sigterm, server.pids().values())), 'handlers of SIGTERM')
    return id


def heeds_sigterm(pid: int) -> bool:
    """Whether the process has a handler for it."""
    status = Path(f'/proc/{pid}/status').read_text()
    caught = status.partition('SigCgt:')[2].split()[0]
    return bool(int(caught, 16) & 1 << (signal.SIGTERM - 1))


def by_name(server: Server, *groups: str) -> dict[str, str]:
    """The states of all processes that supervisorctl shows, as group:process."""
    return {
        f'{info["group"]}:{info["name"]}': info['statename']
        for info in server.rpc().supervisor.getAllProcessInfo()
        if info['group'] in (groups or ('web',))
    }


def wait_names(server: Server, **states: str) -> None:
    """Wait until the group web has these processes in these states; 0_old is 0.old."""
    wanted = {f'web:{name[1:].replace("_", ".")}': state for name, state in states.items()}
    server.wait(lambda: by_name(server) == wanted, f'{wanted}')


def alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def wait_gone(server: Server, *pids: int) -> None:
    """Wait until none of these processes is there, also where no supervisord answers any more."""
    deadline = time.monotonic() + SECONDS
    while any(map(alive, pids)):
        assert time.monotonic() < deadline, 'a process was left behind'
        time.sleep(0.01)
