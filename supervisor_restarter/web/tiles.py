"""Supervisor's processes as the page shows them: only looked at."""

from __future__ import annotations

from supervisor.states import ProcessStates, getProcessStateDescription

from supervisor_restarter.programs.asides import residents
from supervisor_restarter.programs.host import Subprocess, Supervisor
from supervisor_restarter.text import printable
from supervisor_restarter.web.board import Tile
from supervisor_restarter.web.logs import log_path

ALIVE = (ProcessStates.STARTING, ProcessStates.RUNNING, ProcessStates.STOPPING)
UNSUCCESSFUL = (ProcessStates.BACKOFF, ProcessStates.FATAL, ProcessStates.UNKNOWN)


def names_and_tiles(supervisord: Supervisor) -> tuple[dict[str, list[str]], list[Tile]]:
    """The groups with the names of their processes, and a tile for each in the same order."""
    groups = {name: residents(group) for name, group in supervisord.process_groups.items()}
    tiles = [tile_of(process) for there in groups.values() for process in there.values()]
    return {name: list(there) for name, there in groups.items()}, tiles


def tile_of(process: Subprocess) -> Tile:
    """The process as it is now."""
    state = process.state
    logs = sum(bit for bit, name in ((1, 'stdout'), (2, 'stderr')) if log_path(process, name))
    return Tile(
        getProcessStateDescription(state) or 'UNKNOWN',
        process.pid,
        int(process.laststart if state in ALIVE else process.laststop),
        _said_of(process),
        logs,
    )


def _said_of(process: Subprocess) -> str:
    if process.state == ProcessStates.EXITED and process.exitstatus is not None:
        died = process.exitstatus == -1  # Supervisor does not remember of which signal
        return 'terminated by a signal' if died else f'exit status {process.exitstatus}'
    return printable(process.spawnerr or '') if process.state in UNSUCCESSFUL else ''
